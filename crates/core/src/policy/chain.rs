//! Who asked for a package: the way from a direct requirement to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use pep440_rs::Version;
use pep508_rs::PackageName;

/// A package, and the packages through which it is needed: each is needed by the next.
#[derive(Debug)]
pub(super) struct Asked<'a>(Vec<(&'a PackageName, &'a Version)>);

impl<'a> Asked<'a> {
    /// The shortest way up from `name` to a package that no other needs.
    pub(super) fn of(
        name: &'a PackageName,
        packages: &BTreeMap<&'a PackageName, (&'a Version, &'a [PackageName])>,
    ) -> Self {
        let mut needed_by: BTreeMap<&PackageName, Vec<&'a PackageName>> = BTreeMap::new();
        for (parent, (_, needs)) in packages {
            for child in needs.iter().filter(|child| child != parent) {
                needed_by.entry(child).or_default().push(parent);
            }
        }
        let mut seen = BTreeSet::from([name]);
        let mut ways = VecDeque::from([vec![name]]);
        let mut longest = vec![name];
        while let Some(way) = ways.pop_front() {
            let parents = way.last().and_then(|top| needed_by.get(*top));
            longest.clone_from(&way);
            let Some(parents) = parents else { break };
            for parent in parents {
                if seen.insert(*parent) {
                    let mut longer = way.clone();
                    longer.push(*parent);
                    ways.push_back(longer);
                }
            }
        }
        let with_version = |name: &'a PackageName| Some((name, packages.get(name)?.0));
        Self(longest.into_iter().filter_map(with_version).collect())
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut way = self.0.iter().rev();
        let Some((root, version)) = way.next() else {
            return Ok(());
        };
        if self.0.len() == 1 {
            return write!(f, "`{root}` is asked for directly");
        }
        write!(f, "`{root} {version}`")?;
        for (at, (name, version)) in way.enumerate() {
            let word = if at == 0 { " needs" } else { ", which needs" };
            if at + 2 == self.0.len() {
                write!(f, "{word} `{name}`")?;
            } else {
                write!(f, "{word} `{name} {version}`")?;
            }
        }
        Ok(())
    }
}
