//! What a bundle says of itself: `manifest.json`, its last member, and the record beside it.

use std::collections::BTreeMap;

use pep440_rs::Version;
use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::lock::{Lock, LockHash, LockedPackage, LockedWheel};
use crate::target::Target;
use crate::wheel::WheelFilename;

/// The bundle's own description. It depends on the lock alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The bundle format's number ([`crate::FORMAT`]).
    pub format: u32,
    /// The lock it was made from.
    pub lock: LockHash,
    /// Python, as major and minor number: `3.12`.
    pub python: String,
    /// [`crate::Target::family`].
    pub target: String,
    /// One for each wheel, sorted by package name; each a contiguous range of the zip.
    pub segments: Vec<Segment>,
    /// Bytes of all files once unpacked.
    pub unpacked: u64,
    /// Files in all segments.
    pub files: u64,
}

impl Manifest {
    /// The lock that the bundle was made from, as far as its canonical form goes; `None` when
    /// the manifest is not of a bundle that this version makes.
    pub fn to_lock(&self) -> Option<Lock> {
        let packages = self.segments.iter().map(|segment| {
            let wheel = LockedWheel {
                filename: segment.wheel.clone(),
                url: String::new(),
                sha256: segment.wheel_sha256,
                size: None,
                upload_time: None,
            };
            let package = LockedPackage {
                version: segment.version.clone(),
                wheel,
                index: String::new(),
                requires_python: None,
                sdist: None,
                metadata: None,
                dependencies: segment.depends.clone(),
            };
            (segment.package.clone(), package)
        });
        let lock = Lock {
            target: Target::from_family(&self.target)?,
            packages: packages.collect(),
            resolved: None,
            exclude_newer: None,
        };
        (self.format == crate::FORMAT && lock.hash() == self.lock).then_some(lock)
    }
}

/// One wheel's share of a bundle: local headers and compressed data, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The normalised package name.
    pub package: PackageName,
    /// Its version.
    pub version: Version,
    /// The wheel's file name.
    pub wheel: WheelFilename,
    /// The wheel's own digest.
    pub wheel_sha256: Sha256,
    /// Where the segment starts in the bundle, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The digest of these bytes.
    pub sha256: Sha256,
    /// Bytes of its files once unpacked.
    pub unpacked: u64,
    /// How many files.
    pub files: u64,
    /// Top-level names it lets Python import, sorted.
    pub imports: Vec<String>,
    /// The packages of this bundle that its metadata names, under whatever marker, and those that
    /// hold a file which both bring; sorted.
    pub depends: Vec<PackageName>,
    /// Whether it brings `.pth` files, which Python reads at its start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pth: bool,
}

/// What is known of a package besides its bytes in the bundle: what a policy asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct About {
    /// Its licence as an SPDX expression, as its METADATA states it; `None` when that says none
    /// that can be understood, or has not been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Its wheel's size in bytes, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When its file was uploaded, as an RFC 3339 time, if the index says it: the source
    /// distribution's where the wheel was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<String>,
    /// The index that it comes from; empty when it comes from an address of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub index: String,
    /// The digest of the source distribution that its wheel was built from, if it was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdist: Option<Sha256>,
    /// The packages that it needs, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<PackageName>,
}

impl About {
    /// What a lock tells of a package.
    pub fn of(package: &LockedPackage) -> Self {
        let sdist = package.sdist.as_ref();
        Self {
            licence: None,
            size: package.wheel.size,
            uploaded: match sdist {
                Some(sdist) => sdist.upload_time.clone(),
                None => package.wheel.upload_time.clone(),
            },
            index: package.index.clone(),
            sdist: sdist.map(|sdist| sdist.sha256),
            needs: package.dependencies.clone(),
        }
    }
}

/// What stands beside a bundle in the store, `v1/bundles/<lock hash>.json`: published last, so
/// that whoever finds it finds the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRecord {
    /// The manifest inside the bundle.
    pub manifest: Manifest,
    /// The whole zip in bytes.
    pub size: u64,
    /// The whole zip's digest.
    pub sha256: Sha256,
    /// Where the bytes after the last segment start: manifest, lock and central directory.
    pub tail_offset: u64,
    /// The digest of those bytes.
    pub tail_sha256: Sha256,
    /// When it was built, as an RFC 3339 time. For people only.
    #[serde(default)]
    pub built: String,
    /// What is known of each package besides the bundle's bytes; empty in records of builders that
    /// did not keep it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<PackageName, About>,
    /// Fields of a newer version, kept.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl BundleRecord {
    /// The packages that one of the bundle needs: by its lock, where the record tells, else by its
    /// metadata.
    pub fn needs<'a>(&'a self, segment: &'a Segment) -> &'a [PackageName] {
        match self.about.get(&segment.package) {
            Some(about) => &about.needs,
            None => &segment.depends,
        }
    }
}
