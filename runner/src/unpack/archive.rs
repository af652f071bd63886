//! Reads the one form of zip that pyrun writes.
//!
//! In: bytes whose digest is checked, or that are checked member by member. Out: [`Member`]s with
//! safe paths. Never: reads what pyrun does not write (data descriptors, comments, encryption,
//! links, several disks); trusts a size, an offset or a name.
//!
//! Follows PKWARE's APPNOTE 4.3 (structures) and 4.5.3 (zip64).

use super::error::{UnpackError, corrupt};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
const END_LENGTH: usize = 22;
const LOCATOR64_LENGTH: usize = 20;
const END64_LENGTH: usize = 56;
/// Bytes at a zip's end that say where its directory is.
pub(super) const ENDING: usize = END_LENGTH + LOCATOR64_LENGTH + END64_LENGTH;

/// Deflate can't do better (RFC 1951: 258 bytes for two bits, in the limit).
const BEST_RATIO: u64 = 1032;
const MOST_MEMBERS: u64 = 2_000_000;
const LONGEST_PATH: usize = 1024;
const LONGEST_NAME: usize = 255;
/// UTF-8 names, and the two bits in which deflate notes how hard it tried.
const ALLOWED_FLAGS: u16 = 0x0806;

/// A file of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Relative, with `/`, of plain parts alone.
    pub(super) path: String,
    /// Where its local header starts.
    pub(super) offset: u64,
    /// Where the next member, or the directory, starts.
    pub(super) end: u64,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) crc32: u32,
    pub(super) method: Method,
    pub(super) executable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflate,
}

impl Method {
    fn of(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::Stored),
            8 => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) offset: u64,
    length: u64,
    count: u64,
}

/// Finds the directory from a zip's last bytes: at least [`ENDING`] of them, or all.
pub(super) fn locate(last: &[u8], size: u64) -> Result<Location, UnpackError> {
    let broken = || corrupt("its end record is broken");
    let record_at = last.len().checked_sub(END_LENGTH).ok_or_else(broken)?;
    let mut fields = Fields(&last[record_at..]);
    let (signature, disks) = (fields.u32()?, fields.u32()?);
    let (here, total) = (fields.u16()?, fields.u16()?);
    let (length, offset, comment) = (fields.u32()?, fields.u32()?, fields.u16()?);
    if signature != END || disks != 0 || here != total || comment != 0 {
        return Err(broken());
    }
    let (location, ending) = if total == u16::MAX || length == u32::MAX || offset == u32::MAX {
        let ending = ENDING as u64;
        (locate64(last, size).ok_or_else(broken)??, ending)
    } else {
        let location = Location {
            offset: offset.into(),
            length: length.into(),
            count: total.into(),
        };
        (location, END_LENGTH as u64)
    };
    let directory_end = location.offset.checked_add(location.length);
    if directory_end != size.checked_sub(ending) || location.count > MOST_MEMBERS {
        return Err(broken());
    }
    Ok(location)
}

fn locate64(last: &[u8], size: u64) -> Option<Result<Location, UnpackError>> {
    let record_at = last.len().checked_sub(ENDING)?;
    let mut fields = Fields(&last[record_at..]);
    let read = |fields: &mut Fields<'_>| -> Result<Option<Location>, UnpackError> {
        let head = (fields.u32()?, fields.u64()?);
        fields.take(4)?; // the versions that made it and that it needs
        let disks = fields.u64()?;
        let (here, total) = (fields.u64()?, fields.u64()?);
        let (length, offset) = (fields.u64()?, fields.u64()?);
        let locator = (fields.u32()?, fields.u32()?, fields.u64()?, fields.u32()?);
        let expected = (LOCATOR64, 0, size.wrapping_sub(ENDING as u64), 1);
        let sound = head == (END64, END64_LENGTH as u64 - 12)
            && disks == 0
            && here == total
            && locator == expected;
        Ok(sound.then_some(Location {
            offset,
            length,
            count: total,
        }))
    };
    read(&mut fields).transpose()
}

/// Reads the directory; `bytes` are the zip's last ones, from `start` on, and hold all of it.
pub(super) fn directory(
    bytes: &[u8],
    start: u64,
    location: Location,
) -> Result<Vec<Member>, UnpackError> {
    let from = location
        .offset
        .checked_sub(start)
        .and_then(|from| usize::try_from(from).ok())
        .ok_or_else(|| corrupt("its directory starts outside its tail"))?;
    let length = usize::try_from(location.length).unwrap_or(usize::MAX);
    let entries = bytes
        .get(from..)
        .and_then(|rest| rest.get(..length))
        .ok_or_else(|| corrupt("its directory is cut off"))?;
    let mut fields = Fields(entries);
    let mut members: Vec<Member> = Vec::new();
    for _ in 0..location.count {
        let member = entry(&mut fields)?;
        if let Some(last) = members.last_mut() {
            last.end = member.offset;
        }
        members.push(member);
    }
    if !fields.0.is_empty() {
        return Err(corrupt("its directory holds more than it counts"));
    }
    if let Some(last) = members.last_mut() {
        last.end = location.offset;
    }
    for member in &members {
        let least = 30 + member.path.len() as u64;
        let room = member.end.checked_sub(member.offset);
        if room.is_none_or(|room| room < least || room - least < member.compressed) {
            return Err(corrupt(format!(
                "`{}` overlaps another member",
                member.path
            )));
        }
    }
    Ok(members)
}

