//! What is to be unpacked, checked as a whole before a byte is written.
//!
//! In: a bundle's record and its tail, or a companion's directory. Out: a [`Plan`].
//! Never: accepts members outside their segment, two files of one name, or more than was declared.

use std::collections::BTreeSet;
use std::ops::Range;

use pyrun_core::{BundleRecord, FORMAT, Manifest, Segment, Sha256};

use super::archive::{self, Member};
use super::error::{UnpackError, corrupt};
use super::extract::Extractor;

/// Bytes: the largest environments known (CUDA and all) have some 10 GB.
const MOST_UNPACKED: u64 = 64 << 30;
/// Bytes: a directory of two hundred thousand members has some 30 MB.
const LARGEST_TAIL: u64 = 256 << 20;

/// What is to be unpacked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) members: Vec<Member>,
    pub(super) shares: Vec<Share>,
    /// Every folder, parents first.
    pub(super) folders: BTreeSet<String>,
    /// Bytes of all files.
    pub(super) unpacked: u64,
    /// What the bundle says of itself.
    pub(super) notes: Option<Notes>,
}

/// One segment's part of a plan.
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) start: u64,
    pub(super) end: u64,
    /// `None` for a companion: nothing vouches for it but its own checksums.
    pub(super) sha256: Option<Sha256>,
    /// In [`Plan::members`].
    pub(super) members: Range<usize>,
}

/// The bundle's last two members.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) lock: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

/// Where a bundle's tail is; the record may say anything, so this is checked first.
pub(super) fn tail_range(record: &BundleRecord) -> Result<Range<u64>, UnpackError> {
    let length = record.size.checked_sub(record.tail_offset);
    if length.is_none_or(|length| length > LARGEST_TAIL) {
        return Err(corrupt("its record says a size that no bundle has"));
    }
    Ok(record.tail_offset..record.size)
}

impl Plan {
    /// A bundle's plan, from its record and the bytes of its tail.
    pub(super) fn of_bundle(record: &BundleRecord, tail: &[u8]) -> Result<Self, UnpackError> {
        if record.manifest.format != FORMAT {
            return Err(corrupt("it is of another format"));
        }
        if tail.len() as u64 != record.size - record.tail_offset
            || Sha256::of(tail) != record.tail_sha256
        {
            return Err(corrupt("its tail is not what its record says"));
        }
        let location = archive::locate(tail, record.size)?;
        let mut members = archive::directory(tail, record.tail_offset, location)?;
        let files = members.partition_point(|member| member.offset < record.tail_offset);
        let notes = Notes::read(&members[files..], tail, record)?;
        members.truncate(files);
        let shares = shares(&record.manifest.segments, &members, record.tail_offset)?;
        Self::checked(members, shares, Some(notes))
    }

    /// A companion's plan, from its directory.
    pub(super) fn of_companion(members: Vec<Member>, end: u64) -> Result<Self, UnpackError> {
        let is_bytecode = |path: &str| {
            let mut parts = path.rsplit('/');
            let name = parts.next().and_then(|name| name.rsplit_once('.'));
            name.is_some_and(|(_, extension)| extension == "pyc")
                && parts.next() == Some("__pycache__")
        };
        if let Some(member) = members.iter().find(|member| !is_bytecode(&member.path)) {
            return Err(corrupt(format!("`{}` is no bytecode", member.path)));
        }
        let share = Share {
            start: 0,
            end,
            sha256: None,
            members: 0..members.len(),
        };
        check_share(&share, &members)?;
        Self::checked(members, vec![share], None)
    }

    fn checked(
        members: Vec<Member>,
        shares: Vec<Share>,
        notes: Option<Notes>,
    ) -> Result<Self, UnpackError> {
        let mut files = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for member in &members {
            if !files.insert(member.path.as_str()) {
                return Err(corrupt(format!("`{}` stands in it twice", member.path)));
            }
            add_parents(&member.path, &mut folders);
        }
        if let Some(path) = folders.iter().find(|path| files.contains(path.as_str())) {
            return Err(corrupt(format!("`{path}` is a file and a folder")));
        }
        let unpacked = total(&members);
        if unpacked > MOST_UNPACKED {
            return Err(corrupt("it unpacks to more than any bundle"));
        }
        Ok(Self {
            members,
            shares,
            folders,
            unpacked,
            notes,
        })
    }
}

