//! The locks of a remote that this machine has seen: which request each one answers.
//!
//! In: the hash of a request. Out: the lock hash that answered it lately, so that the builder need
//! not be asked. Never: remembers for long: what others lock anew with `--upgrade` is seen in time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pyrun_core::{LockHash, Sha256};
use serde::{Deserialize, Serialize};

use crate::settings::write_whole;

/// How long a lock is taken without asking.
const FRESH: Duration = Duration::from_hours(24);

/// A lock that a builder answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The lock.
    pub lock: LockHash,
    /// Whether its bytecode was asked for.
    pub bytecode: bool,
}

/// What a machine remembers of a remote's locks.
#[derive(Debug, Clone)]
pub struct Locks(PathBuf);

impl Locks {
    /// Locks below the folder that is kept of a remote.
    pub fn below(home: &Path) -> Self {
        Self(home.join("locks"))
    }

    /// The lock that answered a request within the last day.
    pub fn recall(&self, request: &Sha256) -> Option<Remembered> {
        let path = self.path(request);
        let age = fs_err::metadata(&path).ok()?.modified().ok()?.elapsed();
        // A time in the future is a clock that was set back: the file may be of any age.
        if age.ok()? > FRESH {
            return None;
        }
        serde_json::from_slice(&fs_err::read(path).ok()?).ok()
    }

    /// Remembers a lock. That it can't be costs the next run a question, and nothing else.
    pub fn remember(&self, request: &Sha256, remembered: Remembered) {
        let json = serde_json::to_vec(&remembered).expect("plain values are JSON");
        let _ = write_whole(&self.path(request), &json);
    }

    fn path(&self, request: &Sha256) -> PathBuf {
        self.0.join(format!("{request}.json"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_lock_is_remembered_for_a_day() {
        let home = tempfile::tempdir().expect("a folder");
        let locks = Locks::below(home.path());
        let request = Sha256::of("request");
        assert_eq!(locks.recall(&request), None);
        let remembered = Remembered {
            lock: LockHash(Sha256::of("lock")),
            bytecode: true,
        };
        locks.remember(&request, remembered);
        assert_eq!(locks.recall(&request), Some(remembered));
        assert_eq!(locks.recall(&Sha256::of("other")), None);
        let file = fs_err::File::options()
            .write(true)
            .open(locks.path(&request));
        let old = SystemTime::now() - FRESH - Duration::from_secs(5);
        file.expect("a file").set_modified(old).expect("its time");
        assert_eq!(locks.recall(&request), None);
    }

    #[test]
    fn what_is_damaged_is_asked_for_again() {
        let home = tempfile::tempdir().expect("a folder");
        let locks = Locks::below(home.path());
        let request = Sha256::of("request");
        let remembered = Remembered {
            lock: LockHash(Sha256::of("lock")),
            bytecode: false,
        };
        locks.remember(&request, remembered);
        fs_err::write(locks.path(&request), "{").expect("a file");
        assert_eq!(locks.recall(&request), None);
    }
}
