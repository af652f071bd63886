//! Good wheels open with an independent reader; each flaw changes the bytes.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pyrun_core::Sha256;
use zip::ZipArchive;

use super::*;

fn example() -> WheelBuilder {
    WheelBuilder::new("My.Package", "1.0")
        .requires("other>=1; extra == 'fast'")
        .requires_python(">=3.8")
        .extra("fast")
        .file("my_package/__init__.py", "VALUE = 1\n")
        .file("my_package/empty.py", "")
        .file("my_package/a, \"b\".txt", "commas and quotes\n")
        .executable("my_package/run", "#!/bin/sh\n")
        .pth("my_package.pth", "import my_package\n")
        .script("tool", "#!python\nprint('tool')\n")
        .data_file("data/share/notes.txt", "notes\n")
        .entry_point("my-tool = my_package:main")
        .entry_point_in("plugins", "one = my_package")
}

/// Every member's content and Unix mode, as the zip crate reads them.
fn members(wheel: &Wheel) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut archive = ZipArchive::new(Cursor::new(wheel.bytes.clone())).expect("an archive");
    let mut members = BTreeMap::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).expect("a member");
        let mut content = Vec::new();
        member.read_to_end(&mut content).expect("its content");
        let mode = member.unix_mode().expect("made on Unix");
        let name = member.name().expect("a readable name").into_owned();
        members.insert(name, (content, mode));
    }
    members
}

fn text(wheel: &Wheel, path: &str) -> String {
    let (content, _) = members(wheel).remove(path).expect("a member of that name");
    String::from_utf8(content).expect("text")
}

/// RECORD names every file with its digest and size, and itself without.
fn assert_record_is_true(wheel: &Wheel) {
    let members = members(wheel);
    let record = "my_package-1.0.dist-info/RECORD";
    let mut expected = Vec::new();
    for (path, (content, _)) in members.iter().filter(|(path, _)| !path.ends_with('/')) {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::of(content).as_bytes());
        let path_field = if path.contains(',') {
            format!("\"{}\"", path.replace('"', "\"\""))
        } else {
            path.clone()
        };
        expected.push(if path == record {
            format!("{path_field},,")
        } else {
            format!("{path_field},sha256={digest},{}", content.len())
        });
    }
    let text = text(wheel, record);
    let mut rows: Vec<&str> = text.lines().collect();
    rows.sort_unstable();
    expected.sort_unstable();
    assert_eq!(rows, expected);
}

#[test]
fn a_wheel_holds_what_was_asked_for() {
    let wheel = example().build();
    assert_eq!(wheel.filename, "my_package-1.0-py3-none-any.whl");
    assert_eq!(wheel.project, "my-package");
    assert_eq!(wheel.sha256, Sha256::of(&wheel.bytes));
    assert_eq!(
        wheel.metadata,
        "Metadata-Version: 2.1\nName: My.Package\nVersion: 1.0\n\
         Requires-Dist: other>=1; extra == 'fast'\nRequires-Python: >=3.8\nProvides-Extra: fast\n"
    );
    assert_eq!(
        text(&wheel, "my_package-1.0.dist-info/METADATA"),
        wheel.metadata
    );
    assert_eq!(
        text(&wheel, "my_package-1.0.dist-info/entry_points.txt"),
        "[console_scripts]\nmy-tool = my_package:main\n[plugins]\none = my_package\n"
    );
    let members = members(&wheel);
    assert_eq!(members["my_package/run"].1, 0o100_755);
    assert_eq!(members["my_package/__init__.py"].1, 0o100_644);
    assert_eq!(members["my_package-1.0.data/scripts/tool"].1, 0o100_755);
    assert!(members.contains_key("my_package-1.0.data/data/share/notes.txt"));
    assert_record_is_true(&wheel);
}

#[test]
fn tags_reach_the_name_and_the_wheel_file() {
    let wheel = WheelBuilder::new("numpy", "2.0+local.1")
        .tag("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64")
        .build_tag("7")
        .build();
    let name = "numpy-2.0+local.1-7-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
    assert_eq!(wheel.filename, name);
    let parsed: pyrun_core::WheelFilename = name.parse().expect("a wheel's name");
    assert_eq!(parsed.version().to_string(), "2.0+local.1");
    assert_eq!(
        text(&wheel, "numpy-2.0+local.1.dist-info/WHEEL"),
        "Wheel-Version: 1.0\nGenerator: pyrun-kit\nRoot-Is-Purelib: false\nBuild: 7\n\
         Tag: cp312-cp312-manylinux_2_17_x86_64\nTag: cp312-cp312-manylinux2014_x86_64\n"
    );
    assert_eq!(
        text(&wheel, "numpy/__init__.py"),
        "__version__ = \"2.0+local.1\"\n"
    );
}

