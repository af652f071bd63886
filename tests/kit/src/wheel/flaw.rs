//! The ways in which a wheel can be wrong, each alone.
//!
//! In: a draft or an archive with nothing wrong. Out: the same with one thing wrong.

use super::draft::{Draft, MemberFile};
use crate::archive::{Archive, ENCRYPTED, Member, Place, UTF8};

macro_rules! flaws {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// One thing that is wrong with a wheel. All else about it stays right, so that a reader
        /// that refuses it has seen this very thing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Flaw {
            $($(#[doc = $doc])* $name,)*
        }

        impl Flaw {
            /// Every flaw there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

flaws! {
    /// A member `../evil.py`.
    ParentPath,
    /// A member `<package>/../../evil.py`.
    NestedParentPath,
    /// A member `/etc/evil`.
    AbsolutePath,
    /// A member `C:\evil.py`.
    DrivePath,
    /// A member `\\server\share\evil.py`.
    UncPath,
    /// A member with a backslash, `<package>\..\evil.py`.
    BackslashPath,
    /// A member whose name is empty.
    EmptyName,
    /// A member whose name holds a NUL.
    NulInName,
    /// A member whose name holds what a terminal obeys: it clears the screen.
    EscapeInName,
    /// A member whose name is marked as UTF-8 and is not.
    NonUtf8Name,
    /// A member that is a symbolic link out of the wheel.
    Symlink,
    /// A member that is a character device.
    Device,
    /// Two members with one name.
    DuplicateName,
    /// Two members whose names differ in case alone.
    CaseCollision,
    /// Two members whose names differ in how an accent is composed alone.
    AccentCollision,
    /// A member that is a file, and another one below it.
    FileAsFolder,
    /// A local header with another name than the central directory's.
    LocalName,
    /// A local header with another size of the content.
    LocalSize,
    /// A local header with another size of the data.
    LocalCompressedSize,
    /// A local header with another CRC.
    LocalCrc,
    /// A local header with another compression method.
    LocalMethod,
    /// A member that lies inside another one's data.
    Overlap,
    /// 64 MiB of zeros, deflated about a thousandfold.
    BombRatio,
    /// A small member that claims to unpack to 4 GiB.
    BombDeclaredSize,
    /// A member that unpacks to more than it claims.
    BombUnderstatedSize,
    /// A hundred thousand members (with a zip64 end record).
    TooManyMembers,
    /// A zip64 extra field that claims 2⁵⁰ bytes.
    Zip64Size,
    /// An end record that counts one member fewer than there are.
    EntryCount,
    /// Bytes after the end record.
    TrailingData,
    /// Bytes before the first local header, with offsets that allow for them.
    PrefixData,
    /// The end of the archive is missing.
    CutShort,
    /// A member marked as encrypted.
    Encrypted,
    /// A member whose method is bzip2's.
    UnsupportedMethod,
    /// A CRC that is wrong in both headers.
    BadCrc,
    /// A deflate stream that ends early.
    TruncatedDeflate,
    /// A deflate stream that is none.
    CorruptDeflate,
    /// RECORD with a wrong digest for a file.
    RecordHash,
    /// RECORD with a wrong size for a file.
    RecordSize,
    /// RECORD without a file that is there.
    RecordMissingEntry,
    /// RECORD with a file that is not there.
    RecordGhostEntry,
    /// No RECORD.
    NoRecord,
    /// METADATA with another name.
    MetadataName,
    /// METADATA with another version.
    MetadataVersion,
    /// No METADATA.
    NoMetadata,
    /// No WHEEL.
    NoWheelFile,
    /// `Wheel-Version: 2.0`.
    WheelVersion,
    /// A second dist-info folder.
    TwoDistInfos,
    /// A dist-info folder that is named for another package.
    OtherDistInfo,
}

const EVIL: &str = "raise SystemExit('this must never run')\n";

impl Flaw {
    pub(super) fn spoil_files(self, draft: &mut Draft) {
        let package = draft.names.package.clone();
        let mut evil = |path: String| draft.add(MemberFile::text(path, EVIL));
        match self {
            Self::ParentPath => evil("../evil.py".into()),
            Self::NestedParentPath => evil(format!("{package}/../../evil.py")),
            Self::AbsolutePath => evil("/etc/evil".into()),
            Self::DrivePath => evil(r"C:\evil.py".into()),
            Self::UncPath => evil(r"\\server\share\evil.py".into()),
            Self::BackslashPath => evil(format!(r"{package}\..\evil.py")),
            Self::EmptyName => evil(String::new()),
            Self::NulInName => evil(format!("{package}/evil\0.py")),
            Self::EscapeInName => evil(format!("{package}/\u{1b}[2J.py")),
            Self::NonUtf8Name => evil(format!("{package}/caf{}.py", '\u{e9}')),
            Self::Symlink => {
                let path = format!("{package}/link");
                draft.add(MemberFile::new(path, "../../etc/passwd", 0o120_777));
            }
            Self::Device => {
                draft.add(MemberFile::new(format!("{package}/device"), "", 0o020_666));
            }
            Self::DuplicateName => {
                for _ in 0..2 {
                    draft.add(MemberFile::text(format!("{package}/twin.py"), EVIL));
                }
            }
            Self::CaseCollision => {
                draft.add(MemberFile::text(format!("{package}/Case.py"), EVIL));
                draft.add(MemberFile::text(format!("{package}/case.py"), EVIL));
            }
            Self::AccentCollision => {
                draft.add(MemberFile::text(format!("{package}/caf\u{e9}.py"), EVIL));
                draft.add(MemberFile::text(format!("{package}/cafe\u{301}.py"), EVIL));
            }
            Self::FileAsFolder => {
                draft.add(MemberFile::text(format!("{package}/knot/evil.py"), EVIL));
                draft.add(MemberFile::text(format!("{package}/knot"), EVIL));
            }
            Self::Overlap => add_overlapping_files(draft),
            Self::BombRatio => {
                let zeros = vec![0; 64 << 20];
                draft.add(MemberFile::new(
                    format!("{package}/zeros.bin"),
                    zeros,
                    0o100_644,
                ));
            }
            Self::TooManyMembers => {
                let tiny =
                    (0..100_000).map(|n| MemberFile::text(format!("{package}/many/{n}"), ""));
                draft.files.splice(0..0, tiny);
            }
            Self::MetadataName => draft.edit("METADATA", |text| {
                replace_line(&text, "Name: ", "Name: something-else")
            }),
            Self::MetadataVersion => draft.edit("METADATA", |text| {
                replace_line(&text, "Version: ", "Version: 99.99")
            }),
            Self::NoMetadata => draft.drop("METADATA"),
            Self::NoWheelFile => draft.drop("WHEEL"),
            Self::WheelVersion => draft.edit("WHEEL", |text| {
                replace_line(&text, "Wheel-Version: ", "Wheel-Version: 2.0")
            }),
            Self::TwoDistInfos => {
                let text = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n";
                draft.add(MemberFile::text("other-1.0.dist-info/METADATA", text));
            }
            Self::OtherDistInfo => rename_dist_info(draft),
            _ => {}
        }
    }

    pub(super) fn spoil_record(self, draft: &mut Draft) {
        match self {
            Self::RecordHash => draft.change_record(|rows| {
                rows[0].hash = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".into();
            }),
            Self::RecordSize => draft.change_record(|rows| rows[0].size += "0"),
            Self::RecordMissingEntry => draft.change_record(|rows| {
                rows.remove(0);
            }),
            Self::RecordGhostEntry => draft.change_record(|rows| {
                let mut ghost = rows[0].clone();
                ghost.path = "ghost.py".into();
                rows.push(ghost);
            }),
            Self::NoRecord => draft.drop("RECORD"),
            _ => {}
        }
    }

    pub(super) fn spoil_archive(self, archive: &mut Archive) {
        match self {
            Self::TrailingData => archive.suffix = b"trailing".to_vec(),
            Self::PrefixData => archive.prefix = b"#!/bin/sh\nexit 1\n".to_vec(),
            Self::EntryCount => archive.claimed = Some(archive.members.len() as u64 - 1),
            Self::Overlap => archive.members[1].place = Place::Inside { member: 0, at: 0 },
            _ => self.spoil_member(victim(archive)),
        }
    }

    /// [`Flaw::CutShort`] of the finished bytes.
    pub(super) fn spoil_bytes(self, bytes: &mut Vec<u8>) {
        if self == Self::CutShort {
            bytes.truncate(bytes.len() / 2);
        }
    }

    fn spoil_member(self, member: &mut Member) {
        match self {
            Self::NonUtf8Name => member.headers(|header| {
                header.name = b"caf\xe9.py".to_vec();
                header.flags |= UTF8;
            }),
            Self::LocalName => member.local.name[0] ^= 1,
            Self::LocalSize => member.local.size += 1,
            Self::LocalCompressedSize => member.local.compressed += 1,
            Self::LocalCrc => member.local.crc ^= 1,
            Self::LocalMethod => member.local.method ^= 8,
            Self::BombDeclaredSize => member.headers(|header| header.size = 0xFFFF_FFFE),
            Self::BombUnderstatedSize => member.headers(|header| header.size /= 2),
            Self::Zip64Size => member.headers(|header| {
                header.zip64 = true;
                header.size = 1 << 50;
            }),
            Self::Encrypted => member.headers(|header| header.flags |= ENCRYPTED),
            Self::UnsupportedMethod => member.headers(|header| header.method = 12),
            Self::BadCrc => member.headers(|header| header.crc ^= 1),
            Self::TruncatedDeflate => {
                member.data.truncate(member.data.len() / 2);
                let length = member.data.len() as u64;
                member.headers(|header| header.compressed = length);
            }
            // Block type 3 is reserved.
            Self::CorruptDeflate => member.data[0] |= 0b110,
            _ => {}
        }
    }
}

/// The member that is spoilt: the first that holds anything.
fn victim(archive: &mut Archive) -> &mut Member {
    let mut members = archive.members.iter_mut();
    let found = members.find(|member| member.central.size > 0);
    found.expect("METADATA or WHEEL is never empty")
}

/// Two files of which the first one's content is the second one as a stored member.
fn add_overlapping_files(draft: &mut Draft) {
    let package = &draft.names.package;
    let inner = MemberFile::text(format!("{package}/inner.py"), "VALUE = 2\n").stored();
    let member = Member::stored(&inner.path, &inner.content, inner.mode);
    let mut content = member.local.local_bytes();
    content.extend(&member.data);
    let outer = MemberFile::new(format!("{package}/outer.bin"), content, 0o100_644).stored();
    draft.add(inner);
    draft.add(outer);
}

fn rename_dist_info(draft: &mut Draft) {
    let folder = draft.names.dist_info("");
    for file in &mut draft.files {
        if let Some(rest) = file.path.strip_prefix(&folder) {
            file.path = format!("other-1.0.dist-info/{rest}");
        }
    }
    draft.names.stem = "other-1.0".into();
}

fn replace_line(text: &str, start: &str, line: &str) -> String {
    let mut out = String::new();
    for old in text.lines() {
        out += if old.starts_with(start) { line } else { old };
        out.push('\n');
    }
    out
}
