//! A store that fails on purpose, by a script or by a seed.
//!
//! In: a store, and when to fail how. Out: that store's answers, or the failures.
//! Never: fails in a way that the laws of [`Store`] exclude: a torn write shows nothing.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Body, Created, Entry, Key, Meta, Result, Store, StoreError};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A write that stops in the middle: an error, and nothing is visible. A read that stops in
    /// the middle: an error.
    Torn,
    /// The operation is done, but its caller is told that it failed: a lost answer, or a sync
    /// that failed after the object was named.
    Unsure,
    /// No space is left; reads are not touched.
    Full,
    /// The bytes that are read have a bit flipped; writes are not touched.
    Corrupt,
    /// It takes this much longer, and succeeds.
    Late(Duration),
}

/// An operation of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Store::get`].
    Get,
    /// [`Store::put_new`].
    PutNew,
    /// [`Store::put`].
    Put,
    /// [`Store::head`].
    Head,
    /// [`Store::list`].
    List,
    /// [`Store::delete`].
    Delete,
}

/// A store that fails on purpose.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    done: u64,
    crash_after: Option<u64>,
    script: Vec<Step>,
    /// A generator's state, and one of how many operations fails.
    random: Option<(u64, u64)>,
}

/// The next `times` operations of this kind on keys that start with `prefix` fail.
#[derive(Debug)]
struct Step {
    operation: Operation,
    prefix: String,
    times: u32,
    failure: Failure,
}

impl<S> FaultyStore<S> {
    /// A store that does not fail yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// Makes the next `times` operations of a kind on keys below `prefix` fail; those after them
    /// succeed.
    pub fn fail(&self, operation: Operation, prefix: &str, times: u32, failure: Failure) {
        self.state().script.push(Step {
            operation,
            prefix: prefix.to_owned(),
            times,
            failure,
        });
    }

    /// Makes about one of `one_in` operations fail in some way, the same ones for the same seed
    /// and the same order of operations.
    #[must_use]
    pub fn seeded(self, seed: u64, one_in: u64) -> Self {
        self.state().random = Some((seed, one_in.max(1)));
        self
    }

    /// Makes every operation fail once `operations` more have been done, as if the process or its
    /// disk were gone, until [`Self::revive`].
    pub fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_after = Some(state.done + operations);
    }

    /// Ends a crash.
    pub fn revive(&self) {
        self.state().crash_after = None;
    }

    /// How many operations were asked for, failed ones included.
    pub fn operations(&self) -> u64 {
        self.state().done
    }

    /// The store behind it, which never fails on purpose.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the operation and waits if it is to be late. Gives what is to go wrong with it.
    async fn before(&self, operation: Operation, key: &str) -> Option<Failure> {
        let failure = self.state().next(operation, key);
        if let Some(Failure::Late(time)) = failure {
            tokio::time::sleep(time).await;
            return None;
        }
        failure
    }
}

impl State {
    fn next(&mut self, operation: Operation, key: &str) -> Option<Failure> {
        self.done += 1;
        if self.crash_after.is_some_and(|bound| self.done > bound) {
            return Some(Failure::Torn);
        }
        let step = self.script.iter_mut().find(|step| {
            step.times > 0 && step.operation == operation && key.starts_with(&step.prefix)
        });
        if let Some(step) = step {
            step.times -= 1;
            return Some(step.failure);
        }
        let (seed, one_in) = self.random.as_mut()?;
        let choice = split_mix(seed);
        let failures = [
            Failure::Torn,
            Failure::Unsure,
            Failure::Full,
            Failure::Late(Duration::from_millis(1)),
        ];
        choice
            .is_multiple_of(*one_in)
            .then(|| failures[usize::from(choice.to_le_bytes()[7]) % failures.len()])
    }
}

/// The next number of Steele, Lea and Flood's `SplitMix64`.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn failed_read<T>(key: &str) -> Result<T> {
    Err(StoreError::Read {
        key: key.to_owned(),
        source: io::Error::new(io::ErrorKind::UnexpectedEof, "a failure on purpose"),
    })
}

fn failed_write<T>(key: &Key, kind: io::ErrorKind) -> Result<T> {
    let source = io::Error::new(kind, "a failure on purpose");
    Err(StoreError::write(key, source))
}

/// What a write answers: `write` is done only where the failure lets it.
async fn write<T>(
    key: &Key,
    failure: Option<Failure>,
    write: impl Future<Output = Result<T>>,
) -> Result<T> {
    match failure {
        Some(Failure::Torn) => failed_write(key, io::ErrorKind::WriteZero),
        Some(Failure::Full) => failed_write(key, io::ErrorKind::StorageFull),
        Some(Failure::Unsure) => {
            write.await?;
            failed_write(key, io::ErrorKind::Other)
        }
        Some(Failure::Corrupt | Failure::Late(_)) | None => write.await,
    }
}

