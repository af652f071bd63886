//! The lock: exact versions and the one wheel of each that fits the target, as a PEP 751
//! `pylock.toml`.
//!
//! Two forms are written. The *full* form is for people and other tools: addresses, sizes, times.
//! The *canonical* form holds what decides the bundle's bytes and nothing else; its digest is the
//! lock hash, and it stands in the bundle itself, so a bundle proves its own name.

mod draft;
mod emit;
mod entry;
mod filename;
mod groups;
mod kept;
mod own;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use pep440_rs::Version;
use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};

use crate::digest::{DigestError, Sha256};
use crate::target::Target;
use crate::wheel::WheelFilename;

pub use draft::{Draft, Unbuilt};
pub use kept::{Kept, KeptPackage};
pub use read::LockError;

/// The name of a bundle: the digest of a lock's canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LockHash(pub Sha256);

impl fmt::Display for LockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LockHash {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Exact versions and files for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What it is for.
    pub target: Target,
    /// By name, so in one order only.
    pub packages: BTreeMap<PackageName, LockedPackage>,
    /// When it was resolved, as an RFC 3339 time; `None` when another tool made it.
    pub resolved: Option<String>,
    /// The RFC 3339 time that bounded the resolution: files uploaded at or after it did not exist.
    pub exclude_newer: Option<String>,
}

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its version.
    pub version: Version,
    /// The wheel that fits the target best, or the one that was built.
    pub wheel: LockedWheel,
    /// What the wheel was built from, where no published one was taken. Such a wheel has no
    /// address: it is in the store, or is built again and must come out the same.
    pub sdist: Option<LockedSdist>,
    /// The index that it comes from; empty when it comes from an address of its own.
    pub index: String,
    /// Its own bound on Python, as its metadata says.
    pub requires_python: Option<String>,
    /// The locked packages that it needs, sorted.
    pub dependencies: Vec<PackageName>,
    /// The digest of what its wheel said of itself when it was locked; `None` when nobody noted it.
    /// What the wheel itself says must be the same.
    pub metadata: Option<Sha256>,
}

/// One file of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedWheel {
    /// Its name.
    pub filename: WheelFilename,
    /// Where it is.
    pub url: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes, if the index says it.
    pub size: Option<u64>,
    /// When it was uploaded, as an RFC 3339 time, if the index says it.
    pub upload_time: Option<String>,
}

/// A source distribution of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedSdist {
    /// Its name.
    pub filename: String,
    /// Where it is.
    pub url: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes, if the index says it.
    pub size: Option<u64>,
    /// When it was uploaded, as an RFC 3339 time, if the index says it.
    pub upload_time: Option<String>,
}

impl LockedPackage {
    /// When the file that it was taken from was uploaded, as an RFC 3339 time, if the index says
    /// it: its wheel, or what that was built from.
    pub fn uploaded(&self) -> Option<&str> {
        match &self.sdist {
            Some(sdist) => sdist.upload_time.as_deref(),
            None => self.wheel.upload_time.as_deref(),
        }
    }
}

impl Lock {
    /// The name of the bundle that this lock gives.
    pub fn hash(&self) -> LockHash {
        LockHash(Sha256::of(self.canonical()))
    }

    /// The sum of the wheels' sizes in bytes, as far as they are known.
    pub fn download_size(&self) -> u64 {
        self.packages
            .values()
            .filter_map(|package| package.wheel.size)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::target;

    fn package(name: &str, version: &str, content: &str) -> (PackageName, LockedPackage) {
        let filename: WheelFilename = format!("{name}-{version}-py3-none-any.whl")
            .parse()
            .expect("a wheel");
        let package = LockedPackage {
            version: version.parse().expect("a version"),
            wheel: LockedWheel {
                url: format!("https://example.org/{filename}"),
                filename: filename.clone(),
                sha256: Sha256::of(content),
                size: Some(100),
                upload_time: Some("2024-01-02T03:04:05Z".to_owned()),
            },
            index: "https://example.org/simple".to_owned(),
            requires_python: Some(">=3.8".to_owned()),
            sdist: None,
            dependencies: Vec::new(),
            metadata: Some(Sha256::of("metadata")),
        };
        (filename.name().clone(), package)
    }

    fn lock() -> Lock {
        Lock {
            target: target(),
            packages: [package("b", "2.0", "b"), package("a", "1.0", "a")].into(),
            resolved: Some("2026-01-01T00:00:00Z".to_owned()),
            exclude_newer: Some("2025-12-25T00:00:00Z".to_owned()),
        }
    }

    #[test]
    fn the_full_form_reads_back_whole() {
        let mut lock = lock();
        let b = "b".parse().expect("a name");
        lock.packages
            .get_mut(&"a".parse().expect("a name"))
            .expect("a")
            .dependencies = vec![b];
        let text = lock.to_toml();
        assert_eq!(Lock::from_toml(&text, None).expect(&text), lock);
        assert!(text.starts_with("lock-version = \"1.0\"\n"), "{text}");
    }

    #[test]
    fn only_what_decides_the_bytes_enters_the_hash() {
        let base = lock();
        let mut other = base.clone();
        other.resolved = None;
        other.exclude_newer = None;
        other.target.python = "3.12.9".parse().expect("a version");
        for package in other.packages.values_mut() {
            package.wheel.url = "http://mirror/x.whl".to_owned();
            package.wheel.size = None;
            package.index = String::new();
            package.requires_python = None;
            package.metadata = None;
        }
        assert_eq!(base.hash(), other.hash());
        other
            .packages
            .values_mut()
            .next()
            .expect("one")
            .wheel
            .sha256 = Sha256::of("other");
        assert_ne!(base.hash(), other.hash());
    }

    #[test]
    fn the_hash_is_pinned() {
        // Changing this value means that every bundle is built anew: raise FORMAT as well.
        assert_eq!(
            lock().canonical(),
            "lock-version = \"1.0\"\ncreated-by = \"pyrun\"\n\n[[packages]]\nname = \"a\"\nversion = \"1.0\"\n\
             wheels = [{ name = \"a-1.0-py3-none-any.whl\", path = \"a-1.0-py3-none-any.whl\", hashes = { sha256 = \"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\" } }]\n\n\
             [[packages]]\nname = \"b\"\nversion = \"2.0\"\n\
             wheels = [{ name = \"b-2.0-py3-none-any.whl\", path = \"b-2.0-py3-none-any.whl\", hashes = { sha256 = \"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d\" } }]\n\n\
             [tool.pyrun]\nformat = 1\ntarget = \"cpython-3.12-linux-gnu-x86_64\"\n"
        );
    }

    #[test]
    fn bad_locks_are_refused_with_a_reason() {
        for (text, part) in [
            ("", "lock-version"),
            ("lock-version = \"2.0\"\n", "2.0"),
            (
                "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\n",
                "no wheel",
            ),
            ("lock-version = [", "TOML"),
            (
                "lock-version = \"1.0\"\nrequires-python = \">=3.13\"\n",
                "for Python >=3.13",
            ),
            (
                "lock-version = \"1.0\"\nenvironments = [\"sys_platform == 'win32'\"]\n",
                "win32",
            ),
        ] {
            let error = Lock::from_toml(text, Some(&target()))
                .expect_err(text)
                .to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
