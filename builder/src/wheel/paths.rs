//! Names of members: that each stays inside its folder, and that no two mean one file.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;

use super::WheelProblem;
use crate::zip::{Entry, shown};

/// What Linux and macOS allow for one part of a path, in bytes.
const LONGEST_PART: usize = 255;
/// Well below `PATH_MAX` (1024 on macOS), so that a folder before it still fits.
const LONGEST_PATH: usize = 900;

/// Checks every name and kind of member.
pub(super) fn check(entries: &[Entry]) -> Result<(), WheelProblem> {
    for entry in entries {
        if let Some(problem) = unsafe_reason(&entry.name) {
            return Err(WheelProblem::UnsafePath {
                name: shown(entry.name.as_bytes()),
                problem,
            });
        }
        check_kind(entry)?;
    }
    check_distinct(entries.iter().map(|entry| entry.name.as_str()))
}

/// Why a name can't be a path below a folder. On every system alike, so that one wheel is good or
/// bad everywhere.
pub(crate) fn unsafe_reason(name: &str) -> Option<&'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if path.contains('\\') {
        return Some("holds a backslash");
    }
    if path.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    if path.len() > LONGEST_PATH {
        return Some("is too long");
    }
    let bytes = path.as_bytes();
    if bytes[0].is_ascii_alphabetic() && bytes.get(1) == Some(&b':') {
        return Some("starts with a drive");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("has an empty part"),
        "." => Some("has a part `.`"),
        ".." => Some("leaves its folder by `..`"),
        part if part.len() > LONGEST_PART => Some("has a part that is too long"),
        _ => None,
    })
}

/// The Unix file type in the mode (`S_IFMT`). An archive that was not made on Unix says none.
fn check_kind(entry: &Entry) -> Result<(), WheelProblem> {
    let kind = match (entry.mode & 0o170_000, entry.is_directory()) {
        (0 | 0o100_000, false) => return Ok(()),
        (0 | 0o040_000, true) if entry.size == 0 => return Ok(()),
        (0 | 0o040_000, true) => {
            return Err(WheelProblem::FolderWithContent(shown(
                entry.name.as_bytes(),
            )));
        }
        (0o120_000, _) => "symbolic link",
        (0o040_000, false) => "folder without a slash",
        (0o100_000, true) => "file with a slash",
        _ => "device, pipe or socket",
    };
    Err(WheelProblem::Link {
        name: shown(entry.name.as_bytes()),
        kind,
    })
}

/// A path as a file system sees it that minds neither letter case nor how an accent is composed, as
/// macOS has them by default. Upper case first: `ſ` and `s` have the same one, and `K` (Kelvin) has
/// the same lower case as `k`.
fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let plain: String = path.nfd().collect();
    plain.to_uppercase().to_lowercase().nfd().collect()
}

/// Checks that no two paths are one file where neither letter case nor the composition of accents
/// counts, and that no file is the folder of another.
pub(super) fn check_distinct<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), WheelProblem> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for path in paths {
        let folded = folded(path);
        let folded = folded.strip_suffix('/').unwrap_or(&folded).to_owned();
        if let Some(first) = seen.insert(folded, path) {
            return Err(WheelProblem::Duplicate {
                first: shown(first.as_bytes()),
                second: shown(path.as_bytes()),
            });
        }
    }
    // Paths may repeat their parents thousands of times; each parent is looked up once in a row.
    let mut last_parent = "";
    for (folded, path) in &seen {
        let parent = folded.rsplit_once('/').map_or("", |(parent, _)| parent);
        if parent == last_parent {
            continue;
        }
        last_parent = parent;
        for (end, _) in folded.match_indices('/') {
            match seen.get(&folded[..end]) {
                Some(file) if !file.ends_with('/') => {
                    return Err(WheelProblem::FileAsFolder {
                        file: shown(file.as_bytes()),
                        inside: shown(path.as_bytes()),
                    });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_file_on_macos_is_one_file() {
        for (first, second) in [
            ("a/Case.py", "a/case.py"),
            ("a/caf\u{e9}.py", "a/cafe\u{301}.py"),
            ("a/\u{c9}.py", "a/e\u{301}.py"),
            ("a/\u{212a}.py", "a/k.py"),
            ("a/\u{17f}.py", "a/S.py"),
            ("a/\u{3c2}.py", "a/\u{3c3}.py"),
            ("A/x", "a"),
        ] {
            let both = check_distinct([first, second].into_iter());
            assert!(both.is_err(), "{first} {second}");
        }
        let others = ["a/caf\u{e9}.py", "a/cafe.py", "a/e\u{301}", "b"];
        assert!(check_distinct(others.into_iter()).is_ok());
    }
}
