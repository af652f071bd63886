//! Where each byte of a bundle comes from: pure, and known before any byte is read.

use std::collections::BTreeMap;

use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::{Lock, LockHash, LockedPackage, Sha256, WheelFilename};

use super::SpliceError;
use super::collide::{self, Settled};
use crate::wheel::{self, InstalledFile, WheelContents};
use crate::zip::Member;

/// A bundle before it is written.
#[derive(Debug)]
pub struct Plan {
    /// Its lock.
    pub lock: LockHash,
    /// The lock's canonical form, which is a member.
    pub canonical: String,
    /// Python, as major and minor number.
    pub python: String,
    /// [`pyrun_core::Target::family`].
    pub target: String,
    /// Sorted by package.
    pub segments: Vec<PlannedSegment>,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
}

/// One wheel's share.
#[derive(Debug)]
pub struct PlannedSegment {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: Version,
    /// Its wheel's name.
    pub wheel: WheelFilename,
    /// Its wheel's digest.
    pub wheel_sha256: Sha256,
    /// Where it starts in the bundle, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Bytes of its files once unpacked.
    pub unpacked: u64,
    /// In the order in which they stand.
    pub files: Vec<PlannedFile>,
    /// Top-level names that it lets Python import, sorted.
    pub imports: Vec<String>,
    /// The packages that its metadata names, and those that hold a file that it brings too; sorted.
    pub depends: Vec<PackageName>,
    /// Whether it brings `.pth` files.
    pub pth: bool,
}

/// One member.
#[derive(Debug)]
pub struct PlannedFile {
    /// What its headers say.
    pub member: Member,
    /// Where its data comes from.
    pub data: Data,
}

/// Where a member's data comes from.
#[derive(Debug)]
pub enum Data {
    /// `member.compressed` bytes of the wheel, from this offset on.
    Wheel(u64),
    /// It is made here.
    Made(Vec<u8>),
}

impl Plan {
    /// Where the bytes after the last segment start.
    pub fn tail_offset(&self) -> u64 {
        self.segments
            .last()
            .map_or(0, |segment| segment.offset + segment.length)
    }
}

/// Plans the bundle of a lock, of which every package has its wheel in `wheels`.
pub fn plan(
    lock: &Lock,
    wheels: &BTreeMap<PackageName, WheelContents>,
) -> Result<Plan, SpliceError> {
    let settled = collide::settle(wheels)?;
    let mut segments = Vec::with_capacity(lock.packages.len());
    let mut offset = 0;
    for (package, locked) in &lock.packages {
        let contents = wheels.get(package).ok_or_else(|| SpliceError::Missing {
            package: package.clone(),
            sha256: locked.wheel.sha256,
        })?;
        let segment = plan_segment(package, locked, contents, &settled, lock, offset);
        offset += segment.length;
        segments.push(segment);
    }
    Ok(Plan {
        lock: lock.hash(),
        canonical: lock.canonical(),
        python: lock.target.python.minor_text(),
        target: lock.target.family(),
        segments,
        warnings: settled.warnings,
    })
}

fn plan_segment(
    package: &PackageName,
    locked: &LockedPackage,
    contents: &WheelContents,
    settled: &Settled,
    lock: &Lock,
    offset: u64,
) -> PlannedSegment {
    let mut files: Vec<PlannedFile> = contents
        .files
        .iter()
        .filter(|file| settled.keeps(package, &file.path))
        .map(copied)
        .collect();
    files.push(made_record(contents));
    let dist_info = format!("{}/", contents.dist_info);
    files.sort_by_cached_key(|file| {
        let name = &file.member.name;
        (!name.starts_with(&dist_info), name.clone())
    });
    let mut depends = contents.requires.clone();
    depends.retain(|name| lock.packages.contains_key(name) && name != package);
    if let Some(holders) = settled.holders.get(package) {
        depends.extend(holders.iter().map(|name| (*name).clone()));
        depends.sort();
        depends.dedup();
    }
    let length = |file: &PlannedFile| file.member.header_length() + file.member.compressed;
    PlannedSegment {
        package: package.clone(),
        version: locked.version.clone(),
        wheel: locked.wheel.filename.clone(),
        wheel_sha256: locked.wheel.sha256,
        offset,
        length: files.iter().map(length).sum(),
        unpacked: files.iter().map(|file| file.member.size).sum(),
        files,
        imports: contents.imports.clone(),
        depends,
        pth: contents.pth,
    }
}

fn copied(file: &InstalledFile) -> PlannedFile {
    PlannedFile {
        member: Member {
            name: file.path.clone(),
            method: file.method,
            crc32: file.crc32,
            compressed: file.compressed,
            size: file.size,
            executable: file.executable,
        },
        data: Data::Wheel(file.data_offset),
    }
}

fn made_record(contents: &WheelContents) -> PlannedFile {
    let text = wheel::render_record(contents).into_bytes();
    PlannedFile {
        member: Member::stored(format!("{}/RECORD", contents.dist_info), &text),
        data: Data::Made(text),
    }
}
