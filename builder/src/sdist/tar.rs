//! Tar archives, read as a stream.
//!
//! In: bytes of the ustar, pax (POSIX.1-2001) or GNU format. Out: members, one after the other, with
//! their data. Never: holds a member in memory; believes a header whose checksum is wrong; decides
//! what may be unpacked.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::error::Invalid;

const BLOCK: usize = 512;
/// A pax header or a long name may take so many bytes: names are at most some hundreds.
const MAX_EXTENSION: u64 = 1 << 20;

/// All headers but the members' own may take so many bytes together.
const MAX_EXTENSIONS: u64 = 64 << 20;

/// Writers fill an archive up to their own block, of some kilobytes.
const MAX_PADDING: u64 = 1 << 20;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name as it stands there.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    /// Bytes of its data.
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        executable: bool,
    },
    Folder,
    /// The target is relative to the link's own folder.
    Symlink(Vec<u8>),
    /// The target is another member's name.
    HardLink(Vec<u8>),
    /// A device, a pipe, or something that no sdist needs; its type flag.
    Other(u8),
}

/// Reads an archive from front to back.
pub(super) struct Reader<R> {
    inner: R,
    /// Bytes of the last member's data, and of the padding behind it, that are still to be read.
    data: u64,
    padding: u64,
    globals: BTreeMap<String, Vec<u8>>,
    /// Bytes of extension headers so far: they count as no member.
    extensions: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            data: 0,
            padding: 0,
            globals: BTreeMap::new(),
            extensions: 0,
        }
    }

    /// The next member; what was not read of the one before it is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Invalid> {
        let mut extension = Extension::default();
        loop {
            self.pass_over()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            match header.kind {
                b'x' => extension.fields.extend(pax(&self.small(&header)?)?),
                b'g' => {
                    let fields = pax(&self.small(&header)?)?;
                    self.globals.extend(fields);
                }
                b'L' => extension.name = Some(without_zeros(self.small(&header)?)),
                b'K' => extension.link = Some(without_zeros(self.small(&header)?)),
                _ => return self.member(header, extension).map(Some),
            }
        }
    }

    fn member(&mut self, header: Header, extension: Extension) -> Result<Member, Invalid> {
        let field = |key: &str| {
            let own = extension.fields.get(key);
            own.or_else(|| self.globals.get(key)).cloned()
        };
        let size = match field("size") {
            Some(text) => number_of(&text).ok_or(Invalid::Tar("has a size that is no number"))?,
            None => header.size,
        };
        let name = field("path").or(extension.name).unwrap_or(header.name);
        let link = field("linkpath").or(extension.link).unwrap_or(header.link);
        let kind = match header.kind {
            // Before ustar a folder was a file whose name ends so.
            0 | b'0' | b'7' if name.ends_with(b"/") => Kind::Folder,
            0 | b'0' | b'7' => Kind::File {
                executable: header.mode & 0o100 != 0,
            },
            b'5' => Kind::Folder,
            b'2' => Kind::Symlink(link),
            b'1' => Kind::HardLink(link),
            other => Kind::Other(other),
        };
        let size = match kind {
            Kind::File { .. } => size,
            _ if size == 0 => 0,
            // Some writers give a link the size of what it links to, and no data with it.
            Kind::HardLink(_) | Kind::Symlink(_) => 0,
            _ => return Err(Invalid::Tar("has data behind what is no file")),
        };
        self.expect(size);
        Ok(Member {
            name,
            kind,
            size,
            modified: header.modified,
        })
    }

    /// The data of the member that came last, in pieces.
    pub(super) fn data(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        let mut buffer = vec![0; 64 << 10];
        while self.data > 0 {
            let most =
                usize::try_from(self.data).map_or(buffer.len(), |left| left.min(buffer.len()));
            let count = self.inner.read(&mut buffer[..most]).map_err(broken)?;
            if count == 0 {
                return Err(Invalid::Truncated);
            }
            self.data -= count as u64;
            sink(&buffer[..count])?;
        }
        Ok(())
    }

    /// Reads what follows the archive's end, which is padding: only then is the checksum of the whole
    /// stream known to be right.
    pub(super) fn finish(mut self) -> Result<(), Invalid> {
        let rest = io::copy(
            &mut self.inner.by_ref().take(MAX_PADDING + 1),
            &mut io::sink(),
        );
        if rest.map_err(broken)? > MAX_PADDING {
            return Err(Invalid::Tar("has more behind its end than padding"));
        }
        Ok(())
    }

    fn pass_over(&mut self) -> Result<(), Invalid> {
        self.data(&mut |_| Ok(()))?;
        let padding = std::mem::take(&mut self.padding);
        let skipped = io::copy(&mut self.inner.by_ref().take(padding), &mut io::sink());
        if skipped.map_err(broken)? < padding {
            return Err(Invalid::Truncated);
        }
        Ok(())
    }

    fn expect(&mut self, size: u64) {
        self.data = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// The data of an extension header.
    fn small(&mut self, header: &Header) -> Result<Vec<u8>, Invalid> {
        if header.size > MAX_EXTENSION {
            return Err(Invalid::Tar("has a header of more than a megabyte"));
        }
        self.extensions += BLOCK as u64 + header.size;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Invalid::Tar(
                "has more than 64 megabytes of extended headers",
            ));
        }
        self.expect(header.size);
        let mut bytes = Vec::new();
        self.data(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// A header; `None` at the end, which is a block of zeros or the end of the stream.
    fn header(&mut self) -> Result<Option<Header>, Invalid> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..]).map_err(broken)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(Invalid::Truncated),
                count => filled += count,
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        Header::parse(&block).map(Some)
    }
}

