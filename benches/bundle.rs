//! How fast a bundle is made and unpacked: checking and splicing in bytes of wheel a second,
//! unpacking in bytes of unpacked files a second beside `unzip -q` on the same archive and disk.
//!
//! In: a synthetic set of wheels. Out: MB/s. Never: reaches the network; leaves files behind.
#![expect(
    clippy::expect_used,
    reason = "a bench that can't set itself up must stop"
)]

mod wheels;

use std::io;
use std::path::Path;
use std::process::Command;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pyrun_builder::splice;
use pyrun_builder::wheel::{self, Limits};
use pyrun_core::BundleRecord;
use pyrun_runner::unpack::{BundleSource, MEMORY, unpack};

fn splicing(criterion: &mut Criterion) {
    let set = wheels::set();
    let mut group = criterion.benchmark_group("splice");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(set.bytes));
    let limits = Limits::default();
    group.bench_function("check", |bencher| {
        bencher.iter(|| {
            for (path, wheel) in set.each() {
                wheel::check(&path, &wheel.filename, &limits).expect("a good wheel");
            }
        });
    });
    group.bench_function("reopen", |bencher| {
        bencher.iter(|| {
            for (path, wheel) in set.each() {
                wheel::reopen(&path, &wheel.filename, &wheel.sha256, &limits).expect("good");
            }
        });
    });
    let plan = splice::plan(&set.lock, &set.contents).expect("a plan");
    group.bench_function("write nowhere", |bencher| {
        bencher.iter(|| splice::write(&plan, &set, &mut io::sink(), &mut |_, _, _| {}));
    });
    let bundle = set.folder.path().join("bundle.zip");
    group.bench_function("write a file", |bencher| {
        bencher.iter(|| {
            let mut file = fs_err::File::create(&bundle).expect("writable");
            splice::write(&plan, &set, &mut file, &mut |_, _, _| {}).expect("a bundle")
        });
    });
    group.finish();
}

fn unpacking(criterion: &mut Criterion) {
    let set = wheels::set();
    let bundle = set.folder.path().join("bundle.zip");
    let record = write(&set, &bundle);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("unpack");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(record.manifest.unpacked));
    let fresh = || tempfile::tempdir_in(set.folder.path()).expect("a folder");
    group.bench_function("pyrun", |bencher| {
        bencher.iter_batched(
            fresh,
            |folder| {
                let source = BundleSource::File(bundle.clone());
                let unpacked =
                    runtime.block_on(unpack(source, &record, folder.path(), MEMORY, &|_| {}));
                unpacked.expect("a good bundle");
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("unzip -q", |bencher| {
        bencher.iter_batched(
            fresh,
            |folder| {
                let mut unzip = Command::new("unzip");
                let status = unzip
                    .arg("-q")
                    .arg(&bundle)
                    .arg("-d")
                    .arg(folder.path())
                    .status();
                assert!(status.expect("unzip is installed").success());
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn write(set: &wheels::Set, bundle: &Path) -> BundleRecord {
    let plan = splice::plan(&set.lock, &set.contents).expect("a plan");
    let mut file = fs_err::File::create(bundle).expect("writable");
    splice::write(&plan, set, &mut file, &mut |_, _, _| {}).expect("a bundle")
}

criterion_group!(benches, splicing, unpacking);
criterion_main!(benches);
