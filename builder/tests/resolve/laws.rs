//! Laws of the resolver, against a search that tries everything.
//!
//! Universes have five packages with up to four versions, whose dependencies are ranges over the
//! others, some of them behind an extra.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pyrun_builder::resolve::resolve;
use pyrun_kit::scenario::{Release, Scenario};

use crate::memory::{self, Memory};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A dependency: on a package, with its extra or not, between two versions, and behind the
/// dependent's extra or not.
#[derive(Debug, Clone)]
struct Need {
    on: usize,
    with_extra: bool,
    low: usize,
    high: usize,
    behind_extra: bool,
}

/// By package and version, what it needs.
#[derive(Debug, Clone)]
struct Universe {
    packages: Vec<Vec<Vec<Need>>>,
    root: Vec<Need>,
}

impl Need {
    fn text(&self) -> String {
        let extra = if self.with_extra { "[x]" } else { "" };
        let marker = if self.behind_extra {
            "; extra == 'x'"
        } else {
            ""
        };
        format!(
            "{}{extra}>={},<={}{marker}",
            NAMES[self.on], self.low, self.high
        )
    }
}

impl Universe {
    fn releases(&self, backwards: bool) -> BTreeMap<String, BTreeMap<String, Release>> {
        let mut packages = BTreeMap::new();
        for (name, versions) in NAMES.iter().zip(&self.packages) {
            let mut releases = BTreeMap::new();
            for (number, needs) in versions.iter().enumerate() {
                let mut requires: Vec<String> = needs.iter().map(Need::text).collect();
                if backwards {
                    requires.reverse();
                }
                let release = Release {
                    requires,
                    wheels: vec!["py3-none-any".to_owned()],
                    extras: vec!["x".to_owned()],
                    digest: true,
                    ..Release::default()
                };
                releases.insert((number + 1).to_string(), release);
            }
            packages.insert((*name).to_owned(), releases);
        }
        packages
    }

    /// Versions by package, or `None`.
    fn solve(&self, backwards: bool) -> Option<BTreeMap<usize, usize>> {
        let mut root: Vec<String> = self.root.iter().map(Need::text).collect();
        if backwards {
            root.reverse();
        }
        let text = format!("about = ''\nroot = {root:?}\n[expect]\n");
        let request = memory::request(&Scenario::parse(&text).expect("a scenario"));
        let source = Memory::new(&self.releases(backwards));
        let source = if backwards { source.reversed() } else { source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let lock = runtime
            .block_on(resolve(&request, &source, None, &|_| {}))
            .ok()?;
        let number = |name: &str| NAMES.iter().position(|known| *known == name);
        let packages = lock.packages.iter().map(|(name, package)| {
            let version = package
                .version
                .to_string()
                .parse()
                .expect("versions are numbers");
            (number(name.as_ref()).expect("names are known"), version)
        });
        Some(packages.collect())
    }

    /// What is reached when packages stand at these versions, if all that is reached fits.
    fn reached(&self, versions: &[usize]) -> Option<BTreeSet<usize>> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Need> = self.root.iter().collect();
        while let Some(need) = open.pop() {
            let version = versions[need.on];
            if version < need.low || version > need.high {
                return None;
            }
            let needs = self.packages[need.on].get(version.checked_sub(1)?)?;
            if seen.insert((need.on, false)) {
                open.extend(needs.iter().filter(|need| !need.behind_extra));
            }
            if need.with_extra && seen.insert((need.on, true)) {
                open.extend(needs.iter().filter(|need| need.behind_extra));
            }
        }
        Some(seen.into_iter().map(|(package, _)| package).collect())
    }

    fn has_solution(&self) -> bool {
        let counts: Vec<usize> = self
            .packages
            .iter()
            .map(|versions| versions.len().max(1))
            .collect();
        let combinations: usize = counts.iter().product();
        (0..combinations).any(|mut number| {
            let versions: Vec<usize> = counts
                .iter()
                .map(|count| {
                    let version = number % count + 1;
                    number /= count;
                    version
                })
                .collect();
            self.reached(&versions).is_some()
        })
    }

    fn is_solution(&self, pins: &BTreeMap<usize, usize>) -> bool {
        let versions: Vec<usize> = (0..NAMES.len())
            .map(|package| pins.get(&package).copied().unwrap_or(0))
            .collect();
        self.reached(&versions) == Some(pins.keys().copied().collect())
    }
}

/// Narrow ranges contradict each other more often, wide ones leave more to search.
fn need() -> impl Strategy<Value = Need> {
    let more = prop_oneof![0..=1usize, 0..=3usize];
    (
        0..NAMES.len(),
        prop::bool::weighted(0.3),
        1..=4usize,
        more,
        prop::bool::weighted(0.3),
    )
        .prop_map(|(on, with_extra, low, more, behind_extra)| Need {
            on,
            with_extra,
            low,
            high: low + more,
            behind_extra,
        })
}

fn universe() -> impl Strategy<Value = Universe> {
    let version = || prop::collection::vec(need(), 0..4);
    let package = prop_oneof![
        3 => prop::collection::vec(version(), 4..=4),
        1 => prop::collection::vec(version(), 0..=4),
    ];
    let root = prop::collection::vec(need(), 1..4);
    (prop::collection::vec(package, NAMES.len()), root).prop_map(|(packages, mut root)| {
        for need in &mut root {
            need.behind_extra = false;
        }
        Universe { packages, root }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn there_is_an_answer_when_and_only_when_one_exists(universe in universe()) {
        match universe.solve(false) {
            Some(pins) => prop_assert!(universe.is_solution(&pins), "{pins:?} is no solution"),
            None => prop_assert!(!universe.has_solution(), "a solution was missed"),
        }
    }

    #[test]
    fn order_never_matters(universe in universe()) {
        prop_assert_eq!(universe.solve(false), universe.solve(true));
    }

    #[test]
    fn dropping_a_requirement_never_makes_a_conflict(universe in universe(), index: prop::sample::Index) {
        if universe.solve(false).is_some() {
            let mut fewer = universe.clone();
            fewer.root.remove(index.index(fewer.root.len()));
            prop_assert!(fewer.solve(false).is_some());
        }
    }

    #[test]
    fn versions_outside_the_answer_can_vanish(universe in universe(), index: prop::sample::Index) {
        if let Some(pins) = universe.solve(false) {
            // Empties a package that the answer does not need.
            let unneeded: Vec<usize> = (0..NAMES.len()).filter(|one| !pins.contains_key(one)).collect();
            if !unneeded.is_empty() {
                let mut smaller = universe.clone();
                smaller.packages[unneeded[index.index(unneeded.len())]].clear();
                prop_assert!(smaller.solve(false).is_some());
            }
        }
    }
}
