//! Graphs, trees and chains.

use super::testing::{known, lock, requirements};
use super::tree::{Shape, rows};
use super::why::chains;
use super::*;

fn sample() -> Graph {
    let lock = lock(&[
        ("app", "1.0", &["lib", "util"]),
        ("lib", "2.0", &["base"]),
        ("util", "3.0", &["base"]),
        ("base", "4.0", &[]),
    ]);
    let known = known(&[
        (
            "app",
            "1.0",
            "Requires-Dist: lib[fast]>=2,<3\nRequires-Dist: util; extra == 'all'\nRequires-Dist: lib!=2.5",
        ),
        ("lib", "2.0", "Requires-Dist: base>=4; extra == 'fast'"),
    ]);
    Graph::of(
        &lock,
        &requirements(&["app[all]>=1", "base; python_version<'3'"]),
        &known,
    )
}

/// Rows as lines, without sizes.
fn drawn(graph: &Graph, shape: &Shape) -> Vec<String> {
    let rows = rows(graph, shape).into_iter().map(|row| {
        let again = if row.again { "(*)" } else { "" };
        let package = format!("{}{} {}", row.lines, row.name, row.version);
        let parts = [package.as_str(), &row.note, again];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    });
    rows.collect()
}

#[test]
fn a_need_has_the_extras_and_bounds_that_metadata_says() {
    let graph = sample();
    assert_eq!(graph.roots.len(), 1);
    assert_eq!(graph.roots[0].demand, "app[all]>=1");
    let app = &graph.packages[&"app".parse().expect("a name")];
    let demands: Vec<String> = app.needs.iter().map(Need::demand).collect();
    assert_eq!(demands, ["lib[fast]>=2,<3,!=2.5", "util"]);
    assert_eq!(app.needs[1].versions.as_deref(), Some(""));
    let util = &graph.packages[&"util".parse().expect("a name")];
    assert_eq!(util.needs[0].versions, None, "nothing says it");
}

#[test]
fn a_tree_shows_each_package_s_needs_once() {
    assert_eq!(
        drawn(&sample(), &Shape::default()),
        [
            "└── app[all] 1.0 r.txt:1 app[all]>=1",
            "    ├── lib[fast] 2.0 >=2,<3,!=2.5",
            "    │   └── base 4.0 >=4",
            "    └── util 3.0",
            "        └── base 4.0",
        ]
    );
    let again = lock(&[
        ("a", "1", &["b"]),
        ("b", "1", &["c"]),
        ("c", "1", &["b"]),
        ("d", "1", &["b"]),
    ]);
    let again = Graph::of(&again, &[], &Known::new());
    assert_eq!(
        drawn(&again, &Shape::default()),
        [
            "├── a 1",
            "│   └── b 1",
            "│       └── c 1",
            "│           └── b 1 (*)",
            "└── d 1",
            "    └── b 1 (*)",
        ]
    );
}

#[test]
fn a_tree_can_be_cut_turned_and_begun_anywhere() {
    let graph = sample();
    let shape = Shape {
        depth: Some(2),
        ..Shape::default()
    };
    assert_eq!(drawn(&graph, &shape).len(), 3);
    let shape = Shape {
        invert: true,
        ..Shape::default()
    };
    assert_eq!(
        drawn(&graph, &shape),
        [
            "└── base 4.0",
            "    ├── lib[fast] 2.0 >=4",
            "    │   └── app[all] 1.0 >=2,<3,!=2.5 (r.txt:1 app[all]>=1)",
            "    └── util 3.0",
            "        └── app[all] 1.0 (r.txt:1 app[all]>=1)",
        ]
    );
    let shape = Shape {
        from: vec!["lib".parse().expect("a name")],
        ..Shape::default()
    };
    assert_eq!(drawn(&graph, &shape)[0], "└── lib[fast] 2.0");
}

#[test]
fn a_circle_is_shown_though_nothing_leads_to_it() {
    let circle = lock(&[("x", "1", &["y"]), ("y", "1", &["x"])]);
    let graph = Graph::of(&circle, &[], &Known::new());
    assert_eq!(
        drawn(&graph, &Shape::default()),
        ["└── x 1", "    └── y 1", "        └── x 1 (*)"]
    );
}

#[test]
fn why_tells_all_shortest_ways_from_each_requirement() {
    let why = chains(&sample(), &"base".parse().expect("a name")).expect("locked");
    let told: Vec<String> = why
        .chains
        .iter()
        .map(|chain| {
            let steps = chain.steps.iter();
            let steps: Vec<String> = steps
                .map(|step| format!("{} {} needs {}", step.package, step.version, step.needs))
                .collect();
            format!("{} {}: {}", chain.place, chain.demand, steps.join("; "))
        })
        .collect();
    assert_eq!(
        told,
        [
            "r.txt:1 app[all]>=1: app 1.0 needs lib[fast]>=2,<3,!=2.5; lib 2.0 needs base>=4",
            "r.txt:1 app[all]>=1: app 1.0 needs util; util 3.0 needs base",
        ]
    );
    assert_eq!(why.more, 0);
    assert_eq!(chains(&sample(), &"nobody".parse().expect("a name")), None);
}

#[test]
fn ways_are_counted_and_not_all_told() {
    // Each of 40 layers of two packages needs both of the next: 2^40 ways.
    let layer = |at: usize| [format!("a{at}"), format!("b{at}")];
    let names: Vec<[String; 2]> = (0..40).map(layer).collect();
    let mut packages: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for (at, pair) in names.iter().enumerate() {
        let next = names.get(at + 1);
        for name in pair {
            let needs = next.map(|next| next.iter().map(String::as_str).collect());
            packages.push((name, "1", needs.unwrap_or_default()));
        }
    }
    let slices: Vec<(&str, &str, &[&str])> = packages
        .iter()
        .map(|(name, version, needs)| (*name, *version, needs.as_slice()))
        .collect();
    let graph = Graph::of(&lock(&slices), &requirements(&["a0"]), &Known::new());
    let why = chains(&graph, &"b39".parse().expect("a name")).expect("locked");
    assert_eq!(why.chains.len(), 20);
    assert_eq!(why.more, (1 << 38) - 20);
    assert_eq!(rows(&graph, &Shape::default()).len(), 1 + 39 * 2 * 2 - 2);
}
