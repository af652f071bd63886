//! The bundles that are unpacked on this machine.
//!
//! In: a store and a lock hash. Out: a [`Site`], a folder that Python imports from, which nobody
//! removes while it is held. Never: a folder that is half unpacked is visible; two processes
//! unpack one bundle at a time; a damaged object of the store is kept.
//!
//! Below `<cache>/runner/v1`: `sites/<lock hash>` are complete, because they are renamed there;
//! `staging` and `trash` are nobody's; `locks` hold no bytes and are never removed; `uses` count.

mod error;
mod gc;
mod room;
mod staging;
#[cfg(test)]
mod tests;
mod uses;

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use fs_err::File;
use pyrun_core::{BundleRecord, Event, Events, LockHash, Phase, Sha256};
use pyrun_store::{Key, Store, StoreError, catalog};
use serde::{Deserialize, Serialize};

pub use error::WarmError;
pub use gc::{Collected, Keep, Removal, Resident};
pub use uses::Use;

use crate::unpack::{self, BundleSource, NOTES, Place, UnpackError, Unpacked};
use staging::Staging;

/// The runner's folder.
#[derive(Debug, Clone)]
pub struct Warm {
    root: PathBuf,
    /// Bytes of memory that unpacking takes at most.
    memory: u64,
    /// Bytes of disk that unpacked bundles take at most.
    disk: Option<u64>,
}

/// An unpacked bundle. It stays while this value, or a clone of it, lives.
#[derive(Debug, Clone)]
pub struct Site {
    /// The folder to put on `sys.path`.
    pub path: PathBuf,
    /// Whether it holds `.pth` files, which Python must be told to read.
    pub pth: bool,
    /// Bytes of its files, without bytecode.
    pub bytes: u64,
    /// How many files, without bytecode.
    pub files: u64,
    lock: LockHash,
    _lease: Arc<Lease>,
}

impl Site {
    /// Which bundle it is.
    pub fn lock(&self) -> &LockHash {
        &self.lock
    }

    /// Whether its modules are compiled for an interpreter of this magic number.
    pub fn has_bytecode(&self, magic: u16) -> bool {
        bytecode_marker(&self.path, magic).exists()
    }

    /// Whether the policy of this digest has been found to let the bundle in.
    pub fn has_verdict(&self, policy: &Sha256) -> bool {
        verdict_marker(&self.path, policy).exists()
    }

    /// Remembers that it has: for as long as the site is here.
    pub fn remember_verdict(&self, policy: &Sha256) -> io::Result<()> {
        let marker = verdict_marker(&self.path, policy);
        if marker.exists() {
            return Ok(());
        }
        fs_err::write(marker, "")
    }
}

/// A lock that ends with the value, or with the process.
#[derive(Debug)]
struct Lease(File);

impl Lease {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = fs_err::OpenOptions::new();
        options.read(true).write(true).create(true);
        options.open(path).map(Self)
    }
}

/// `.pyrun/site.json`: what a run must know of a site.
#[derive(Debug, Serialize, Deserialize)]
struct SiteNote {
    pth: bool,
    bytes: u64,
    files: u64,
}

fn note_path(site: &Path) -> PathBuf {
    site.join(NOTES).join("site.json")
}

/// That a policy lets the bundle in; empty. Only what is let in is remembered.
fn verdict_marker(site: &Path, policy: &Sha256) -> PathBuf {
    site.join(NOTES).join(format!("policy-{policy}"))
}

/// Holds the bytecode's bytes, as decimal digits.
fn bytecode_marker(site: &Path, magic: u16) -> PathBuf {
    site.join(NOTES).join(format!("pyc-{magic}"))
}

fn read_note(site: &Path) -> Option<SiteNote> {
    serde_json::from_slice(&fs_err::read(note_path(site)).ok()?).ok()
}

/// Bytes of a site's files as its notes say, bytecode included.
fn disk_use(site: &Path) -> u64 {
    let bytecode: u64 = staging::entries(&site.join(NOTES))
        .unwrap_or_default()
        .iter()
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("pyc-"))
        })
        .filter_map(|path| fs_err::read_to_string(path).ok()?.parse::<u64>().ok())
        .sum();
    read_note(site).map_or(0, |note| note.bytes) + bytecode
}

impl Warm {
    /// The runner's folder below the cache folder. Nothing is made until it is needed.
    pub fn open(cache_dir: &Path) -> Self {
        Self {
            root: cache_dir.join("runner").join("v1"),
            memory: unpack::MEMORY,
            disk: None,
        }
    }

    /// Unpacks with about this much memory, in bytes, at most.
    #[must_use]
    pub fn with_memory(self, memory: u64) -> Self {
        Self { memory, ..self }
    }

