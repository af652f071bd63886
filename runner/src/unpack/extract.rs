//! Turns members into files.
//!
//! In: a plan, the bytes it speaks of, a folder of the caller's own. Out: files.
//! Never: uses a byte of a segment before its digest is checked; holds more than a batch's bytes;
//! follows a link (a folder that only this code writes has none).

use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use libdeflater::{Crc, Decompressor};
use pyrun_core::Sha256;
use sha2::Digest;

use super::archive::{self, Member, Method};
use super::error::{UnpackError, corrupt, read_error};
use super::large;
use super::plan::{Plan, Share};

/// Bytes: what is read, inflated and written at a time, unless one member is larger.
const BATCH: u64 = 2 << 20;
/// Bytes that are hashed at a time: they stay in the processor's own cache.
const HASH_STEP: usize = 256 << 10;
/// Bytes: a buffer that grew beyond this for one large member is given back.
const KEPT_BUFFER: usize = 8 << 20;

/// The bytes of a bundle, or of one segment of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// A file that holds the bytes from `start` on. It stays as it is while it is open: a store
    /// replaces objects and never changes them.
    File {
        /// The open file.
        file: &'a std::fs::File,
        /// The bundle's offset of the file's first byte.
        start: u64,
    },
    /// Bytes from `start` on.
    Memory {
        /// The bytes.
        bytes: &'a [u8],
        /// The bundle's offset of the first one.
        start: u64,
    },
}

impl<'a> Source<'a> {
    /// The bytes in `range`, through `buffer` if they are in a file.
    pub(super) fn read<'b>(
        &self,
        range: Range<u64>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], UnpackError>
    where
        'a: 'b,
    {
        let cut_off = || read_error(io::ErrorKind::UnexpectedEof.into());
        let length = range.end.checked_sub(range.start).ok_or_else(cut_off)?;
        let length = usize::try_from(length).map_err(|_| cut_off())?;
        match self {
            Self::File { file, start } => {
                let buffer = room(buffer, length);
                let at = range.start.checked_sub(*start).ok_or_else(cut_off)?;
                file.read_exact_at(buffer, at).map_err(read_error)?;
                Ok(buffer)
            }
            Self::Memory { bytes, start } => range
                .start
                .checked_sub(*start)
                .and_then(|at| usize::try_from(at).ok())
                .and_then(|at| bytes.get(at..)?.get(..length))
                .ok_or_else(cut_off),
        }
    }
}

/// `length` bytes of a buffer that is only ever grown: what is in them is overwritten.
fn room(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

/// Checks a segment's digest.
pub(super) fn verify(share: &Share, source: &Source<'_>) -> Result<(), UnpackError> {
    let Some(expected) = share.sha256 else {
        return Ok(());
    };
    let mut hasher = sha2::Sha256::new();
    let mut buffer = Vec::new();
    let mut at = share.start;
    while at < share.end {
        let step = share.end.min(at + HASH_STEP as u64);
        hasher.update(source.read(at..step, &mut buffer)?);
        at = step;
    }
    if Sha256::finish(hasher) == expected {
        Ok(())
    } else {
        Err(corrupt("a segment is not what its record says"))
    }
}

/// Members of a share that are handled together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) members: Range<usize>,
    /// Bytes of memory that it takes.
    pub(super) memory: u64,
    /// Bytes of its files.
    pub(super) unpacked: u64,
}

/// Cuts a share into batches of neighbours.
pub(super) fn batches(plan: &Plan, share: &Share, target: &Target<'_>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut largest = 0;
    let mut read = 0;
    for at in share.members.clone() {
        let member = &plan.members[at];
        let span = member.end - member.offset;
        let fits = |batch: &Batch| batch.unpacked + member.size <= BATCH && read + span <= BATCH;
        if !batches.last().is_some_and(fits) {
            batches.push(Batch {
                members: at..at,
                memory: 0,
                unpacked: 0,
            });
            (largest, read) = (0, 0);
        }
        if let Some(batch) = batches.last_mut() {
            read += span;
            largest = member.size.max(largest);
            batch.members.end = at + 1;
            // A large one has a batch of its own.
            batch.memory = if is_in_pieces(member, target) {
                large::MEMORY
            } else {
                read + largest
            };
            batch.unpacked += member.size;
        }
    }
    batches
}

/// Whether a member is written piece by piece, which bytecode never is: it is looked at first.
fn is_in_pieces(member: &Member, target: &Target<'_>) -> bool {
    large::is_large(member) && target.magic.is_none()
}

/// How a file comes to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The folder is nobody's yet: files are written where they belong.
    Fresh,
    /// Others may be reading: each file is replaced in one step.
    Live,
}

/// What all of a plan's files have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) root: &'a Path,
    pub(super) place: Place,
    /// Files must be bytecode with this magic number.
    pub(super) magic: Option<u16>,
}

