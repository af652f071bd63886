//! Our own archives, in one normalised form: time 1980-01-01, mode 0644 or 0755, no data
//! descriptors, no comments, no extra fields but zip64 where a number does not fit. The bytes
//! depend on names, data and order alone.

use std::io::{self, Write};

use super::Method;

const MASK: u64 = 0xffff_ffff;
/// 1980-01-01, the first day that a DOS date can tell; the time is midnight.
const DATE: u16 = 1 << 5 | 1;
const UTF8: u16 = 1 << 11;
/// "Version made by": Unix, so that readers take the mode, and APPNOTE 4.5.
const MADE_BY: u16 = 3 << 8 | NEEDED_ZIP64;
const NEEDED: u16 = 20;
const NEEDED_ZIP64: u16 = 45;

/// A member to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name: a relative path with slashes.
    pub name: String,
    /// How its data is kept.
    pub method: Method,
    /// The CRC-32 of its plain bytes.
    pub crc32: u32,
    /// Bytes of its data in the archive.
    pub compressed: u64,
    /// Bytes once unpacked.
    pub size: u64,
    /// Mode 0755 rather than 0644.
    pub executable: bool,
}

impl Member {
    /// A member that is kept as it is.
    pub fn stored(name: impl Into<String>, content: &[u8]) -> Self {
        Self {
            name: name.into(),
            method: Method::Stored,
            crc32: crc32fast::hash(content),
            compressed: content.len() as u64,
            size: content.len() as u64,
            executable: false,
        }
    }

    fn flags(&self) -> u16 {
        if self.name.is_ascii() { 0 } else { UTF8 }
    }

    fn is_wide(&self) -> bool {
        self.size >= MASK || self.compressed >= MASK
    }

    /// Bytes of its local header.
    pub fn header_length(&self) -> u64 {
        30 + self.name.len() as u64 + if self.is_wide() { 20 } else { 0 }
    }

    fn name_length(&self) -> u16 {
        u16::try_from(self.name.len()).expect("names come from archives or from us: below 64 KiB")
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The local header (APPNOTE 4.3.7).
pub fn local_header(member: &Member) -> Vec<u8> {
    let wide = member.is_wide();
    // Both sizes stand in the zip64 field of a local header, or none (4.5.3).
    let sizes = if wide {
        [u32::MAX; 2]
    } else {
        [narrow(member.compressed), narrow(member.size)]
    };
    let mut bytes = Vec::with_capacity(30 + member.name.len() + 20);
    bytes.extend(b"PK\x03\x04");
    bytes.extend((if wide { NEEDED_ZIP64 } else { NEEDED }).to_le_bytes());
    shared_fields(&mut bytes, member, sizes);
    bytes.extend((if wide { 20u16 } else { 0 }).to_le_bytes());
    bytes.extend(member.name.as_bytes());
    if wide {
        zip64_field(&mut bytes, &[member.size, member.compressed]);
    }
    bytes
}

/// The central directory's header (APPNOTE 4.3.12) of a member whose local header is at `offset`.
pub fn central_header(member: &Member, offset: u64) -> Vec<u8> {
    let wide: Vec<u64> = [member.size, member.compressed, offset]
        .into_iter()
        .filter(|value| *value >= MASK)
        .collect();
    let needed = if wide.is_empty() {
        NEEDED
    } else {
        NEEDED_ZIP64
    };
    let mode: u32 = if member.executable {
        0o100_755
    } else {
        0o100_644
    };
    let mut bytes = Vec::with_capacity(46 + member.name.len() + 28);
    bytes.extend(b"PK\x01\x02");
    bytes.extend(MADE_BY.to_le_bytes());
    bytes.extend(needed.to_le_bytes());
    let sizes = [narrow(member.compressed), narrow(member.size)];
    shared_fields(&mut bytes, member, sizes);
    let extra_length: u16 = match wide.len() {
        0 => 0,
        1 => 12,
        2 => 20,
        _ => 28,
    };
    bytes.extend(extra_length.to_le_bytes());
    // Comment length, disk and internal attributes.
    bytes.extend([0; 6]);
    bytes.extend((mode << 16).to_le_bytes());
    bytes.extend(narrow(offset).to_le_bytes());
    bytes.extend(member.name.as_bytes());
    if !wide.is_empty() {
        zip64_field(&mut bytes, &wide);
    }
    bytes
}

/// From the flags to the name's length: the same in both headers.
fn shared_fields(bytes: &mut Vec<u8>, member: &Member, sizes: [u32; 2]) {
    bytes.extend(member.flags().to_le_bytes());
    bytes.extend(member.method.id().to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(DATE.to_le_bytes());
    bytes.extend(member.crc32.to_le_bytes());
    for size in sizes {
        bytes.extend(size.to_le_bytes());
    }
    bytes.extend(member.name_length().to_le_bytes());
}

fn zip64_field(bytes: &mut Vec<u8>, values: &[u64]) {
    let length = u16::try_from(8 * values.len()).expect("at most 24");
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    for value in values {
        bytes.extend(value.to_le_bytes());
    }
}

/// The end record (APPNOTE 4.3.16), with its zip64 form before it (4.3.14) where a number does not
/// fit. `offset` and `size` are the central directory's, in bytes.
pub fn end_record(entries: u64, offset: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(98);
    if entries >= 0xffff || offset >= MASK || size >= MASK {
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend(MADE_BY.to_le_bytes());
        bytes.extend(NEEDED_ZIP64.to_le_bytes());
        bytes.extend([0; 8]);
        for value in [entries, entries, size, offset] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(b"PK\x06\x07");
        bytes.extend([0; 4]);
        bytes.extend((offset + size).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
    }
    let entries = u16::try_from(entries).unwrap_or(u16::MAX);
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0; 4]);
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(narrow(size).to_le_bytes());
    bytes.extend(narrow(offset).to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// Writes an archive member by member.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    offset: u64,
    directory: Vec<u8>,
    entries: u64,
}

impl<W: Write> Writer<W> {
    /// An archive with no members yet.
    pub fn new(out: W) -> Self {
        Self {
            out,
            offset: 0,
            directory: Vec::new(),
            entries: 0,
        }
    }

    /// Where the next member will start, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What the archive is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes a member's local header. Exactly `member.compressed` bytes must follow by
    /// [`Writer::data`].
    pub fn start(&mut self, member: &Member) -> io::Result<()> {
        self.directory.extend(central_header(member, self.offset));
        self.entries += 1;
        self.data(&local_header(member))
    }

    /// Writes a part of the data of the member that was started last, in its compressed form.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Writes a member with its data, which is `member.compressed` bytes long.
    pub fn member(&mut self, member: &Member, data: &[u8]) -> io::Result<()> {
        self.start(member)?;
        self.data(data)
    }

    /// Writes a member as it is.
    pub fn stored(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.member(&Member::stored(name, content), content)
    }

    /// Writes the central directory and the end record, and gives back the output.
    pub fn finish(mut self) -> io::Result<W> {
        let offset = self.offset;
        let directory = std::mem::take(&mut self.directory);
        let end = end_record(self.entries, offset, directory.len() as u64);
        self.data(&directory)?;
        self.data(&end)?;
        Ok(self.out)
    }
}
