//! The dist-info folder, METADATA and WHEEL: that they belong to the file name.

use std::collections::BTreeSet;

use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::{WheelFilename, licence};

use super::WheelProblem;
use crate::install::Layout;
use crate::zip::{Entry, shown};

/// The two documents.
#[derive(Debug)]
pub(super) struct Documents {
    pub metadata: Vec<u8>,
    pub wheel: Vec<u8>,
}

/// Finds the one dist-info folder, and sees that it is the file name's.
pub(super) fn find_layout(
    entries: &[Entry],
    filename: &WheelFilename,
) -> Result<Layout, WheelProblem> {
    let folders: BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| entry.name.split_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| folder.to_lowercase().ends_with(".dist-info"))
        .collect();
    let [folder] = *folders.iter().copied().collect::<Vec<_>>() else {
        return Err(WheelProblem::DistInfo(folders.len()));
    };
    let stem = folder.strip_suffix(".dist-info");
    stem.and_then(|stem| Some((stem, distribution(stem, filename)?)))
        .map(|(stem, distribution)| Layout::new(stem, distribution))
        .ok_or_else(|| WheelProblem::ForeignDistInfo(shown(folder.as_bytes())))
}

/// The name in `name-version`, when both are the file name's. Old tools left dashes in names.
fn distribution<'a>(stem: &'a str, filename: &WheelFilename) -> Option<&'a str> {
    stem.match_indices('-').find_map(|(at, _)| {
        let (name, version) = (&stem[..at], &stem[at + 1..]);
        let same = is_name(name, filename.name())
            && (is_version(version, filename.version())
                || is_version(&version.replace('_', "-"), filename.version()));
        same.then_some(name)
    })
}

fn is_name(text: &str, name: &PackageName) -> bool {
    PackageName::new(text.to_owned()).is_ok_and(|parsed| parsed == *name)
}

fn is_version(text: &str, version: &Version) -> bool {
    text.parse::<Version>()
        .is_ok_and(|parsed| parsed == *version)
}

/// What METADATA says besides.
#[derive(Debug)]
pub(super) struct Said {
    /// The packages that `Requires-Dist` names.
    pub requires: Vec<PackageName>,
    /// The licence, as an SPDX expression.
    pub licence: Option<String>,
}

/// The headers of METADATA that are of interest.
const WANTED: [&str; 5] = [
    "name",
    "version",
    "requires-dist",
    "license-expression",
    "classifier",
];

/// Checks both documents, and gives what they say besides.
pub(super) fn check(documents: &Documents, filename: &WheelFilename) -> Result<Said, WheelProblem> {
    let metadata = headers(&documents.metadata, &WANTED);
    let wrong = |document, problem: String| WheelProblem::Document { document, problem };
    let name = single(&metadata, "METADATA", "name")?;
    if !is_name(name, filename.name()) {
        let name = shown(name.as_bytes());
        return Err(wrong("METADATA", format!("names the package `{name}`")));
    }
    let version = single(&metadata, "METADATA", "version")?;
    if !is_version(version, filename.version()) {
        let version = shown(version.as_bytes());
        return Err(wrong("METADATA", format!("names the version `{version}`")));
    }
    let wheel = headers(&documents.wheel, &["wheel-version"]);
    let format = single(&wheel, "WHEEL", "wheel-version")?;
    // A higher minor version is compatible, another major one is not.
    if format.split('.').next() != Some("1") {
        let format = shown(format.as_bytes());
        let problem = format!("is of format `{format}`; 1.0 is known");
        return Err(wrong("WHEEL", problem));
    }
    let expression = values(&metadata, "license-expression").next();
    Ok(Said {
        requires: requires(&metadata),
        licence: licence::stated(expression, values(&metadata, "classifier")),
    })
}

/// The wanted headers of an email-like document, with lower-case names, up to the first empty line.
/// Only ASCII headers are of interest, so bytes that are not UTF-8 do no harm.
fn headers(bytes: &[u8], wanted: &[&'static str]) -> Vec<(&'static str, String)> {
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    let mut is_wanted = false;
    for line in String::from_utf8_lossy(bytes).lines() {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut().filter(|_| is_wanted) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim().trim_start_matches('\u{feff}');
            let known = wanted.iter().find(|known| known.eq_ignore_ascii_case(name));
            is_wanted = known.is_some();
            headers.extend(known.map(|known| (*known, value.trim().to_owned())));
        }
    }
    headers
}

fn values<'a>(headers: &'a [(&'static str, String)], name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(header, _)| *header == name)
        .map(|(_, value)| value.as_str())
}

fn single<'a>(
    headers: &'a [(&'static str, String)],
    document: &'static str,
    name: &str,
) -> Result<&'a str, WheelProblem> {
    let found: Vec<&str> = values(headers, name).collect();
    match *found {
        [value] => Ok(value),
        [] => Err(WheelProblem::Document {
            document,
            problem: format!("has no `{name}`"),
        }),
        _ => Err(WheelProblem::Document {
            document,
            problem: format!("has more than one `{name}`"),
        }),
    }
}

/// The names alone: what follows them may be of an older syntax, and is the resolver's to judge.
fn requires(headers: &[(&'static str, String)]) -> Vec<PackageName> {
    let names: BTreeSet<PackageName> = values(headers, "requires-dist")
        .filter_map(|requirement| {
            let end = requirement
                .find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
                .unwrap_or(requirement.len());
            let name = Some(&requirement[..end]).filter(|name| !name.is_empty());
            PackageName::new(name?.to_owned()).ok()
        })
        .collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(name: &str) -> WheelFilename {
        name.parse().expect("a wheel")
    }

    #[test]
    fn the_folder_may_spell_the_name_in_every_equal_way() {
        let filename = wheel("Foo_Bar-1.0+x.1-py3-none-any.whl");
        for stem in ["foo_bar-1.0+x.1", "Foo.Bar-1.0+x.1", "Foo-Bar-1.0+x_1"] {
            assert!(distribution(stem, &filename).is_some(), "{stem}");
        }
        for stem in ["foo-1.0+x.1", "foo_bar-1.1", "foo_bar", "-1.0"] {
            assert!(distribution(stem, &filename).is_none(), "{stem}");
        }
    }

    #[test]
    fn names_are_taken_from_requirements_of_every_age() {
        let text = b"Requires-Dist: B.x[e]>=1; python_version < '3'\nRequires-Dist: a (>=1)\nRequires-Dist: ???\nRequires-Dist: c@https://x\n\nRequires-Dist: body\n";
        let names: Vec<String> = requires(&headers(text, &["requires-dist"]))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["a", "b-x", "c"]);
    }
}
