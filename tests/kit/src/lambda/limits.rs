//! What an environment may use: memory and disk.
//!
//! In: the trees of processes of environments that are at work, and their folders. Out: the most
//! that each has used, and a call when one is over its memory.
//! Never: ends a process by itself; looks at an environment that is frozen.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::processes::{Snapshot, Tree, kill_all};

/// How often the memory is looked at.
const MEMORY: Duration = Duration::from_millis(20);
/// How often a folder is looked at.
const DISK: Duration = Duration::from_millis(250);
/// A folder that took longer to look at is not looked at between calls, which would wait for it.
const QUICK: Duration = Duration::from_millis(5);
/// The watch takes at most one part in this many of a core, or looks less often.
const SHARE: u32 = 5;

/// An environment's processes and folder, and what it may use.
#[derive(Debug)]
pub(super) struct Watched {
    /// Its processes.
    pub tree: Tree,
    folder: PathBuf,
    memory_limit: u64,
    storage_limit: u64,
    busy: AtomicBool,
    peak: AtomicU64,
    storage: AtomicU64,
    /// What the last look at the folder took, in microseconds.
    look: AtomicU64,
    over: AtomicBool,
    changed: Notify,
}

impl Watched {
    /// Watches from now on; limits are bytes.
    pub(super) fn new(tree: Tree, folder: PathBuf, memory_limit: u64, storage_limit: u64) -> Self {
        Self {
            tree,
            folder,
            memory_limit,
            storage_limit,
            busy: AtomicBool::new(true),
            peak: AtomicU64::new(0),
            storage: AtomicU64::new(0),
            look: AtomicU64::new(0),
            over: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Comes back when the memory is over its limit.
    pub(super) async fn over_memory(&self) {
        loop {
            let changed = self.changed.notified();
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            changed.await;
        }
    }

    /// Stops its processes.
    pub(super) fn freeze(&self) {
        self.busy.store(false, Ordering::SeqCst);
        let memory = self.tree.freeze(self.memory_limit);
        self.peak.fetch_max(memory, Ordering::SeqCst);
        if Duration::from_micros(self.look.load(Ordering::SeqCst)) < QUICK {
            self.look_at_disk();
        }
    }

    /// Lets its processes go on.
    pub(super) fn thaw(&self) {
        self.tree.thaw();
        self.busy.store(true, Ordering::SeqCst);
    }

    /// The most memory it was seen to use, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::SeqCst)
    }

    /// The most disk it was seen to use, in bytes.
    pub(super) fn storage(&self) -> u64 {
        self.storage.load(Ordering::SeqCst)
    }

    /// Whether it was seen to use more disk than it may.
    pub(super) fn over_storage(&self) -> bool {
        self.storage() > self.storage_limit
    }

    fn look_at_memory(&self, snapshot: &Snapshot) {
        let memory = self.tree.memory(snapshot, self.memory_limit);
        self.peak.fetch_max(memory, Ordering::SeqCst);
        if memory > self.memory_limit && !self.over.swap(true, Ordering::SeqCst) {
            self.changed.notify_waiters();
        }
    }

    fn look_at_disk(&self) {
        let begun = Instant::now();
        let bytes = folder_size(&self.folder);
        self.storage.fetch_max(bytes, Ordering::SeqCst);
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.look.store(took, Ordering::SeqCst);
    }
}

/// The bytes of all files below a folder; what is linked twice counts once for each name.
fn folder_size(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What vanishes meanwhile has no size.
        let Ok(entries) = fs_err::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) if data.is_file() => bytes += data.len(),
                _ => {}
            }
        }
    }
    bytes
}

/// Every environment that has processes.
#[derive(Debug, Default)]
pub(super) struct Registry {
    watched: Mutex<Vec<Arc<Watched>>>,
    stopped: AtomicBool,
}

impl Registry {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an environment.
    pub(super) fn add(&self, watched: Arc<Watched>) {
        self.list().push(watched);
    }

    /// Forgets an environment whose processes are gone.
    pub(super) fn remove(&self, watched: &Arc<Watched>) {
        self.list().retain(|other| !Arc::ptr_eq(other, watched));
    }

    /// How many environments have processes.
    pub(super) fn len(&self) -> usize {
        self.list().len()
    }

    /// Ends all processes of all environments, and the watch.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let watched = std::mem::take(&mut *self.list());
        let trees: Vec<&Tree> = watched.iter().map(|one| &one.tree).collect();
        kill_all(&trees);
    }

    /// Watches until [`stop`](Self::stop).
    pub(super) fn watch(&self) {
        let mut disk = Instant::now();
        while !self.stopped.load(Ordering::SeqCst) {
            let busy: Vec<Arc<Watched>> = {
                let list = self.list();
                let busy = list.iter().filter(|one| one.busy.load(Ordering::SeqCst));
                busy.cloned().collect()
            };
            let begun = Instant::now();
            if !busy.is_empty() {
                let snapshot = Snapshot::take();
                for one in &busy {
                    one.look_at_memory(&snapshot);
                }
            }
            if begun >= disk {
                for one in &busy {
                    one.look_at_disk();
                }
                disk = Instant::now() + DISK.max(begun.elapsed() * SHARE);
            }
            std::thread::sleep(MEMORY.max(begun.elapsed() * SHARE));
        }
    }
}
