//! A zip writer that writes what it is told, right or wrong.
//!
//! In: members whose two headers can each be changed. Out: the bytes of an archive.
//! Never: checks or repairs anything; reads the clock. One list of members gives one archive.

use libdeflater::{CompressionLvl, Compressor};

/// The compression method of members that stand as they are.
pub const STORED: u16 = 0;
/// The compression method of deflated members.
pub const DEFLATED: u16 = 8;
/// The general purpose flag of encrypted members.
pub const ENCRYPTED: u16 = 1;
/// The general purpose flag of members whose sizes follow their data.
pub const DESCRIPTOR: u16 = 1 << 3;
/// The general purpose flag of names in UTF-8.
pub const UTF8: u16 = 1 << 11;

/// 1980-01-01, the first day that a zip can name.
const DATE: u16 = 0x21;
/// Made on Unix, so that the mode counts, by version 4.5 of the format.
const MADE_BY: u16 = 0x032D;
/// In a 32-bit field: look into the zip64 extra field.
const IN_ZIP64: u32 = u32::MAX;

/// What a header says of its member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name's bytes.
    pub name: Vec<u8>,
    /// General purpose flags.
    pub flags: u16,
    /// The compression method.
    pub method: u16,
    /// CRC-32 of the content.
    pub crc: u32,
    /// Bytes of the data.
    pub compressed: u64,
    /// Bytes of the content.
    pub size: u64,
    /// Whether the two sizes stand in a zip64 extra field.
    pub zip64: bool,
}

/// A member: its data, and what its two headers say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The header before the data.
    pub local: Header,
    /// The header in the central directory.
    pub central: Header,
    /// The data, compressed or not.
    pub data: Vec<u8>,
    /// The Unix mode with the kind of file, such as `0o100644`.
    pub mode: u32,
    /// Where its local header stands.
    pub place: Place,
}

/// Where a member's local header stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// After the member before it, as it should.
    InOrder,
    /// Nowhere of its own: in another member's data, which must hold header and data.
    Inside {
        /// The other member, which must come earlier.
        member: usize,
        /// Where in its data, in bytes.
        at: u64,
    },
}

/// A whole archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// Bytes before the first local header; the offsets allow for them.
    pub prefix: Vec<u8>,
    /// The members, in order.
    pub members: Vec<Member>,
    /// Bytes after the end of the central directory's record.
    pub suffix: Vec<u8>,
    /// The number of members that the end record claims, where it is not the true one.
    pub claimed: Option<u64>,
}

impl Member {
    /// A member that stands as it is.
    pub fn stored(name: &str, content: &[u8], mode: u32) -> Self {
        Self::new(name, content, STORED, content.to_vec(), mode)
    }

    /// A deflated member.
    pub fn deflated(name: &str, content: &[u8], mode: u32) -> Self {
        Self::new(name, content, DEFLATED, deflate(content), mode)
    }

    /// A folder; `name` ends in a slash.
    pub fn directory(name: &str) -> Self {
        Self::stored(name, &[], 0o040_755)
    }

    fn new(name: &str, content: &[u8], method: u16, data: Vec<u8>, mode: u32) -> Self {
        let header = Header {
            name: name.as_bytes().to_vec(),
            flags: if name.is_ascii() { 0 } else { UTF8 },
            method,
            crc: crc32fast::hash(content),
            compressed: data.len() as u64,
            size: content.len() as u64,
            zip64: false,
        };
        Self {
            local: header.clone(),
            central: header,
            data,
            mode,
            place: Place::InOrder,
        }
    }

    /// Changes both headers alike.
    pub fn headers(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        change(&mut self.central);
    }

    fn has_descriptor(&self) -> bool {
        self.local.flags & DESCRIPTOR != 0
    }

    /// The data descriptor: with its signature, as most writers have it.
    fn descriptor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put32(&mut out, 0x0807_4b50);
        put32(&mut out, self.central.crc);
        if self.local.zip64 {
            put64(&mut out, self.central.compressed);
            put64(&mut out, self.central.size);
        } else {
            put32(&mut out, low(self.central.compressed));
            put32(&mut out, low(self.central.size));
        }
        out
    }
}

