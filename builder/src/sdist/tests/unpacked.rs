//! Each way in which an archive is refused, and what is taken.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use proptest::prelude::*;
use pyrun_kit::SdistBuilder;
use pyrun_kit::sdist::{Tar, gzip};
use tempfile::TempDir;

use super::super::error::Invalid;
use super::super::unpack::{Limits, unpack};

fn try_unpack(name: &str, bytes: &[u8], limits: &Limits) -> (TempDir, Result<PathBuf, Invalid>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (archive, into) = (folder.path().join(name), folder.path().join("into"));
    fs_err::write(&archive, bytes).expect("written");
    fs_err::create_dir(&into).expect("a folder");
    let top = unpack(&archive, name, &into, limits);
    (folder, top)
}

fn refused(tar: &Tar) -> String {
    refused_bytes(&tar.gz())
}

fn refused_bytes(bytes: &[u8]) -> String {
    let (folder, result) = try_unpack("a-1.tar.gz", bytes, &Limits::default());
    let error = result.expect_err("a refusal");
    let outside = fs_err::read_dir(folder.path()).expect("a listing").count();
    assert_eq!(outside, 2, "nothing is written beside the folder: {error}");
    error.to_string()
}

#[test]
fn a_good_archive_lands_with_plain_modes() {
    let tar = Tar::new()
        .folder("a-1")
        .folder("a-1/")
        .member("a-1/run.sh", b'0', "", 0o4755, b"#!/bin/sh\n")
        .member("a-1/private", b'0', "", 0o600, b"x")
        .file("./a-1/sub/deep/module.py", "VALUE = 1\n".repeat(5000));
    let (_folder, top) = try_unpack("a-1.tar.gz", &tar.gz(), &Limits::default());
    let top = top.expect("unpacked");
    let mode = |path: &str| {
        let meta = fs_err::metadata(top.join(path)).expect("there");
        meta.permissions().mode() & 0o7777
    };
    assert!(top.ends_with("a-1"));
    assert_eq!(mode("run.sh"), 0o755);
    assert_eq!(mode("private"), 0o644);
    assert_eq!(mode("sub/deep"), 0o755);
    let module = fs_err::read_to_string(top.join("sub/deep/module.py")).expect("text");
    assert_eq!(module.len(), 50_000);
}

#[test]
fn zips_are_unpacked_alike() {
    let sdist = SdistBuilder::new("a", "1");
    let (_one, tar) = try_unpack("a-1.tar.gz", &sdist.tar_gz(), &Limits::default());
    let (_two, zip) = try_unpack("a-1.zip", &sdist.zip(), &Limits::default());
    for file in ["pyproject.toml", "src/a.py", "backend.py"] {
        let read = |top: &Result<PathBuf, Invalid>| {
            let top = top.as_ref().expect("unpacked");
            fs_err::read(top.join(file)).expect("there")
        };
        assert_eq!(read(&tar), read(&zip), "{file}");
    }
    let error = try_unpack("a-1.tar.bz2", &[], &Limits::default()).1;
    assert!(matches!(error, Err(Invalid::Kind)), "{error:?}");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for (name, part) in [
        ("/etc/passwd", "is absolute"),
        ("../a-1/x", "leaves its folder"),
        ("a-1/../../x", "leaves its folder"),
        ("a-1/sub/../../../x", "leaves its folder"),
        ("a-1\\x", "backslash"),
        ("C:/x", "drive"),
        ("a-1//x", "empty part"),
        ("a-1/\u{1b}[2J", "control character"),
        ("x", "is in no folder"),
    ] {
        let error = refused(&Tar::new().file(name, ""));
        assert!(error.contains(part), "{name}: {error}");
    }
    let long = refused(&Tar::new().pax("path", "../../x").file("a-1/x", ""));
    assert!(long.contains("leaves its folder"), "{long}");
}

#[test]
fn names_that_are_no_text_are_refused() {
    let error = refused(&Tar::new().member(b"a-1/\xff\xfe", b'0', "", 0o644, b""));
    assert!(error.contains("is not UTF-8"), "{error}");
}

