//! A bundle to a folder that Python imports from.
//!
//! In: a bundle or a bytecode companion in a file or a store, and a bundle's record. Out: files,
//! byte for byte those of the wheels. Never: uses a byte before its digest is checked, trusts a
//! path or a size, or leaves memory unbounded; it makes no folder visible, that is `warm`'s.

mod archive;
mod crew;
mod error;
mod extract;
mod large;
mod plan;
mod remote;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use pyrun_core::{BundleRecord, Event, Events, Phase};
use pyrun_store::{Key, Store};

pub use error::UnpackError;
pub(crate) use error::cache_fault;
pub use extract::Place;

use crew::Progress;
use error::{corrupt, read_error};
use extract::{Source, Target};
use plan::Plan;

/// Where the runner keeps its notes in an unpacked bundle; no bundle may hold the name.
pub const NOTES: &str = ".pyrun";
/// Bytes of memory that unpacking one bundle takes at most, where nothing else is said; one file
/// that is larger is handled alone.
pub const MEMORY: u64 = 256 << 20;
/// Bytes: no companion is larger.
const LARGEST_COMPANION: u64 = 4 << 30;

/// Where a bundle is.
#[derive(Debug, Clone)]
pub enum BundleSource {
    /// In a file on this machine.
    File(PathBuf),
    /// In a store that is reached by ranged reads.
    Store(Arc<dyn Store>, Key),
    /// In memory.
    Bytes(Bytes),
}

