//! The central directory (APPNOTE 4.3.12) and the extra fields (4.5).

use super::end::Directory;
use super::error::shown;
use super::fields::Fields;
use super::source::{self, Source};
use super::{Limits, Method, ZipError};

const HEADER: u32 = u32::from_le_bytes(*b"PK\x01\x02");
const HEADER_LENGTH: u64 = 46;
const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;
/// No data stream of `n` bytes inflates to more than this times `n` (RFC 1951: at best 258 bytes
/// by two bits).
const DEFLATE_LIMIT: u64 = 1032;

/// General purpose flags (APPNOTE 4.4.4).
pub(super) const DESCRIPTOR: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// What a compressor notes of its own effort; no reader looks at it.
pub(super) const EFFORT: u16 = 1 << 1 | 1 << 2;

/// A member as the central directory has it.
#[derive(Debug)]
pub(super) struct Record {
    pub name: String,
    pub flags: u16,
    pub method: Method,
    pub crc32: u32,
    pub compressed: u64,
    pub size: u64,
    pub mode: u32,
    pub header_offset: u64,
}

/// Reads the whole central directory.
pub(super) fn read(
    source: &impl Source,
    directory: &Directory,
    limits: &Limits,
) -> Result<Vec<Record>, ZipError> {
    if directory.size > limits.directory {
        return Err(ZipError::DirectoryTooLarge {
            size: directory.size,
            limit: limits.directory,
        });
    }
    if directory.entries > limits.members {
        return Err(ZipError::TooManyMembers {
            count: directory.entries,
            limit: limits.members,
        });
    }
    if directory.entries.saturating_mul(HEADER_LENGTH) > directory.size {
        return Err(ZipError::Directory("it is too short for its members"));
    }
    let size = usize::try_from(directory.size).expect("bounded by the limit on directories");
    let bytes = source::read(source, directory.offset, size)?;
    let mut fields = Fields(&bytes);
    let mut records = Vec::new();
    for _ in 0..directory.entries {
        let cut = ZipError::Directory("a header is cut off");
        records.push(parse_header(&mut fields).ok_or(cut)??);
    }
    if fields.0.is_empty() {
        Ok(records)
    } else {
        Err(ZipError::Directory("it holds more than its members"))
    }
}

/// One header; `None` when it is cut off.
fn parse_header(fields: &mut Fields) -> Option<Result<Record, ZipError>> {
    if fields.u32()? != HEADER {
        return Some(Err(ZipError::Directory("a header has no signature")));
    }
    let _versions = fields.u32()?;
    let flags = fields.u16()?;
    let method = fields.u16()?;
    let _time = fields.u32()?;
    let crc32 = fields.u32()?;
    let compressed = fields.u32()?;
    let size = fields.u32()?;
    let name_length = fields.u16()?;
    let extra_length = fields.u16()?;
    let comment_length = fields.u16()?;
    let disk = fields.u16()?;
    let _internal = fields.u16()?;
    let external = fields.u32()?;
    let offset = fields.u32()?;
    let name = fields.take(usize::from(name_length))?;
    let extra = fields.take(usize::from(extra_length))?;
    let _comment = fields.take(usize::from(comment_length))?;
    if disk != 0 && disk != 0xffff {
        return Some(Err(ZipError::Split));
    }
    let record = check_flags(name, flags).and_then(|()| {
        let name = decode(name, flags)?;
        let mut wide = [size, compressed, offset].map(u64::from);
        widen(&name, extra, &mut wide)?;
        let [size, compressed, header_offset] = wide;
        let method = Method::from_id(method).ok_or_else(|| ZipError::Method {
            name: shown(name.as_bytes()),
            method,
        })?;
        check_sizes(&name, method, compressed, size)?;
        Ok(Record {
            name,
            flags,
            method,
            crc32,
            compressed,
            size,
            mode: external >> 16,
            header_offset,
        })
    });
    Some(record)
}

fn check_flags(name: &[u8], flags: u16) -> Result<(), ZipError> {
    if flags & ENCRYPTED == 0 {
        Ok(())
    } else {
        Err(ZipError::Encrypted(shown(name)))
    }
}

/// A name without the UTF-8 flag is cp437 by the standard and UTF-8 by habit: only where both say
/// the same, in ASCII, is it taken.
fn decode(name: &[u8], flags: u16) -> Result<String, ZipError> {
    let text = std::str::from_utf8(name).ok();
    text.filter(|_| flags & UTF8 != 0 || name.is_ascii())
        .map(str::to_owned)
        .ok_or_else(|| ZipError::NameEncoding(shown(name)))
}

fn check_sizes(name: &str, method: Method, compressed: u64, size: u64) -> Result<(), ZipError> {
    let possible = match method {
        Method::Stored => compressed == size,
        Method::Deflate => size <= compressed.saturating_mul(DEFLATE_LIMIT),
    };
    if possible {
        return Ok(());
    }
    let name = shown(name.as_bytes());
    Err(match method {
        Method::Stored => ZipError::Size { name, size },
        Method::Deflate => ZipError::Impossible {
            name,
            compressed,
            size,
        },
    })
}

/// Takes from the zip64 field (4.5.3) what the header's own fields mask. A field that is not masked
/// may stand there too, where all do and say the same.
pub(super) fn widen<const N: usize>(
    name: &str,
    extra: &[u8],
    values: &mut [u64; N],
) -> Result<(), ZipError> {
    let wrong = |problem| ZipError::Extra {
        name: shown(name.as_bytes()),
        problem,
    };
    let Some(wide) = find_zip64(extra).map_err(wrong)? else {
        return Ok(());
    };
    let any_masked = values.contains(&0xffff_ffff);
    let mut fields = Fields(wide);
    for value in values {
        if *value == 0xffff_ffff {
            *value = fields.u64().ok_or(wrong("lacks a size or an offset"))?;
        } else if !any_masked && fields.u64().is_some_and(|wide| wide != *value) {
            return Err(wrong("gives another size or offset than the header"));
        }
    }
    if fields.0.is_empty() {
        Ok(())
    } else {
        Err(wrong("holds more sizes than the header masks"))
    }
}

/// The content of the zip64 field, once all fields are found to be whole.
fn find_zip64(extra: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    let mut fields = Fields(extra);
    let mut found = None;
    while !fields.0.is_empty() {
        let id = fields.u16().ok_or("is cut off")?;
        let length = fields.u16().ok_or("is cut off")?;
        let content = fields.take(usize::from(length)).ok_or("is cut off")?;
        match id {
            ZIP64 if found.is_some() => return Err("stands twice"),
            ZIP64 => found = Some(content),
            UNICODE_PATH => return Err("gives it a second name"),
            _ => {}
        }
    }
    Ok(found)
}