#[test]
fn links_that_stay_inside_become_copies() {
    let tar = Tar::new()
        .symlink("a-1/docs/early.txt", "../real.txt")
        .file("a-1/real.txt", "real")
        .symlink("a-1/again.txt", "docs/early.txt")
        .hard_link("a-1/hard.txt", "a-1/real.txt")
        .symlink("a-1/dangling", "nowhere/x");
    let (_folder, top) = try_unpack("a-1.tar.gz", &tar.gz(), &Limits::default());
    let top = top.expect("unpacked");
    for name in ["docs/early.txt", "again.txt", "hard.txt"] {
        let meta = fs_err::symlink_metadata(top.join(name)).expect("there");
        assert!(meta.is_file(), "{name}");
        assert_eq!(
            fs_err::read_to_string(top.join(name)).expect("text"),
            "real"
        );
    }
    assert!(!top.join("dangling").exists());
}

#[test]
fn links_that_leave_the_folder_are_refused() {
    let real = || Tar::new().file("a-1/sub/real", "x");
    for (tar, part) in [
        (real().symlink("a-1/l", "/etc/passwd"), "out of the archive"),
        (
            real().symlink("a-1/l", "../../etc/passwd"),
            "out of the archive",
        ),
        (
            real().symlink("a-1/l", "../b/x"),
            "out of the archive's folder",
        ),
        (
            real().hard_link("a-1/l", "/etc/passwd"),
            "out of the archive",
        ),
        (
            real().hard_link("a-1/l", "b/x"),
            "out of the archive's folder",
        ),
        (real().symlink("a-1/l", "sub"), "leads to a folder"),
        (real().symlink("a-1/l", "."), "leads to a folder"),
        (real().symlink("a-1/l", "l"), "leads to itself"),
        (
            real().symlink("a-1/l", "m").symlink("a-1/m", "l"),
            "leads to itself",
        ),
        (
            real().symlink("a-1/l", "sub/real/x"),
            "leads through another link",
        ),
    ] {
        let error = refused(&tar);
        assert!(error.contains(part), "{part}: {error}");
    }
    // A path that leads through a link, which would be elsewhere than its name says.
    let through = real().symlink("a-1/l", "sub").file("a-1/l/x", "x");
    assert!(refused(&through).contains("would be inside a file or a link"));
    let over = real().symlink("a-1/l", "sub/real").file("a-1/l", "x");
    assert!(refused(&over).contains("twice"));
}

