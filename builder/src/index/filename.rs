//! File names of wheels and sdists: which project and version they are of.

use pep508_rs::PackageName;

use crate::index::FileKind;

/// The kind of a file and the text of its version; `None` for what is neither a wheel nor an
/// sdist of the project.
pub(super) fn split<'a>(filename: &'a str, project: &PackageName) -> Option<(FileKind, &'a str)> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!".contains(&byte);
    if !filename.bytes().all(safe) {
        return None;
    }
    if let Some(stem) = filename.strip_suffix(".whl") {
        let dashes = stem.bytes().filter(|byte| *byte == b'-').count();
        let mut parts = stem.split('-');
        let (name, version) = (parts.next()?, parts.next()?);
        let fits = matches!(dashes, 4 | 5) && same_name(name, project.as_ref());
        return fits.then_some((FileKind::Wheel, version));
    }
    let stem = filename
        .strip_suffix(".tar.gz")
        .or_else(|| filename.strip_suffix(".zip"))?;
    // Old sdists keep the dashes of their name, so only the project's name tells where it ends.
    stem.match_indices('-')
        .find(|(at, _)| same_name(&stem[..*at], project.as_ref()))
        .map(|(at, _)| (FileKind::Sdist, &stem[at + 1..]))
}

/// Whether `raw` normalises to `name` (PEP 503), without allocating: pages hold thousands.
pub(super) fn same_name(raw: &str, name: &str) -> bool {
    let is_separator = |byte: u8| matches!(byte, b'-' | b'_' | b'.');
    let (raw, mut expected) = (raw.as_bytes(), name.bytes());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let normal = if is_separator(byte) {
            while raw.get(at + 1).copied().is_some_and(is_separator) {
                at += 1;
            }
            b'-'
        } else {
            byte.to_ascii_lowercase()
        };
        if expected.next() != Some(normal) {
            return false;
        }
        at += 1;
    }
    expected.next().is_none()
}

/// A file's name with its separators and letters as PEP 503 has them in a project's: that of a file
/// of a project begins with the project's name and a dash.
pub(super) fn normalised(filename: &str) -> String {
    let mut normal = String::with_capacity(filename.len());
    for c in filename.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.push(other.to_ascii_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_of(filename: &str, project: &str) -> Option<(FileKind, String)> {
        let name = project.parse().expect("a name");
        split(filename, &name).map(|(kind, version)| (kind, version.to_owned()))
    }

    #[test]
    fn wheels_and_sdists_of_the_project_are_told_apart() {
        let wheel = |version: &str| Some((FileKind::Wheel, version.to_owned()));
        let sdist = |version: &str| Some((FileKind::Sdist, version.to_owned()));
        let project = "foo-bar";
        assert_eq!(
            split_of("foo_bar-1.0-py3-none-any.whl", project),
            wheel("1.0")
        );
        assert_eq!(
            split_of("Foo.Bar-1.0-1-py3-none-any.whl", project),
            wheel("1.0")
        );
        assert_eq!(split_of("foo_bar-1.0.tar.gz", project), sdist("1.0"));
        assert_eq!(split_of("foo-bar-1.0-2.zip", project), sdist("1.0-2"));
        for own in ["Foo.Bar-1.0-1-py3-none-any.whl", "foo__bar-1.0.tar.gz"] {
            assert!(normalised(own).starts_with("foo-bar-1-0"), "{own}");
        }
        for other in [
            "foo-1.0-py3-none-any.whl",
            "foo_bar-1.0-py3-none.whl",
            "foo_bar-1.0.win32-py2.4.exe",
            "foo_bar-1.0.tar.bz2",
            "foo_bar_baz-1.0.tar.gz",
            "../foo_bar-1.0.tar.gz",
            "foo_bar-1.0-py3-none-any.whl\u{1b}",
            "foo_bar.zip",
            "",
        ] {
            assert_eq!(split_of(other, project), None, "{other}");
        }
    }
}
