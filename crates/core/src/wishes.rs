//! What one file says of how its requirements are resolved: an index, bounds, formats.
//!
//! In: what a requirements file, a pyproject.toml or a script's own tables hold. Out: [`Wishes`],
//! which settings are made from. Never: a decision; where two files say different things, the
//! caller says which of them wins.

use std::collections::BTreeSet;

use pep508_rs::{MarkerEnvironment, MarkerTree, PackageName};

use crate::request::{Prerelease, Requirement, Resolution, Selection};

/// What a file says of how its requirements are resolved. What chooses one thing is `None` or
/// empty where the file does not say it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wishes {
    /// The indexes that are asked, in order.
    pub indexes: Vec<String>,
    /// Indexes that are asked before those.
    pub extra_indexes: Vec<String>,
    /// Whether no index is asked (pip's `--no-index`).
    pub no_index: bool,
    /// A time, or how long ago it was: files uploaded at or after it do not exist.
    pub exclude_newer: Option<String>,
    /// Whether pre-releases may be chosen.
    pub prerelease: Option<Prerelease>,
    /// Which of the versions that fit is preferred.
    pub resolution: Option<Resolution>,
    /// The one index that a package may come from.
    pub pins: Vec<Pin>,
    /// Folders and pages whose files stand beside those of every index.
    pub find_links: Vec<String>,
    /// Bounds on packages that something else brings in.
    pub constraints: Vec<Requirement>,
    /// What stands in the place of every requirement of its package.
    pub overrides: Vec<Requirement>,
    /// Who is built from source, and who never is.
    pub formats: Formats,
    /// Whether every package must have a digest among the requirements.
    pub require_hashes: bool,
}

/// A package's one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The package.
    pub package: PackageName,
    /// The index's base address.
    pub index: String,
    /// Where the pin holds.
    pub marker: MarkerTree,
}

impl Pin {
    /// Whether the pin holds in an environment.
    pub fn holds(&self, markers: &MarkerEnvironment) -> bool {
        self.marker.evaluate(markers, &[])
    }
}

/// Who is built from source, and who never is. As with pip, what is said last of a package
/// counts, and a package that is named counts before all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formats {
    /// Whose wheels are passed over.
    pub no_binary: Selection,
    /// Who is never built from source.
    pub only_binary: Selection,
    /// What was said, in order, so that it can be said again after something else.
    said: Vec<Said>,
}

/// One word of `--no-binary` or `--only-binary`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    source: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    None,
    Named(PackageName),
}

/// A word that names neither a package nor `:all:` or `:none:`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a package nor `:all:` or `:none:`")]
pub struct FormatsError(pub String);

impl Formats {
    /// Takes in the value of a `--no-binary`: packages between commas, `:all:` or `:none:`.
    pub fn no_binary(&mut self, value: &str) -> Result<(), FormatsError> {
        self.read(value, true)
    }

    /// Takes in the value of an `--only-binary`, as [`Formats::no_binary`] does.
    pub fn only_binary(&mut self, value: &str) -> Result<(), FormatsError> {
        self.read(value, false)
    }

    /// Takes in what `other` says, as if it were said after this.
    pub fn then(&mut self, other: &Self) {
        for said in &other.said {
            self.take(said.clone());
        }
    }

    fn read(&mut self, value: &str, source: bool) -> Result<(), FormatsError> {
        for word in value
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let what = match word {
                ":all:" => What::All,
                ":none:" => What::None,
                name => What::Named(
                    name.parse()
                        .map_err(|_| FormatsError(name.chars().take(80).collect()))?,
                ),
            };
            self.take(Said { source, what });
        }
        Ok(())
    }

    fn take(&mut self, said: Said) {
        let (here, there) = if said.source {
            (&mut self.no_binary, &mut self.only_binary)
        } else {
            (&mut self.only_binary, &mut self.no_binary)
        };
        match &said.what {
            What::All => {
                *here = Selection::All;
                *there = Selection::None;
            }
            What::None => *here = Selection::None,
            What::Named(name) => {
                if let Selection::Only(names) = there {
                    names.remove(name);
                }
                match here {
                    Selection::All => {}
                    Selection::None => *here = Selection::Only(BTreeSet::from([name.clone()])),
                    Selection::Only(names) => {
                        names.insert(name.clone());
                    }
                }
            }
        }
        self.said.push(said);
    }
}

