//! Unpacks from a store on another machine: segments are fetched by ranged reads, several at a
//! time, and each is unpacked as soon as it is here.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use pyrun_core::{BundleRecord, Event, Events, Phase};
use pyrun_store::{Key, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::error::{UnpackError, corrupt};
use super::extract::{self, Extractor, Place, Source, Target};
use super::plan::{self, Plan, Share};
use super::{Progress, StopOnDrop, Unpacked, blocking};

/// Bytes of one ranged read: large enough to pay for its round trip.
const PIECE: u64 = 8 << 20;
/// Reads under way at a time.
const READS: usize = 16;

/// The bytes of the largest segment that does not go through a file.
pub(super) fn largest_in_memory(memory: u64) -> u64 {
    memory / 4
}

/// An object of a store.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) store: Arc<dyn Store>,
    pub(super) key: Key,
}

impl Object {
    /// The bytes in `range`.
    pub(super) async fn get(&self, range: Range<u64>) -> Result<Bytes, UnpackError> {
        let length = range.end - range.start;
        let bytes = match self.store.get(&self.key, Some(range)).await {
            Ok(bytes) => bytes.ok_or(UnpackError::Missing)?,
            Err(StoreError::Range { .. }) => {
                return Err(corrupt("it is shorter than its record says"));
            }
            Err(error) => return Err(error.into()),
        };
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(corrupt(
                "the store gave another range than it was asked for",
            ))
        }
    }
}

/// Fetches and unpacks a bundle.
pub(super) async fn unpack(
    object: Object,
    record: &BundleRecord,
    root: &Path,
    memory: u64,
    events: Events<'_>,
) -> Result<Unpacked, UnpackError> {
    let tail = object.get(plan::tail_range(record)?).await?;
    let plan = Arc::new(Plan::of_bundle(record, &tail)?);
    let folders = (plan.clone(), root.to_owned());
    blocking(move || extract::make_folders(&folders.0, &folders.1)).await?;
    // In mebibytes. What is inflated and the pieces on their way come on top of the segments.
    let budget = u32::try_from((memory / 2) >> 20).unwrap_or(u32::MAX).max(1);
    let permits = Arc::new(Semaphore::new(budget as usize));
    let in_memory = largest_in_memory(memory);
    let reads = usize::try_from(memory / (4 * PIECE)).unwrap_or(READS);
    let reads = Arc::new(Semaphore::new(reads.clamp(1, READS)));
    let progress = Arc::new(Progress::default());
    let _stop = StopOnDrop(progress.clone());
    let mut tasks = JoinSet::new();
    let total = record.tail_offset;
    let mut done = 0;
    for share in plan.shares.clone() {
        let length = share.end - share.start;
        // What goes through a file holds a few pieces at a time.
        let held = if length <= in_memory { length } else { 0 };
        let mebibytes = u32::try_from(held >> 20).unwrap_or(u32::MAX);
        let permit = permits
            .clone()
            .acquire_many_owned(mebibytes.saturating_add(1).min(budget))
            .await
            .map_err(|_| UnpackError::GivenUp)?;
        while let Some(result) = tasks.try_join_next() {
            done += finished(result)?;
            report(events, done, total);
        }
        let work = Work {
            object: object.clone(),
            plan: plan.clone(),
            reads: reads.clone(),
            progress: progress.clone(),
            root: root.to_owned(),
            in_memory,
        };
        tasks.spawn(async move {
            let _permit = permit;
            work.segment(share).await
        });
    }
    while let Some(result) = tasks.join_next().await {
        done += finished(result)?;
        report(events, done, total);
    }
    Unpacked::finish(&plan, root)
}

fn report(events: Events<'_>, done: u64, total: u64) {
    events(Event::Progress {
        phase: Phase::Fetch,
        done,
        total,
        item: String::new(),
    });
}

fn finished(
    result: Result<Result<u64, UnpackError>, tokio::task::JoinError>,
) -> Result<u64, UnpackError> {
    // A task ends abnormally only when the runtime goes down or a panic is on its way already.
    result.unwrap_or(Err(UnpackError::GivenUp))
}

struct Work {
    object: Object,
    plan: Arc<Plan>,
    reads: Arc<Semaphore>,
    progress: Arc<Progress>,
    root: PathBuf,
    /// Bytes of the largest segment that is kept in memory.
    in_memory: u64,
}

impl Work {
    /// Fetches one segment, then unpacks it; returns its length.
    async fn segment(self, share: Share) -> Result<u64, UnpackError> {
        let length = share.end - share.start;
        let spool = Arc::new(self.fetch(share.start..share.end).await?);
        blocking(move || {
            let source = spool.source(share.start);
            extract_segment(&self.plan, &share, &source, &self.root, &self.progress)
        })
        .await?;
        Ok(length)
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Spool, UnpackError> {
        let mut spool = Spool::new(range.end - range.start, self.in_memory, &self.root)?;
        let mut pieces = JoinSet::new();
        let mut at = range.start;
        while at < range.end {
            let piece = at..range.end.min(at + PIECE);
            let (object, reads) = (self.object.clone(), self.reads.clone());
            at = piece.end;
            pieces.spawn(async move {
                let _permit = reads
                    .acquire_owned()
                    .await
                    .map_err(|_| UnpackError::GivenUp)?;
                Ok((piece.start, object.get(piece).await?))
            });
        }
        while let Some(result) = pieces.join_next().await {
            let (start, bytes) = result.unwrap_or(Err(UnpackError::GivenUp))?;
            spool.put(start - range.start, &bytes)?;
        }
        Ok(spool)
    }
}

/// Verifies one segment and writes its files, in the calling thread.
fn extract_segment(
    plan: &Plan,
    share: &Share,
    source: &Source<'_>,
    root: &Path,
    progress: &Progress,
) -> Result<(), UnpackError> {
    extract::verify(share, source)?;
    let mut extractor = Extractor::default();
    let target = Target {
        root,
        place: Place::Fresh,
        magic: None,
    };
    for batch in extract::batches(plan, share, &target) {
        if progress.stopped.load(Ordering::Relaxed) {
            return Err(UnpackError::GivenUp);
        }
        extractor.write(plan, &batch, source, &target)?;
    }
    Ok(())
}

/// A segment on its way: in memory, or in a file that has no name.
enum Spool {
    Memory(Vec<u8>),
    File(std::fs::File),
}

impl Spool {
    fn new(length: u64, in_memory: u64, root: &Path) -> Result<Self, UnpackError> {
        match usize::try_from(length) {
            Ok(length) if length as u64 <= in_memory => Ok(Self::Memory(vec![0; length])),
            _ => tempfile::tempfile_in(root)
                .map(Self::File)
                .map_err(UnpackError::Write),
        }
    }

    fn put(&mut self, at: u64, piece: &[u8]) -> Result<(), UnpackError> {
        match self {
            Self::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let place = at
                    .checked_add(piece.len())
                    .and_then(|end| bytes.get_mut(at..end));
                place
                    .ok_or_else(|| corrupt("a piece lies outside its segment"))?
                    .copy_from_slice(piece);
                Ok(())
            }
            Self::File(file) => file.write_all_at(piece, at).map_err(UnpackError::Write),
        }
    }

    fn source(&self, start: u64) -> Source<'_> {
        match self {
            Self::Memory(bytes) => Source::Memory { bytes, start },
            Self::File(file) => Source::File { file, start },
        }
    }
}
