//! Why a package is there: the shortest ways to it from what is asked for.
//!
//! In: a graph, a package. Out: chains, the shortest first. Never: more than a bounded number of
//! them, with the count of the others.

use std::collections::{BTreeMap, VecDeque};

use pyrun_core::PackageName;
use serde::Serialize;

use super::Graph;

/// How many chains are told.
const MOST: usize = 20;

/// The shortest ways from each requirement to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: String,
    /// The ways, the shortest first.
    pub chains: Vec<Chain>,
    /// How many more there are.
    pub more: u64,
}

/// A way from a requirement to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Where the requirement is written; empty where only the lock is known.
    pub place: String,
    /// What it asks for.
    pub demand: String,
    /// From the package that is asked for, each with what it needs of the next.
    pub steps: Vec<Step>,
}

/// A package on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: String,
    /// What it needs of the next.
    pub needs: String,
}

/// The ways to a package; `None` when it is not locked.
pub fn chains(graph: &Graph, package: &PackageName) -> Option<Why> {
    let node = graph.packages.get(package)?;
    let distances = distances(graph, package);
    let counts = counts(graph, &distances);
    let mut roots: Vec<(usize, usize)> = graph
        .roots
        .iter()
        .enumerate()
        .filter_map(|(at, root)| Some((*distances.get(&root.name)?, at)))
        .collect();
    roots.sort_unstable();
    let mut all = 0u64;
    let mut chains = Vec::new();
    for (_, at) in roots {
        let root = &graph.roots[at];
        all = all.saturating_add(counts.get(&root.name).copied().unwrap_or_default());
        let mut waiting = vec![(&root.name, Vec::new())];
        while let Some((name, steps)) = waiting.pop() {
            if chains.len() == MOST {
                break;
            }
            let next: Vec<_> = nearer(graph, name, &distances).collect();
            if next.is_empty() {
                chains.push(Chain {
                    place: root.place.clone(),
                    demand: root.demand.clone(),
                    steps,
                });
                continue;
            }
            let version = graph.packages[name].version.to_string();
            for need in next.into_iter().rev() {
                let mut longer: Vec<Step> = steps.clone();
                longer.push(Step {
                    package: name.clone(),
                    version: version.clone(),
                    needs: need.demand(),
                });
                waiting.push((&need.name, longer));
            }
        }
    }
    Some(Why {
        package: package.clone(),
        version: node.version.to_string(),
        more: all.saturating_sub(chains.len() as u64),
        chains,
    })
}

/// How many steps it is from each package that needs it in the end.
fn distances<'a>(graph: &'a Graph, package: &'a PackageName) -> BTreeMap<&'a PackageName, usize> {
    let mut above: BTreeMap<&PackageName, Vec<&PackageName>> = BTreeMap::new();
    for (name, node) in &graph.packages {
        for need in &node.needs {
            above.entry(&need.name).or_default().push(name);
        }
    }
    let mut distances = BTreeMap::from([(package, 0)]);
    let mut waiting = VecDeque::from([package]);
    while let Some(name) = waiting.pop_front() {
        let next = distances[name] + 1;
        for user in above.get(name).into_iter().flatten() {
            if !distances.contains_key(user) {
                distances.insert(user, next);
                waiting.push_back(user);
            }
        }
    }
    distances
}

/// What of a package's needs is one step nearer.
fn nearer<'a>(
    graph: &'a Graph,
    name: &PackageName,
    distances: &BTreeMap<&PackageName, usize>,
) -> impl Iterator<Item = &'a super::Need> {
    let here = distances.get(name).copied().unwrap_or_default();
    let needs = graph.packages.get(name).map(|node| node.needs.as_slice());
    let near: Vec<&super::Need> = needs
        .unwrap_or_default()
        .iter()
        .filter(|need| {
            distances
                .get(&need.name)
                .is_some_and(|there| there + 1 == here)
        })
        .collect();
    near.into_iter()
}

/// How many shortest ways there are from each package.
fn counts<'a>(
    graph: &Graph,
    distances: &BTreeMap<&'a PackageName, usize>,
) -> BTreeMap<&'a PackageName, u64> {
    let mut order: Vec<(&usize, &&PackageName)> =
        distances.iter().map(|(name, far)| (far, name)).collect();
    order.sort_unstable();
    let mut counts: BTreeMap<&PackageName, u64> = BTreeMap::new();
    for (far, name) in order {
        let ways = match far {
            0 => 1,
            _ => nearer(graph, name, distances)
                .filter_map(|need| counts.get(&need.name))
                .fold(0u64, |sum, ways| sum.saturating_add(*ways)),
        };
        counts.insert(name, ways);
    }
    counts
}