fn entry(fields: &mut Fields<'_>) -> Result<Member, UnpackError> {
    if fields.u32()? != CENTRAL {
        return Err(corrupt("its directory holds something that is no entry"));
    }
    fields.take(4)?; // the versions that made it and that it needs
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?; // its time
    let crc32 = fields.u32()?;
    let (compressed, size) = (fields.u32()?, fields.u32()?);
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let disk = fields.u16()?;
    fields.take(2)?; // internal attributes
    let (attributes, offset) = (fields.u32()?, fields.u32()?);
    let path = safe_path(fields.take(name.into())?)?;
    let wrong = |problem: &str| corrupt(format!("`{path}` {problem}"));
    let mut wide = [size.into(), compressed.into(), offset.into()];
    widen(fields.take(extra.into())?, &mut wide)
        .ok_or_else(|| wrong("has an unknown extra field"))?;
    let [size, compressed, offset] = wide;
    let method = Method::of(method).ok_or_else(|| wrong("is compressed in an unknown way"))?;
    let mode = attributes >> 16;
    if flags & !ALLOWED_FLAGS != 0 || comment != 0 || disk != 0 {
        return Err(wrong("has flags that no bundle has"));
    }
    if !matches!(mode & 0o170_000, 0 | 0o100_000) {
        return Err(wrong("is no regular file"));
    }
    let plausible = match method {
        Method::Stored => size == compressed,
        Method::Deflate => size / BEST_RATIO <= compressed,
    };
    if !plausible {
        return Err(wrong("says a size that it can't have"));
    }
    Ok(Member {
        offset,
        end: 0,
        compressed,
        size,
        crc32,
        method,
        executable: mode & 0o111 != 0,
        path,
    })
}

/// The compressed data of a member from its bytes, local header and all.
pub(super) fn data<'a>(member: &Member, bytes: &'a [u8]) -> Result<&'a [u8], UnpackError> {
    let start = header(member, bytes)?;
    let data = usize::try_from(start).ok().and_then(|at| bytes.get(at..));
    data.filter(|data| data.len() as u64 == member.compressed)
        .ok_or_else(|| differs(member))
}

fn differs(member: &Member) -> UnpackError {
    let path = &member.path;
    corrupt(format!("the header of `{path}` differs from the directory"))
}

/// How many of a member's first bytes are its local header, which must repeat what the directory
/// says; nothing may stand between its data and the next member.
pub(super) fn header(member: &Member, bytes: &[u8]) -> Result<u64, UnpackError> {
    let mut fields = Fields(bytes);
    let signature = fields.u32()?;
    fields.take(2)?; // the version that it needs
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?; // its time
    let crc32 = fields.u32()?;
    let (compressed, size) = (fields.u32()?, fields.u32()?);
    let (name, extra) = (fields.u16()?, fields.u16()?);
    let name = fields.take(name.into())?;
    let mut wide = [size.into(), compressed.into()];
    widen(fields.take(extra.into())?, &mut wide).ok_or_else(|| differs(member))?;
    let length = (bytes.len() - fields.0.len()) as u64;
    let same = signature == LOCAL
        && flags & !ALLOWED_FLAGS == 0
        && Method::of(method) == Some(member.method)
        && crc32 == member.crc32
        && wide == [member.size, member.compressed]
        && name == member.path.as_bytes()
        && length.checked_add(member.compressed) == Some(member.end - member.offset);
    same.then_some(length).ok_or_else(|| differs(member))
}

/// Replaces the values that did not fit 32 bits by those of the zip64 field, the only one allowed.
fn widen(extra: &[u8], values: &mut [u64]) -> Option<()> {
    let mut fields = Fields(extra);
    if !extra.is_empty() {
        let head = (fields.u16().ok()?, usize::from(fields.u16().ok()?));
        if head != (1, extra.len().checked_sub(4)?) {
            return None;
        }
    }
    for value in values {
        if *value == u64::from(u32::MAX) {
            *value = fields.u64().ok()?;
        }
    }
    fields.0.is_empty().then_some(())
}

/// A relative path of plain parts. The builder checked it too; the runner does not rely on that.
fn safe_path(bytes: &[u8]) -> Result<String, UnpackError> {
    let unsafe_path = || {
        let shown: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
        corrupt(format!("`{shown}` is no path that a bundle may hold"))
    };
    let path = std::str::from_utf8(bytes).map_err(|_| unsafe_path())?;
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= LONGEST_NAME
            && !part.contains(['\\', '\0'])
    };
    // `.pyrun` is where the runner keeps its own notes.
    let reserved = path
        .split('/')
        .next()
        .is_some_and(|top| top.eq_ignore_ascii_case(".pyrun"));
    if path.len() <= LONGEST_PATH && path.split('/').all(plain) && !reserved {
        Ok(path.to_owned())
    } else {
        Err(unsafe_path())
    }
}

/// Little-endian fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], UnpackError> {
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| corrupt("a header is cut off"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("as many bytes as were taken"))
    }

    fn u16(&mut self) -> Result<u16, UnpackError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, UnpackError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, UnpackError> {
        self.array().map(u64::from_le_bytes)
    }
}
