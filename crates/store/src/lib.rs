//! Where locks, wheels, bundles and records are kept.
//!
//! In: keys of the catalog and bodies. Out: bytes, or `None` for what is not there.
//! Never: interprets an object; trusts a key from outside; leaves a half-written object visible.
//! The same laws hold for every backend; `testing::conformance` states them as code.

pub mod catalog;
pub mod dir;
mod error;
mod key;
pub mod memory;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

pub use dir::DirStore;
pub use error::{Result, StoreError};
pub use key::{Key, KeyError};
pub use memory::MemoryStore;

/// A place for objects under keys. Objects under one key are replaced whole or not at all.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The object, or the bytes of it in `range`; `None` when there is none. A range that goes
    /// past the end is [`StoreError::Range`], never a short answer.
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>>;

    /// Stores the object unless there is one: atomic between any number of writers, of whom
    /// exactly one is told [`Created::Yes`].
    async fn put_new(&self, key: &Key, body: Body) -> Result<Created>;

    /// Stores the object, in place of what was there.
    async fn put(&self, key: &Key, body: Body) -> Result<()>;

    /// Size and time of the object, `None` when there is none.
    async fn head(&self, key: &Key) -> Result<Option<Meta>>;

    /// All objects whose key starts with `prefix`, sorted by key.
    async fn list(&self, prefix: &str) -> Result<Vec<Entry>>;

    /// Removes the object; that there is none is no error.
    async fn delete(&self, key: &Key) -> Result<()>;

    /// The file that holds the object, for a store on this machine that keeps each object as a
    /// file of its own. The file may vanish at any time and must not be changed.
    fn path(&self, key: &Key) -> Option<PathBuf> {
        let _ = key;
        None
    }
}

/// What is stored.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A finished file, which the store may take by renaming or linking it. It is gone or
    /// unchanged afterwards; whoever made it removes what is left.
    File(PathBuf),
}

impl Body {
    /// A body from a finished file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::File(path.as_ref().to_owned())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// Whether [`Store::put_new`] stored the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// This call stored it.
    Yes,
    /// There was one already.
    No,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Bytes.
    pub size: u64,
    /// When it was last written, in seconds since 1970-01-01 UTC.
    pub modified: u64,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Its size and time.
    pub meta: Meta,
}
