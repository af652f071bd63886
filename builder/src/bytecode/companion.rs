//! A bundle's companion, spliced from its wheels' bytecode.
//!
//! In: the archives of a bundle's wheels, in the bundle's order. Out: one archive of them.
//! Never: gives a module the bytecode of another source. Python does not compare the two, so
//! where two wheels bring one path with different content, that path goes without, whichever of
//! them the bundle holds.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::path::Path;

use bytes::Bytes;
use pyrun_core::Sha256;

use super::BytecodeError;
use super::archive::Archive;
use super::compile::header;
use crate::zip::{self, Entry, Inflater, Member, Method, Writer};

/// Checks that every byte of a companion is what was written, as far as its own checksums tell, and
/// that it holds bytecode of this magic number alone. Blocks for as long as it takes to read it.
pub fn check(companion: Bytes, magic: u16) -> Result<(), BytecodeError> {
    let archive = zip::Archive::open(companion, &zip::Limits::default())?;
    let mut inflater = Inflater::default();
    let head = header(magic);
    for entry in archive.entries() {
        let bytecode = inflater.read(archive.source(), entry)?;
        let is_ours = is_pyc(&entry.name) && bytecode.starts_with(&head);
        if !is_ours {
            return Err(BytecodeError::Corrupt(
                "it holds more than bytecode of its interpreter",
            ));
        }
    }
    Ok(())
}

fn is_pyc(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|kind| kind == "pyc")
}

/// Writes the companion to `path`. Gives the number of its members and its size in bytes.
pub(super) fn write(archives: &[Archive], path: &Path) -> Result<(u64, u64), BytecodeError> {
    let contested = contested(archives);
    let file = fs_err::File::create(path)?;
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, file));
    let mut inflater = Inflater::default();
    let mut written = BTreeSet::new();
    for archive in archives {
        for (path, entry) in archive.members() {
            if !contested.contains(path) && written.insert(path) {
                let bytes = inflater.read(archive.file(), entry)?;
                writer.member(&member(entry), &bytes)?;
            }
        }
    }
    let mut file = writer.finish()?;
    file.flush()?;
    let size = file.get_ref().metadata()?.len();
    Ok((written.len() as u64, size))
}

/// The paths that two wheels bring with different content.
fn contested(archives: &[Archive]) -> BTreeSet<&str> {
    let mut first: BTreeMap<&str, &Sha256> = BTreeMap::new();
    let mut contested = BTreeSet::new();
    for (path, digest) in archives.iter().flat_map(|archive| &archive.sources) {
        if *first.entry(path).or_insert(digest) != digest {
            contested.insert(path.as_str());
        }
    }
    contested
}

fn member(entry: &Entry) -> Member {
    Member {
        name: entry.name.clone(),
        method: Method::Stored,
        crc32: entry.crc32,
        compressed: entry.size,
        size: entry.size,
        executable: false,
    }
}
