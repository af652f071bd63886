//! Downloads wheels into the store: in parallel, resumed when cut, verified before they count.
//!
//! In: a lock, a store, an index client and a check. Out: every wheel of the lock in the store.
//! Never: stores a wheel whose size, digest or check is wrong; downloads one that is there.
//! Whatever ends early leaves nothing behind but wheels that are whole.

mod metadata;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use pyrun_core::{Code, Event, Events, Fault, Lock, LockedPackage, Phase, Sha256};
use pyrun_store::{Body, Store, StoreError, catalog};
use tempfile::TempPath;
use tokio::sync::Semaphore;

use crate::index::{
    Client, DownloadError, Downloaded, Expected, Hashing, IndexError, MAX_FILE, open_anew,
};

pub(crate) use metadata::check_metadata;

/// How many wheels come at once.
const PARALLEL: usize = 16;
/// How many are checked at once: each check works on all cores by itself, and holds tens of
/// megabytes for each.
const CHECKS: usize = 2;
/// How many bytes pass between two events.
const EVENT_EVERY: u64 = 512 << 10;

/// What it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Wheels that were downloaded.
    pub downloaded: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Wheels that were in the store already.
    pub present: u64,
}

/// Why a wheel is not in the store.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It can't be downloaded.
    #[error("can't download `{filename}`")]
    Index {
        /// The wheel.
        filename: String,
        /// Why.
        source: IndexError,
    },
    /// Its bytes are others than the lock says.
    #[error("`{filename}` has the sha256 {found}, and the lock says {expected}")]
    Hash {
        /// The wheel.
        filename: String,
        /// What the lock says.
        expected: Sha256,
        /// What came.
        found: Sha256,
    },
    /// It has another size than the lock says.
    #[error("`{filename}` has {found} bytes, and the lock says {expected}")]
    Size {
        /// The wheel.
        filename: String,
        /// What the lock says.
        expected: u64,
        /// What the server says, or what came before it was stopped.
        found: u64,
    },
    /// The check refuses it.
    #[error("`{filename}` is refused")]
    Check {
        /// The wheel.
        filename: String,
        /// Why.
        fault: Box<Fault>,
    },
    /// It can't be written on the way.
    #[error("can't write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Check { fault, .. } => *fault,
            FetchError::Store(error) => error.into(),
            FetchError::Index { filename, source } => {
                let mut fault = Self::from(source);
                let reason = std::mem::take(&mut fault.message);
                fault.message = format!("can't download `{filename}`");
                fault.causes.insert(0, reason);
                fault
            }
            FetchError::Hash { .. } | FetchError::Size { .. } => {
                Self::from_error(Code::WHEEL_HASH, &error).hint(
                    "lock again with `--upgrade` if the index has replaced the file; if it has \
                     not, something on the way changes what you download",
                )
            }
            FetchError::Write { ref source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Self::from_error(Code::STORE_FULL, &error)
                        .hint("make room with `pyrun cache gc`")
                }
                _ => Self::from_error(Code::STORE_UNWRITABLE, &error)
                    .hint("check the folder's permissions"),
            },
        }
    }
}

/// Brings every wheel of the lock into the store.
///
/// `verify` is called for each file that came, after its digest is checked and before it is
/// stored, on a thread that may block. `scratch` is a folder for files on their way.
pub async fn fetch_wheels<V, E>(
    lock: &Lock,
    store: &dyn Store,
    client: &Client,
    verify: V,
    scratch: &Path,
    events: Events<'_>,
) -> Result<Fetched, FetchError>
where
    V: Fn(&Path, &LockedPackage) -> Result<(), E> + Send + Sync + 'static,
    E: Into<Fault> + Send + 'static,
{
    let missing = missing(lock, store).await?;
    let present = (lock.packages.len() - missing.len()) as u64;
    let progress = Progress::new(&missing, events);
    let fetcher = Fetcher {
        store,
        client,
        verify: Arc::new(verify),
        scratch,
        progress: &progress,
        checks: &Semaphore::new(CHECKS),
    };
    let wheels: Vec<_> = missing
        .into_iter()
        .map(|package| fetcher.fetch(package))
        .collect();
    let sizes: Vec<u64> = stream::iter(wheels)
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Fetched {
        downloaded: sizes.len() as u64,
        bytes: sizes.iter().sum(),
        present,
    })
}

