//! How an object becomes visible: staged, synced, then named in one step.
//!
//! In: a key and a body. Out: the object, whole and on the disk, or nothing.
//! Never: opens an object for writing; leaves a staging file behind unless it is killed.
//!
//! An error says that the object may be missing, never that it may be half there: when only the
//! last sync of the folder fails, the object is visible already.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::TempPath;

use super::folder::{Folder, is_absent, object};
use crate::{Body, Created, Key, Result, StoreError};

/// What to do about an object that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Keep it, and say so.
    New,
    /// Replace it.
    Replace,
}

/// How often a folder that vanishes under a write (`rm -r` of the cache) is made again.
const ATTEMPTS: usize = 3;

impl Folder {
    pub(super) fn put(&self, key: &Key, body: &Body, mode: Mode) -> Result<Created> {
        self.store(&self.path(key), body, mode)
            .map_err(|source| StoreError::write(key, source))
    }

    fn store(&self, target: &Path, body: &Body, mode: Mode) -> io::Result<Created> {
        // The link below decides; this only saves writing what is there already.
        if mode == Mode::New && stands(target)? {
            return Ok(Created::No);
        }
        match body {
            Body::Bytes(bytes) => {
                let staged = self.stage(|file| file.write_all(bytes))?;
                self.publish(&staged, target, mode)
            }
            Body::File(path) => {
                if let Some(created) = self.take(path, target, mode)? {
                    return Ok(created);
                }
                let mut source = fs_err::File::open(path)?;
                let staged = self.stage(|file| {
                    // Plain files, so that the kernel may copy without us.
                    io::copy(source.file_mut(), file).map(|_| ())
                })?;
                self.publish(&staged, target, mode)
            }
        }
    }

    /// Publishes the caller's own file without copying it. `None` when that can't be done: it is
    /// on another filesystem, not a plain file, or not ours to change.
    fn take(&self, path: &Path, target: &Path, mode: Mode) -> io::Result<Option<Created>> {
        if !fs_err::symlink_metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = fs_err::File::open(path)?;
        if file.set_permissions(Permissions::from_mode(0o644)).is_err() {
            return Ok(None);
        }
        file.sync_all()?;
        match self.publish(path, target, mode) {
            Ok(created) => Ok(Some(created)),
            Err(error) if is_refused(&error) || is_crossing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a staging file and waits until it is on the disk. It goes when it is dropped.
    fn stage(
        &self,
        write: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
    ) -> io::Result<TempPath> {
        let folder = self.staging();
        let mut staged = self.within(&folder, || {
            tempfile::Builder::new()
                .prefix("put-")
                .permissions(Permissions::from_mode(0o644))
                .tempfile_in(&folder)
        })?;
        write(staged.as_file_mut())?;
        staged.as_file().sync_all()?;
        Ok(staged.into_temp_path())
    }

    /// Gives the finished file at `from` its name.
    fn publish(&self, from: &Path, target: &Path, mode: Mode) -> io::Result<Created> {
        let parent = target.parent().expect("an object is below the root");
        let created = self.within(parent, || match mode {
            Mode::New => self.link_new(from, target),
            Mode::Replace => fs_err::rename(from, target).map(|()| Created::Yes),
        })?;
        if created == Created::Yes {
            sync_folder(parent)?;
        }
        Ok(created)
    }

    /// Of any number of callers with one target, the kernel lets one through.
    fn link_new(&self, from: &Path, target: &Path) -> io::Result<Created> {
        let linked = if self.hard_links {
            fs_err::hard_link(from, target)
        } else {
            Err(io::ErrorKind::Unsupported.into())
        };
        match linked {
            Ok(()) => Ok(Created::Yes),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if stands(target)? {
                    return Ok(Created::No);
                }
                match fs_err::symlink_metadata(target) {
                    // The one that stood there was deleted since: ours is as if it came first.
                    Err(gone) if is_absent(&gone) => Ok(Created::No),
                    Err(error) => Err(error),
                    Ok(_) => Err(io::ErrorKind::IsADirectory.into()),
                }
            }
            Err(error) if is_refused(&error) => self.rename_new(from, target),
            Err(error) => Err(error),
        }
    }

    /// Without hard links (exFAT, some network and phone filesystems) writers take turns behind a
    /// file lock, which ends with its process. There a plain `put` that comes in between may be
    /// replaced by a `put_new`; no caller uses both for one key at one time.
    fn rename_new(&self, from: &Path, target: &Path) -> io::Result<Created> {
        let lock = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root().join(".lock"))?;
        lock.lock()?;
        if stands(target)? {
            return Ok(Created::No);
        }
        fs_err::rename(from, target)?;
        Ok(Created::Yes)
    }

    /// Does `work` in `folder`, which is made when it is missing.
    fn within<T>(&self, folder: &Path, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        for _ in 1..ATTEMPTS {
            match work() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make_folders(folder)?;
                }
                answer => return answer,
            }
        }
        work()
    }

    /// Makes `folder` and what is missing above it, each named durably in its parent.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|folder| folder.starts_with(self.root()) && !folder.is_dir())
            .collect();
        for folder in missing.into_iter().rev() {
            let parent = folder.parent().expect("the root is not `/`");
            let is_root = folder == self.root();
            if is_root {
                fs_err::create_dir_all(parent)?;
            }
            make_folder(folder, if is_root { 0o700 } else { 0o755 })?;
            sync_folder(parent)?;
        }
        Ok(())
    }
}

/// Makes one folder; that another writer was faster is no error.
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if folder.is_dir() {
                Ok(())
            } else {
                Err(io::ErrorKind::NotADirectory.into())
            }
        }
        done => done,
    }
}

/// Makes the names in `folder` durable, where the filesystem can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match fs_err::File::open(folder)?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// Whether there is an object at `target`.
fn stands(target: &Path) -> io::Result<bool> {
    match fs_err::symlink_metadata(target) {
        Ok(meta) => Ok(object(&meta)?.is_some()),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a hard link was refused for what it is: the filesystem has none, no more of them, or
/// the kernel protects a file that is not ours.
fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::TooManyLinks
    )
}

fn is_crossing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::CrossesDevices
}
