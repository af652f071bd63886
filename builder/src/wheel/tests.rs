//! Each flaw of the kit by its code, each legal rarity taken.

use std::fmt::Write as _;
use std::path::PathBuf;

use proptest::prelude::*;
use pyrun_core::{Code, Fault};
use pyrun_kit::{Flaw, Layout as Legal, Wheel, WheelBuilder};
use tempfile::TempDir;

use super::*;

fn written(wheel: &Wheel) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = wheel.write_into(folder.path());
    (folder, path)
}

fn check_built(wheel: &Wheel) -> Result<WheelContents, WheelError> {
    let (_folder, path) = written(wheel);
    let filename = wheel.filename.parse().expect("a wheel's name");
    check(&path, &filename, &Limits::default())
}

fn rich() -> WheelBuilder {
    WheelBuilder::new("Foo.Bar", "1.0")
        .requires("zeta>=1; extra == 'e'")
        .requires("Alpha_x")
        .file("foo_bar/__init__.py", "VALUE = 1\n")
        .file("foo_bar/large.txt", "line of text\n".repeat(10_000))
        .executable("foo_bar/tool.sh", "#!/bin/sh\n")
        .file("foo_bar/__pycache__/x.cpython-312.pyc", "stale")
        .script("tool", "#!python\n")
        .data_file("data/share/x.txt", "x")
        .pth("x.pth", "# nothing\n")
        .entry_point("tool = foo_bar:main")
}

fn code_of(flaw: Flaw) -> Code {
    use Flaw as F;
    match flaw {
        F::ParentPath
        | F::NestedParentPath
        | F::AbsolutePath
        | F::DrivePath
        | F::UncPath
        | F::BackslashPath
        | F::EmptyName
        | F::NulInName
        | F::EscapeInName => Code::WHEEL_UNSAFE_PATH,
        F::Symlink | F::Device => Code::WHEEL_LINK,
        F::DuplicateName | F::CaseCollision | F::AccentCollision | F::FileAsFolder => {
            Code::WHEEL_DUPLICATE
        }
        F::LocalName | F::LocalSize | F::LocalCompressedSize | F::LocalCrc | F::LocalMethod => {
            Code::WHEEL_MISMATCH
        }
        F::BombRatio | F::BombDeclaredSize | F::TooManyMembers | F::Zip64Size => Code::WHEEL_BOMB,
        // RECORD says the truth there.
        F::BombUnderstatedSize
        | F::RecordHash
        | F::RecordSize
        | F::RecordMissingEntry
        | F::RecordGhostEntry
        | F::NoRecord => Code::WHEEL_RECORD,
        F::MetadataName
        | F::MetadataVersion
        | F::NoMetadata
        | F::NoWheelFile
        | F::WheelVersion
        | F::TwoDistInfos
        | F::OtherDistInfo => Code::WHEEL_METADATA,
        F::NonUtf8Name
        | F::Overlap
        | F::EntryCount
        | F::TrailingData
        | F::PrefixData
        | F::CutShort
        | F::Encrypted
        | F::UnsupportedMethod
        | F::BadCrc
        | F::TruncatedDeflate
        | F::CorruptDeflate => Code::WHEEL_INVALID,
    }
}

