//! What a package says of itself: as one digest, and how two sayings differ.
//!
//! In: metadata, from wherever it came; a wheel. Out: a digest that a lock keeps, the wheel's own
//! metadata, sentences. Never: lets the order of lines, or how they are spelled, make a difference.

use std::collections::BTreeSet;
use std::path::Path;

use pep508_rs::PackageName;
use pyrun_core::Sha256;
use url::Url;

use crate::index::http::broken;
use crate::index::{IndexError, Metadata, parse_metadata, remote};

/// With more differences than this, the rest is counted.
const MAX_SHOWN: usize = 5;

impl Metadata {
    /// The digest of all that the resolver goes by. Locks keep it, so its form stays: another form
    /// needs another name in the lock.
    pub fn digest(&self) -> Sha256 {
        let mut lines = vec![format!("name: {}", self.name)];
        lines.push(format!("version: {}", self.version));
        lines.extend(self.sayings().into_iter().map(|(key, value)| {
            let key = key.to_ascii_lowercase();
            format!("{key}: {value}")
        }));
        Sha256::of(format!("pyrun metadata 1\n{}\n", lines.join("\n")))
    }

    /// What it says beside name and version, each once, sorted.
    fn sayings(&self) -> BTreeSet<(&'static str, String)> {
        let python = self.requires_python.iter();
        let python = python.map(|bound| ("Requires-Python", sorted(bound.iter())));
        let requires = self.requires_dist.iter();
        let requires = requires.map(|requirement| ("Requires-Dist", requirement.to_string()));
        let extras = self.provides_extra.iter();
        let extras = extras.map(|extra| ("Provides-Extra", extra.to_string()));
        python.chain(requires).chain(extras).collect()
    }
}

fn sorted(parts: impl Iterator<Item = impl ToString>) -> String {
    let parts: BTreeSet<String> = parts.map(|part| part.to_string()).collect();
    parts.into_iter().collect::<Vec<_>>().join(",")
}

/// How a wheel's own metadata differs from what was said of it, in sentences.
pub(crate) fn differences(said: &Metadata, own: &Metadata) -> Vec<String> {
    let mut sentences = Vec::new();
    if said.name != own.name || said.version != own.version {
        sentences.push(format!(
            "it was said to be `{}` {}, and calls itself `{}` {}",
            said.name, said.version, own.name, own.version
        ));
    }
    let (before, now) = (said.sayings(), own.sayings());
    let only_now = now.difference(&before).map(|(key, value)| {
        format!("the wheel says `{key}: {value}`, which was not said of it before")
    });
    let only_before = before.difference(&now).map(|(key, value)| {
        format!("`{key}: {value}` was said of it, and the wheel does not say so")
    });
    sentences.extend(only_now.chain(only_before));
    let more = sentences.len().saturating_sub(MAX_SHOWN);
    sentences.truncate(MAX_SHOWN);
    if more > 0 {
        sentences.push(format!("and {more} more"));
    }
    sentences
}

/// What a wheel on this machine says of itself. Blocks.
pub(crate) fn read_wheel(path: &Path, name: &PackageName) -> Result<Metadata, IndexError> {
    let url = Url::from_file_path(path).map_err(|()| IndexError::Broken {
        url: path.display().to_string(),
        problem: "is no absolute path".to_owned(),
    })?;
    let bytes = remote::read_file(path, &url, name.as_ref())?;
    parse_metadata(&bytes).map_err(|error| broken(&url, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(text: &str) -> Metadata {
        let text = format!("Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\n{text}");
        parse_metadata(text.as_bytes()).expect("metadata")
    }

    #[test]
    fn spelling_and_order_make_no_difference() {
        let one = metadata(
            "Requires-Dist: c>=1 ; extra == 'x'\nRequires-Dist: d\nRequires-Python: >=3.8,<4\n",
        );
        let two = metadata(
            "Requires-Python: <4, >=3.8\nRequires-Dist: D\nRequires-Dist: c (>=1); extra==\"x\"\n",
        );
        assert_eq!(one.digest(), two.digest());
        assert!(differences(&one, &two).is_empty());
    }

    #[test]
    fn the_digest_is_pinned() {
        // Locks hold such digests: when this value changes, they need another name in the lock.
        let one = metadata("Requires-Dist: c[y]>=1,<2; extra == 'x'\nProvides-Extra: x\n");
        assert_eq!(
            one.digest().to_string(),
            "dd04728176fb0b365a538d495eceedfec9ea0895d1f82a437b0268e6ae17c18f"
        );
    }

    #[test]
    fn each_difference_is_said() {
        let said = metadata("Requires-Dist: c>=1\nRequires-Python: >=3.8\n");
        let own = metadata("Requires-Dist: c>=2\nRequires-Python: >=3.8\n");
        assert_ne!(said.digest(), own.digest());
        assert_eq!(
            differences(&said, &own),
            [
                "the wheel says `Requires-Dist: c>=2`, which was not said of it before",
                "`Requires-Dist: c>=1` was said of it, and the wheel does not say so",
            ]
        );
        let many = ["x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9"]
            .map(|name| format!("Requires-Dist: {name}\n"))
            .concat();
        assert_eq!(
            differences(&metadata(""), &metadata(&many))
                .last()
                .map(String::as_str),
            Some("and 4 more")
        );
    }
}