/// Inflates and writes; reuses its memory.
#[derive(Default)]
pub(super) struct Extractor {
    decompressor: Option<Decompressor>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Extractor {
    /// Writes the files of a batch.
    pub(super) fn write(
        &mut self,
        plan: &Plan,
        batch: &Batch,
        source: &Source<'_>,
        target: &Target<'_>,
    ) -> Result<(), UnpackError> {
        let members = &plan.members[batch.members.clone()];
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return Ok(());
        };
        if let [member] = members
            && is_in_pieces(member, target)
        {
            return large::write(member, source, target);
        }
        let mut input = std::mem::take(&mut self.input);
        let bytes = source.read(first.offset..last.end, &mut input)?;
        for member in members {
            let at = |offset: u64| usize::try_from(offset - first.offset).unwrap_or(usize::MAX);
            let own = bytes
                .get(at(member.offset)..at(member.end))
                .ok_or_else(|| corrupt("a segment is cut off"))?;
            let content = self.inflate(member, own)?;
            check_magic(member, content, target.magic)?;
            write_file(target, member, content)?;
        }
        self.input = input;
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.len() > KEPT_BUFFER {
                *buffer = Vec::new();
            }
        }
        Ok(())
    }

    /// The content of a member from its bytes, checked against its size and CRC-32.
    pub(super) fn inflate<'b>(
        &'b mut self,
        member: &Member,
        bytes: &'b [u8],
    ) -> Result<&'b [u8], UnpackError> {
        let broken = || corrupt(format!("the data of `{}` is broken", member.path));
        let data = archive::data(member, bytes)?;
        let content: &[u8] = match member.method {
            Method::Stored => data,
            Method::Deflate => {
                let size = usize::try_from(member.size).map_err(|_| broken())?;
                let output = room(&mut self.output, size);
                let decompressor = self.decompressor.get_or_insert_with(Decompressor::new);
                let written = decompressor
                    .deflate_decompress(data, output)
                    .map_err(|_| broken())?;
                if written != size {
                    return Err(broken());
                }
                output
            }
        };
        let mut crc = Crc::new();
        crc.update(content);
        if crc.sum() == member.crc32 {
            Ok(content)
        } else {
            Err(broken())
        }
    }
}

/// PEP 552: the magic number, then `\r\n`, then the flags.
fn check_magic(member: &Member, content: &[u8], magic: Option<u16>) -> Result<(), UnpackError> {
    let Some(magic) = magic else {
        return Ok(());
    };
    let [low, high] = magic.to_le_bytes();
    if content.len() >= 16 && content.starts_with(&[low, high, b'\r', b'\n']) {
        Ok(())
    } else {
        let path = &member.path;
        Err(corrupt(format!(
            "`{path}` is no bytecode of magic number {magic}"
        )))
    }
}

/// Makes every folder of a plan.
pub(super) fn make_folders(plan: &Plan, root: &Path) -> Result<(), UnpackError> {
    for folder in &plan.folders {
        let path = root.join(folder);
        match fs_err::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            result => result.map_err(UnpackError::Write)?,
        }
    }
    Ok(())
}

fn write_file(target: &Target<'_>, member: &Member, content: &[u8]) -> Result<(), UnpackError> {
    let path = target.root.join(&member.path);
    let written = match target.place {
        Place::Fresh => create(&path, member.executable, content),
        Place::Live => replace(&path, member.executable, content),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Some wheels bring bytecode; the companion's is compiled for this very interpreter.
            if target.magic.is_some() {
                return replace(&path, member.executable, content).map_err(UnpackError::Write);
            }
            Err(twice(member))
        }
        written => written.map_err(UnpackError::Write),
    }
}

fn twice(member: &Member) -> UnpackError {
    let path = &member.path;
    corrupt(format!("`{path}` has the name of another file here"))
}

/// The file of a member, to be written piece by piece. Only bundles have such, and their folder is
/// nobody's yet.
pub(super) fn open(target: &Target<'_>, member: &Member) -> Result<fs_err::File, UnpackError> {
    let path = target.root.join(&member.path);
    let opened = create_new(&path, member.executable);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => twice(member),
        _ => UnpackError::Write(error),
    })
}

/// Takes away a file that could not be written whole.
pub(super) fn discard(target: &Target<'_>, member: &Member) {
    let path = target.root.join(&member.path);
    // The first error is the one to tell.
    let _ = fs_err::remove_file(path);
}

fn draft(path: &Path) -> std::path::PathBuf {
    let mut name = std::ffi::OsString::from(format!(".{}.", std::process::id()));
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn replace(path: &Path, executable: bool, content: &[u8]) -> io::Result<()> {
    let draft = draft(path);
    create(&draft, executable, content)
        .and_then(|()| fs_err::rename(&draft, path))
        .inspect_err(|_| {
            // The first error is the one to tell; a leftover draft has no reader.
            let _ = fs_err::remove_file(&draft);
        })
}

fn create(path: &Path, executable: bool, content: &[u8]) -> io::Result<()> {
    create_new(path, executable)?.write_all(content)
}

fn create_new(path: &Path, executable: bool) -> io::Result<fs_err::File> {
    let mode = if executable { 0o755 } else { 0o644 };
    fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}