/// Whether a read fails.
fn breaks_read(failure: Option<Failure>) -> bool {
    matches!(failure, Some(Failure::Torn | Failure::Unsure))
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let failure = self.before(Operation::Get, key.as_str()).await;
        if breaks_read(failure) {
            return failed_read(key.as_str());
        }
        let bytes = self.inner.get(key, range).await?;
        if failure != Some(Failure::Corrupt) {
            return Ok(bytes);
        }
        Ok(bytes.map(|bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0x10;
            }
            bytes.into()
        }))
    }

    async fn put_new(&self, key: &Key, body: Body) -> Result<Created> {
        let failure = self.before(Operation::PutNew, key.as_str()).await;
        write(key, failure, self.inner.put_new(key, body)).await
    }

    async fn put(&self, key: &Key, body: Body) -> Result<()> {
        let failure = self.before(Operation::Put, key.as_str()).await;
        write(key, failure, self.inner.put(key, body)).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        let failure = self.before(Operation::Head, key.as_str()).await;
        if breaks_read(failure) {
            return failed_read(key.as_str());
        }
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let failure = self.before(Operation::List, prefix).await;
        if breaks_read(failure) {
            return failed_read(prefix);
        }
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let failure = self.before(Operation::Delete, key.as_str()).await;
        write(key, failure, self.inner.delete(key)).await
    }

    fn path(&self, key: &Key) -> Option<PathBuf> {
        self.inner.path(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, testing::conformance};

    fn key(text: &str) -> Key {
        text.parse().expect("a key")
    }

    fn body() -> Body {
        Body::from("content".to_owned())
    }

    #[tokio::test]
    async fn without_a_script_it_keeps_the_laws() {
        conformance(&FaultyStore::new(MemoryStore::new())).await;
    }

    #[tokio::test]
    async fn a_torn_write_shows_nothing_and_the_next_succeeds() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail(Operation::PutNew, "a/", 1, Failure::Torn);
        assert!(store.put_new(&key("b"), body()).await.is_ok());
        let torn = store.put_new(&key("a/b"), body()).await;
        assert!(matches!(torn, Err(StoreError::Write { .. })), "{torn:?}");
        assert_eq!(store.head(&key("a/b")).await.expect("head"), None);
        let again = store.put_new(&key("a/b"), body()).await;
        assert_eq!(again.expect("put_new"), Created::Yes);
    }

    #[tokio::test]
    async fn each_failure_is_what_it_says() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail(Operation::Put, "", 1, Failure::Full);
        let full = store.put(&key("a"), body()).await;
        assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
        store.fail(Operation::Put, "", 1, Failure::Unsure);
        assert!(store.put(&key("a"), body()).await.is_err());
        store.fail(Operation::Get, "", 1, Failure::Corrupt);
        let corrupt = store.get(&key("a"), None).await.expect("get");
        assert_eq!(corrupt.as_deref(), Some(&b"con\x64ent"[..]));
        store.fail(Operation::Get, "", 1, Failure::Torn);
        assert!(store.get(&key("a"), None).await.is_err());
        let whole = store.get(&key("a"), None).await.expect("get");
        assert_eq!(whole.as_deref(), Some(&b"content"[..]));
    }

    #[tokio::test]
    async fn after_a_crash_nothing_works_until_it_is_revived() {
        let store = FaultyStore::new(MemoryStore::new());
        store.crash_after(1);
        assert!(store.put(&key("a"), body()).await.is_ok());
        assert!(store.put(&key("b"), body()).await.is_err());
        assert!(store.get(&key("a"), None).await.is_err());
        assert!(store.list("").await.is_err());
        store.revive();
        assert_eq!(store.list("").await.expect("list").len(), 1);
        assert_eq!(store.operations(), 5);
    }

    #[tokio::test]
    async fn a_seed_says_which_operations_fail() {
        let run = async |seed| {
            let store = FaultyStore::new(MemoryStore::new()).seeded(seed, 4);
            let mut failed = Vec::new();
            for _ in 0..64 {
                failed.push(store.put(&key("a"), body()).await.is_err());
            }
            failed
        };
        let first = run(7).await;
        assert_eq!(first, run(7).await);
        assert_ne!(first, run(8).await);
        assert!(first.contains(&true) && first.contains(&false));
    }
}
