//! Checks that a wheel is what the wheel specification and its own RECORD say.
//!
//! In: a wheel file and the file name that the lock gives it. Out: what it installs, as places of
//! compressed data in the file with the digest of each once unpacked.
//! Never: writes or runs anything; takes a name as a path before it is proven to stay inside its
//! folder; holds a large member in memory whole.
//!
//! Follows the binary distribution format (`PyPA` specifications, "Binary distribution format") and
//! "Recording installed projects". Stricter than pip where a lie could hide: every member must be
//! listed in RECORD with a digest of the SHA-2 family, and must have it. Only RECORD itself and its
//! signatures are exempt.
//!
//! Console scripts are not made: a bundle is a flat site-packages that no shell searches.
//! `entry_points.txt` stays, so `importlib.metadata.entry_points` answers.

mod error;
mod imports;
mod metadata;
mod paths;
mod record;
#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;

use pep508_rs::PackageName;
use pyrun_core::{Sha256, WheelFilename};

pub use error::{WheelError, WheelProblem};
pub(crate) use paths::unsafe_reason;
pub use record::render as render_record;
pub(crate) use verify::digest_of;

use crate::install::{self, Layout};
use crate::zip::{self, Archive, Entry, Inflater, Method};

/// How large a wheel may be once unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The limits on the archive itself.
    pub archive: zip::Limits,
    /// Bytes of all members together. The largest wheels on `PyPI` (machine learning with CUDA)
    /// unpack to some 4 GB.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive: zip::Limits::default(),
            unpacked: 8 << 30,
        }
    }
}

/// METADATA, WHEEL and RECORD are read into memory: bytes of each, at most. The index is believed
/// no larger METADATA either; a RECORD of 100 000 members takes some 15 MB.
const MAX_DOCUMENT: u64 = 10 << 20;
const MAX_RECORD: u64 = 64 << 20;

/// What a wheel installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelContents {
    /// Its file name.
    pub filename: WheelFilename,
    /// The name of its `.dist-info` folder.
    pub dist_info: String,
    /// What is installed, sorted by path. RECORD is not here: [`render_record`] makes it anew.
    pub files: Vec<InstalledFile>,
    /// Top-level names that it lets Python import, sorted.
    pub imports: Vec<String>,
    /// The packages that `Requires-Dist` names, under whatever marker, sorted.
    pub requires: Vec<PackageName>,
    /// Its licence as an SPDX expression, where METADATA states one that can be understood.
    pub licence: Option<String>,
    /// Whether it brings `.pth` files, which Python reads at its start.
    pub pth: bool,
}

/// One file, in its wheel and in site-packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledFile {
    /// Where it lands: a relative path with slashes, proven to stay inside its folder.
    pub path: String,
    /// Whether it is executable.
    pub executable: bool,
    /// Whether it lands where Python looks for modules.
    pub library: bool,
    /// How its data is kept in the wheel.
    pub method: Method,
    /// The CRC-32 of its plain bytes.
    pub crc32: u32,
    /// Bytes of its data in the wheel.
    pub compressed: u64,
    /// Bytes once unpacked.
    pub size: u64,
    /// Where its data starts in the wheel.
    pub data_offset: u64,
    /// The digest of its plain bytes.
    pub sha256: Sha256,
}

/// Checks a whole wheel: its structure, its documents, and every member's bytes, each unpacked once
/// on all cores. Blocks for as long as that takes.
pub fn check(
    path: &Path,
    filename: &WheelFilename,
    limits: &Limits,
) -> Result<WheelContents, WheelError> {
    let file = open(path);
    let contents = file.and_then(|file| examine(file, filename, limits, Trust::Nothing));
    contents.map_err(|problem| WheelError::new(filename, problem))
}

