//! Strict reading and plain writing of zip archives.
//!
//! In: an archive as positional reads over a file or over bytes. Out: its members, each with the
//! place of its data, and our own archives in one normalised form.
//! Never: accepts what two readers could read in two ways. Members tile the archive from its first
//! byte to the central directory without gap or overlap, each local header says what the central
//! directory says, and nothing follows the end record, so a reader that streams and a reader that
//! seeks see the same files.
//!
//! Follows PKWARE's APPNOTE 6.3.10.

mod central;
mod end;
mod error;
mod fields;
mod inflate;
mod local;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use error::ZipError;
pub(crate) use error::shown;
pub use inflate::Inflater;
pub use source::Source;
pub use write::{Member, Writer, central_header, end_record, local_header};

/// How large an archive may be before its members are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members. The largest wheels on `PyPI` have some 20 000.
    pub members: u64,
    /// Bytes of the central directory, which is held in memory.
    pub directory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 100_000,
            directory: 64 << 20,
        }
    }
}

/// How a member's data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Deflated (RFC 1951).
    Deflate,
}

impl Method {
    /// The number that headers give it (APPNOTE 4.4.5).
    pub fn id(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflate => 8,
        }
    }

    fn from_id(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::Stored),
            8 => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// A member of an archive that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name as it stands in the archive: unchecked text, of any shape.
    pub name: String,
    /// How its data is kept.
    pub method: Method,
    /// The CRC-32 of its plain bytes, as declared.
    pub crc32: u32,
    /// Bytes of its data in the archive.
    pub compressed: u64,
    /// Bytes once unpacked, as declared.
    pub size: u64,
    /// The Unix mode with its file type bits; 0 where the archive says none.
    pub mode: u32,
    /// Where its data starts in the archive.
    pub data_offset: u64,
}

impl Entry {
    /// Whether it stands for a folder.
    pub fn is_directory(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// An archive whose structure was checked whole. The members' data is checked when it is read.
#[derive(Debug)]
pub struct Archive<S> {
    source: S,
    entries: Vec<Entry>,
}

impl<S: Source> Archive<S> {
    /// Reads and checks the end record, the central directory and every local header.
    pub fn open(source: S, limits: &Limits) -> Result<Self, ZipError> {
        let directory = end::locate(&source)?;
        let records = central::read(&source, &directory, limits)?;
        let entries = local::check(&source, directory.offset, records)?;
        Ok(Self { source, entries })
    }

    /// The members, in the central directory's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the archive is read from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The source and the members.
    pub fn into_parts(self) -> (S, Vec<Entry>) {
        (self.source, self.entries)
    }
}
