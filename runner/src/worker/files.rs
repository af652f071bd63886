//! The worker's own Python files, put on disk once.
//!
//! In: a folder. Out: a folder below it, named by the files' hash, that holds them all. Never:
//! changes a folder that is there; shows a half-written one.
//!
//! They are files, and not text for `python -c`, so that their bytecode is kept: compiling them
//! anew takes as long as starting Python does.

use std::io;
use std::path::{Path, PathBuf};

use pyrun_core::Sha256;

use super::WorkerError;

const FILES: &[(&str, &str)] = &[
    (
        "pyrun/__init__.py",
        include_str!("../../python/pyrun/__init__.py"),
    ),
    (
        "pyrun/__init__.pyi",
        include_str!("../../python/pyrun/__init__.pyi"),
    ),
    ("pyrun/py.typed", ""),
    (
        "pyrun_worker/__init__.py",
        include_str!("../../python/pyrun_worker/__init__.py"),
    ),
    (
        "pyrun_worker/arguments.py",
        include_str!("../../python/pyrun_worker/arguments.py"),
    ),
    (
        "pyrun_worker/errors.py",
        include_str!("../../python/pyrun_worker/errors.py"),
    ),
    (
        "pyrun_worker/results.py",
        include_str!("../../python/pyrun_worker/results.py"),
    ),
];

/// The Python side, ready on this machine.
#[derive(Debug, Clone)]
pub struct Worker {
    home: PathBuf,
}

impl Worker {
    /// Puts the worker's files below `folder`, unless they are there.
    pub fn install(folder: &Path) -> Result<Self, WorkerError> {
        let home = folder.join(format!("worker-{}", digest().short()));
        if !home.is_dir() {
            write(folder, &home).map_err(WorkerError::Install)?;
        }
        Ok(Self { home })
    }

    /// The folder that holds the files.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }
}

fn digest() -> Sha256 {
    let mut all = Vec::new();
    for (name, text) in FILES {
        for part in [name, text] {
            all.extend_from_slice(&(part.len() as u64).to_le_bytes());
            all.extend_from_slice(part.as_bytes());
        }
    }
    Sha256::of(all)
}

fn write(folder: &Path, home: &Path) -> io::Result<()> {
    fs_err::create_dir_all(folder)?;
    let stage = tempfile::Builder::new()
        .prefix(".worker-")
        .tempdir_in(folder)?;
    for (name, text) in FILES {
        let path = stage.path().join(name);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, text)?;
    }
    match fs_err::rename(stage.path(), home) {
        // Another process was faster: the name holds the hash, so its files are the same.
        Err(_) if home.is_dir() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_once_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Worker::install(folder.path()).expect("installs");
        let marker = first.home().join("marker");
        fs_err::write(&marker, "").expect("writes");
        let second = Worker::install(folder.path()).expect("installs");
        assert_eq!(first.home(), second.home());
        assert!(marker.exists(), "the folder was made anew");
        let here: Vec<_> = fs_err::read_dir(folder.path()).expect("lists").collect();
        assert_eq!(here.len(), 1, "a stage was left: {here:?}");
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs_err::write(&file, "").expect("writes");
        assert!(matches!(
            Worker::install(&file),
            Err(WorkerError::Install(_))
        ));
    }
}
