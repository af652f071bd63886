//! What can be wrong with an archive.

use std::io;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// It can't be read.
    #[error("can't read the archive")]
    Io(#[from] io::Error),
    /// There is no end record.
    #[error("it is no zip archive: it has no end record")]
    NotZip,
    /// Bytes follow the end record.
    #[error("{0} bytes follow the end of the archive")]
    Trailing(u64),
    /// Bytes stand before the first member.
    #[error("{0} bytes stand before the first member")]
    Prefix(u64),
    /// It is one of several volumes.
    #[error("it is one volume of a split archive")]
    Split,
    /// The end record or the central directory contradicts itself.
    #[error("its central directory is broken: {0}")]
    Directory(&'static str),
    /// More members than allowed.
    #[error("it has {count} members, more than {limit}")]
    TooManyMembers {
        /// How many it declares.
        count: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A larger central directory than allowed.
    #[error("its central directory has {size} bytes, more than {limit}")]
    DirectoryTooLarge {
        /// Its size in bytes.
        size: u64,
        /// The allowed size in bytes.
        limit: u64,
    },
    /// A member is encrypted.
    #[error("`{0}` is encrypted")]
    Encrypted(String),
    /// A member is compressed by a method that wheels don't use.
    #[error("`{name}` is compressed by method {method}; only stored and deflate are allowed")]
    Method {
        /// The member.
        name: String,
        /// The method's number (APPNOTE 4.4.5).
        method: u16,
    },
    /// A name that is neither ASCII nor marked as UTF-8, or not valid UTF-8.
    #[error("the name `{0}` is neither ASCII nor marked and valid as UTF-8")]
    NameEncoding(String),
    /// The local header says something else than the central directory.
    #[error("the local header of `{name}` has another {field} than the central directory")]
    Mismatch {
        /// The member, as the central directory names it.
        name: String,
        /// Which field.
        field: &'static str,
    },
    /// A member reaches into the next one.
    #[error("`{0}` overlaps another member")]
    Overlap(String),
    /// Bytes that belong to no member.
    #[error("{bytes} bytes before `{name}` belong to no member")]
    Gap {
        /// The member after them, or the central directory.
        name: String,
        /// How many.
        bytes: u64,
    },
    /// An extra field is broken, stands twice, or gives the member a second name or size.
    #[error("an extra field of `{name}` {problem}")]
    Extra {
        /// The member.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The declared size is more than its data can hold.
    #[error("`{name}` claims to unpack from {compressed} to {size} bytes, which deflate can't do")]
    Impossible {
        /// The member.
        name: String,
        /// Bytes of its data.
        compressed: u64,
        /// Declared bytes once unpacked.
        size: u64,
    },
    /// The data is no deflate stream.
    #[error("the data of `{0}` is cut off or is not valid deflate")]
    Corrupt(String),
    /// It unpacks to another size.
    #[error("`{name}` does not unpack to the {size} bytes that it declares")]
    Size {
        /// The member.
        name: String,
        /// Declared bytes once unpacked.
        size: u64,
    },
    /// It unpacks to other bytes.
    #[error("the CRC-32 of `{0}` is wrong")]
    Crc(String),
}

/// A name from outside, fit to be shown: escaped, and cut at a length that fits a line.
pub(crate) fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 160;
    let text: String = String::from_utf8_lossy(name)
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if name.len() > LONGEST {
        text + "…"
    } else {
        text
    }
}