impl Wishes {
    /// Takes in what another file says besides. What chooses one thing is the other's where it
    /// says it; all else adds up.
    pub fn then(&mut self, other: Self) {
        if !other.indexes.is_empty() || other.no_index {
            self.indexes = other.indexes;
            self.no_index = other.no_index;
        }
        let fresh = |known: &[String], new: Vec<String>| -> Vec<String> {
            let new = new.into_iter();
            new.filter(|each| !known.contains(each)).collect()
        };
        let extra = fresh(&self.extra_indexes, other.extra_indexes);
        self.extra_indexes.extend(extra);
        let links = fresh(&self.find_links, other.find_links);
        self.find_links.extend(links);
        self.exclude_newer = other.exclude_newer.or(self.exclude_newer.take());
        self.prerelease = other.prerelease.or(self.prerelease);
        self.resolution = other.resolution.or(self.resolution);
        // The first pin that holds counts.
        self.pins.splice(0..0, other.pins);
        self.constraints.extend(other.constraints);
        let renewed: BTreeSet<&PackageName> =
            other.overrides.iter().map(|each| &each.spec.name).collect();
        self.overrides
            .retain(|known| !renewed.contains(&known.spec.name));
        self.overrides.extend(other.overrides);
        self.formats.then(&other.formats);
        self.require_hashes |= other.require_hashes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Origin;

    fn only(names: &[&str]) -> Selection {
        let names = names.iter().map(|name| name.parse().expect("a name"));
        Selection::Only(names.collect())
    }

    #[test]
    fn what_is_said_last_of_a_package_counts() {
        let mut formats = Formats::default();
        formats.no_binary("a, B.c").expect("names");
        formats.only_binary("a").expect("a name");
        assert_eq!(formats.no_binary, only(&["b-c"]));
        assert_eq!(formats.only_binary, only(&["a"]));
        formats.only_binary(":all:").expect("all");
        assert_eq!(formats.no_binary, Selection::None);
        formats.no_binary("d").expect("a name");
        assert_eq!(
            (&formats.no_binary, &formats.only_binary),
            (&only(&["d"]), &Selection::All)
        );
        let mut later = Formats::default();
        later.only_binary(":none:").expect("none");
        formats.then(&later);
        assert_eq!(formats.only_binary, Selection::None);
        assert!(formats.no_binary(":some:").is_err());
    }

    #[test]
    fn what_chooses_is_replaced_and_what_bounds_adds_up() {
        let requirement =
            |text: &str| Requirement::new(text.parse().expect(text), Origin::default());
        let mut one = Wishes {
            indexes: vec!["https://one".to_owned()],
            extra_indexes: vec!["https://extra".to_owned()],
            constraints: vec![requirement("a<2")],
            overrides: vec![requirement("b==1"), requirement("c==1")],
            prerelease: Some(Prerelease::Allow),
            ..Wishes::default()
        };
        one.then(Wishes {
            indexes: vec!["https://two".to_owned()],
            extra_indexes: vec!["https://extra".to_owned(), "https://more".to_owned()],
            constraints: vec![requirement("a<3")],
            overrides: vec![requirement("b==2")],
            ..Wishes::default()
        });
        assert_eq!(one.indexes, ["https://two"]);
        assert_eq!(one.extra_indexes, ["https://extra", "https://more"]);
        assert_eq!(one.constraints.len(), 2);
        assert_eq!(one.overrides, [requirement("c==1"), requirement("b==2")]);
        assert_eq!(one.prerelease, Some(Prerelease::Allow));
    }
}