/// The packages whose wheels are not in the store, the largest first: the last to come should not
/// be the one that takes longest.
async fn missing<'a>(
    lock: &'a Lock,
    store: &dyn Store,
) -> Result<Vec<&'a LockedPackage>, FetchError> {
    let check = |package: &'a LockedPackage| async move {
        let here = store.head(&catalog::wheel(&package.wheel.sha256)).await?;
        Ok::<_, FetchError>(here.is_none().then_some(package))
    };
    let checks: Vec<_> = lock.packages.values().map(check).collect();
    let found: Vec<Option<&LockedPackage>> = stream::iter(checks)
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let mut missing: Vec<&LockedPackage> = found.into_iter().flatten().collect();
    missing.sort_by_key(|package| std::cmp::Reverse(package.wheel.size.unwrap_or(u64::MAX)));
    Ok(missing)
}

struct Fetcher<'a, V> {
    store: &'a dyn Store,
    client: &'a Client,
    verify: Arc<V>,
    scratch: &'a Path,
    progress: &'a Progress<'a>,
    checks: &'a Semaphore,
}

impl<V: Send + Sync + 'static> Fetcher<'_, V> {
    /// One wheel: here, whole, checked, stored. Returns its size.
    async fn fetch<E>(&self, package: &LockedPackage) -> Result<u64, FetchError>
    where
        V: Fn(&Path, &LockedPackage) -> Result<(), E>,
        E: Into<Fault> + Send + 'static,
    {
        let part = self.part()?;
        let found = self.bring(package, &part).await?;
        compare(package, found)?;
        let part = self.check(package, part).await?;
        let key = catalog::wheel(&package.wheel.sha256);
        // Another builder may have stored the same bytes meanwhile, which is just as well.
        self.store.put_new(&key, Body::file(&part)).await?;
        self.client.forget_wheel(&package.wheel.sha256);
        Ok(found.size)
    }

    /// A file in the scratch folder, gone when it is dropped.
    fn part(&self) -> Result<TempPath, FetchError> {
        tempfile::Builder::new()
            .prefix("wheel-")
            .tempfile_in(self.scratch)
            .map(tempfile::NamedTempFile::into_temp_path)
            .map_err(|source| FetchError::Write {
                path: self.scratch.to_owned(),
                source,
            })
    }

    /// The wheel's bytes, from the nearest place that has them.
    async fn bring(&self, package: &LockedPackage, part: &Path) -> Result<Downloaded, FetchError> {
        let wheel = &package.wheel;
        let item = wheel.filename.name().to_string();
        let progress = |more| self.progress.add(more, &item);
        let limit = wheel.size.unwrap_or(MAX_FILE);
        if let Some(kept) = self.client.kept_wheel(&wheel.sha256) {
            // A damaged copy is no reason to fail: the index has the true one.
            let copied = copy(kept, part.to_owned(), limit).await;
            if let Ok(found) = copied.as_ref()
                && found.sha256 == wheel.sha256
            {
                progress(found.size);
                return Ok(*found);
            }
        }
        if let Some(path) = local_path(&wheel.url) {
            let found = copy(path.clone(), part.to_owned(), limit).await;
            let found = found.map_err(|source| unreadable(package, &path, source))?;
            progress(found.size);
            return Ok(found);
        }
        let expected = Expected {
            size: wheel.size,
            sha256: Some(wheel.sha256),
        };
        let download = self.client.download(&wheel.url, expected, part, &progress);
        download.await.map_err(|error| match error {
            DownloadError::Index(source) => FetchError::Index {
                filename: wheel.filename.to_string(),
                source,
            },
            DownloadError::Write { path, source } => FetchError::Write { path, source },
            DownloadError::Size { expected, found } => FetchError::Size {
                filename: wheel.filename.to_string(),
                expected,
                found,
            },
        })
    }

