//! Our archives are read by others and by ourselves; each lie is refused by its own name.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read as _, Write as _};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

mod wide;

fn ours(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, content) in members {
        writer
            .stored(name, content.as_bytes())
            .expect("memory takes it");
    }
    writer.finish().expect("memory takes it")
}

/// An archive of the `zip` crate with deflated members.
fn foreign(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = ::zip::write::SimpleFileOptions::default();
        writer.start_file(*name, options).expect("a member");
        writer.write_all(content).expect("content");
    }
    writer.finish().expect("an archive").into_inner()
}

fn open(bytes: Vec<u8>) -> Result<Archive<Bytes>, ZipError> {
    Archive::open(Bytes::from(bytes), &Limits::default())
}

fn contents(bytes: Vec<u8>) -> Result<BTreeMap<String, Vec<u8>>, ZipError> {
    let archive = open(bytes)?;
    let mut inflater = Inflater::default();
    let mut contents = BTreeMap::new();
    for entry in archive.entries() {
        let plain = inflater.read(archive.source(), entry)?;
        contents.insert(entry.name.clone(), plain);
    }
    Ok(contents)
}

/// Replaces the bytes at `at`, counted from where `pattern` stands for the `nth` time.
fn patch(bytes: &mut [u8], pattern: &[u8], nth: usize, at: usize, new: &[u8]) {
    let place = bytes
        .windows(pattern.len())
        .enumerate()
        .filter(|(_, window)| *window == pattern)
        .nth(nth)
        .expect("the pattern stands there")
        .0;
    bytes[place + at..place + at + new.len()].copy_from_slice(new);
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

#[test]
fn an_independent_reader_takes_our_archives() {
    let bytes = ours(&[("a.txt", "alpha"), ("dir/ü.txt", ""), ("b", "beta")]);
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes.clone())).expect("an archive");
    let mut text = String::new();
    let mut member = archive.by_name("a.txt").expect("the member");
    assert_eq!(member.unix_mode(), Some(0o100_644));
    member.read_to_string(&mut text).expect("text");
    assert_eq!(text, "alpha");
    drop(member);
    assert!(archive.by_name("dir/ü.txt").is_ok());
    let contents = contents(bytes).expect("our own archive");
    assert_eq!(contents["b"], b"beta");
    assert_eq!(contents.len(), 3);
}

#[test]
fn members_of_both_sizes_unpack() {
    let large: Vec<u8> = (0..20_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 13).to_le_bytes()[0])
        .collect();
    let bytes = foreign(&[("small", b"x"), ("large", &large), ("empty", b"")]);
    let contents = contents(bytes).expect("a good archive");
    assert_eq!(contents["small"], b"x");
    assert!(contents["large"] == large);
    assert_eq!(contents["empty"], b"");
}

#[test]
fn more_members_than_the_plain_end_record_counts() {
    let mut writer = Writer::new(Vec::new());
    for number in 0..70_000 {
        writer
            .stored(&format!("{number}"), b"x")
            .expect("memory takes it");
    }
    let bytes = writer.finish().expect("memory takes it");
    assert_eq!(open(bytes.clone()).expect("zip64").entries().len(), 70_000);
    let other = ::zip::ZipArchive::new(Cursor::new(bytes)).expect("zip64");
    assert_eq!(other.len(), 70_000);
}

/// A first member of 5 GiB of zeros that is not held in memory, then a small one.
#[derive(Debug)]
struct Sparse {
    head: Vec<u8>,
    hole: u64,
    tail: Vec<u8>,
}

