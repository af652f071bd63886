//! A lock that is not finished: some of its packages have a source distribution and no wheel that
//! fits, as other tools may leave them.
//!
//! In: the text of a lock. Out: what is locked, and what is still to be built. Never: passes for a
//! [`Lock`], which has a wheel for every package.

use std::collections::BTreeMap;

use pep440_rs::Version;
use pep508_rs::PackageName;

use super::{Lock, LockError, LockedPackage, LockedSdist, LockedWheel};

/// A lock with packages that are still to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// All that has a wheel.
    pub lock: Lock,
    /// All that has none, by name.
    pub unbuilt: BTreeMap<PackageName, Unbuilt>,
}

/// A package that has a source distribution alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbuilt {
    /// Its version.
    pub version: Version,
    /// What it is to be built from.
    pub sdist: LockedSdist,
    /// The index that it comes from; empty when it comes from an address of its own.
    pub index: String,
    /// Its own bound on Python.
    pub requires_python: Option<String>,
    /// The locked packages that it needs, sorted.
    pub dependencies: Vec<PackageName>,
}

impl Draft {
    /// The lock, where nothing is left to be built.
    pub fn finish(self) -> Result<Lock, LockError> {
        match self.unbuilt.into_keys().next() {
            None => Ok(self.lock),
            Some(name) => Err(LockError::Unbuilt(name, self.lock.target.to_string())),
        }
    }

    /// Puts the wheel that a package was built into in its place.
    pub fn add(&mut self, name: &PackageName, wheel: LockedWheel) {
        if let Some(unbuilt) = self.unbuilt.remove(name) {
            let package = LockedPackage {
                version: unbuilt.version,
                wheel,
                sdist: Some(unbuilt.sdist),
                index: unbuilt.index,
                requires_python: unbuilt.requires_python,
                dependencies: unbuilt.dependencies,
                metadata: None,
            };
            self.lock.packages.insert(name.clone(), package);
        }
    }
}
