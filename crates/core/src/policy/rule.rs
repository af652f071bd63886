//! One rule: a name, which may hold `*`, and versions. And the pattern that such a name is.

use std::fmt;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;

/// A rule as it was written, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    text: String,
    /// The normalised name.
    name: Pattern,
    /// `None` for every version.
    versions: Option<VersionSpecifiers>,
}

impl Rule {
    /// Reads `numpy`, `numpy>=1.20,<3` or `internal-*`. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_name = |each: char| each.is_ascii_alphanumeric() || "-_.*".contains(each);
        let end = text.find(|each| !is_name(each)).unwrap_or(text.len());
        let (name, versions) = (&text[..end], text[end..].trim());
        // A star stands for any text, so what is left must be a name with a letter in its place.
        let stand_in = name.replace('*', "a");
        if stand_in.is_empty() || stand_in.parse::<PackageName>().is_err() {
            return Err(format!(
                "`{text}` is no rule: it begins with a package's name, in which `*` stands for any text"
            ));
        }
        let versions = match versions {
            "" => None,
            versions => Some(versions.parse::<VersionSpecifiers>().map_err(|_| {
                format!(
                    "`{text}` is no rule: `{versions}` says no versions, as `>=1.20,<3` would \
                     (extras, markers and addresses have no place in a rule)"
                )
            })?),
        };
        Ok(Self {
            text: text.to_owned(),
            name: Pattern::new(&normalised(name)),
            versions,
        })
    }

    /// Whether it speaks of the package, in whatever version.
    pub(super) fn is_of(&self, name: &PackageName) -> bool {
        matches(&self.name.parts, name.as_ref())
    }

    /// Whether it takes the package whatever its version is.
    pub(super) fn is_of_every_version(&self, name: &PackageName) -> bool {
        self.versions.is_none() && self.is_of(name)
    }

    /// The name, where it speaks of one package alone and of all its versions.
    pub(super) fn one_name(&self) -> Option<PackageName> {
        let [name] = self.name.parts.as_slice() else {
            return None;
        };
        self.versions.is_none().then(|| name.parse().ok())?
    }

    /// Whether it speaks of versions too.
    pub(super) fn has_versions(&self) -> bool {
        self.versions.is_some()
    }

    /// Whether it takes the package in this version.
    pub(super) fn takes(&self, name: &PackageName, version: &Version) -> bool {
        let fits = |versions: &VersionSpecifiers| versions.contains(version);
        self.is_of(name) && self.versions.as_ref().is_none_or(fits)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Text in which `*` stands for any text, whatever the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    /// What stands between its `*`, in lower case.
    parts: Vec<String>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let parts = text.split('*').map(str::to_ascii_lowercase).collect();
        Self {
            text: text.to_owned(),
            parts,
        }
    }

    pub(super) fn takes(&self, text: &str) -> bool {
        matches(&self.parts, &text.to_ascii_lowercase())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// PEP 503: lower case, and one dash for each run of `-`, `_` and `.`.
fn normalised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for each in name.chars() {
        match each {
            '-' | '_' | '.' if text.ends_with('-') => {}
            '-' | '_' | '.' => text.push('-'),
            other => text.push(other.to_ascii_lowercase()),
        }
    }
    text
}

/// Whether the name is the parts, with any text between each two. Taking each part where it comes
/// first is enough: what a later place would leave over, an earlier one leaves over too.
fn matches(parts: &[String], name: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return first == name;
    };
    let Some(mut left) = name.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in middle {
        match left.split_once(part.as_str()) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last.as_str())
}
