//! Bytecode for every wheel, compiled once, the same bytes on every machine.
//!
//! In: a published bundle, its wheels, and an interpreter. Out: the bundle's companion, one
//! archive of `__pycache__/*.pyc` in the bundle's order of wheels.
//! Never: runs a package's code; takes bytecode from a wheel or from a run; stands in the way of a
//! first run, which works without.
//!
//! What a wheel compiles to depends on the wheel and the interpreter's magic number alone, so it
//! is kept (`v1/bytecode/<wheel>/<magic>.zip`) and each companion is a splice of such archives.
//! Everything is stored uncompressed: the bytes depend on no compressor.

mod archive;
mod companion;
pub mod compile;
mod error;
pub mod marshal;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::{StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use pyrun_core::{BundleRecord, Event, Events, Phase};
use pyrun_store::{Body, Store, catalog};

pub use compile::{CompileError, Compiled, Pool};
pub use error::BytecodeError;

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
/// Large files are made in `scratch`, which should be on the store's file system. The bundle's
/// wheels must still be in the store, save those whose bytecode is there.
pub async fn ensure(
    store: &dyn Store,
    record: &BundleRecord,
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
            let ensuring = archive::ensure(store, segment, compiler, &pool, scratch, events);
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
    let counts = publish(store, record, compiler.magic, archives, scratch).await?;
    events(Event::Finished {
        phase,
        micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        bytes: counts.bytes,
        items: counts.files,
    });
    Ok(CompanionOutcome::Published(counts))
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
