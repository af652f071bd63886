//! What strangers hand to the builder, each by one name: for the fuzz targets, and for the tests
//! that replay what they found.
//!
//! In: any bytes. Out: nothing but that it came back. Never: touches the network or keeps a file.

use bytes::Bytes;
use pep508_rs::PackageName;

use crate::index;
use crate::sdist;
use crate::wheel;
use crate::zip::{Archive, Inflater, Limits};

/// Members larger than this are not inflated here, so that one try stays short.
const LARGEST: u64 = 1 << 20;

/// An archive: its structure, and what its small members hold.
pub fn archive(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(archive) = Archive::open(bytes, &Limits::default()) else {
        return;
    };
    let mut inflater = Inflater::default();
    let small = |size: u64| size <= LARGEST;
    for entry in archive.entries().iter().filter(|entry| small(entry.size)) {
        if let Ok(content) = inflater.read(archive.source(), entry) {
            assert_eq!(content.len() as u64, entry.size, "what it declares");
        }
    }
}

/// A wheel: all that is checked before it is stored.
pub fn wheel(bytes: &[u8]) {
    let limits = wheel::Limits {
        unpacked: 16 << 20,
        ..wheel::Limits::default()
    };
    let Ok(file) = tempfile::NamedTempFile::new() else {
        return;
    };
    let filename = "a-1-py3-none-any.whl".parse();
    let filename = filename.expect("the name of a wheel");
    if fs_err::write(file.path(), bytes).is_err() {
        return;
    }
    if let Ok(contents) = wheel::check(file.path(), &filename, &limits) {
        for file in &contents.files {
            let outside =
                file.path.starts_with('/') || file.path.split('/').any(|part| part == "..");
            assert!(!outside, "`{}` leaves its folder", file.path);
        }
        assert!(wheel::render_record(&contents).contains("RECORD"));
    }
}

/// The end of a wheel on a server, from which its METADATA is read.
pub fn wheel_end(bytes: &[u8]) {
    // That there is none is as good an answer as any.
    let _ = index::strange::metadata_inside(bytes, "a");
}

/// An index page. The first byte chooses what the server calls it.
pub fn page(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else {
        return;
    };
    let project: PackageName = "a".parse().expect("a name");
    let kind = match kind % 3 {
        0 => Some("application/json"),
        1 => Some("text/html"),
        _ => None,
    };
    index::strange::page(body, kind, &project);
}

/// METADATA.
pub fn metadata(bytes: &[u8]) {
    if let Ok(metadata) = index::parse_metadata(bytes) {
        assert!(!metadata.name.as_ref().is_empty());
    }
}

/// A source distribution's archive. The first byte chooses its kind.
pub fn sdist(bytes: &[u8]) {
    sdist::strange::archive(bytes);
}

/// PKG-INFO of a source distribution.
pub fn pkg_info(bytes: &[u8]) {
    sdist::strange::pkg_info(bytes);
}

/// `pyproject.toml` of a source distribution.
pub fn build_system(bytes: &[u8]) {
    sdist::strange::pyproject(bytes);
}
