//! This room's readers under plain names, for [`crate::strange`].
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken. Never: runs anything that it
//! unpacks.

use std::path::Path;

use super::pkg_info;
use super::project::BuildSystem;
use super::unpack::{self, Format, Limits};

/// Small enough that one try stays short.
const LIMITS: Limits = Limits {
    members: 2000,
    unpacked: 8 << 20,
    ratio: 200,
    small: 4 << 20,
};

/// An archive, unpacked into a folder. The first byte chooses its kind.
pub(crate) fn archive(bytes: &[u8]) {
    let Some((kind, archive)) = bytes.split_first() else {
        return;
    };
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let (path, into) = (folder.path().join("archive"), folder.path().join("into"));
    if fs_err::write(&path, archive).is_err() || fs_err::create_dir(&into).is_err() {
        return;
    }
    let format = match kind % 3 {
        0 => Format::TarGz,
        1 => Format::Zip,
        _ => Format::Tar,
    };
    let unpacked = unpack::unpack_as(&path, format, &into, &LIMITS);
    let beside = fs_err::read_dir(folder.path()).map_or(0, Iterator::count);
    assert_eq!(beside, 2, "something lies beside the folder");
    let size = only_files_and_folders(&into);
    assert!(size <= LIMITS.unpacked, "{size} bytes lie there");
    if let Ok(top) = unpacked {
        assert!(top.is_dir() && top.parent() == Some(&into));
        let tops = fs_err::read_dir(&into).map_or(0, Iterator::count);
        assert_eq!(tops, 1, "there is one folder at the top");
    }
}

/// The bytes of all files below a folder, in which there must be nothing else than those.
fn only_files_and_folders(folder: &Path) -> u64 {
    let mut size = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs_err::read_dir(folder).into_iter().flatten();
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let Ok(meta) = fs_err::symlink_metadata(&path) else {
                continue;
            };
            let kind = meta.file_type();
            assert!(kind.is_file() || kind.is_dir(), "`{}`", path.display());
            if kind.is_dir() {
                folders.push(path);
            } else {
                size += meta.len();
            }
        }
    }
    size
}

/// PKG-INFO: what it is certain of is whole.
pub(crate) fn pkg_info(bytes: &[u8]) {
    if let Some(metadata) = pkg_info::certain(bytes) {
        assert!(!metadata.name.as_ref().is_empty());
    }
}

/// `pyproject.toml`: a folder of the backend's lies inside.
pub(crate) fn pyproject(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(system) = BuildSystem::read(Some(&text), true) {
        assert!(!system.backend.is_empty());
        let mut parts = system.backend_path.iter().flat_map(|path| path.split('/'));
        assert!(parts.all(|part| part != ".."), "{:?}", system.backend_path);
    }
}
