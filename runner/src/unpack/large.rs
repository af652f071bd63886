//! Files too large to be held in memory: they are inflated and written piece by piece.
//!
//! In: a member of a verified segment, and where its file goes. Out: the file. Never: holds more
//! than a piece of it; keeps a file whose size or CRC-32 is not the directory's.

use std::io::Write as _;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Crc;

use super::archive::{self, Member, Method};
use super::error::{UnpackError, corrupt};
use super::extract::{Source, Target, discard, open};

/// Members whose data and file have more bytes together are never in memory whole.
const LARGE: u64 = 32 << 20;
/// Bytes of a piece of data, and of a piece of a file.
const PIECE: usize = 256 << 10;
/// Bytes of memory that one takes.
pub(super) const MEMORY: u64 = 2 * PIECE as u64;
/// The longest local header: its fixed part, a name and an extra field.
const LONGEST_HEADER: u64 = 30 + 2 * 0xffff;

/// Whether a member is one of these.
pub(super) fn is_large(member: &Member) -> bool {
    (member.end - member.offset).saturating_add(member.size) > LARGE
}

/// Writes the file of a member.
pub(super) fn write(
    member: &Member,
    source: &Source<'_>,
    target: &Target<'_>,
) -> Result<(), UnpackError> {
    let mut buffer = Vec::new();
    let end = member.end.min(member.offset + LONGEST_HEADER);
    let header = archive::header(member, source.read(member.offset..end, &mut buffer)?)?;
    let start = member.offset + header;
    let file = open(target, member)?;
    let written = fill(file, member, source, start);
    // The next try must find the way free.
    written.inspect_err(|_| discard(target, member))
}

fn fill(
    mut file: fs_err::File,
    member: &Member,
    source: &Source<'_>,
    start: u64,
) -> Result<(), UnpackError> {
    let mut crc = Crc::new();
    let mut size = 0;
    let mut take = |piece: &[u8]| {
        size += piece.len() as u64;
        if size > member.size {
            return Err(broken(member));
        }
        crc.update(piece);
        file.write_all(piece).map_err(UnpackError::Write)
    };
    match member.method {
        Method::Stored => {
            each_piece(member, source, start, |piece, _| take(piece))?;
        }
        Method::Deflate => inflate(member, source, start, &mut take)?,
    }
    if size != member.size || crc.sum() != member.crc32 {
        return Err(broken(member));
    }
    Ok(())
}

fn inflate(
    member: &Member,
    source: &Source<'_>,
    start: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let mut stream = Decompress::new(false);
    let mut plain = vec![0; PIECE];
    let mut has_ended = false;
    each_piece(member, source, start, |mut input, is_last| {
        while !has_ended {
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream
                .decompress(input, &mut plain, FlushDecompress::None)
                .map_err(|_| broken(member))?;
            let counted = |bytes: u64| usize::try_from(bytes).expect("at most a piece");
            let read = counted(stream.total_in() - read);
            let written = counted(stream.total_out() - written);
            input = &input[read..];
            take(&plain[..written])?;
            has_ended = status == Status::StreamEnd;
            if read == 0 && written == 0 {
                break;
            }
        }
        // Nothing stands behind the end of the stream, and no piece is left over.
        let is_whole = input.is_empty() && has_ended == is_last;
        is_whole.then_some(()).ok_or_else(|| broken(member))
    })
}

/// Reads the member's data piece by piece; the last one is told.
fn each_piece(
    member: &Member,
    source: &Source<'_>,
    mut at: u64,
    mut take: impl FnMut(&[u8], bool) -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let mut buffer = Vec::new();
    while at < member.end {
        let end = member.end.min(at + PIECE as u64);
        take(source.read(at..end, &mut buffer)?, end == member.end)?;
        at = end;
    }
    Ok(())
}

