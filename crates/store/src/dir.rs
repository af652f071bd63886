//! Objects as files below one folder.
//!
//! In: keys and bodies. Out: bytes, and the files themselves for whoever can use them in place.
//! Never: shows a file before it is whole and on the disk; follows a link; names a path that a
//! key does not name.
//!
//! The object `a/b` is the file `<root>/a/b`. What is being written stands in `<root>/.tmp`, a
//! name that no key can have. The root belongs to its user alone (0700).
//!
//! On one point a folder is stricter than the other stores: `a` can't be an object while `a/b`
//! is one. Writing the second is an error.

mod folder;
mod publish;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Body, Created, Entry, Key, Meta, Result, Store, StoreError};
use folder::Folder;
use publish::Mode;

/// A staging file that nobody has written to for this long belongs to nobody any more.
const STALE: Duration = Duration::from_hours(24);

/// Objects as files below one folder. A clone is the same store.
#[derive(Debug, Clone)]
pub struct DirStore {
    folder: Arc<Folder>,
}

impl DirStore {
    /// The store below `root`, which is created by the first write. Only that nothing else than a
    /// folder stands there is checked.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let unreadable = |source| StoreError::Read {
            key: root.display().to_string(),
            source,
        };
        let absolute = std::path::absolute(&root).map_err(unreadable)?;
        match fs_err::metadata(&absolute) {
            Ok(meta) if !meta.is_dir() => {
                return Err(unreadable(io::ErrorKind::NotADirectory.into()));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(error)),
            _ => {}
        }
        Ok(Self {
            folder: Arc::new(Folder::new(absolute)),
        })
    }

    /// Removes what killed writers left behind more than a day ago, and says how many files that
    /// were.
    pub async fn sweep(&self) -> Result<u64> {
        self.blocking(|folder| folder.sweep(STALE)).await
    }

    /// Does file work where blocking is allowed. When the caller is dropped the work still goes
    /// on to its end: a write happens whole or not at all.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.folder);
        let task = tokio::task::spawn_blocking(move || work(&folder));
        match task.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(answer) => answer,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(shutdown)) => Err(StoreError::Read {
                key: self.folder.root().display().to_string(),
                source: io::Error::other(shutdown),
            }),
        }
    }
}

#[async_trait]
impl Store for DirStore {
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let key = key.clone();
        self.blocking(move |folder| folder.get(&key, range)).await
    }

    async fn put_new(&self, key: &Key, body: Body) -> Result<Created> {
        let key = key.clone();
        self.blocking(move |folder| folder.put(&key, &body, Mode::New))
            .await
    }

    async fn put(&self, key: &Key, body: Body) -> Result<()> {
        let key = key.clone();
        self.blocking(move |folder| folder.put(&key, &body, Mode::Replace))
            .await?;
        Ok(())
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        let key = key.clone();
        self.blocking(move |folder| folder.head(&key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let prefix = prefix.to_owned();
        self.blocking(move |folder| folder.list(&prefix)).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let key = key.clone();
        self.blocking(move |folder| folder.delete(&key)).await
    }

    /// Where the object is, or would be.
    fn path(&self, key: &Key) -> Option<PathBuf> {
        Some(self.folder.path(key))
    }
}