fn broken(error: io::Error) -> Invalid {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Invalid::Truncated,
        _ => Invalid::Compression(error),
    }
}

/// What extension headers say of the member behind them.
#[derive(Default)]
struct Extension {
    fields: BTreeMap<String, Vec<u8>>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

struct Header {
    name: Vec<u8>,
    link: Vec<u8>,
    mode: u64,
    size: u64,
    modified: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Result<Self, Invalid> {
        let said =
            octal(&block[148..156]).ok_or(Invalid::Tar("has a header without a checksum"))?;
        let mut sum = 8 * u64::from(b' ');
        for (at, byte) in block.iter().enumerate() {
            if !(148..156).contains(&at) {
                sum += u64::from(*byte);
            }
        }
        if sum != said {
            return Err(Invalid::Tar("has a header with a wrong checksum"));
        }
        let mut name = without_zeros(block[..100].to_vec());
        // GNU keeps other things there, and says so.
        let is_posix = &block[257..263] == b"ustar\0";
        let prefix = without_zeros(block[345..500].to_vec());
        if is_posix && !prefix.is_empty() {
            name = [&prefix[..], b"/", &name[..]].concat();
        }
        let size = number(&block[124..136]).ok_or(Invalid::Tar("has a size that is no number"))?;
        Ok(Self {
            name,
            link: without_zeros(block[157..257].to_vec()),
            mode: octal(&block[100..108]).unwrap_or(0o644),
            size,
            modified: number(&block[136..148]).unwrap_or(0),
            kind: block[156],
        })
    }
}

/// The bytes up to the first zero.
fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

/// A number in octal digits, or as GNU writes large ones: in binary behind a set first bit.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] => rest.iter().try_fold(0u64, |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        }),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = field.split(|byte| *byte == 0).next()?.trim_ascii();
    if text.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(text).ok()?;
    u64::from_str_radix(text, 8).ok()
}

fn number_of(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What is read of a pax header.
const PAX_KEYS: [&str; 3] = ["path", "linkpath", "size"];

/// The records of a pax header that matter here: `LENGTH KEY=VALUE\n`, the length counting itself.
fn pax(mut bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Invalid> {
    let wrong = Invalid::Tar("has a pax header that can't be understood");
    let mut fields = BTreeMap::new();
    while !bytes.is_empty() {
        let record = (|| {
            let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
            let length = usize::try_from(number_of(&bytes[..space])?).ok()?;
            let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let key = std::str::from_utf8(&record[..equals]).ok()?;
            Some((length, key.to_owned(), record[equals + 1..].to_vec()))
        })();
        let Some((length, key, value)) = record else {
            return Err(wrong);
        };
        if PAX_KEYS.contains(&key.as_str()) {
            fields.insert(key, value);
        }
        bytes = &bytes[length..];
    }
    Ok(fields)
}
