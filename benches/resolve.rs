//! How long the resolver takes when the index answers at once: the solver, the candidates and the
//! prefetching, without a network.

#[path = "../builder/tests/resolve/memory.rs"]
mod memory;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use memory::Memory;
use pyrun_builder::resolve::resolve;
use pyrun_core::Request;
use pyrun_kit::scenario::{Release, Scenario};

type Packages = BTreeMap<String, BTreeMap<String, Release>>;

fn release(requires: Vec<String>) -> Release {
    Release {
        requires,
        wheels: vec!["py3-none-any".to_owned()],
        digest: true,
        ..Release::default()
    }
}

/// 300 packages with 60 versions each; every version needs six later packages in a range.
fn large() -> Packages {
    let name = |number: usize| format!("p{number}");
    let mut packages = Packages::new();
    for package in 0..300 {
        let releases = (1..=60).map(|version: usize| {
            let needs = (1..=6)
                .map(|step| package + step * step)
                .filter(|other| *other < 300)
                .map(|other| {
                    let low = 1 + (version + other) % 20;
                    format!("{}>={low},<{}", name(other), 45 + (version * other) % 20)
                });
            (format!("{version}.0"), release(needs.collect()))
        });
        packages.insert(name(package), releases.collect());
    }
    packages
}

/// A tower of packages that pin each other version by version, over a floor that allows only old
/// versions: every storey has to be walked down.
fn backtracking() -> Packages {
    let mut packages = Packages::new();
    for storey in 0..6 {
        let releases = (1..=200).map(|version: usize| {
            let needs = if storey == 5 {
                vec![format!("floor>={version}")]
            } else {
                vec![
                    format!("s{}=={version}.0", storey + 1),
                    format!("side{storey}<={version}"),
                ]
            };
            (format!("{version}.0"), release(needs))
        });
        packages.insert(format!("s{storey}"), releases.collect());
        let side = (1..=200).map(|version: usize| (format!("{version}.0"), release(Vec::new())));
        packages.insert(format!("side{storey}"), side.collect());
    }
    let floor = (1..=200).map(|version: usize| (format!("{version}.0"), release(Vec::new())));
    packages.insert("floor".to_owned(), floor.collect());
    packages
}

fn request(root: &[&str]) -> Request {
    let text = format!("about = ''\nroot = {root:?}\n[expect]\n");
    memory::request(&Scenario::parse(&text).expect("a scenario"))
}

fn measure(criterion: &mut Criterion, name: &str, packages: &Packages, root: &[&str]) {
    let (source, request) = (Memory::new(packages), request(root));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let lock = runtime.block_on(resolve(&request, &source, None, &|_| {}));
            black_box(lock.expect("it has a solution"))
        });
    });
}

fn benches(criterion: &mut Criterion) {
    measure(criterion, "resolve/large", &large(), &["p0", "p1", "p2"]);
    measure(
        criterion,
        "resolve/backtracking",
        &backtracking(),
        &["s0", "floor<=20"],
    );
}

criterion_group!(all, benches);
criterion_main!(all);
