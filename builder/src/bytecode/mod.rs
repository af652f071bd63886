//! Bytecode for every wheel, compiled once, the same bytes on every machine.
//!
//! In: a published bundle, its wheels, and an interpreter. Out: the bundle's companion, one
//! archive of `__pycache__/*.pyc` in the bundle's order of wheels.
//! Never: runs a package's code; takes bytecode from a wheel or from a run; stands in the way of a
//! first run, which works without.
//!
//! What a wheel compiles to depends on the wheel and the interpreter's magic number alone, so it
//! is kept (`v1/bytecode/<wheel>/<magic>.zip`) and each companion is a splice of such archives.
//! Everything is stored uncompressed: the bytes depend on no compressor. Only where a wheel was
//! lost in the store and can't be had again is its share of the bundle compiled, which may give
//! more than the wheel would (`cut.rs`).

mod archive;
mod companion;
pub mod compile;
mod cut;
mod error;
pub mod marshal;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use pyrun_core::{BundleRecord, Event, Events, Phase};
use pyrun_store::{Body, Store, catalog};

pub use companion::check as check_companion;
pub use compile::{CompileError, Compiled, Pool};
pub use error::BytecodeError;

use archive::Spare;

/// Wheels that are compiled at once: one's last files keep the interpreters busy together with
/// another's first.
const WHEELS: usize = 2;

/// The interpreter that compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// Its path.
    pub python: PathBuf,
    /// Its bytecode's magic number: the first two bytes of `importlib.util.MAGIC_NUMBER`.
    pub magic: u16,
    /// `sys.implementation.cache_tag`, such as `cpython-312`.
    pub cache_tag: String,
}

/// What became of a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanionOutcome {
    /// It was there already.
    Present,
    /// It was made and published.
    Published(Counts),
    /// That version's bytecode is not known: its bundles go without.
    Unsupported,
    /// A file could not be compiled this time, as a warning says: nothing was published, and the
    /// next time it is tried again.
    Failed,
}

/// What a companion was made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Modules in the companion.
    pub files: u64,
    /// The companion in bytes.
    pub bytes: u64,
    /// Wheels that were compiled for it.
    pub compiled: u64,
    /// Wheels whose bytecode was there already.
    pub reused: u64,
}

/// Makes sure that the bundle has its companion. Doing it twice, or in two places at once, does no
/// harm: the same bytes are published once.
///
/// Large files are made in `scratch`, which should be on the store's file system. What of the
/// wheels is not in the store any more, or damaged there, is taken from the bundle itself.
pub async fn ensure(
    store: &dyn Store,
    record: &BundleRecord,
    compiler: &Compiler,
    scratch: &Path,
    events: Events<'_>,
) -> Result<CompanionOutcome, BytecodeError> {
    let spare = Spare::Bundle(record.manifest.lock);
    ensure_with(store, record, spare, compiler, scratch, events).await
}

/// The same from whole wheels alone: one that is not in the store, or was damaged there and is
/// removed, is [`BytecodeError::Missing`]. Fetch it and call again: what comes of a wheel is kept
/// for all bundles, what comes of a bundle is not.
pub async fn ensure_from_wheels(
    store: &dyn Store,
    record: &BundleRecord,
    compiler: &Compiler,
    scratch: &Path,
    events: Events<'_>,
) -> Result<CompanionOutcome, BytecodeError> {
    ensure_with(store, record, Spare::Nothing, compiler, scratch, events).await
}

async fn ensure_with(
    store: &dyn Store,
    record: &BundleRecord,
    spare: Spare,
    compiler: &Compiler,
    scratch: &Path,
    events: Events<'_>,
) -> Result<CompanionOutcome, BytecodeError> {
    let key = catalog::companion(&record.manifest.lock, compiler.magic);
    if store.head(&key).await?.is_some() {
        return Ok(CompanionOutcome::Present);
    }
    let pool = Pool::new(
        &compiler.python,
        compiler.magic,
        Pool::cores(),
        Pool::PATIENCE,
    );
    let Some(pool) = pool else {
        return Ok(CompanionOutcome::Unsupported);
    };
    let phase = Phase::Compile;
    let started = Instant::now();
    events(Event::Started { phase });
    fs_err::create_dir_all(scratch)?;
    let done = AtomicU64::new(0);
    let total = record.manifest.segments.len() as u64;
    let archives = futures::stream::iter(record.manifest.segments.clone())
        .map(|segment| {
            let item = segment.package.to_string();
            let ensuring = archive::ensure(store, segment, spare, compiler, &pool, scratch, events);
            let ensuring = ensuring.map(|ensured| said_if_failed(ensured, events));
            ensuring.inspect_ok(|_| {
                events(Event::Progress {
                    phase,
                    done: done.fetch_add(1, Ordering::Relaxed) + 1,
                    total,
                    item,
                });
            })
        })
        .buffered(WHEELS)
        .try_collect::<Vec<_>>()
        .await?;
    let archives: Option<Vec<archive::Archive>> = archives.into_iter().collect();
    let counts = match archives {
        Some(archives) => Some(publish(store, record, compiler.magic, archives, scratch).await?),
        None => None,
    };
    let outcome = counts.map_or(CompanionOutcome::Failed, CompanionOutcome::Published);
    let counts = counts.unwrap_or_default();
    events(Event::Finished {
        phase,
        micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        bytes: counts.bytes,
        items: counts.files,
    });
    Ok(outcome)
}

/// `None`, and a warning, for a wheel that could not be compiled this time: the others still are,
/// and what comes of them is kept.
fn said_if_failed(
    ensured: Result<archive::Archive, BytecodeError>,
    events: Events<'_>,
) -> Result<Option<archive::Archive>, BytecodeError> {
    match ensured {
        Ok(archive) => Ok(Some(archive)),
        Err(error @ BytecodeError::Failed { .. }) => {
            let message = format!("the bundle stays without bytecode: {error}");
            events(Event::Warning { message });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Splices the archives and publishes the companion, unless somebody else just did.
async fn publish(
    store: &dyn Store,
    record: &BundleRecord,
    magic: u16,
    archives: Vec<archive::Archive>,
    scratch: &Path,
) -> Result<Counts, BytecodeError> {
    let mut counts = Counts::default();
    for archive in &archives {
        *(if archive.reused {
            &mut counts.reused
        } else {
            &mut counts.compiled
        }) += 1;
    }
    let file = temporary(scratch)?;
    let path = file.path().to_owned();
    let splicing = tokio::task::spawn_blocking(move || companion::write(&archives, &path));
    (counts.files, counts.bytes) = splicing.await.map_err(BytecodeError::Died)??;
    let key = catalog::companion(&record.manifest.lock, magic);
    store.put_new(&key, Body::file(file.path())).await?;
    Ok(counts)
}

/// A file in the scratch folder that is removed when it is dropped.
fn temporary(scratch: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix("bytecode-")
        .tempfile_in(scratch)
}
