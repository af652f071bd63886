//! Where METADATA is inside a wheel, read from the end of its zip archive (APPNOTE 4.3).
//!
//! In: the last bytes of an archive, its central directory, one member's bytes. Out: positions,
//! and the inflated member. Never: trusts a number: each is checked against the archive's size and
//! a limit before it is used. What the whole wheel must keep is checked when it is installed.

use crate::index::filename::same_name;

/// The largest METADATA that is read.
pub(super) const MAX_METADATA: u64 = 10 << 20;
/// The largest central directory that is read.
pub(super) const MAX_DIRECTORY: u64 = 64 << 20;
/// The end record, the longest comment, and zip64's locator and record.
pub(super) const LONGEST_END: u64 = 22 + 0xffff + 20 + 56;

/// Why a wheel's METADATA can't be read. Reads as the rest of a sentence about the wheel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("is not a zip archive: it has no end record")]
    NoEnd,
    #[error("is not a sound zip archive: {0}")]
    Unsound(&'static str),
    #[error("has no `METADATA` for the version that its name says")]
    NoMetadata,
    #[error("has a `{0}` larger than {1} bytes")]
    TooLarge(&'static str, u64),
}

/// The central directory's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// One member's place and form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// Where its local header starts.
    pub(super) start: u64,
    pub(super) compressed: u64,
    pub(super) size: u64,
    crc: u32,
    method: u16,
    name_length: u64,
}

/// Finds the central directory. `tail` is the end of an archive of `size` bytes. `None`: the
/// end record may stand before the tail.
pub(super) fn locate(tail: &[u8], size: u64) -> Result<Option<Directory>, ArchiveError> {
    let tail_start = size - tail.len() as u64;
    // From the back: a comment may hold what looks like an end record, but then its own length
    // does not reach exactly to the end.
    let found = (0..(tail.len() + 1).saturating_sub(22)).rev().find(|&at| {
        tail[at..].starts_with(b"PK\x05\x06")
            && at + 22 + usize::from(u16_at(tail, at + 20)) == tail.len()
    });
    let Some(at) = found else {
        return if tail_start == 0 || tail.len() as u64 >= LONGEST_END {
            Err(ArchiveError::NoEnd)
        } else {
            Ok(None)
        };
    };
    let length = u64::from(u32_at(tail, at + 12));
    let start = u64::from(u32_at(tail, at + 16));
    let directory = if length == u64::from(u32::MAX) || start == u64::from(u32::MAX) {
        match zip64(tail, at, tail_start)? {
            Some(directory) => directory,
            None => return Ok(None),
        }
    } else {
        let end = start + length;
        Directory { start, end }
    };
    if directory.end > tail_start + at as u64 || directory.start > directory.end {
        return Err(ArchiveError::Unsound("its directory lies outside"));
    }
    if directory.end - directory.start > MAX_DIRECTORY {
        return Err(ArchiveError::TooLarge("directory", MAX_DIRECTORY));
    }
    Ok(Some(directory))
}

/// The zip64 end record, through its locator right before the end record at `end`.
fn zip64(tail: &[u8], end: usize, tail_start: u64) -> Result<Option<Directory>, ArchiveError> {
    let wrong = ArchiveError::Unsound("its zip64 end record is missing");
    let Some(locator) = end.checked_sub(20) else {
        return if tail_start == 0 {
            Err(wrong)
        } else {
            Ok(None)
        };
    };
    if !tail[locator..].starts_with(b"PK\x06\x07") {
        return Err(wrong);
    }
    let record = u64_at(tail, locator + 8);
    if record < tail_start {
        // The record stands right before its locator, unless it holds vendors' data.
        return if tail_start == 0 {
            Err(wrong)
        } else {
            Ok(None)
        };
    }
    let record = usize::try_from(record - tail_start)
        .ok()
        .filter(|record| *record <= locator.saturating_sub(56))
        .filter(|record| tail[*record..].starts_with(b"PK\x06\x06"))
        .ok_or(wrong)?;
    let length = u64_at(tail, record + 40);
    let start = u64_at(tail, record + 48);
    let end = start
        .checked_add(length)
        .ok_or(ArchiveError::Unsound("its directory lies outside"))?;
    Ok(Some(Directory { start, end }))
}

/// Finds `{name}-{version}.dist-info/METADATA` in a central directory.
pub(super) fn find_metadata(directory: &[u8], project: &str) -> Result<Member, ArchiveError> {
    let cut = ArchiveError::Unsound("its directory is cut");
    let mut rest = directory;
    let mut found = None;
    while rest.len() >= 4 {
        if !rest.starts_with(b"PK\x01\x02") || rest.len() < 46 {
            return Err(cut);
        }
        let name_length = usize::from(u16_at(rest, 28));
        let extra_length = usize::from(u16_at(rest, 30));
        let comment_length = usize::from(u16_at(rest, 32));
        let end = 46 + name_length + extra_length + comment_length;
        if rest.len() < end {
            return Err(cut);
        }
        if is_metadata(&rest[46..46 + name_length], project) {
            if found.is_some() {
                return Err(ArchiveError::Unsound("it has two `METADATA` files"));
            }
            found = Some(member(rest, name_length)?);
        }
        rest = &rest[end..];
    }
    found.ok_or(ArchiveError::NoMetadata)
}

fn is_metadata(path: &[u8], project: &str) -> bool {
    let name = || {
        let folder = std::str::from_utf8(path.strip_suffix(b".dist-info/METADATA")?).ok()?;
        folder.split_once('-').map(|(name, _)| name)
    };
    name().is_some_and(|name| same_name(name, project))
}