impl Header {
    /// The local header's bytes. Sizes and CRC are 0 where a data descriptor says them.
    pub fn local_bytes(&self) -> Vec<u8> {
        let mut header = self.clone();
        if header.flags & DESCRIPTOR != 0 {
            (header.crc, header.compressed, header.size) = (0, 0, 0);
        }
        let extra = header.extra();
        let mut out = Vec::new();
        put32(&mut out, 0x0403_4b50);
        header.put_facts(&mut out, extra.len());
        out.extend(&header.name);
        out.extend(extra);
        out
    }

    fn central_bytes(&self, mode: u32, offset: u64) -> Vec<u8> {
        let extra = self.extra();
        let mut out = Vec::new();
        put32(&mut out, 0x0201_4b50);
        put16(&mut out, MADE_BY);
        self.put_facts(&mut out, extra.len());
        put16(&mut out, 0); // comment
        put16(&mut out, 0); // disk
        put16(&mut out, 0); // internal attributes
        let is_directory = u32::from(mode & 0o170_000 == 0o040_000);
        put32(&mut out, mode << 16 | is_directory << 4);
        put32(&mut out, low(offset));
        out.extend(&self.name);
        out.extend(extra);
        out
    }

    /// The fields that both headers share, from the version needed to the extra field's length.
    fn put_facts(&self, out: &mut Vec<u8>, extra: usize) {
        put16(out, if self.zip64 { 45 } else { 20 });
        put16(out, self.flags);
        put16(out, self.method);
        put16(out, 0); // time
        put16(out, DATE);
        put32(out, self.crc);
        let size = |size| if self.zip64 { IN_ZIP64 } else { low(size) };
        put32(out, size(self.compressed));
        put32(out, size(self.size));
        put16(out, short(self.name.len()));
        put16(out, short(extra));
    }

    fn extra(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.zip64 {
            put16(&mut out, 1);
            put16(&mut out, 16);
            put64(&mut out, self.size);
            put64(&mut out, self.compressed);
        }
        out
    }
}

impl Archive {
    /// An archive of these members with nothing wrong.
    pub fn of(members: Vec<Member>) -> Self {
        Self {
            members,
            ..Self::default()
        }
    }

    /// The archive's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let mut central = Vec::new();
        let mut data_starts: Vec<u64> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let offset = match member.place {
                Place::InOrder => out.len() as u64,
                Place::Inside { member, at } => data_starts[member] + at,
            };
            central.extend(member.central.central_bytes(member.mode, offset));
            if member.place == Place::InOrder {
                out.extend(member.local.local_bytes());
                data_starts.push(out.len() as u64);
                out.extend(&member.data);
                if member.has_descriptor() {
                    out.extend(member.descriptor());
                }
            } else {
                data_starts.push(offset);
            }
        }
        let start = out.len() as u64;
        out.extend(&central);
        self.put_end(&mut out, start, central.len() as u64);
        out.extend(&self.suffix);
        out
    }

    fn put_end(&self, out: &mut Vec<u8>, start: u64, length: u64) {
        let count = self.claimed.unwrap_or(self.members.len() as u64);
        if count >= u64::from(u16::MAX) {
            let record = out.len() as u64;
            put32(out, 0x0606_4b50);
            put64(out, 44);
            put16(out, MADE_BY);
            put16(out, 45);
            put32(out, 0);
            put32(out, 0);
            put64(out, count);
            put64(out, count);
            put64(out, length);
            put64(out, start);
            put32(out, 0x0706_4b50);
            put32(out, 0);
            put64(out, record);
            put32(out, 1);
        }
        put32(out, 0x0605_4b50);
        put16(out, 0);
        put16(out, 0);
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        put16(out, count);
        put16(out, count);
        put32(out, low(length));
        put32(out, low(start));
        put16(out, 0);
    }
}

/// `content` as a raw deflate stream.
pub fn deflate(content: &[u8]) -> Vec<u8> {
    if content.is_empty() {
        // One final empty block with fixed codes, as zlib writes it.
        return vec![3, 0];
    }
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut out = vec![0; compressor.deflate_compress_bound(content.len())];
    let length = compressor
        .deflate_compress(content, &mut out)
        .expect("the bound is large enough");
    out.truncate(length);
    out
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn low(value: u64) -> u32 {
    u32::try_from(value).expect("no test archive reaches 4 GiB without zip64 headers")
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("no test has such long names")
}
