//! Objects in memory: for tests, and for a builder that keeps nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Body, Created, Entry, Key, Meta, Result, Store, StoreError};

/// Objects in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<Key, (Bytes, u64)>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, (Bytes, u64)>> {
        // A panic elsewhere can't leave the map half-changed: each change is one call.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

async fn read(key: &Key, body: Body) -> Result<Bytes> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        Body::File(path) => match tokio::fs::read(path).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(source) => Err(StoreError::write(key, source)),
        },
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let Some((bytes, _)) = self.objects().get(key).cloned() else {
            return Ok(None);
        };
        let Some(range) = range else {
            return Ok(Some(bytes));
        };
        let size = bytes.len() as u64;
        if range.start > range.end || range.end > size {
            return Err(StoreError::Range {
                key: key.clone(),
                size,
                start: range.start,
                end: range.end,
            });
        }
        let bound = |at: u64| usize::try_from(at).expect("within an object in memory");
        Ok(Some(bytes.slice(bound(range.start)..bound(range.end))))
    }

    async fn put_new(&self, key: &Key, body: Body) -> Result<Created> {
        let bytes = read(key, body).await?;
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Ok(Created::No);
        }
        objects.insert(key.clone(), (bytes, now()));
        Ok(Created::Yes)
    }

    async fn put(&self, key: &Key, body: Body) -> Result<()> {
        let bytes = read(key, body).await?;
        self.objects().insert(key.clone(), (bytes, now()));
        Ok(())
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        let objects = self.objects();
        let meta = |(bytes, modified): &(Bytes, u64)| Meta {
            size: bytes.len() as u64,
            modified: *modified,
        };
        Ok(objects.get(key).map(meta))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let objects = self.objects();
        let entry = |(key, (bytes, modified)): (&Key, &(Bytes, u64))| Entry {
            key: key.clone(),
            meta: Meta {
                size: bytes.len() as u64,
                modified: *modified,
            },
        };
        Ok(objects
            .iter()
            .filter(|(key, _)| key.as_str().starts_with(prefix))
            .map(entry)
            .collect())
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.objects().remove(key);
        Ok(())
    }
}
