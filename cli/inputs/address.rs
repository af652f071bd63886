//! Requirements that name a file instead of versions: a wheel by its path or address, with or
//! without the package's name before it.
//!
//! In: a line or a word, and the folder from which its paths are meant. Out: a [`Requirement`]
//! whose address is absolute, or why there can be none. Never: opens the file or asks for it.

use std::path::{Path, PathBuf};

use pyrun_core::request::without_credentials;
use pyrun_core::{Code, Fault, Origin, PackageName, Requirement, Version, WheelFilename};
use url::Url;

use super::parse_requirement;

/// What source distributions are called.
const SDISTS: [&str; 8] = [
    ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".tbz", ".txz", ".tar",
];
/// What version control systems are called in addresses.
const REPOSITORIES: [&str; 4] = ["git+", "hg+", "svn+", "bzr+"];

/// Reads a requirement in whatever form it stands.
pub fn requirement(text: &str, folder: &Path, origin: Origin) -> Result<Requirement, Fault> {
    let text = without_loose_ends(text);
    let Some(written) = Written::of(text) else {
        return parse_requirement(text, origin);
    };
    let spelled = written.spell(folder).map_err(|refusal| {
        let fault = Fault::new(
            Code::REQUIREMENT_INVALID,
            format!("`{}` {}", without_credentials(written.place), refusal.why),
        )
        .hint(refusal.hint);
        origin.span.iter().cloned().fold(fault, Fault::span)
    })?;
    parse_requirement(&spelled, origin)
}

/// What pip passes over at a requirement's end: a semicolon without a marker, a comma after the
/// last specifier.
fn without_loose_ends(text: &str) -> &str {
    let text = text.trim().trim_end_matches(';').trim_end();
    if text.contains(['=', '<', '>']) {
        text.trim_end_matches(',').trim_end()
    } else {
        text
    }
}

/// A folder or page of links as it enters a request: an address, or an absolute path.
pub fn links(text: &str, folder: &Path) -> String {
    match path_of(text) {
        Some(path) => absolute(&folder.join(path)).to_string_lossy().into_owned(),
        None => text.to_owned(),
    }
}

/// The path that a word means; `None` when it is an address of the network.
pub fn path_of(text: &str) -> Option<PathBuf> {
    if let Ok(url) = Url::parse(text)
        && url.scheme() == "file"
        && text.starts_with("file://")
    {
        return url.to_file_path().ok();
    }
    match text.strip_prefix("file:") {
        Some(path) => Some(path.into()),
        None => (!text.contains("://")).then(|| text.into()),
    }
}

/// A path without `.` and `..`, from the root; links are left alone.
pub fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// A requirement that names a file.
struct Written<'a> {
    /// `name [extras]`, where it stands before an `@`.
    name: Option<&'a str>,
    /// The path or address.
    place: &'a str,
    /// Extras behind a path: `[a, b]`.
    extras: &'a str,
    /// What follows a `;`.
    marker: Option<&'a str>,
}

/// Why there can be no requirement, and what to do.
struct Refusal {
    why: &'static str,
    hint: String,
}

impl<'a> Written<'a> {
    /// `None` where the text names a package and versions alone.
    fn of(text: &'a str) -> Option<Self> {
        // In an address a semicolon counts with a space before it.
        let (rest, marker) = match text.split_once(" ;").or_else(|| text.split_once("\t;")) {
            Some((rest, marker)) => (rest, Some(marker)),
            None => match text.split_once(';') {
                Some((rest, marker)) if !rest.contains("://") => (rest, Some(marker)),
                _ => (text, None),
            },
        };
        let rest = rest.trim();
        if let Some((name, place)) = rest.split_once('@')
            && is_name(name)
        {
            return Some(Self {
                name: Some(name.trim()),
                place: place.trim(),
                extras: "",
                marker,
            });
        }
        let (place, extras) = match rest.find('[') {
            Some(at) if rest.ends_with(']') => rest.split_at(at),
            _ => (rest, ""),
        };
        let is_scheme = |each: char| each.is_ascii_alphanumeric() || "+-.".contains(each);
        let scheme = place.split_once("://").map(|(scheme, _)| scheme);
        let is_address = scheme.is_some_and(|scheme| scheme.chars().all(is_scheme))
            || place.starts_with("file:");
        let is_path = place.starts_with('.') || place.contains(['/', '\\']);
        let mut ends = std::iter::once(&".whl").chain(&SDISTS);
        let is_file = ends.any(|end| place.ends_with(end)) && !place.contains(['=', '<', '>']);
        let names_file = is_address || (scheme.is_none() && (is_path || is_file));
        names_file.then_some(Self {
            name: None,
            place,
            extras,
            marker,
        })
    }