#[test]
fn devices_and_what_nobody_needs_are_refused() {
    for (kind, part) in [
        (b'3', "device"),
        (b'4', "device"),
        (b'6', "pipe"),
        (b'S', "sparse"),
        (b'V', "no source distribution needs"),
    ] {
        let error = refused(&Tar::new().member("a-1/x", kind, "", 0o644, b""));
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let error = refused(&Tar::new().file("a-1/x", "1").file("a-1/x", "2"));
    assert!(error.contains("twice"), "{error}");
    let error = refused(&Tar::new().file("a-1/x", "1").file("a-1/x/y", "2"));
    assert!(error.contains("inside a file"), "{error}");
    let error = refused(&Tar::new().file("a-1/x/y", "1").file("a-1/x", "2"));
    assert!(error.contains("inside a file"), "{error}");
}

#[test]
fn more_than_one_top_folder_is_refused() {
    let error = refused(&Tar::new().file("a-1/x", "").file("b-1/x", ""));
    assert_eq!(
        error,
        "it has more than one folder at its top: `a-1` and `b-1`"
    );
    assert_eq!(refused(&Tar::new()), "it is empty");
}

#[test]
fn bombs_are_stopped_while_they_unpack() {
    let zeros = vec![0; 3 << 20];
    let tar = Tar::new().file("a-1/zeros", &zeros);
    let small = Limits {
        small: 1 << 20,
        ..Limits::default()
    };
    let error = try_unpack("a-1.tar.gz", &tar.gz(), &small).1;
    assert!(matches!(error, Err(Invalid::Bomb { .. })), "{error:?}");
    let short = Limits {
        unpacked: 1 << 20,
        ..Limits::default()
    };
    let error = try_unpack("a-1.tar.gz", &tar.gz(), &short).1;
    assert!(matches!(error, Err(Invalid::TooLarge(_))), "{error:?}");
    // Links count as what they are copies of.
    let linked = (0..4).fold(
        Tar::new().file("a-1/x", vec![1; 300 << 10]),
        |tar, number| tar.symlink(&format!("a-1/l{number}"), "x"),
    );
    let error = try_unpack("a-1.tar.gz", &linked.gz(), &short).1;
    assert!(matches!(error, Err(Invalid::TooLarge(_))), "{error:?}");
    let few = Limits {
        members: 3,
        ..Limits::default()
    };
    let many = (0..4).fold(Tar::new(), |tar, number| {
        tar.file(&format!("a-1/{number}"), "")
    });
    let error = try_unpack("a-1.tar.gz", &many.gz(), &few).1;
    assert!(matches!(error, Err(Invalid::TooMany(3))), "{error:?}");
}

#[test]
fn headers_without_end_are_stopped() {
    let record = format!("{} x={}\n", (1 << 19) + 10, "y".repeat(1 << 19));
    let good = (0..3).fold(Tar::new(), |tar, _| {
        tar.member("x", b'g', "", 0o644, record.as_bytes())
    });
    let (_folder, whole) = try_unpack(
        "a-1.tar.gz",
        &good.file("a-1/x", "").gz(),
        &Limits::default(),
    );
    assert!(whole.is_ok(), "{whole:?}");
    let endless = (0..130).fold(Tar::new(), |tar, _| {
        tar.member("x", b'g', "", 0o644, record.as_bytes())
    });
    let error = refused(&endless.file("a-1/x", ""));
    assert!(error.contains("extended headers"), "{error}");
}

#[test]
fn damaged_archives_are_refused() {
    let good = SdistBuilder::new("a", "1").tar_gz();
    let error = refused_bytes(&good[..good.len() / 2]);
    assert!(error.contains("cut off"), "{error}");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 0xff;
    refused_bytes(&bad);
    let error = refused_bytes(b"no gzip at all");
    assert!(error.contains("damaged"), "{error}");
    let mut tar = Tar::new().file("a-1/x", "content").tar();
    tar[0] ^= 1;
    let error = refused_bytes(&gzip(&tar));
    assert!(error.contains("checksum"), "{error}");
    let error = refused(&Tar::new().header(b"a-1/x", b'0', "", 0o644, 1 << 32));
    assert!(error.contains("cut off"), "{error}");
    let error = refused(&Tar::new().member("x", b'x', "", 0o644, b"99 nonsense"));
    assert!(error.contains("pax header"), "{error}");
    let error = refused(&Tar::new().header(b"x", b'L', "", 0o644, 1 << 30));
    assert!(error.contains("more than a megabyte"), "{error}");
}

#[test]
fn long_names_of_both_formats_are_read() {
    let long = format!("a-1/{}/x.py", "d".repeat(150));
    let pax = Tar::new().pax("path", &long).file("a-1/short", "pax");
    let gnu = Tar::new()
        .member(
            "././@LongLink",
            b'L',
            "",
            0o644,
            format!("{long}\0").as_bytes(),
        )
        .file("a-1/short", "gnu");
    for (tar, content) in [(pax, "pax"), (gnu, "gnu")] {
        let (folder, top) = try_unpack("a-1.tar.gz", &tar.gz(), &Limits::default());
        top.expect("unpacked");
        let path = folder.path().join("into").join(&long);
        assert_eq!(fs_err::read_to_string(path).expect("text"), content);
    }
}

proptest! {
    /// Any bytes are unpacked or refused, and nothing lands outside.
    #[test]
    fn no_bytes_do_harm(at in 0usize..4096, with: u8, cut in 0usize..4096) {
        let mut tar = SdistBuilder::new("a", "1").requires("b").file("x/y", "z").pkg_info("");
        tar = tar.file("src/long.py", "x = 1\n".repeat(50));
        let bytes = {
            let gz = tar.tar_gz();
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gz[..]), &mut plain).expect("gzip");
            let at = at % plain.len();
            plain[at] = with;
            plain.truncate(plain.len() - cut % plain.len());
            gzip(&plain)
        };
        let (folder, _) = try_unpack("a-1.tar.gz", &bytes, &Limits::default());
        prop_assert_eq!(fs_err::read_dir(folder.path()).expect("a listing").count(), 2);
    }
}
