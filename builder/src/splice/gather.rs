//! The lock's wheels as checked files on this machine.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use futures::{StreamExt as _, TryStreamExt as _};
use pep508_rs::PackageName;
use pyrun_core::{Event, Events, Lock, LockedPackage, Sha256, WheelFilename};
use pyrun_store::{Key, Store, catalog};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::AsyncWriteExt as _;

use super::{Sources, SpliceError};
use crate::wheel::{self, Limits, WheelContents, WheelError, WheelProblem};

/// Wheels that are fetched at once from a store on another machine, and the bytes of a piece.
const PARALLEL: usize = 8;
const PIECE: u64 = 8 << 20;

/// The lock's wheels.
#[derive(Debug)]
pub(super) struct Gathered {
    pub contents: BTreeMap<PackageName, WheelContents>,
    /// Bytes of each wheel.
    pub sizes: BTreeMap<PackageName, u64>,
    paths: BTreeMap<PackageName, PathBuf>,
    /// Holds what was fetched from a store on another machine; gone with this value.
    _fetched: TempDir,
}

impl Sources for Gathered {
    fn open(&self, package: &PackageName) -> io::Result<fs_err::File> {
        match self.paths.get(package) {
            Some(path) => fs_err::File::open(path),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A wheel's file that is still to be checked.
#[derive(Debug, Clone)]
struct Unchecked {
    package: PackageName,
    filename: WheelFilename,
    sha256: Sha256,
    path: PathBuf,
    size: u64,
}

/// A file in the scratch folder that is removed when it is dropped.
pub(super) fn temporary(scratch: &Path) -> Result<NamedTempFile, SpliceError> {
    fs_err::create_dir_all(scratch)?;
    Ok(tempfile::Builder::new()
        .prefix("bundle-")
        .tempfile_in(scratch)?)
}

/// Finds and checks every wheel of the lock. A corrupt one is removed from the store.
pub(super) async fn gather(
    store: &dyn Store,
    lock: &Lock,
    scratch: &Path,
    events: Events<'_>,
) -> Result<Gathered, SpliceError> {
    fs_err::create_dir_all(scratch)?;
    let fetched = tempfile::Builder::new()
        .prefix("wheels-")
        .tempdir_in(scratch)?;
    let mut searches = Vec::with_capacity(lock.packages.len());
    for (package, locked) in &lock.packages {
        searches.push(locate(store, package, locked, fetched.path()));
    }
    let found: Vec<Unchecked> = futures::stream::iter(searches)
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let paths = found
        .iter()
        .map(|wheel| (wheel.package.clone(), wheel.path.clone()))
        .collect();
    let sizes = found
        .iter()
        .map(|wheel| (wheel.package.clone(), wheel.size))
        .collect();
    let check = tokio::task::spawn_blocking(move || check_all(found));
    let mut contents = BTreeMap::new();
    for (wheel, checked) in check.await.map_err(SpliceError::Died)? {
        match checked {
            Ok(checked) => contents.insert(wheel.package, checked),
            Err(error) => return Err(set_aside(store, wheel, error, events).await?),
        };
    }
    Ok(Gathered {
        contents,
        sizes,
        paths,
        _fetched: fetched,
    })
}

/// The wheel's file: the store's own, or a copy below `folder`.
async fn locate(
    store: &dyn Store,
    package: &PackageName,
    locked: &LockedPackage,
    folder: &Path,
) -> Result<Unchecked, SpliceError> {
    let sha256 = locked.wheel.sha256;
    let key = catalog::wheel(&sha256);
    let meta = store.head(&key).await?;
    let size = meta.map(|meta| meta.size).ok_or(SpliceError::Missing {
        package: package.clone(),
        sha256,
    })?;
    let path = if let Some(path) = store.path(&key) {
        path
    } else {
        let path = folder.join(sha256.to_string());
        fetch(store, &key, size, &path).await?;
        path
    };
    Ok(Unchecked {
        package: package.clone(),
        filename: locked.wheel.filename.clone(),
        sha256,
        path,
        size,
    })
}

/// Copies an object to a file, piece by piece.
async fn fetch(store: &dyn Store, key: &Key, size: u64, path: &Path) -> Result<(), SpliceError> {
    let mut file = tokio::fs::File::create_new(path).await?;
    let mut offset = 0;
    while offset < size {
        let end = size.min(offset + PIECE);
        // Gone in between: the file stays short, and its digest will not match.
        let Some(piece) = store.get(key, Some(offset..end)).await? else {
            break;
        };
        file.write_all(&piece).await?;
        offset = end;
    }
    file.flush().await?;
    Ok(())
}

type Checked = (Unchecked, Result<WheelContents, WheelError>);

/// Checks wheels on all cores, the largest first. The answers are sorted by package.
fn check_all(mut wheels: Vec<Unchecked>) -> Vec<Checked> {
    wheels.sort_by_key(|wheel| Reverse(wheel.size));
    let next = AtomicUsize::new(0);
    let run = || {
        let mut checked = Vec::new();
        while let Some(wheel) = wheels.get(next.fetch_add(1, Ordering::Relaxed)) {
            let limits = Limits::default();
            let contents = wheel::reopen(&wheel.path, &wheel.filename, &wheel.sha256, &limits);
            checked.push((wheel.clone(), contents));
        }
        checked
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut checked = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(wheels.len()))
            .map(|_| scope.spawn(run))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("checking a wheel does not panic"))
            .collect::<Vec<_>>()
    });
    checked.sort_by(|a, b| a.0.package.cmp(&b.0.package));
    checked
}

/// A corrupt object is a miss: it is removed and reported. The error to go on with.
async fn set_aside(
    store: &dyn Store,
    wheel: Unchecked,
    error: WheelError,
    events: Events<'_>,
) -> Result<SpliceError, SpliceError> {
    if !matches!(error.problem, WheelProblem::Hash { .. }) {
        return Ok(error.into());
    }
    store.delete(&catalog::wheel(&wheel.sha256)).await?;
    events(Event::Warning {
        message: format!(
            "the stored wheel `{}` was corrupt and is removed",
            wheel.filename
        ),
    });
    Ok(SpliceError::Missing {
        package: wheel.package,
        sha256: wheel.sha256,
    })
}