/// Checks a wheel that [`check`] let into the store: its digest, its structure and its documents.
/// With the digest proven its members are those that were checked, so they are not unpacked again.
pub fn reopen(
    path: &Path,
    filename: &WheelFilename,
    sha256: &Sha256,
    limits: &Limits,
) -> Result<WheelContents, WheelError> {
    let contents = open(path).and_then(|file| {
        let actual = verify::whole(&file)?;
        if actual != *sha256 {
            return Err(WheelProblem::Hash {
                expected: *sha256,
                actual,
            });
        }
        examine(file, filename, limits, Trust::Record)
    });
    contents.map_err(|problem| WheelError::new(filename, problem))
}

/// What of a wheel is known to be true before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing: every member is unpacked.
    Nothing,
    /// That each member has the digest that RECORD gives it.
    Record,
}

fn open(path: &Path) -> Result<fs_err::File, WheelProblem> {
    fs_err::File::open(path).map_err(|error| WheelProblem::Zip(error.into()))
}

fn examine(
    file: fs_err::File,
    filename: &WheelFilename,
    limits: &Limits,
    trust: Trust,
) -> Result<WheelContents, WheelProblem> {
    let archive = Archive::open(file, &limits.archive)?;
    paths::check(archive.entries())?;
    verify::bound(&archive, limits.unpacked)?;
    let layout = metadata::find_layout(archive.entries(), filename)?;
    let said = metadata::check(&read_documents(&archive, &layout)?, filename)?;
    let record = read_document(&archive, &layout, "RECORD")?;
    let listed = record::parse(&record, archive.entries().len())?;
    drop(record);
    let members = record::assign(archive.entries(), &listed, &layout)?;
    let digests = verify::digests(archive.source(), &members, trust)?;
    let (mut files, mut imports) = (Vec::new(), imports::Imports::default());
    for (member, sha256) in members.iter().zip(digests) {
        if let Some(place) = install::place(&member.entry.name, &layout)? {
            imports.add(&place);
            files.push(installed(member.entry, place, sha256));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let record = format!("{}/RECORD", layout.dist_info);
    let paths = files.iter().map(|file| file.path.as_str());
    paths::check_distinct(paths.chain([record.as_str()]))?;
    Ok(WheelContents {
        filename: filename.clone(),
        pth: files.iter().any(|file| is_pth(&file.path)),
        dist_info: layout.dist_info,
        files,
        imports: imports.into_names(),
        requires: said.requires,
        licence: said.licence,
    })
}

fn is_pth(path: &str) -> bool {
    !path.contains('/')
        && Path::new(path)
            .extension()
            .is_some_and(|suffix| suffix == "pth")
}

fn installed(entry: &Entry, place: install::Place, sha256: Sha256) -> InstalledFile {
    InstalledFile {
        executable: place.is_script() || entry.mode & 0o111 != 0,
        library: place.is_library(),
        path: place.path,
        method: entry.method,
        crc32: entry.crc32,
        compressed: entry.compressed,
        size: entry.size,
        data_offset: entry.data_offset,
        sha256,
    }
}

fn read_documents(
    archive: &Archive<fs_err::File>,
    layout: &Layout,
) -> Result<metadata::Documents, WheelProblem> {
    Ok(metadata::Documents {
        metadata: read_document(archive, layout, "METADATA")?,
        wheel: read_document(archive, layout, "WHEEL")?,
    })
}

/// A document of the dist-info folder, whole.
fn read_document(
    archive: &Archive<fs_err::File>,
    layout: &Layout,
    name: &'static str,
) -> Result<Vec<u8>, WheelProblem> {
    let path = format!("{}/{name}", layout.dist_info);
    let entry = archive.entries().iter().find(|entry| entry.name == path);
    let entry = entry.ok_or(WheelProblem::Missing(name))?;
    let limit = if name == "RECORD" {
        MAX_RECORD
    } else {
        MAX_DOCUMENT
    };
    if entry.size > limit {
        return Err(WheelProblem::LargeDocument {
            name,
            size: entry.size,
        });
    }
    Ok(Inflater::default().read(archive.source(), entry)?)
}