#[test]
fn a_bare_wheel_is_all_dist_info() {
    let members = members(&WheelBuilder::new("meta", "1").bare().build());
    assert!(
        members
            .keys()
            .all(|path| path.starts_with("meta-1.dist-info/"))
    );
    assert_eq!(members.len(), 3);
}

#[test]
fn each_layout_is_legal_and_alone_and_together_hold_the_same() {
    let plain = example().build();
    let mut all = example();
    let mut variants = Vec::new();
    for layout in Layout::ALL {
        all = all.layout(*layout);
        variants.push((vec![*layout], example().layout(*layout).build()));
    }
    variants.push((Layout::ALL.to_vec(), all.build()));
    for (layouts, wheel) in variants {
        assert_ne!(wheel.bytes, plain.bytes, "{layouts:?}");
        let mut held = members(&wheel);
        held.retain(|path, _| !path.ends_with('/'));
        let expected = members(&plain);
        assert_record_is_true(&wheel);
        for (path, content) in &expected {
            assert_eq!(
                held.remove(path).as_ref(),
                Some(content),
                "{layouts:?} {path}"
            );
        }
        assert_eq!(held, BTreeMap::new(), "{layouts:?}");
    }
}

#[test]
fn directories_have_members_of_their_own() {
    let members = members(&example().layout(Layout::Directories).build());
    assert_eq!(members["my_package/"].1, 0o040_755);
    assert!(members.contains_key("my_package-1.0.data/data/share/"));
}

#[test]
fn one_description_gives_one_archive() {
    assert_eq!(example().build(), example().build());
}

#[test]
fn each_flaw_changes_the_wheel_and_no_two_are_alike() {
    let mut digests = BTreeMap::from([(example().build().sha256, None)]);
    for flaw in Flaw::ALL {
        let wheel = example().flaw(*flaw).build();
        assert_eq!(digests.insert(wheel.sha256, Some(*flaw)), None, "{flaw:?}");
        assert_eq!(wheel.filename, example().filename(), "{flaw:?}");
    }
}

#[test]
fn an_independent_reader_refuses_what_no_reader_can_read() {
    let good = |wheel: &Wheel| {
        let mut archive = ZipArchive::new(Cursor::new(wheel.bytes.clone())).ok()?;
        for index in 0..archive.len() {
            let mut member = archive.by_index(index).ok()?;
            member.read_to_end(&mut Vec::new()).ok()?;
        }
        Some(())
    };
    assert!(good(&example().build()).is_some());
    for flaw in [
        Flaw::BadCrc,
        Flaw::TruncatedDeflate,
        Flaw::CorruptDeflate,
        Flaw::Encrypted,
        Flaw::UnsupportedMethod,
        Flaw::CutShort,
    ] {
        assert!(good(&example().flaw(flaw).build()).is_none(), "{flaw:?}");
    }
}

#[test]
fn hostile_names_stand_in_the_archive_as_they_are() {
    let named = |flaw| {
        let bytes = WheelBuilder::new("x", "1").flaw(flaw).build().bytes;
        move |name: &[u8]| {
            bytes
                .windows(name.len())
                .filter(|part| part == &name)
                .count()
        }
    };
    // Once in the local header and once in the central directory; RECORD is deflated.
    assert_eq!(named(Flaw::AbsolutePath)(b"/etc/evil"), 2);
    assert_eq!(named(Flaw::UncPath)(br"\\server\share\evil.py"), 2);
    assert_eq!(named(Flaw::NonUtf8Name)(b"caf\xe9.py"), 2);
    assert_eq!(named(Flaw::NulInName)(b"x/evil\0.py"), 2);
    assert_eq!(named(Flaw::DuplicateName)(b"x/twin.py"), 4);
}

#[test]
fn an_overlapping_member_reads_well_by_itself() {
    let wheel = WheelBuilder::new("x", "1").flaw(Flaw::Overlap).build();
    assert_eq!(text(&wheel, "x/inner.py"), "VALUE = 2\n");
    assert!(members(&wheel)["x/outer.bin"].0.ends_with(b"VALUE = 2\n"));
}

#[test]
fn a_crowd_of_members_needs_a_zip64_end_record() {
    let wheel = WheelBuilder::new("x", "1")
        .flaw(Flaw::TooManyMembers)
        .build();
    let archive = ZipArchive::new(Cursor::new(wheel.bytes)).expect("an archive");
    assert_eq!(archive.len(), 100_004);
}