    /// Unpacked bundles take no more than so many bytes of disk: the least recently used make way
    /// for a new one.
    #[must_use]
    pub fn with_disk(self, disk: u64) -> Self {
        let disk = Some(disk);
        Self { disk, ..self }
    }

    fn site_path(&self, lock: &LockHash) -> PathBuf {
        self.root.join("sites").join(lock.to_string())
    }

    fn lock_path(&self, lock: &LockHash) -> PathBuf {
        self.root.join("locks").join(lock.to_string())
    }

    /// The unpacked bundle, if it is here: a lock and one small file are opened.
    pub fn site(&self, lock: &LockHash) -> Result<Option<Site>, WarmError> {
        // Locks are never removed, so where there is none there has been no site.
        let mut options = fs_err::OpenOptions::new();
        let lease = match options.read(true).open(self.lock_path(lock)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => Lease(file?),
        };
        // Held before looking: a removal comes wholly before it or not at all.
        lease.0.file().lock_shared()?;
        let path = self.site_path(lock);
        Ok(read_note(&path).map(|note| Site {
            pth: note.pth,
            bytes: note.bytes,
            files: note.files,
            lock: *lock,
            path,
            _lease: Arc::new(lease),
        }))
    }

    /// The unpacked bundle: unpacks it if it is not here, once between any number of processes.
    /// Bytecode for `magic` comes with it when the store has it.
    pub async fn ensure(
        &self,
        store: &Arc<dyn Store>,
        lock: &LockHash,
        magic: u16,
        events: Events<'_>,
    ) -> Result<Site, WarmError> {
        let site = match self.site(lock)? {
            Some(site) => site,
            None => self.make(store, lock, magic, events).await?,
        };
        // Asking a store on this machine costs nothing to speak of; another one was asked already.
        if store.path(&catalog::companion(lock, magic)).is_some() {
            self.add_bytecode(store, &site, magic, events).await?;
        }
        Ok(site)
    }

    /// Adds bytecode to a site if it lacks it and the store has it; whether it has it now. A
    /// damaged companion is set aside with a warning: the site works without it.
    pub async fn add_bytecode(
        &self,
        store: &Arc<dyn Store>,
        site: &Site,
        magic: u16,
        events: Events<'_>,
    ) -> Result<bool, WarmError> {
        let key = catalog::companion(&site.lock, magic);
        if site.has_bytecode(magic) {
            return Ok(true);
        }
        if store.head(&key).await?.is_none() {
            return Ok(false);
        }
        let _turn = self.turn(&site.lock, events).await?;
        if site.has_bytecode(magic) {
            return Ok(true);
        }
        let bytecode = Bytecode {
            source: BundleSource::of(store, key),
            magic,
            folder: &site.path,
            place: Place::Live,
        };
        bytecode.install(store, &site.lock, events).await
    }

    /// Unpacks a bundle that is not here.
    async fn make(
        &self,
        store: &Arc<dyn Store>,
        lock: &LockHash,
        magic: u16,
        events: Events<'_>,
    ) -> Result<Site, WarmError> {
        for folder in ["sites", "staging", "locks"] {
            fs_err::create_dir_all(self.root.join(folder))?;
        }
        let _turn = self.turn(lock, events).await?;
        if let Some(site) = self.site(lock)? {
            return Ok(site);
        }
        let record = self.record(store, lock, events).await?;
        // What can't be swept now is swept another time.
        let _ = self.sweep();
        let need = unpack::disk_need(&record, self.memory);
        self.make_room(need)?;
        let staging = Staging::new(&self.root.join("staging"))?;
        let started = Instant::now();
        events(Event::Started {
            phase: Phase::Extract,
        });
        let source = BundleSource::of(store, catalog::bundle(lock));
        let (unpacked, bytecode) = tokio::join!(
            unpack::unpack(source, &record, staging.path(), self.memory, events),
            prefetch(store, catalog::companion(lock, magic)),
        );
        let unpacked = match unpacked {
            Ok(unpacked) => unpacked,
            Err(error) => return Err(self.judge(store, lock, error, events).await),
        };
        let bytecode = bytecode?.filter(|source| self.has_room(need, source, events));
        if let Some(source) = bytecode {
            let bytecode = Bytecode {
                source,
                magic,
                folder: staging.path(),
                place: Place::Fresh,
            };
            bytecode.install(store, lock, events).await?;
        }
        write_note(staging.path(), &record, unpacked)?;
        Lease::open(&self.lock_path(lock))?;
        self.replace_unreadable(lock)?;
        staging.publish(&self.site_path(lock))?;
        events(Event::Finished {
            phase: Phase::Extract,
            micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes: unpacked.bytes,
            items: unpacked.files,
        });
        self.site(lock)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
    }

