//! How often and when each bundle was run.
//!
//! One file per lock hash: a byte is appended for each run, so its size counts the runs and its
//! time tells the last; no two runs can lose each other's.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use pyrun_core::LockHash;

use super::{Warm, WarmError, staging};

/// The runs of a bundle on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// How many.
    pub runs: u64,
    /// When the last began, in seconds since 1970-01-01 UTC.
    pub last_used: u64,
}

impl Warm {
    /// Notes that a run begins.
    pub fn record_use(&self, lock: &LockHash) -> Result<(), WarmError> {
        let path = self.root.join("uses").join(lock.to_string());
        let append = || {
            let mut options = fs_err::OpenOptions::new();
            options.append(true).create(true).open(&path)
        };
        let mut file = match append() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs_err::create_dir_all(self.root.join("uses"))?;
                append()?
            }
            file => file?,
        };
        Ok(file.write_all(b".")?)
    }

    /// The runs of every bundle that was run here and was not removed since.
    pub fn uses(&self) -> Result<BTreeMap<LockHash, Use>, WarmError> {
        let mut uses = BTreeMap::new();
        for path in staging::entries(&self.root.join("uses"))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(Ok(lock)) = name.map(str::parse) else {
                continue;
            };
            let Ok(meta) = fs_err::metadata(&path) else {
                continue;
            };
            let last_used = meta
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .map_or(0, |time| time.as_secs());
            uses.insert(
                lock,
                Use {
                    runs: meta.len(),
                    last_used,
                },
            );
        }
        Ok(uses)
    }

    pub(super) fn forget_uses(&self, lock: &LockHash) {
        // A count that stays is wrong by some runs and harms nothing.
        let _ = fs_err::remove_file(self.root.join("uses").join(lock.to_string()));
    }
}