fn total(members: &[Member]) -> u64 {
    members
        .iter()
        .fold(0, |sum, member| member.size.saturating_add(sum))
}

fn add_parents(path: &str, folders: &mut BTreeSet<String>) {
    let mut rest = path;
    while let Some((parent, _)) = rest.rsplit_once('/') {
        if folders.contains(parent) {
            break;
        }
        folders.insert(parent.to_owned());
        rest = parent;
    }
}

/// Deals the members out to their segments, which must cover everything up to the tail.
fn shares(
    segments: &[Segment],
    members: &[Member],
    tail_offset: u64,
) -> Result<Vec<Share>, UnpackError> {
    let mut position = 0;
    let mut next = 0;
    let mut shares = Vec::with_capacity(segments.len());
    for segment in segments {
        let wrong =
            |problem: &str| corrupt(format!("the segment of `{}` {problem}", segment.wheel));
        let end = segment.offset.checked_add(segment.length);
        let Some(end) = end.filter(|_| segment.offset == position) else {
            return Err(wrong("is not where its record says"));
        };
        let first = next;
        next += members[first..].partition_point(|member| member.offset < end);
        let share = Share {
            start: position,
            end,
            sha256: Some(segment.sha256),
            members: first..next,
        };
        check_share(&share, members)?;
        let own = &members[first..next];
        if total(own) > segment.unpacked || own.len() as u64 > segment.files {
            return Err(wrong("holds more than its record says"));
        }
        position = end;
        shares.push(share);
    }
    if position != tail_offset || next != members.len() {
        return Err(corrupt("its segments do not cover it"));
    }
    Ok(shares)
}

/// A share's members fill it, from its first byte to its last.
fn check_share(share: &Share, members: &[Member]) -> Result<(), UnpackError> {
    let own = &members[share.members.clone()];
    let starts = own.first().map_or(share.end, |member| member.offset);
    let ends = own.last().map_or(share.end, |member| member.end);
    if starts == share.start && ends == share.end {
        Ok(())
    } else {
        Err(corrupt("a segment holds bytes of no member"))
    }
}

impl Notes {
    /// Reads the lock and the manifest. A bundle proves its name: its lock's digest is the hash
    /// that it is stored under, and its manifest is the record's.
    fn read(members: &[Member], tail: &[u8], record: &BundleRecord) -> Result<Self, UnpackError> {
        let [lock, manifest] = members else {
            return Err(corrupt("its tail is not a lock and a manifest"));
        };
        if lock.path != "pylock.toml" || manifest.path != "manifest.json" {
            return Err(corrupt("its tail is not a lock and a manifest"));
        }
        let read = |member: &Member| -> Result<Vec<u8>, UnpackError> {
            if member.size > LARGEST_TAIL {
                return Err(corrupt(format!("`{}` is too large", member.path)));
            }
            let from = usize::try_from(member.offset - record.tail_offset).unwrap_or(usize::MAX);
            let to = usize::try_from(member.end - record.tail_offset).unwrap_or(usize::MAX);
            let bytes = tail.get(from..to).unwrap_or_default();
            Ok(Extractor::default().inflate(member, bytes)?.to_vec())
        };
        let notes = Self {
            lock: read(lock)?,
            manifest: read(manifest)?,
        };
        if Sha256::of(&notes.lock) != record.manifest.lock.0 {
            return Err(corrupt("its lock is not the one that it is named after"));
        }
        let manifest: Option<Manifest> = serde_json::from_slice(&notes.manifest).ok();
        if manifest.as_ref() != Some(&record.manifest) {
            return Err(corrupt("its manifest is not the one in its record"));
        }
        Ok(notes)
    }
}
