//! A graph as rows of a tree.
//!
//! In: a graph, where to begin, how deep. Out: rows, each with the lines that lead to it. Never: a
//! package's needs twice: where it stands again, it is marked.

use std::collections::{BTreeMap, BTreeSet};

use pyrun_core::PackageName;

use super::{Graph, bracketed, tops};

/// How to show it.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// So many levels; all when it is `None`.
    pub depth: Option<u32>,
    /// Whether who needs a package stands below it.
    pub invert: bool,
    /// Where to begin; everywhere when it is empty.
    pub from: Vec<PackageName>,
}

/// A row of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The lines that lead to it.
    pub lines: String,
    /// The package, with the extras that are asked of it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What is asked for: by the row above, or by the requirement.
    pub note: String,
    /// Its wheel's size in bytes, if it is known.
    pub size: Option<u64>,
    /// Whether what stands below it is shown at another place.
    pub again: bool,
}

/// A graph in one direction: what stands below each package, with a note on why.
struct View {
    tops: Vec<(PackageName, String)>,
    below: BTreeMap<PackageName, Vec<(PackageName, String)>>,
}

/// The rows of a graph.
pub fn rows(graph: &Graph, shape: &Shape) -> Vec<Row> {
    let view = view(graph, shape);
    let mut rows = Vec::new();
    let mut shown: BTreeSet<&PackageName> = BTreeSet::new();
    let last = view.tops.len().saturating_sub(1);
    // A stack of its own: a lock can be deeper than a thread's.
    let mut waiting: Vec<(&PackageName, &str, String, bool, u32)> = Vec::new();
    for (at, (name, note)) in view.tops.iter().enumerate().rev() {
        waiting.push((name, note, String::new(), at == last, 1));
    }
    while let Some((name, note, margin, is_last, level)) = waiting.pop() {
        let Some(node) = graph.packages.get(name) else {
            continue;
        };
        let below = view.below.get(name).map(Vec::as_slice).unwrap_or_default();
        let is_cut = shape.depth.is_some_and(|depth| level >= depth);
        let again = !below.is_empty() && !is_cut && !shown.insert(name);
        rows.push(Row {
            lines: format!("{margin}{}", if is_last { "└── " } else { "├── " }),
            name: format!("{name}{}", bracketed(&node.extras)),
            version: node.version.to_string(),
            note: note.to_owned(),
            size: node.size,
            again,
        });
        if again || is_cut {
            continue;
        }
        let margin = format!("{margin}{}", if is_last { "    " } else { "│   " });
        for (at, (name, note)) in below.iter().enumerate().rev() {
            let is_last = at + 1 == below.len();
            waiting.push((name, note, margin.clone(), is_last, level + 1));
        }
    }
    rows
}

fn view(graph: &Graph, shape: &Shape) -> View {
    let mut below: BTreeMap<PackageName, Vec<(PackageName, String)>> = BTreeMap::new();
    for (name, node) in &graph.packages {
        below.entry(name.clone()).or_default();
        for need in &node.needs {
            let versions = need.versions.clone().unwrap_or_default();
            let (above, under) = if shape.invert {
                (&need.name, name)
            } else {
                (name, &need.name)
            };
            let under = (under.clone(), versions);
            below.entry(above.clone()).or_default().push(under);
        }
    }
    let asked = |name: &PackageName| {
        let roots = graph.roots.iter().filter(|root| root.name == *name);
        let notes: Vec<String> = roots
            .filter(|root| !root.demand.is_empty())
            .map(|root| format!("{} {}", root.place, root.demand).trim().to_owned())
            .collect();
        notes.join(", ")
    };
    let names: BTreeMap<PackageName, Vec<PackageName>> = below
        .iter()
        .map(|(name, under)| {
            (
                name.clone(),
                under.iter().map(|(name, _)| name.clone()).collect(),
            )
        })
        .collect();
    let tops: Vec<PackageName> = match (shape.from.as_slice(), shape.invert) {
        ([], true) => tops(&names),
        ([], false) => {
            let roots: BTreeSet<&PackageName> = graph.roots.iter().map(|root| &root.name).collect();
            roots.into_iter().cloned().collect()
        }
        (from, _) => from.to_vec(),
    };
    let tops = tops.into_iter().map(|name| {
        let note = asked(&name);
        (name, note)
    });
    let tops = tops.collect();
    if shape.invert {
        // What is asked for directly is asked for by nobody below it.
        for under in below.values_mut().flatten() {
            let note = asked(&under.0);
            if !note.is_empty() {
                let both = format!("{} ({note})", under.1);
                both.trim().clone_into(&mut under.1);
            }
        }
    }
    View { tops, below }
}