    /// The requirement as PEP 508 spells it.
    fn spell(&self, folder: &Path) -> Result<String, Refusal> {
        if REPOSITORIES.iter().any(|kind| self.place.starts_with(kind)) {
            return Err(Refusal {
                why: "is a repository, and a bundle is made of files whose digests are known",
                hint: "build a wheel from it, and name the wheel's path or address".to_owned(),
            });
        }
        let url = self.url(folder)?;
        let file = file_name(&url);
        let name = match self.name {
            Some(name) => name.to_owned(),
            None => format!("{}{}", self.own_name(&file)?, self.extras),
        };
        let marker = self.marker.map(|marker| format!(" ;{marker}"));
        Ok(format!("{name} @ {url}{}", marker.unwrap_or_default()))
    }

    /// The address; a path must lead to a file.
    fn url(&self, folder: &Path) -> Result<Url, Refusal> {
        let Some(path) = path_of(self.place) else {
            return Url::parse(self.place).map_err(|_| Refusal {
                why: "is no address",
                hint: "an address is `https://HOST/PATH`".to_owned(),
            });
        };
        let path = absolute(&folder.join(path));
        if path.is_dir() {
            return Err(Refusal {
                why: "is a folder, and a bundle is made of wheels and source archives",
                hint:
                    "build a wheel from it (`python -m build --wheel`), and name the wheel's path"
                        .to_owned(),
            });
        }
        let missing = Refusal {
            why: "is no file that is there",
            hint: format!("it is looked for as `{}`", path.display()),
        };
        if !path.is_file() {
            return Err(missing);
        }
        Url::from_file_path(&path).map_err(|()| missing)
    }

    /// The name that a file's own name says.
    fn own_name(&self, file: &str) -> Result<PackageName, Refusal> {
        if let Ok(wheel) = file.parse::<WheelFilename>() {
            return Ok(wheel.name().clone());
        }
        let named = |place: &str| format!("write `NAME @ {}`", without_credentials(place));
        let Some(stem) = SDISTS.iter().find_map(|end| file.strip_suffix(end)) else {
            return Err(Refusal {
                why: "names neither a wheel nor a source archive",
                hint: "a wheel's name is `NAME-VERSION-PYTHON-ABI-PLATFORM.whl`".to_owned(),
            });
        };
        // PEP 625: no dash in a name, nor in a version.
        let parts = stem.split_once('-');
        let parts = parts.filter(|(_, version)| version.parse::<Version>().is_ok());
        parts
            .and_then(|(name, _)| name.parse().ok())
            .ok_or_else(|| Refusal {
                why: "does not say which package it holds (PEP 625)",
                hint: named(self.place),
            })
    }
}

/// `name`, or `name[extra]`: what may stand before an `@`.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    let name = text.split('[').next().unwrap_or_default().trim();
    let is_part = |each: char| each.is_ascii_alphanumeric() || "-_.".contains(each);
    !name.is_empty()
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(is_part)
        && (text.len() == name.len() || text.ends_with(']'))
}