impl Source for Sparse {
    fn size(&self) -> io::Result<u64> {
        Ok(self.head.len() as u64 + self.hole + self.tail.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let head = self.head.len() as u64;
        for (byte, place) in buffer.iter_mut().zip(offset..) {
            let (part, place) = match place {
                place if place < head => (&self.head, place),
                place if place < head + self.hole => {
                    *byte = 0;
                    continue;
                }
                place => (&self.tail, place - head - self.hole),
            };
            let place = usize::try_from(place).expect("small");
            *byte = *part.get(place).ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        Ok(())
    }
}

#[test]
fn sizes_and_offsets_beyond_four_gigabytes() {
    let mut first = Member::stored("first", b"");
    (first.size, first.compressed) = (5 << 30, 5 << 30);
    let second = Member::stored("second", b"x");
    let head = local_header(&first);
    assert_eq!(head.len() as u64, first.header_length());
    let offset = head.len() as u64 + first.size;
    let mut tail = local_header(&second);
    tail.push(b'x');
    let directory_offset = offset + tail.len() as u64;
    let directory = [central_header(&first, 0), central_header(&second, offset)].concat();
    tail.extend(&directory);
    tail.extend(end_record(2, directory_offset, directory.len() as u64));
    let hole = first.size;
    let archive = Archive::open(Sparse { head, hole, tail }, &Limits::default()).expect("zip64");
    assert_eq!(archive.entries()[0].size, 5 << 30);
    assert_eq!(archive.entries()[1].data_offset, offset + 36);
}

/// Declares one lie as: its name, what it does to an archive of `one` and `two`, and the error.
macro_rules! lies {
    ($($name:ident: |$bytes:ident| $change:expr => $error:pat,)*) => {$(
        #[test]
        fn $name() {
            #[allow(unused_mut)]
            let mut $bytes = foreign(&[("one", b"111111111111"), ("two", b"222222222222")]);
            contents($bytes.clone()).expect("good before");
            $change;
            let error = contents($bytes).expect_err("bad after");
            assert!(matches!(error, $error), "{error:?}");
        }
    )*};
}

lies! {
    no_archive: |bytes| bytes.truncate(20) => ZipError::NotZip,
    an_end_that_is_cut: |bytes| bytes.truncate(bytes.len() - 1) => ZipError::NotZip,
    bytes_after_the_end: |bytes| bytes.push(0) => ZipError::Trailing(1),
    bytes_before_the_start: |bytes| bytes.insert(0, 0) => ZipError::Prefix(1),
    a_comment_that_is_cut: |bytes| patch(&mut bytes, END, 0, 20, &[9, 0]) => ZipError::Directory(_),
    two_volumes: |bytes| patch(&mut bytes, END, 0, 4, &[1]) => ZipError::Split,
    fewer_members_than_headers: |bytes| patch(&mut bytes, END, 0, 8, &[1, 0, 1, 0]) => ZipError::Directory(_),
    more_members_than_headers: |bytes| patch(&mut bytes, END, 0, 8, &[3, 0, 3, 0]) => ZipError::Directory(_),
    an_encrypted_member: |bytes| patch(&mut bytes, CENTRAL, 0, 8, &[1]) => ZipError::Encrypted(_),
    an_unknown_method: |bytes| patch(&mut bytes, CENTRAL, 0, 10, &[12]) => ZipError::Method { method: 12, .. },
    another_local_method: |bytes| patch(&mut bytes, LOCAL, 0, 8, &[0]) => ZipError::Mismatch { field: "method", .. },
    another_local_name: |bytes| patch(&mut bytes, LOCAL, 1, 30, b"owt") => ZipError::Mismatch { field: "name", .. },
    another_local_size: |bytes| patch(&mut bytes, LOCAL, 1, 22, &[11]) => ZipError::Mismatch { field: "size", .. },
    another_local_crc: |bytes| patch(&mut bytes, LOCAL, 1, 14, &[0, 0]) => ZipError::Mismatch { field: "CRC-32", .. },
    other_local_flags: |bytes| patch(&mut bytes, LOCAL, 1, 6, &[8]) => ZipError::Mismatch { field: "set of flags", .. },
    one_header_twice: |bytes| patch(&mut bytes, CENTRAL, 1, 42, &[0, 0, 0, 0]) => ZipError::Mismatch { .. } | ZipError::Overlap(_),
    a_name_of_unknown_encoding: |bytes| patch(&mut bytes, CENTRAL, 0, 46, b"\xff") => ZipError::NameEncoding(_),
    more_than_deflate_can: |bytes| patch(&mut bytes, CENTRAL, 0, 24, &[0, 0, 1, 0]) => ZipError::Impossible { .. },
}

#[test]
fn data_that_is_not_what_it_declares() {
    let good = foreign(&[("one", &[7; 3000])]);
    let data = LOCAL.len() + 26 + 3;
    let mut broken = good.clone();
    broken[data] = 7;
    assert!(matches!(contents(broken), Err(ZipError::Corrupt(_))));
    let mut crc = good.clone();
    patch(&mut crc, LOCAL, 0, 14, &[1, 2, 3, 4]);
    patch(&mut crc, CENTRAL, 0, 16, &[1, 2, 3, 4]);
    assert!(matches!(contents(crc), Err(ZipError::Crc(_))));
    for size in [2999u32, 3001] {
        let mut other = good.clone();
        patch(&mut other, LOCAL, 0, 22, &size.to_le_bytes());
        patch(&mut other, CENTRAL, 0, 24, &size.to_le_bytes());
        assert!(matches!(contents(other), Err(ZipError::Size { .. })));
    }
}

#[test]
fn limits_hold_before_anything_is_read() {
    let bytes = ours(&[("a", ""), ("b", "")]);
    let members = Limits {
        members: 1,
        ..Limits::default()
    };
    let refused = Archive::open(Bytes::from(bytes.clone()), &members);
    assert!(matches!(refused, Err(ZipError::TooManyMembers { .. })));
    let directory = Limits {
        directory: 10,
        ..Limits::default()
    };
    let refused = Archive::open(Bytes::from(bytes), &directory);
    assert!(matches!(refused, Err(ZipError::DirectoryTooLarge { .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = contents(bytes);
    }

    #[test]
    fn no_change_makes_it_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = foreign(&[("one", b"111111111111"), ("two", &[2; 500])]);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = contents(bytes);
    }
}