#[test]
fn every_flaw_is_a_fault_of_its_own() {
    let mut wrong = Vec::new();
    for &flaw in Flaw::ALL {
        let wheel = rich().flaw(flaw).build();
        match check_built(&wheel) {
            Ok(_) => wrong.push(format!("{flaw:?} is taken")),
            Err(error) => {
                let text = error.to_string();
                let fault = Fault::from(error);
                assert!(!fault.hints.is_empty(), "{flaw:?}");
                let said = format!("{}{:?}", fault.message, fault.causes);
                assert!(!said.contains(char::is_control), "{flaw:?}: {said:?}");
                if fault.code != code_of(flaw) {
                    wrong.push(format!("{flaw:?} is {}: {text}", fault.code));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn legal_rarities_are_taken_and_make_no_difference() {
    let plain = check_built(&rich().build()).expect("a good wheel");
    for &layout in Legal::ALL {
        let rare = check_built(&rich().layout(layout).build()).expect("a good wheel");
        let shape = |contents: &WheelContents| {
            let file = |file: &InstalledFile| (file.path.clone(), file.sha256, file.executable);
            contents.files.iter().map(file).collect::<Vec<_>>()
        };
        assert_eq!(shape(&rare), shape(&plain), "{layout:?}");
    }
}

#[test]
fn what_is_installed() {
    let contents = check_built(&rich().build()).expect("a good wheel");
    let paths: Vec<(&str, bool)> = contents
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.executable))
        .collect();
    assert_eq!(
        paths,
        [
            ("bin/tool", true),
            ("foo_bar-1.0.dist-info/METADATA", false),
            ("foo_bar-1.0.dist-info/WHEEL", false),
            ("foo_bar-1.0.dist-info/entry_points.txt", false),
            ("foo_bar/__init__.py", false),
            ("foo_bar/large.txt", false),
            ("foo_bar/tool.sh", true),
            ("share/x.txt", false),
            ("x.pth", false),
        ]
    );
    assert_eq!(contents.imports, ["foo_bar"]);
    assert_eq!(
        contents.requires,
        ["alpha-x", "zeta"].map(|name| name.parse().expect("a name"))
    );
    assert!(contents.pth);
    let record = render_record(&contents);
    assert!(record.starts_with("bin/tool,sha256="), "{record}");
    assert!(record.contains("\nfoo_bar-1.0.dist-info/RECORD,,\n"));
    assert_eq!(record.lines().count(), paths.len() + 1);
}

#[test]
fn a_stored_wheel_is_known_by_its_digest() {
    let wheel = rich().build();
    let (_folder, path) = written(&wheel);
    let filename = wheel.filename.parse().expect("a wheel's name");
    let limits = Limits::default();
    let full = check(&path, &filename, &limits).expect("a good wheel");
    let again = reopen(&path, &filename, &wheel.sha256, &limits).expect("the same wheel");
    assert_eq!(full, again);
    let mut bytes = wheel.bytes.to_vec();
    bytes[40] ^= 1;
    fs_err::write(&path, bytes).expect("writable");
    let error = reopen(&path, &filename, &wheel.sha256, &limits).expect_err("another wheel");
    assert_eq!(Fault::from(error).code, Code::WHEEL_HASH);
}

#[test]
fn a_wheel_under_another_ones_name_is_refused() {
    let wheel = rich().build();
    let (_folder, path) = written(&wheel);
    for name in ["foo_bar-1.1-py3-none-any.whl", "foo-1.0-py3-none-any.whl"] {
        let filename = name.parse().expect("a wheel's name");
        let error = check(&path, &filename, &Limits::default()).expect_err(name);
        assert_eq!(Fault::from(error).code, Code::WHEEL_METADATA, "{name}");
    }
}

#[test]
fn the_limit_on_unpacked_bytes_holds() {
    let wheel = rich().build();
    let (_folder, path) = written(&wheel);
    let filename = wheel.filename.parse().expect("a wheel's name");
    let limits = Limits {
        unpacked: 100_000,
        ..Limits::default()
    };
    let error = check(&path, &filename, &limits).expect_err("too large");
    assert_eq!(Fault::from(error).code, Code::WHEEL_BOMB);
}

#[test]
fn documents_of_fifty_megabytes_are_refused() {
    let mut state = 1u32;
    let mut noise = String::with_capacity(51 << 20);
    while noise.len() < 50 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(noise, "{state}\n X-{state}:");
    }
    let wheel = rich().header("X-Noise", noise).build();
    let fault = Fault::from(check_built(&wheel).expect_err("too large"));
    assert_eq!(fault.code, Code::WHEEL_BOMB);
    assert!(fault.message.contains("its METADATA has 5"), "{fault:?}");
}

#[test]
fn no_file_is_no_panic() {
    let filename = "a-1-py3-none-any.whl".parse().expect("a wheel's name");
    let missing = check(
        Path::new("/nonexistent/a.whl"),
        &filename,
        &Limits::default(),
    );
    let fault = Fault::from(missing.expect_err("no file"));
    assert_eq!(fault.code, Code::STORE_UNREADABLE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_change_makes_it_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut wheel = WheelBuilder::new("a", "1").build();
        let mut bytes = wheel.bytes.to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        wheel.bytes = bytes.into();
        let _ = check_built(&wheel);
    }
}