#[test]
fn metadata_flaws_are_in_the_metadata() {
    let wheel = example().flaw(Flaw::MetadataName).build();
    assert!(wheel.metadata.contains("\nName: something-else\n"));
    assert_record_is_true(&wheel);
    let wheel = example().flaw(Flaw::NoMetadata).build();
    assert!(!members(&wheel).contains_key("my_package-1.0.dist-info/METADATA"));
    assert!(wheel.metadata.contains("Name: My.Package"));
    assert_record_is_true(&wheel);
}

#[test]
fn names_are_normalised_as_indexes_do() {
    for name in [
        "Flask_RESTful",
        "flask.restful",
        "flask--restful",
        "FLASK-._restful",
    ] {
        assert_eq!(normalise(name), "flask-restful");
    }
}

#[test]
fn python_imports_from_a_wheel_and_reads_its_metadata() {
    let folder = tempfile::tempdir().expect("a folder");
    let wheel = example().build().write_into(folder.path());
    let code = "import sys; sys.path.insert(0, sys.argv[1]); import my_package; \
                from importlib.metadata import version, requires, entry_points; \
                print(my_package.VALUE, version('my-package'), requires('my-package'))";
    let output = std::process::Command::new(crate::python())
        .args(["-I", "-c", code])
        .arg(wheel)
        .output()
        .expect("python starts");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "1 1.0 [\"other>=1; extra == 'fast'\"]\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// How many bytes differ between the good wheel and one with a flaw that keeps all lengths.
fn changed(flaw: Flaw) -> usize {
    let (good, bad) = (example().build().bytes, example().flaw(flaw).build().bytes);
    assert_eq!(good.len(), bad.len(), "{flaw:?}");
    good.iter()
        .zip(&bad)
        .filter(|(one, other)| one != other)
        .count()
}

#[test]
fn a_flaw_of_the_local_header_leaves_the_central_directory_alone() {
    for flaw in [
        Flaw::LocalName,
        Flaw::LocalSize,
        Flaw::LocalCompressedSize,
        Flaw::LocalCrc,
        Flaw::LocalMethod,
    ] {
        assert_eq!(changed(flaw), 1, "{flaw:?}");
    }
}

#[test]
fn a_flaw_of_both_headers_changes_both_alike() {
    for flaw in [
        Flaw::BadCrc,
        Flaw::Encrypted,
        Flaw::UnsupportedMethod,
        Flaw::BombUnderstatedSize,
    ] {
        assert_eq!(changed(flaw), 2, "{flaw:?}");
    }
    // Four bytes of a 32-bit size, twice.
    assert_eq!(changed(Flaw::BombDeclaredSize), 8);
}

#[test]
fn flaws_of_record_leave_every_other_member_alone() {
    let record = "my_package-1.0.dist-info/RECORD";
    let mut good = members(&example().build());
    let rows = String::from_utf8(good.remove(record).expect("a RECORD").0).expect("text");
    let first = "my_package/__init__.py,sha256=";
    let cases = [
        (Flaw::RecordHash, rows.lines().count()),
        (Flaw::RecordSize, rows.lines().count()),
        (Flaw::RecordMissingEntry, rows.lines().count() - 1),
        (Flaw::RecordGhostEntry, rows.lines().count() + 1),
    ];
    for (flaw, count) in cases {
        let mut bad = members(&example().flaw(flaw).build());
        let bad_rows = String::from_utf8(bad.remove(record).expect("a RECORD").0).expect("text");
        assert_eq!(bad, good, "{flaw:?}");
        assert_eq!(bad_rows.lines().count(), count, "{flaw:?}");
        assert_ne!(bad_rows, rows, "{flaw:?}");
        assert_eq!(bad_rows.contains(first), flaw != Flaw::RecordMissingEntry);
        assert_eq!(
            bad_rows.contains("ghost.py"),
            flaw == Flaw::RecordGhostEntry
        );
    }
    assert_eq!(members(&example().flaw(Flaw::NoRecord).build()), good);
}

#[test]
fn a_link_and_a_device_are_told_by_their_modes() {
    let mode = |flaw, path: &str| members(&example().flaw(flaw).build())[path].1;
    assert_eq!(mode(Flaw::Symlink, "my_package/link"), 0o120_777);
    assert_eq!(mode(Flaw::Device, "my_package/device"), 0o020_666);
}

#[test]
fn a_bomb_is_a_thousand_times_its_archive() {
    let wheel = WheelBuilder::new("x", "1").flaw(Flaw::BombRatio).build();
    assert!(
        wheel.bytes.len() < (64 << 20) / 500,
        "{}",
        wheel.bytes.len()
    );
    assert_eq!(members(&wheel)["x/zeros.bin"].0.len(), 64 << 20);
}
