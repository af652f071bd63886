//! Local headers (APPNOTE 4.3.7) and data descriptors (4.3.9), compared with the central directory.

use super::central::{DESCRIPTOR, EFFORT, Record, widen};
use super::error::shown;
use super::fields::Fields;
use super::source::{Source, read};
use super::{Entry, ZipError};

const HEADER: u32 = u32::from_le_bytes(*b"PK\x03\x04");
const HEADER_LENGTH: usize = 30;
/// Extra fields are read along with the name when they are not longer than this.
const USUAL_EXTRA: usize = 64;
const SIGNATURE: u32 = u32::from_le_bytes(*b"PK\x07\x08");

/// Reads each local header and sees that the members tile the archive up to `directory`.
pub(super) fn check(
    source: &impl Source,
    directory: u64,
    records: Vec<Record>,
) -> Result<Vec<Entry>, ZipError> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|&index| records[index].header_offset);
    let mut data_offsets = vec![0; records.len()];
    let mut position = 0;
    for (rank, &index) in order.iter().enumerate() {
        let record = &records[index];
        follows(position, record.header_offset, &record.name)?;
        let next = order.get(rank + 1).map(|&next| &records[next]);
        let end = next.map_or(directory, |next| next.header_offset);
        let data = check_header(source, record, end)?;
        // `check_header` saw that the data ends before `end`.
        position = data + record.compressed;
        if record.flags & DESCRIPTOR != 0 {
            check_descriptor(source, record, position, end)?;
            position = end;
        }
        data_offsets[index] = data;
    }
    follows(position, directory, "the central directory")?;
    let entry = |(record, data_offset): (Record, u64)| Entry {
        name: record.name,
        method: record.method,
        crc32: record.crc32,
        compressed: record.compressed,
        size: record.size,
        mode: record.mode,
        data_offset,
    };
    Ok(records.into_iter().zip(data_offsets).map(entry).collect())
}

fn follows(position: u64, start: u64, name: &str) -> Result<(), ZipError> {
    if start == position {
        Ok(())
    } else if start < position {
        Err(ZipError::Overlap(shown(name.as_bytes())))
    } else if position == 0 {
        Err(ZipError::Prefix(start))
    } else {
        Err(ZipError::Gap {
            name: shown(name.as_bytes()),
            bytes: start - position,
        })
    }
}

/// Where the data starts; it ends at `end` or before.
fn check_header(source: &impl Source, record: &Record, end: u64) -> Result<u64, ZipError> {
    let overlap = || ZipError::Overlap(shown(record.name.as_bytes()));
    let room = end.saturating_sub(record.header_offset);
    let wanted = HEADER_LENGTH + record.name.len() + USUAL_EXTRA;
    let length = usize::try_from(room).map_or(wanted, |room| room.min(wanted));
    let bytes = read(source, record.header_offset, length)?;
    let mut fields = Fields(&bytes);
    let header = parse(&mut fields).ok_or_else(overlap)?;
    compare(&header, record)?;
    let name = fields.take(header.name_length).ok_or_else(overlap)?;
    if name != record.name.as_bytes() {
        return Err(mismatch(record, "name"));
    }
    let data = (HEADER_LENGTH + header.name_length + header.extra_length) as u64;
    let data_end = data.checked_add(record.compressed);
    if data_end.is_none_or(|data_end| data_end > room) {
        return Err(overlap());
    }
    let extra_offset = record.header_offset + data - header.extra_length as u64;
    let extra = match fields.take(header.extra_length) {
        Some(extra) => extra.to_vec(),
        None => read(source, extra_offset, header.extra_length)?,
    };
    compare_sizes(&header, &extra, record)?;
    Ok(record.header_offset + data)
}

#[derive(Debug)]
struct Header {
    signature: u32,
    flags: u16,
    method: u16,
    crc32: u32,
    compressed: u32,
    size: u32,
    name_length: usize,
    extra_length: usize,
}

fn parse(fields: &mut Fields) -> Option<Header> {
    let signature = fields.u32()?;
    let _version = fields.u16()?;
    let flags = fields.u16()?;
    let method = fields.u16()?;
    let _time = fields.u32()?;
    Some(Header {
        signature,
        flags,
        method,
        crc32: fields.u32()?,
        compressed: fields.u32()?,
        size: fields.u32()?,
        name_length: fields.u16()?.into(),
        extra_length: fields.u16()?.into(),
    })
}

fn mismatch(record: &Record, field: &'static str) -> ZipError {
    ZipError::Mismatch {
        name: shown(record.name.as_bytes()),
        field,
    }
}

fn compare(header: &Header, record: &Record) -> Result<(), ZipError> {
    if header.signature != HEADER {
        return Err(mismatch(record, "signature"));
    }
    if (header.flags ^ record.flags) & !EFFORT != 0 {
        return Err(mismatch(record, "set of flags"));
    }
    if header.method != record.method.id() {
        return Err(mismatch(record, "method"));
    }
    if header.name_length != record.name.len() {
        return Err(mismatch(record, "name"));
    }
    Ok(())
}

/// Sizes and CRC; with a data descriptor they may be 0 here, as they were not known yet.
fn compare_sizes(header: &Header, extra: &[u8], record: &Record) -> Result<(), ZipError> {
    let mut wide = [header.size, header.compressed].map(u64::from);
    widen(&record.name, extra, &mut wide)?;
    let [size, compressed] = wide;
    let later = record.flags & DESCRIPTOR != 0;
    let same = |value: u64, expected: u64| value == expected || (later && value == 0);
    if !same(size, record.size) {
        return Err(mismatch(record, "size"));
    }
    if !same(compressed, record.compressed) {
        return Err(mismatch(record, "compressed size"));
    }
    if !same(header.crc32.into(), record.crc32.into()) {
        return Err(mismatch(record, "CRC-32"));
    }
    Ok(())
}

/// The descriptor fills the room between the data and the next member, in one of the four forms
/// that are in use: with or without a signature, with sizes of 32 or 64 bits.
fn check_descriptor(
    source: &impl Source,
    record: &Record,
    start: u64,
    end: u64,
) -> Result<(), ZipError> {
    let room = end - start;
    let (signed, wide) = match room {
        12 => (false, false),
        16 => (true, false),
        20 => (false, true),
        24 => (true, true),
        _ => {
            return Err(ZipError::Gap {
                name: format!("the end of `{}`", shown(record.name.as_bytes())),
                bytes: room,
            });
        }
    };
    let length = usize::try_from(room).expect("at most 24");
    let bytes = read(source, start, length)?;
    let mut fields = Fields(&bytes);
    let mut expected = Vec::with_capacity(3);
    if signed && fields.u32() != Some(SIGNATURE) {
        return Err(mismatch(record, "data descriptor"));
    }
    expected.push(fields.u32().map(u64::from));
    for _ in 0..2 {
        expected.push(if wide {
            fields.u64()
        } else {
            fields.u32().map(u64::from)
        });
    }
    let known = [u64::from(record.crc32), record.compressed, record.size];
    if expected.into_iter().eq(known.map(Some)) {
        Ok(())
    } else {
        Err(mismatch(record, "data descriptor"))
    }
}
