//! Folders that are not yet, or no longer, anybody's.
//!
//! A staging folder belongs to the process that holds its lock; the lock dies with the process,
//! however it dies, and then the next sweep takes the folder away.

use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::File;
use tempfile::TempDir;

/// A folder that becomes visible in one step, or never.
#[derive(Debug)]
pub(super) struct Staging {
    folder: TempDir,
    _owner: File,
}

impl Staging {
    /// A new folder below `parent`.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        loop {
            let folder = TempDir::new_in(parent)?;
            let owner = match File::open(folder.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                owner => owner?,
            };
            owner.file().lock()?;
            // A sweep may have come between: then the name leads nowhere, or elsewhere.
            let inode = owner.file().metadata()?.ino();
            if fs_err::metadata(folder.path()).is_ok_and(|meta| meta.ino() == inode) {
                return Ok(Self {
                    folder,
                    _owner: owner,
                });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it visible as `target`, which must not exist.
    pub(super) fn publish(self, target: &Path) -> io::Result<()> {
        fs_err::rename(self.folder.path(), target)?;
        // What it would remove has another name now.
        let _ = self.folder.keep();
        Ok(())
    }
}

/// Takes away the folders below `parent` that no process holds.
pub(super) fn sweep_staging(parent: &Path) -> io::Result<u64> {
    let mut swept = 0;
    for path in entries(parent)? {
        let owner = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            owner => owner?,
        };
        match owner.file().try_lock() {
            Ok(()) => {
                remove_all(&path)?;
                swept += 1;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(swept)
}

/// Takes away everything below `parent`.
pub(super) fn sweep_trash(parent: &Path) -> io::Result<u64> {
    let mut swept = 0;
    for path in entries(parent)? {
        remove_all(&path)?;
        swept += 1;
    }
    Ok(swept)
}

/// The paths below a folder, sorted; none if there is no folder.
pub(super) fn entries(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// Removes a folder and all below it; that another process was faster is no error.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
