//! Who asked for a package: the way from a direct requirement to it.
//!
//! In: packages and who needs whom. Out: for each the shortest way to it, in words. All ways are found
//! together, in time linear in what a lock says. Never: names more than a few packages of a way: a
//! lock from elsewhere may have one of thousands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use pep440_rs::Version;
use pep508_rs::PackageName;

/// So many packages of a way are named between its first and its last.
const MAX_BETWEEN: usize = 6;

/// Packages with what each needs.
type Packages<'a> = BTreeMap<&'a PackageName, (&'a Version, &'a [PackageName])>;

/// The ways to all packages of a lock or a bundle.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    packages: Packages<'a>,
    steps: BTreeMap<&'a PackageName, Step<'a>>,
}

/// How a package is reached.
#[derive(Debug, Clone, Copy)]
struct Step<'a> {
    /// Who needs it; `None` for what is asked for directly.
    from: Option<&'a PackageName>,
    root: &'a PackageName,
    /// How many packages lie before it.
    depth: usize,
}

impl<'a> Ways<'a> {
    /// Finds the shortest way to each from a package that no other needs. Where packages need each
    /// other in a circle that nothing else leads to, the way begins within the circle.
    pub(super) fn of(packages: Packages<'a>) -> Self {
        let mut parents: BTreeMap<&PackageName, &'a PackageName> = BTreeMap::new();
        for (parent, (_, needs)) in &packages {
            for child in needs.iter().filter(|child| child != parent) {
                parents.entry(child).or_insert(parent);
            }
        }
        let names = packages.keys().copied();
        let roots = names.filter(|name| !parents.contains_key(name)).collect();
        let mut steps = BTreeMap::new();
        spread(&packages, roots, &mut steps);
        // Of those that are left, what a walk leaves last is needed by none of another circle.
        for name in left_in_order(&packages, &steps).into_iter().rev() {
            if !steps.contains_key(name) {
                spread(&packages, vec![name], &mut steps);
                if let (Some(step), Some(parent)) = (steps.get_mut(name), parents.get(name)) {
                    step.from = Some(parent);
                }
            }
        }
        Self { packages, steps }
    }

    /// The way to one package.
    pub(super) fn to(&self, name: &'a PackageName) -> Asked<'a> {
        let mut tail = vec![name];
        let mut at = name;
        let depth = self.steps.get(name).map_or(0, |step| step.depth);
        while tail.len() <= MAX_BETWEEN.min(depth.saturating_sub(1))
            && let Some(from) = self.steps.get(at).and_then(|step| step.from)
        {
            tail.push(from);
            at = from;
        }
        let step = self.steps.get(name);
        // A circle's own first package is needed by another of it.
        let first = step.map_or(name, |step| match step.from {
            Some(from) if step.depth == 0 => from,
            _ => step.root,
        });
        if step.is_some_and(|step| step.from.is_some()) {
            tail.push(first);
        }
        let version = |name: &'a PackageName| Some((name, self.packages.get(name)?.0));
        Asked {
            between: depth.saturating_sub(tail.len() - 1),
            way: tail.into_iter().rev().filter_map(version).collect(),
        }
    }
}

/// Goes from packages to what they need, nearest first, as far as nothing was reached before.
fn spread<'a>(
    packages: &Packages<'a>,
    roots: Vec<&'a PackageName>,
    steps: &mut BTreeMap<&'a PackageName, Step<'a>>,
) {
    for root in &roots {
        let (from, depth) = (None, 0);
        steps.insert(root, Step { from, root, depth });
    }
    let mut open = VecDeque::from(roots);
    while let Some(name) = open.pop_front() {
        let step = steps[name];
        for child in packages[name].1 {
            let known = packages.get_key_value(child).map(|(child, _)| *child);
            if let Some(child) = known.filter(|child| !steps.contains_key(child)) {
                let next = Step {
                    from: Some(name),
                    root: step.root,
                    depth: step.depth + 1,
                };
                steps.insert(child, next);
                open.push_back(child);
            }
        }
    }
}

