//! The end record: where the central directory is (APPNOTE 4.3.14 to 4.3.16).

use super::fields::Fields;
use super::source::{Source, read};
use super::{ZipError, error};

const END: [u8; 4] = *b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_LENGTH: u64 = 20;
const END64: [u8; 4] = *b"PK\x06\x06";
const END64_LENGTH: usize = 56;
const LONGEST_COMMENT: u64 = 0xffff;

/// Where the central directory is, and what it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    pub offset: u64,
    pub size: u64,
    pub entries: u64,
}

/// Finds the central directory. It must end where the end records start.
pub(super) fn locate(source: &impl Source) -> Result<Directory, error::ZipError> {
    let size = source.size()?;
    let length = size.min(LONGEST_COMMENT + END_LENGTH as u64);
    let tail_start = size - length;
    let tail = read(source, tail_start, to_usize(length))?;
    let at = find_end(&tail).ok_or(ZipError::NotZip)?;
    let end_offset = tail_start + at as u64;
    let broken = ZipError::Directory("its end record is cut off");
    let (directory, comment) = parse_end(&tail[at..]).ok_or(broken)??;
    let after = (tail.len() - at - END_LENGTH) as u64;
    if comment < after {
        return Err(ZipError::Trailing(after - comment));
    }
    if comment > after {
        return Err(ZipError::Directory("its comment is cut off"));
    }
    if ends_at(&directory, end_offset) {
        return Ok(directory);
    }
    match read_end64(source, end_offset)? {
        Some(wide) => agree(&directory, wide),
        None => Err(misplaced(&directory, end_offset)),
    }
}

/// The end record that is nearest to the end. A comment that holds another one is thereby refused:
/// it would not reach the end of the archive.
fn find_end(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_LENGTH)?;
    (0..=last).rev().find(|&at| tail[at..].starts_with(&END))
}

/// The directory, with masked fields as they stand, and the comment's length.
fn parse_end(bytes: &[u8]) -> Option<Result<(Directory, u64), ZipError>> {
    let mut fields = Fields(bytes.get(4..)?);
    let disks = (fields.u16()?, fields.u16()?);
    let here = fields.u16()?;
    let entries = fields.u16()?;
    let size = u64::from(fields.u32()?);
    let offset = u64::from(fields.u32()?);
    let comment = u64::from(fields.u16()?);
    let masked = disks == (0xffff, 0xffff);
    if (disks != (0, 0) && !masked) || here != entries {
        return Some(Err(ZipError::Split));
    }
    let directory = Directory {
        offset,
        size,
        entries: u64::from(entries),
    };
    Some(Ok((directory, comment)))
}

fn ends_at(directory: &Directory, offset: u64) -> bool {
    directory.offset.checked_add(directory.size) == Some(offset)
}

/// The zip64 end record, when a locator stands before the end record.
fn read_end64(source: &impl Source, end_offset: u64) -> Result<Option<Directory>, ZipError> {
    let Some(locator_offset) = end_offset.checked_sub(LOCATOR_LENGTH) else {
        return Ok(None);
    };
    let locator = read(source, locator_offset, to_usize(LOCATOR_LENGTH))?;
    if !locator.starts_with(&LOCATOR) {
        return Ok(None);
    }
    let lies = ZipError::Directory("its zip64 locator points to no zip64 end record");
    let mut fields = Fields(&locator[4..]);
    let (Some(disk), Some(offset), Some(disks)) = (fields.u32(), fields.u64(), fields.u32()) else {
        return Err(lies);
    };
    if disk != 0 || disks != 1 {
        return Err(ZipError::Split);
    }
    if offset.checked_add(END64_LENGTH as u64) != Some(locator_offset) {
        // A longer record would carry an extensible data sector, which nothing writes.
        return Err(lies);
    }
    let record = read(source, offset, END64_LENGTH)?;
    if !record.starts_with(&END64) {
        return Err(lies);
    }
    let directory = parse_end64(&record).ok_or(lies)??;
    if ends_at(&directory, offset) {
        Ok(Some(directory))
    } else {
        Err(misplaced(&directory, offset))
    }
}

fn parse_end64(record: &[u8]) -> Option<Result<Directory, ZipError>> {
    let mut fields = Fields(record.get(4..)?);
    let rest = fields.u64()?;
    let _versions = fields.u32()?;
    let disks = (fields.u32()?, fields.u32()?);
    let here = fields.u64()?;
    let entries = fields.u64()?;
    let size = fields.u64()?;
    let offset = fields.u64()?;
    if rest != END64_LENGTH as u64 - 12 {
        return Some(Err(ZipError::Directory(
            "its zip64 end record has another length",
        )));
    }
    if disks != (0, 0) || here != entries {
        return Some(Err(ZipError::Split));
    }
    Some(Ok(Directory {
        offset,
        size,
        entries,
    }))
}

/// The zip64 record, once each field of the plain one is masked or says the same.
fn agree(plain: &Directory, wide: Directory) -> Result<Directory, ZipError> {
    let same = |plain: u64, mask: u64, wide: u64| plain == mask || plain == wide;
    let all = same(plain.entries, 0xffff, wide.entries)
        && same(plain.size, 0xffff_ffff, wide.size)
        && same(plain.offset, 0xffff_ffff, wide.offset);
    if all {
        Ok(wide)
    } else {
        Err(ZipError::Directory("its two end records disagree"))
    }
}

fn misplaced(directory: &Directory, end: u64) -> ZipError {
    match directory.offset.checked_add(directory.size) {
        Some(declared) if declared < end => ZipError::Prefix(end - declared),
        _ => ZipError::Directory("it reaches past the end record"),
    }
}

fn to_usize(bounded: u64) -> usize {
    usize::try_from(bounded).expect("lengths here are below 2^17")
}