    /// A site whose note can't be read does not count as one; it makes way for the new one.
    fn replace_unreadable(&self, lock: &LockHash) -> Result<(), WarmError> {
        match self.remove(lock)? {
            Removal::Removed | Removal::Absent => Ok(()),
            Removal::Busy => Err(io::Error::from(io::ErrorKind::ResourceBusy).into()),
        }
    }

    /// The lock under which a site is changed: one process at a time.
    async fn turn(&self, lock: &LockHash, events: Events<'_>) -> Result<Lease, WarmError> {
        let path = self.root.join("locks").join(format!("{lock}.turn"));
        let lease = Lease::open(&path)?;
        match lease.0.file().try_lock() {
            Ok(()) => return Ok(lease),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let started = Instant::now();
        events(Event::Started { phase: Phase::Wait });
        let wait = tokio::task::spawn_blocking(move || lease.0.file().lock().map(|()| lease));
        let lease = wait.await.map_err(io::Error::other)??;
        events(Event::Finished {
            phase: Phase::Wait,
            micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes: 0,
            items: 0,
        });
        Ok(lease)
    }

    /// The record of a bundle in the store. A damaged one is set aside with a warning.
    pub async fn record(
        &self,
        store: &Arc<dyn Store>,
        lock: &LockHash,
        events: Events<'_>,
    ) -> Result<BundleRecord, WarmError> {
        let bytes = store.get(&catalog::bundle_record(lock), None).await?;
        let bytes = bytes.ok_or(WarmError::Missing { lock: *lock })?;
        let record: Option<BundleRecord> = serde_json::from_slice(&bytes).ok();
        if let Some(record) = record.filter(|record| record.manifest.lock == *lock) {
            return Ok(record);
        }
        let error = UnpackError::Corrupt("its record can't be read".to_owned());
        Err(self.judge(store, lock, error, events).await)
    }

    /// Sets a damaged bundle aside. A record without its bundle is damage too: while it stands,
    /// every builder takes the bundle for built.
    async fn judge(
        &self,
        store: &Arc<dyn Store>,
        lock: &LockHash,
        error: UnpackError,
        events: Events<'_>,
    ) -> WarmError {
        if !matches!(error, UnpackError::Corrupt(_) | UnpackError::Missing) {
            return WarmError::Unpack(error);
        }
        events(Event::Warning {
            message: format!("{error}; it has to be built anew"),
        });
        // The record first: nobody may find it without the bundle.
        for key in [catalog::bundle_record(lock), catalog::bundle(lock)] {
            // Who may not remove it, a deployed runner, leaves that to the builder, which is told
            // to doubt it.
            if store.delete(&key).await.is_err() {
                break;
            }
        }
        WarmError::Corrupt {
            lock: *lock,
            source: error,
        }
    }
}

/// The companion's bytes, fetched while something else goes on; a file is left where it is.
async fn prefetch(store: &Arc<dyn Store>, key: Key) -> Result<Option<BundleSource>, StoreError> {
    Ok(match BundleSource::of(store, key) {
        BundleSource::Store(store, key) => store.get(&key, None).await?.map(BundleSource::Bytes),
        source => Some(source),
    })
}

/// A companion that is to be unpacked.
struct Bytecode<'a> {
    source: BundleSource,
    magic: u16,
    folder: &'a Path,
    place: Place,
}

impl Bytecode<'_> {
    /// Unpacks it, if it is there; whether it was. A damaged one is set aside.
    async fn install(
        self,
        store: &Arc<dyn Store>,
        lock: &LockHash,
        events: Events<'_>,
    ) -> Result<bool, WarmError> {
        let (magic, folder) = (self.magic, self.folder);
        match unpack::unpack_companion(self.source, magic, folder, self.place).await {
            Ok(unpacked) => {
                let marker = bytecode_marker(folder, magic);
                fs_err::write(marker, unpacked.bytes.to_string())?;
                Ok(true)
            }
            Err(UnpackError::Missing) => Ok(false),
            Err(error @ UnpackError::Corrupt(_)) => {
                // Whoever may read a store may not always write it; the site works all the same.
                let deleted = store.delete(&catalog::companion(lock, magic)).await;
                let what = match deleted {
                    Ok(()) => "its bytecode is set aside",
                    Err(_) => "its bytecode is left out",
                };
                events(Event::Warning {
                    message: format!("{error}: {what}"),
                });
                Ok(false)
            }
            Err(error) => Err(WarmError::Unpack(error)),
        }
    }
}

fn write_note(site: &Path, record: &BundleRecord, unpacked: Unpacked) -> io::Result<()> {
    let note = SiteNote {
        pth: record.manifest.segments.iter().any(|segment| segment.pth),
        bytes: unpacked.bytes,
        files: unpacked.files,
    };
    fs_err::write(note_path(site), serde_json::to_vec(&note)?)
}