/// The last part of an address's path, as it reads.
fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back());
    let mut bytes = Vec::new();
    let mut rest = last.unwrap_or_default().as_bytes();
    while let [first, others @ ..] = rest {
        let digit = |at: usize| char::from(*others.get(at)?).to_digit(16);
        let code = match (digit(0), digit(1)) {
            (Some(high), Some(low)) if *first == b'%' => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = &others[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, folder: &Path) -> Result<String, Fault> {
        let found = requirement(text, folder, Origin::default())?;
        Ok(found.spec.to_string())
    }

    #[test]
    fn a_wheel_is_named_by_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("a folder");
        for name in [
            "Foo_Bar-1.0+cpu-py3-none-any.whl",
            "foo_bar-2.0.tar.gz",
            "old-thing-1.tar.gz",
        ] {
            fs_err::write(root.join(name), "").expect("a file");
        }
        let here = format!("file://{}", root.display());
        for (text, spec) in [
            (
                "./Foo_Bar-1.0+cpu-py3-none-any.whl",
                format!("foo-bar @ {here}/Foo_Bar-1.0+cpu-py3-none-any.whl"),
            ),
            (
                "x/../Foo_Bar-1.0+cpu-py3-none-any.whl[a,b] ; python_version > '3'",
                format!("foo-bar[a,b] @ {here}/Foo_Bar-1.0+cpu-py3-none-any.whl"),
            ),
            (
                "Foo_Bar-1.0+cpu-py3-none-any.whl",
                format!("foo-bar @ {here}/Foo_Bar-1.0+cpu-py3-none-any.whl"),
            ),
            (
                "other @ file:Foo_Bar-1.0+cpu-py3-none-any.whl",
                format!("other @ {here}/Foo_Bar-1.0+cpu-py3-none-any.whl"),
            ),
            (
                "https://x/y/foo-1-py3-none-any.whl#sha256=00",
                "foo @ https://x/y/foo-1-py3-none-any.whl#sha256=00".to_owned(),
            ),
            (
                "https://x/torch-2.1%2Bcpu-py3-none-any.whl",
                "torch @ https://x/torch-2.1%2Bcpu-py3-none-any.whl".to_owned(),
            ),
            (
                "foo[a]@https://x/foo.tar.gz",
                "foo[a] @ https://x/foo.tar.gz".to_owned(),
            ),
            (
                "./foo_bar-2.0.tar.gz",
                format!("foo-bar @ {here}/foo_bar-2.0.tar.gz"),
            ),
            ("foo>=1", "foo>=1".to_owned()),
            (" foo>=1, ;", "foo>=1".to_owned()),
        ] {
            let found = read(text, &root).expect(text);
            let found = found.split(" ; ").next().unwrap_or_default();
            assert_eq!(found, spec, "{text}");
        }
    }

    #[test]
    fn what_no_bundle_is_made_of_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("old-thing-1.tar.gz"), "").expect("a file");
        for (text, part) in [
            (".", "is a folder"),
            ("name @ file:.", "is a folder"),
            ("./missing-1-py3-none-any.whl", "no file that is there"),
            ("./old-thing-1.tar.gz", "which package"),
            ("https://x/page.html", "neither a wheel"),
            ("https://x/master.zip", "which package"),
            ("git+https://u:secret@x/y", "is a repository"),
            ("name @ git+https://x/y@main", "is a repository"),
            ("https://u:secret@x:nonsense/a.whl", "no address"),
            ("a b @ https://u:secret@x/a.whl", "not a requirement"),
        ] {
            let fault = read(text, folder.path()).expect_err(text);
            assert!(fault.message.contains(part), "{text}: {fault:?}");
            assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        }
    }

    #[test]
    fn links_are_addresses_or_absolute_paths() {
        let folder = Path::new("/a/b");
        for (text, place) in [
            ("https://x/links.html", "https://x/links.html"),
            ("../wheels", "/a/wheels"),
            ("file:///w%20x", "/w x"),
            ("/w", "/w"),
        ] {
            assert_eq!(links(text, folder), place);
        }
    }
}
