//! Makes room: removes unpacked bundles, never one that a run uses.

use std::fs::TryLockError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyrun_core::LockHash;

use super::{Lease, Warm, WarmError, staging};

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// A run uses it: it stays.
    Busy,
    /// It was not there.
    Absent,
}

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Bytes of unpacked bundles at most.
    pub bytes: Option<u64>,
    /// Only what was used within this time.
    pub within: Option<Duration>,
}

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// What was removed, the least recently used first.
    pub removed: Vec<LockHash>,
    /// What would have been removed, and is in use.
    pub busy: Vec<LockHash>,
    /// Bytes that were freed.
    pub freed: u64,
    /// Bytes of unpacked bundles that are left.
    pub left: u64,
}

/// An unpacked bundle on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Which.
    pub lock: LockHash,
    /// Bytes of its files.
    pub bytes: u64,
    /// Runs so far.
    pub runs: u64,
    /// When it was last used, or else unpacked, in seconds since 1970-01-01 UTC.
    pub last_used: u64,
}

impl Warm {
    /// Removes an unpacked bundle, unless a run uses it.
    pub fn remove(&self, lock: &LockHash) -> Result<Removal, WarmError> {
        let site = self.site_path(lock);
        if !site.exists() {
            return Ok(Removal::Absent);
        }
        let lease = Lease::open(&self.lock_path(lock))?;
        match lease.0.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Removal::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let trash = self.root.join("trash");
        fs_err::create_dir_all(&trash)?;
        let place = tempfile::TempDir::new_in(&trash)?;
        fs_err::rename(&site, place.path().join("site"))?;
        self.forget_uses(lock);
        drop(lease);
        place.close()?;
        Ok(Removal::Removed)
    }

    /// All unpacked bundles, the least recently used first.
    pub fn residents(&self) -> Result<Vec<Resident>, WarmError> {
        let uses = self.uses()?;
        let mut residents = Vec::new();
        for path in staging::entries(&self.root.join("sites"))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(Ok(lock)) = name.map(str::parse::<LockHash>) else {
                continue;
            };
            let usage = uses.get(&lock);
            let unpacked = || {
                let time = fs_err::metadata(&path).ok()?.modified().ok()?;
                Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
            };
            residents.push(Resident {
                lock,
                bytes: super::disk_use(&path),
                runs: usage.map_or(0, |usage| usage.runs),
                last_used: usage
                    .map(|usage| usage.last_used)
                    .or_else(unpacked)
                    .unwrap_or(0),
            });
        }
        residents.sort_by_key(|resident| (resident.last_used, resident.lock));
        Ok(residents)
    }

    /// Removes what is not to be kept, the least recently used first and never what is in use;
    /// `now` is the time that ages are counted from.
    pub fn gc(&self, keep: Keep, now: SystemTime) -> Result<Collected, WarmError> {
        let residents = self.residents()?;
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let mut collected = Collected {
            left: residents.iter().map(|resident| resident.bytes).sum(),
            ..Collected::default()
        };
        for resident in residents {
            let age = now.saturating_sub(resident.last_used);
            let too_old = keep.within.is_some_and(|within| age > within.as_secs());
            let too_much = keep.bytes.is_some_and(|most| collected.left > most);
            if !too_old && !too_much {
                continue;
            }
            match self.remove(&resident.lock)? {
                Removal::Removed => {
                    collected.removed.push(resident.lock);
                    collected.freed += resident.bytes;
                    collected.left -= resident.bytes;
                }
                Removal::Busy => collected.busy.push(resident.lock),
                Removal::Absent => collected.left -= resident.bytes,
            }
        }
        Ok(collected)
    }

    /// Takes away what dead processes left behind; returns how many folders.
    pub fn sweep(&self) -> Result<u64, WarmError> {
        Ok(staging::sweep_staging(&self.root.join("staging"))?
            + staging::sweep_trash(&self.root.join("trash"))?)
    }
}