fn broken(member: &Member) -> UnpackError {
    corrupt(format!("the data of `{}` is broken", member.path))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::extract::{Place, batches};
    use super::super::plan::{Plan, Share};
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bytes.extend((state & 0x3f3f_3f3f_ffff_ffff).to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// A deflated member of this content that stands alone, and its bytes.
    fn member(content: &[u8], method: Method) -> (Member, Vec<u8>) {
        use std::io::Cursor;
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let compression = match method {
            Method::Stored => zip::CompressionMethod::Stored,
            Method::Deflate => zip::CompressionMethod::Deflated,
        };
        let options = zip::write::SimpleFileOptions::default().compression_method(compression);
        writer.start_file("a/large.bin", options).expect("a member");
        writer.write_all(content).expect("written");
        let mut archive = writer.finish_into_readable().expect("an archive");
        let (crc32, compressed, end) = {
            let file = archive.by_index(0).expect("the member");
            let start = file.data_start().expect("a place");
            (
                file.crc32(),
                file.compressed_size(),
                start + file.compressed_size(),
            )
        };
        let bytes = archive.into_inner().into_inner();
        let member = Member {
            path: "a/large.bin".to_owned(),
            offset: 0,
            end,
            compressed,
            size: content.len() as u64,
            crc32,
            method,
            executable: true,
        };
        (member, bytes)
    }

    fn fresh(root: &std::path::Path) -> Target<'_> {
        Target {
            root,
            place: Place::Fresh,
            magic: None,
        }
    }

    #[test]
    fn a_file_is_written_piece_by_piece_as_it_is() {
        let content = noise(3 * PIECE + 17);
        for method in [Method::Stored, Method::Deflate] {
            let (member, bytes) = member(&content, method);
            let folder = tempfile::tempdir().expect("a folder");
            fs_err::create_dir(folder.path().join("a")).expect("a folder");
            let target = fresh(folder.path());
            let source = Source::Memory {
                bytes: &bytes,
                start: 0,
            };
            write(&member, &source, &target).expect("a good member");
            let written = fs_err::read(folder.path().join("a/large.bin")).expect("a file");
            assert!(written == content, "{method:?}");
            let files = fs_err::read_dir(folder.path().join("a")).expect("a folder");
            assert_eq!(files.count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn only_what_is_written_in_pieces_is_counted_so() {
        let size = LARGE + 1;
        let member = Member {
            path: "large".to_owned(),
            offset: 0,
            end: 100,
            compressed: 70,
            size,
            crc32: 0,
            method: Method::Deflate,
            executable: false,
        };
        let share = Share {
            start: 0,
            end: 100,
            sha256: None,
            members: 0..1,
        };
        let plan = Plan {
            members: vec![member],
            shares: Vec::new(),
            folders: BTreeSet::new(),
            unpacked: size,
            notes: None,
        };
        for (magic, memory) in [(None, MEMORY), (Some(3495), size + 100)] {
            let target = Target {
                magic,
                ..fresh(std::path::Path::new("/nowhere"))
            };
            assert_eq!(batches(&plan, &share, &target)[0].memory, memory);
        }
    }

    #[test]
    fn data_that_is_not_what_the_directory_says_is_refused() {
        let content = noise(3 * PIECE);
        let (good, bytes) = member(&content, Method::Deflate);
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::create_dir(folder.path().join("a")).expect("a folder");
        let target = fresh(folder.path());
        let refused = |bytes: &[u8]| {
            let source = Source::Memory { bytes, start: 0 };
            write(&good, &source, &target).is_err()
        };
        let source = Source::Memory {
            bytes: &bytes,
            start: 0,
        };
        write(&good, &source, &target).expect("good before");
        fs_err::remove_file(folder.path().join("a/large.bin")).expect("it was written");
        let middle = bytes.len() / 2;
        for (at, value) in [(0, 0), (14, bytes[14] ^ 1), (middle, bytes[middle] ^ 1)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            assert!(refused(&bad), "byte {at}");
        }
        assert!(refused(&bytes[..middle]));
        let left = fs_err::read_dir(folder.path().join("a")).expect("a folder");
        assert_eq!(left.count(), 0);
    }
}