    async fn check<E>(
        &self,
        package: &LockedPackage,
        part: TempPath,
    ) -> Result<TempPath, FetchError>
    where
        V: Fn(&Path, &LockedPackage) -> Result<(), E>,
        E: Into<Fault> + Send + 'static,
    {
        let refused = |fault| FetchError::Check {
            filename: package.wheel.filename.to_string(),
            fault: Box::new(fault),
        };
        let (verify, owned) = (Arc::clone(&self.verify), package.clone());
        let permit = self.checks.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        let check = move || (verify(&part, &owned), part);
        match tokio::task::spawn_blocking(check).await {
            Ok((Ok(()), part)) => Ok(part),
            Ok((Err(error), _)) => Err(refused(error.into())),
            Err(error) => {
                let message = format!("the check of a wheel fails: {error}");
                Err(refused(Fault::new(Code::INTERNAL, message)))
            }
        }
    }
}

/// Compares what came with what the lock says.
fn compare(package: &LockedPackage, found: Downloaded) -> Result<(), FetchError> {
    let wheel = &package.wheel;
    if let Some(expected) = wheel.size.filter(|size| *size != found.size) {
        return Err(FetchError::Size {
            filename: wheel.filename.to_string(),
            expected,
            found: found.size,
        });
    }
    if wheel.sha256 != found.sha256 {
        return Err(FetchError::Hash {
            filename: wheel.filename.to_string(),
            expected: wheel.sha256,
            found: found.sha256,
        });
    }
    Ok(())
}

/// The file that an address names, if it is one on this machine.
fn local_path(url: &str) -> Option<PathBuf> {
    if let Ok(url) = url::Url::parse(url) {
        return (url.scheme() == "file").then(|| url.to_file_path().ok())?;
    }
    let path = Path::new(url);
    path.is_absolute().then(|| path.to_owned())
}

fn unreadable(package: &LockedPackage, path: &Path, source: io::Error) -> FetchError {
    FetchError::Index {
        filename: package.wheel.filename.to_string(),
        source: IndexError::Unreachable {
            url: path.display().to_string(),
            source: Box::new(source),
        },
    }
}

/// Copies a file of at most `limit` bytes, and one more to tell, and hashes what was copied.
async fn copy(from: PathBuf, to: PathBuf, limit: u64) -> io::Result<Downloaded> {
    let copy = move || {
        // A pipe or a device may have no end, or never begin.
        if !fs_err::metadata(&from)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut target = Hashing::new(open_anew(&to)?);
        io::copy(&mut fs_err::File::open(from)?.take(limit + 1), &mut target)?;
        Ok(target.finish())
    };
    tokio::task::spawn_blocking(copy)
        .await
        .map_err(io::Error::other)?
}

/// Counts bytes of all wheels together and says so now and then.
struct Progress<'a> {
    done: AtomicU64,
    total: u64,
    events: Events<'a>,
}

impl<'a> Progress<'a> {
    /// The total is 0, which means unknown, when the size of one is.
    fn new(missing: &[&LockedPackage], events: Events<'a>) -> Self {
        let sizes: Option<Vec<u64>> = missing.iter().map(|package| package.wheel.size).collect();
        Self {
            done: AtomicU64::new(0),
            total: sizes.map_or(0, |sizes| sizes.iter().sum()),
            events,
        }
    }

    fn add(&self, more: u64, item: &str) {
        let before = self.done.fetch_add(more, Ordering::Relaxed);
        let done = before + more;
        if before / EVENT_EVERY != done / EVENT_EVERY || done == self.total {
            (self.events)(Event::Progress {
                phase: Phase::Download,
                done,
                total: self.total,
                item: item.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