fn member(entry: &[u8], name_length: usize) -> Result<Member, ArchiveError> {
    if u16_at(entry, 8) & 1 != 0 {
        return Err(ArchiveError::Unsound("its `METADATA` is encrypted"));
    }
    let member = Member {
        method: u16_at(entry, 10),
        crc: u32_at(entry, 16),
        compressed: u64::from(u32_at(entry, 20)),
        size: u64::from(u32_at(entry, 24)),
        start: u64::from(u32_at(entry, 42)),
        name_length: name_length as u64,
    };
    // Sizes of zip64 stand in the extra field and here as the largest number: too large as well.
    if member.size > MAX_METADATA || member.compressed > MAX_METADATA {
        return Err(ArchiveError::TooLarge("METADATA", MAX_METADATA));
    }
    if member.start == u64::from(u32::MAX) {
        return Err(ArchiveError::Unsound("its `METADATA` lies beyond 4 GiB"));
    }
    Ok(member)
}

impl Member {
    /// Where the member surely starts and ends at the latest, if its local header has an extra
    /// field of up to `extra` bytes.
    pub(super) fn reach(&self, extra: u64) -> (u64, u64) {
        let end = self.start + 30 + self.name_length + extra + self.compressed;
        (self.start, end)
    }

    /// The length of the extra field that the local header at the start of `bytes` says.
    pub(super) fn extra(&self, bytes: &[u8]) -> Result<u64, ArchiveError> {
        let wrong = ArchiveError::Unsound("its `METADATA` is not where the directory says");
        if bytes.len() < 30 || !bytes.starts_with(b"PK\x03\x04") {
            return Err(wrong);
        }
        if u64::from(u16_at(bytes, 26)) != self.name_length {
            return Err(wrong);
        }
        Ok(u64::from(u16_at(bytes, 28)))
    }

    /// The member's content. `bytes` are those that [`Member::reach`] says for the true length of
    /// the extra field.
    pub(super) fn inflate(&self, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let cut = ArchiveError::Unsound("its `METADATA` is cut");
        let length = usize::try_from(self.compressed).map_err(|_| cut.clone())?;
        let at = bytes.len().checked_sub(length).ok_or_else(|| cut.clone())?;
        let size = usize::try_from(self.size).map_err(|_| cut)?;
        let content = match self.method {
            0 if length == size => bytes[at..].to_vec(),
            8 => {
                let mut content = vec![0; size];
                let written = libdeflater::Decompressor::new()
                    .deflate_decompress(&bytes[at..], &mut content)
                    .map_err(|_| ArchiveError::Unsound("its `METADATA` does not inflate"))?;
                if written != size {
                    return Err(ArchiveError::Unsound("its `METADATA` has another size"));
                }
                content
            }
            0 => return Err(ArchiveError::Unsound("its `METADATA` has another size")),
            _ => {
                return Err(ArchiveError::Unsound(
                    "its `METADATA` is compressed by another method than deflate",
                ));
            }
        };
        if crc32fast::hash(&content) == self.crc {
            Ok(content)
        } else {
            Err(ArchiveError::Unsound("its `METADATA` has another checksum"))
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |pair| u16::from_le_bytes([pair[0], pair[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::strange::metadata_inside as metadata_of;
    use std::io::{Cursor, Write as _};
    use zip::write::SimpleFileOptions;

    const TEXT: &[u8] = b"Name: a\nVersion: 1\n";

    fn archive(names: &[&str], comment: &str) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.set_comment(comment).expect("a comment");
        for name in names {
            let options =
                SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            writer.start_file(*name, options).expect("a member");
            writer.write_all(TEXT).expect("written");
        }
        writer.finish().expect("an archive").into_inner()
    }

    #[test]
    fn metadata_is_found_by_the_projects_name() {
        let names = [
            "a/x.dist-info/METADATA",
            "Foo_Bar-1.0.dist-info/METADATA",
            "b",
        ];
        let bytes = archive(
            &names,
            "PK\u{5}\u{6} a comment that looks like an end record",
        );
        assert_eq!(metadata_of(&bytes, "foo-bar"), Ok(TEXT.to_vec()));
        assert_eq!(metadata_of(&bytes, "foo"), Err(ArchiveError::NoMetadata));
    }

    #[test]
    fn a_tail_that_is_too_short_asks_for_more() {
        let bytes = archive(&["a-1.dist-info/METADATA"], &"c".repeat(100));
        let size = bytes.len() as u64;
        assert_eq!(locate(&bytes[bytes.len() - 50..], size), Ok(None));
        assert!(matches!(
            locate(&bytes[bytes.len() - 122..], size),
            Ok(Some(_))
        ));
        assert_eq!(locate(b"<html>", 6), Err(ArchiveError::NoEnd));
        assert_eq!(locate(b"", 0), Err(ArchiveError::NoEnd));
    }

    #[test]
    fn two_metadata_files_are_refused() {
        let bytes = archive(&["a-1.dist-info/METADATA", "A-1.dist-info/METADATA"], "");
        assert!(matches!(
            metadata_of(&bytes, "a"),
            Err(ArchiveError::Unsound(_))
        ));
    }

    #[test]
    fn no_changed_byte_panics_or_gives_another_text() {
        let bytes = archive(&["a-1.dist-info/METADATA"], "");
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0xff, bytes[at] ^ 1] {
                let mut bad = bytes.clone();
                bad[at] = value;
                if let Ok(text) = metadata_of(&bad, "a") {
                    assert_eq!(text, TEXT, "byte {at}");
                }
            }
        }
    }
}
