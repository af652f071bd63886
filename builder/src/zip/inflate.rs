//! A member's plain bytes, with its size and CRC-32 checked.

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;

use super::error::shown;
use super::source::Source;
use super::{Entry, Method, ZipError};

/// Members up to this size are inflated at once, which is faster; larger ones in pieces, so that
/// memory stays bounded whatever an archive claims.
const WHOLE: u64 = 16 << 20;
/// A piece of input, and of output, in bytes.
const PIECE: usize = 256 << 10;

/// Buffers that are used again from member to member.
pub struct Inflater {
    whole: Decompressor,
    compressed: Vec<u8>,
    plain: Vec<u8>,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            whole: Decompressor::new(),
            compressed: Vec::new(),
            plain: Vec::new(),
        }
    }
}

impl Inflater {
    /// The member's plain bytes. The caller has bounded `entry.size`.
    pub fn read(&mut self, source: &impl Source, entry: &Entry) -> Result<Vec<u8>, ZipError> {
        let mut bytes = Vec::new();
        self.visit(source, entry, &mut |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// Gives the member's plain bytes to `sink`, in order, in one or more pieces. They may be used
    /// only when this has returned `Ok`: size and CRC are known at the end.
    pub fn visit(
        &mut self,
        source: &impl Source,
        entry: &Entry,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ZipError> {
        let mut tally = Tally::new(entry);
        match entry.method {
            Method::Stored => self.copy(source, entry, &mut |piece| {
                tally.add(piece);
                sink(piece);
            })?,
            Method::Deflate if entry.size <= WHOLE && entry.compressed <= WHOLE => {
                let plain = self.inflate_whole(source, entry)?;
                tally.add(plain);
                sink(plain);
            }
            Method::Deflate => self.inflate_pieces(source, entry, &mut |piece| {
                let fits = tally.add(piece);
                if fits {
                    sink(piece);
                }
                fits
            })?,
        }
        tally.finish()
    }

    fn copy(
        &mut self,
        source: &impl Source,
        entry: &Entry,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ZipError> {
        let mut offset = entry.data_offset;
        let mut left = entry.compressed;
        while left > 0 {
            let length = piece_of(left);
            self.compressed.resize(length, 0);
            source.read_exact_at(&mut self.compressed, offset)?;
            sink(&self.compressed);
            offset += length as u64;
            left -= length as u64;
        }
        Ok(())
    }

    fn inflate_whole(&mut self, source: &impl Source, entry: &Entry) -> Result<&[u8], ZipError> {
        let bounded = |size: u64| usize::try_from(size).expect("at most WHOLE");
        self.compressed.resize(bounded(entry.compressed), 0);
        source.read_exact_at(&mut self.compressed, entry.data_offset)?;
        // One byte more than declared, so that a longer stream shows itself.
        self.plain.resize(bounded(entry.size) + 1, 0);
        let length = self
            .whole
            .deflate_decompress(&self.compressed, &mut self.plain)
            .map_err(|error| match error {
                libdeflater::DecompressionError::InsufficientSpace => wrong_size(entry),
                libdeflater::DecompressionError::BadData => corrupt(entry),
            })?;
        Ok(&self.plain[..length])
    }

    /// `sink` says whether to go on.
    fn inflate_pieces(
        &mut self,
        source: &impl Source,
        entry: &Entry,
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), ZipError> {
        let mut stream = Decompress::new(false);
        let mut offset = entry.data_offset;
        let mut left = entry.compressed;
        self.plain.resize(PIECE, 0);
        while left > 0 {
            let length = piece_of(left);
            self.compressed.resize(length, 0);
            source.read_exact_at(&mut self.compressed, offset)?;
            offset += length as u64;
            left -= length as u64;
            let mut input = self.compressed.as_slice();
            loop {
                let (read, written) = (stream.total_in(), stream.total_out());
                let status = stream
                    .decompress(input, &mut self.plain, FlushDecompress::None)
                    .map_err(|_| corrupt(entry))?;
                let read = counted(stream.total_in() - read);
                let written = counted(stream.total_out() - written);
                input = &input[read..];
                if !sink(&self.plain[..written]) {
                    return Err(wrong_size(entry));
                }
                if status == Status::StreamEnd {
                    let nothing_left = left == 0 && input.is_empty();
                    return nothing_left.then_some(()).ok_or_else(|| corrupt(entry));
                }
                if read == 0 && written == 0 {
                    break;
                }
            }
        }
        Err(corrupt(entry))
    }
}

fn piece_of(left: u64) -> usize {
    usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))
}

fn counted(bytes: u64) -> usize {
    usize::try_from(bytes).expect("at most PIECE")
}

fn corrupt(entry: &Entry) -> ZipError {
    ZipError::Corrupt(shown(entry.name.as_bytes()))
}

fn wrong_size(entry: &Entry) -> ZipError {
    ZipError::Size {
        name: shown(entry.name.as_bytes()),
        size: entry.size,
    }
}

/// Counts and sums what a member unpacks to.
struct Tally<'a> {
    entry: &'a Entry,
    crc: crc32fast::Hasher,
    size: u64,
}

impl<'a> Tally<'a> {
    fn new(entry: &'a Entry) -> Self {
        Self {
            entry,
            crc: crc32fast::Hasher::new(),
            size: 0,
        }
    }

    /// Whether it is still within the declared size.
    fn add(&mut self, piece: &[u8]) -> bool {
        self.size += piece.len() as u64;
        self.crc.update(piece);
        self.size <= self.entry.size
    }

    fn finish(self) -> Result<(), ZipError> {
        if self.size != self.entry.size {
            return Err(wrong_size(self.entry));
        }
        if self.crc.finalize() != self.entry.crc32 {
            return Err(ZipError::Crc(shown(self.entry.name.as_bytes())));
        }
        Ok(())
    }
}