/// What was not reached, in the order in which a walk in depth leaves it.
fn left_in_order<'a>(
    packages: &Packages<'a>,
    reached: &BTreeMap<&'a PackageName, Step<'a>>,
) -> Vec<&'a PackageName> {
    let mut seen: BTreeSet<&PackageName> = BTreeSet::new();
    let mut order = Vec::new();
    for start in packages.keys().filter(|name| !reached.contains_key(*name)) {
        let mut open: Vec<(&'a PackageName, std::slice::Iter<'a, PackageName>)> = Vec::new();
        let mut enter = Some(*start);
        loop {
            if let Some(name) = enter.take()
                && let Some((name, (_, needs))) = packages.get_key_value(name)
                && !reached.contains_key(name)
                && seen.insert(name)
            {
                open.push((name, needs.iter()));
            }
            let Some((name, needs)) = open.last_mut() else {
                break;
            };
            enter = needs.next();
            if enter.is_none() {
                order.push(*name);
                open.pop();
            }
        }
    }
    order
}

/// A package, and the packages through which it is needed: each needs the next.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    way: Vec<(&'a PackageName, &'a Version)>,
    /// How many after the first are not named.
    between: usize,
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(((root, version), rest)) = self.way.split_first() else {
            return Ok(());
        };
        let Some(((last, _), named)) = rest.split_last() else {
            return write!(f, "`{root}` is asked for directly");
        };
        write!(f, "`{root} {version}` needs")?;
        if self.between > 0 {
            write!(
                f,
                " {} others one after the other, which need",
                self.between
            )?;
        }
        for (name, version) in named {
            write!(f, " `{name} {version}`, which needs")?;
        }
        write!(f, " `{last}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way to a package, among `name: needs` lines.
    fn way(lines: &[&str], name: &str) -> String {
        let parsed = |text: &str| text.trim().parse::<PackageName>().expect("a name");
        let version: Version = "1".parse().expect("a version");
        let lines = lines.iter().map(|line| {
            let (name, needs) = line.split_once(':').expect("a line");
            let needs = needs.split_whitespace().map(parsed);
            (parsed(name), needs.collect::<Vec<_>>())
        });
        let lines: BTreeMap<_, _> = lines.collect();
        let packages = lines.iter();
        let packages = packages.map(|(name, needs)| (name, (&version, needs.as_slice())));
        Ways::of(packages.collect()).to(&parsed(name)).to_string()
    }

    #[test]
    fn the_shortest_way_is_told() {
        let lines = [
            "app: far near gone",
            "far: mid",
            "mid: it",
            "near: it",
            "it: it",
        ];
        assert_eq!(way(&lines, "app"), "`app` is asked for directly");
        assert_eq!(way(&lines, "near"), "`app 1` needs `near`");
        assert_eq!(
            way(&lines, "it"),
            "`app 1` needs `near 1`, which needs `it`"
        );
        assert_eq!(way(&["it: it"], "it"), "`it` is asked for directly");
        assert_eq!(way(&lines, "gone"), "");
    }

    #[test]
    fn circles_without_a_beginning_begin_within_themselves() {
        let lines = ["a: b", "b:", "x: y", "y: z a", "z: x"];
        assert_eq!(way(&lines, "x"), "`z 1` needs `x`");
        assert_eq!(way(&lines, "y"), "`x 1` needs `y`");
        let to_b = "`x 1` needs `y 1`, which needs `a 1`, which needs `b`";
        assert_eq!(way(&lines, "b"), to_b);
        // One circle leads to another that comes before it in the alphabet.
        let lines = ["c: d", "d: c", "e: f", "f: e c"];
        let to_d = "`e 1` needs `f 1`, which needs `c 1`, which needs `d`";
        assert_eq!(way(&lines, "d"), to_d);
    }

    #[test]
    fn of_a_long_way_both_ends_are_told() {
        let lines: Vec<String> = (10..30).map(|n| format!("p{n}: p{}", n + 1)).collect();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.push("p30:");
        assert_eq!(
            way(&lines, "p30"),
            "`p10 1` needs 13 others one after the other, which need `p24 1`, which needs `p25 1`, \
             which needs `p26 1`, which needs `p27 1`, which needs `p28 1`, which needs `p29 1`, which \
             needs `p30`"
        );
        let to_17 = way(&lines, "p17");
        assert!(
            !to_17.contains("others") && to_17.starts_with("`p10 1` needs `p11 1`"),
            "{to_17}"
        );
        assert_eq!(to_17.matches("needs").count(), 7);
    }
}