impl BundleSource {
    /// An object of a store, as a file if the store has it as one.
    pub fn of(store: &Arc<dyn Store>, key: Key) -> Self {
        match store.path(&key) {
            Some(path) => Self::File(path),
            None => Self::Store(store.clone(), key),
        }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of all files.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
}

impl Unpacked {
    /// Writes the notes, after everything else.
    fn finish(plan: &Plan, root: &Path) -> Result<Self, UnpackError> {
        if let Some(notes) = &plan.notes {
            let folder = root.join(NOTES);
            fs_err::create_dir(&folder)
                .and_then(|()| fs_err::write(folder.join("pylock.toml"), &notes.lock))
                .and_then(|()| fs_err::write(folder.join("manifest.json"), &notes.manifest))
                .map_err(UnpackError::Write)?;
        }
        Ok(Self {
            bytes: plan.unpacked,
            files: plan.members.len() as u64,
        })
    }
}

/// Bytes of disk that unpacking a bundle with so much memory takes at most: its files, each with
/// half a block more on average, and the segments that go through a file.
pub(crate) fn disk_need(record: &BundleRecord, memory: u64) -> u64 {
    let manifest = &record.manifest;
    let lengths = manifest.segments.iter().map(|segment| segment.length);
    let spooled = lengths.filter(|length| *length > remote::largest_in_memory(memory));
    manifest
        .unpacked
        .saturating_add(manifest.files.saturating_mul(2048))
        .saturating_add(spooled.fold(0, u64::saturating_add))
}

/// Unpacks a bundle into `root`, an empty folder that nobody else writes. Its lock and manifest
/// go to [`NOTES`] below it. On an error `root` holds a part of it. `memory` is about what it
/// takes at most, in bytes.
pub async fn unpack(
    source: BundleSource,
    record: &BundleRecord,
    root: &Path,
    memory: u64,
    events: Events<'_>,
) -> Result<Unpacked, UnpackError> {
    match source {
        BundleSource::File(path) => {
            let (copy, root) = (record.clone(), root.to_owned());
            let task = move |progress: &Progress| {
                let file = open(&path)?;
                let size = file.metadata().map_err(read_error)?.len();
                let source = Source::File {
                    file: &file,
                    start: 0,
                };
                bundle(&source, size, &copy, &root, memory, progress)
            };
            watch(task, record.manifest.unpacked, events).await
        }
        BundleSource::Bytes(bytes) => {
            let (copy, root) = (record.clone(), root.to_owned());
            let task = move |progress: &Progress| {
                let source = Source::Memory {
                    bytes: &bytes,
                    start: 0,
                };
                bundle(&source, bytes.len() as u64, &copy, &root, memory, progress)
            };
            watch(task, record.manifest.unpacked, events).await
        }
        BundleSource::Store(store, key) => {
            let object = remote::Object { store, key };
            remote::unpack(object, record, root, memory, events).await
        }
    }
}

/// Unpacks a companion: bytecode of one magic number for the modules of a bundle.
pub async fn unpack_companion(
    source: BundleSource,
    magic: u16,
    root: &Path,
    place: Place,
) -> Result<Unpacked, UnpackError> {
    let root = root.to_owned();
    match source {
        BundleSource::File(path) => {
            blocking(move || {
                let file = open(&path)?;
                let size = file.metadata().map_err(read_error)?.len();
                let source = Source::File {
                    file: &file,
                    start: 0,
                };
                companion(&source, size, magic, &root, place)
            })
            .await
        }
        BundleSource::Store(store, key) => {
            let bytes = store.get(&key, None).await?.ok_or(UnpackError::Missing)?;
            blocking(move || companion_bytes(&bytes, magic, &root, place)).await
        }
        BundleSource::Bytes(bytes) => {
            blocking(move || companion_bytes(&bytes, magic, &root, place)).await
        }
    }
}

fn open(path: &Path) -> Result<std::fs::File, UnpackError> {
    let file = fs_err::File::open(path).map_err(read_error)?;
    Ok(file.into_parts().0)
}

fn bundle(
    source: &Source<'_>,
    size: u64,
    record: &BundleRecord,
    root: &Path,
    memory: u64,
    progress: &Progress,
) -> Result<Unpacked, UnpackError> {
    if size != record.size {
        return Err(corrupt("it has another size than its record says"));
    }
    let mut buffer = Vec::new();
    let tail = source.read(plan::tail_range(record)?, &mut buffer)?;
    let plan = Plan::of_bundle(record, tail)?;
    let target = Target {
        root,
        place: Place::Fresh,
        magic: None,
    };
    crew::unpack(&plan, source, &target, memory, progress)?;
    Unpacked::finish(&plan, root)
}

fn companion_bytes(
    bytes: &[u8],
    magic: u16,
    root: &Path,
    place: Place,
) -> Result<Unpacked, UnpackError> {
    let source = Source::Memory { bytes, start: 0 };
    companion(&source, bytes.len() as u64, magic, root, place)
}

fn companion(
    source: &Source<'_>,
    size: u64,
    magic: u16,
    root: &Path,
    place: Place,
) -> Result<Unpacked, UnpackError> {
    if size > LARGEST_COMPANION {
        return Err(corrupt("it is larger than any companion"));
    }
    let mut buffer = Vec::new();
    let ending = size.saturating_sub(archive::ENDING as u64);
    let location = archive::locate(source.read(ending..size, &mut buffer)?, size)?;
    let directory = source.read(location.offset..size, &mut buffer)?;
    let members = archive::directory(directory, location.offset, location)?;
    let plan = Plan::of_companion(members, location.offset)?;
    let target = Target {
        root,
        place,
        magic: Some(magic),
    };
    crew::unpack(&plan, source, &target, MEMORY, &Progress::default())?;
    Unpacked::finish(&plan, root)
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UnpackError> + Send + 'static,
) -> Result<T, UnpackError> {
    settle(tokio::task::spawn_blocking(work).await)
}

fn settle<T>(
    result: Result<Result<T, UnpackError>, tokio::task::JoinError>,
) -> Result<T, UnpackError> {
    match result {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(UnpackError::GivenUp),
    }
}

/// Works on a thread of its own and says from time to time how far it is; a caller that stops
/// waiting stops it.
async fn watch<T: Send + 'static>(
    work: impl FnOnce(&Progress) -> Result<T, UnpackError> + Send + 'static,
    total: u64,
    events: Events<'_>,
) -> Result<T, UnpackError> {
    let progress = Arc::new(Progress::default());
    let _stop = StopOnDrop(progress.clone());
    let own = progress.clone();
    let mut task = tokio::task::spawn_blocking(move || work(&own));
    loop {
        match tokio::time::timeout(Duration::from_millis(100), &mut task).await {
            Ok(result) => return settle(result),
            Err(_) => events(Event::Progress {
                phase: Phase::Extract,
                done: progress.done.load(Ordering::Relaxed),
                total,
                item: String::new(),
            }),
        }
    }
}

/// Tells the threads that work for a caller that it is gone.
struct StopOnDrop(Arc<Progress>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}
