//! `pylock.toml` files (PEP 751), whoever wrote them.
//!
//! In: a file's path. Out: its lock for a target, with every wheel at an address of its own: what
//! the file names by a path is meant from where the file lies.

use std::path::{Path, PathBuf};

use pyrun_core::lock::{Kept, LockError};
use pyrun_core::{Code, Fault, Lock, PythonVersion, Target};

use super::read_text;

/// A lock file.
#[derive(Debug, Clone)]
pub struct Pylock {
    text: String,
    folder: PathBuf,
}

impl Pylock {
    /// Reads a lock file.
    pub fn read(path: &str) -> Result<Self, Fault> {
        let text = read_text(path)?;
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        });
        let folder = folder.map_err(|error| Fault::new(Code::LOCK_INVALID, error.to_string()))?;
        Ok(Self { text, folder })
    }

    /// The Python that it was made for, where it says so itself.
    pub fn python(&self) -> Option<PythonVersion> {
        Lock::from_toml(&self.text, None)
            .ok()
            .map(|lock| lock.target.python)
    }

    /// The lock for what it says itself that it is for; `None` where it does not say it.
    pub fn own(&self) -> Result<Option<Lock>, Fault> {
        match Lock::from_toml(&self.text, None) {
            Ok(lock) => Ok(Some(self.at_home(lock))),
            Err(LockError::NoTarget) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What stands in the file and has no place in the lock that was read from it.
    pub fn kept(&self, lock: &Lock) -> Result<Kept, Fault> {
        Ok(Kept::read(&self.text, lock)?)
    }

    /// The lock for a target.
    pub fn lock(&self, target: &Target) -> Result<Lock, Fault> {
        Ok(self.at_home(Lock::from_toml(&self.text, Some(target))?))
    }

    /// The lock with every path as it is meant: from where the file lies.
    fn at_home(&self, mut lock: Lock) -> Lock {
        for package in lock.packages.values_mut() {
            let url = &mut package.wheel.url;
            if !url.is_empty() && !url.contains("://") {
                *url = self.folder.join(&*url).to_string_lossy().into_owned();
            }
        }
        lock
    }
}
