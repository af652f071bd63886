//! Checks a published bundle that somebody found damaged.
//!
//! In: a lock hash. Out: nothing when the bundle is what its record says; else it is removed, so
//! that it is built again. Never: removes a sound bundle because a reader said it was damaged.

use pyrun_core::{Event, Events, Fault, LockHash, Sha256};
use pyrun_store::{StoreError, catalog};
use sha2::Digest as _;

use crate::Builder;

/// Bytes that are read at a time.
const PIECE: u64 = 8 << 20;

impl Builder {
    /// Reads a published bundle whole and removes it if its bytes are not those of its record.
    pub(crate) async fn check(&self, lock: &LockHash, events: Events<'_>) -> Result<(), Fault> {
        let Some(record) = self.published(lock, events).await? else {
            return Ok(());
        };
        if self.digest(lock, record.size).await? == Some(record.sha256) {
            return Ok(());
        }
        let message = format!(
            "the bundle `{}` is damaged in the store and is built anew",
            lock.0.short()
        );
        events(Event::Warning { message });
        // The record first: nobody may find it without the bundle.
        self.store.delete(&catalog::bundle_record(lock)).await?;
        self.store.delete(&catalog::bundle(lock)).await?;
        Ok(())
    }

    /// The digest of a bundle of `size` bytes; `None` when there is no such bundle.
    async fn digest(&self, lock: &LockHash, size: u64) -> Result<Option<Sha256>, StoreError> {
        let key = catalog::bundle(lock);
        let actual = self.store.head(&key).await?;
        if actual.is_none_or(|meta| meta.size != size) {
            return Ok(None);
        }
        let mut hasher = sha2::Sha256::new();
        let mut at = 0;
        while at < size {
            let end = size.min(at + PIECE);
            match self.store.get(&key, Some(at..end)).await {
                Ok(Some(bytes)) => hasher.update(&bytes),
                // It was replaced or removed meanwhile: it is not the one that was in doubt.
                Ok(None) | Err(StoreError::Range { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
            at = end;
        }
        Ok(Some(Sha256::finish(hasher)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use pyrun_core::Lock;
    use pyrun_kit::{IndexServer, Packages};
    use pyrun_store::{MemoryStore, Store as _};

    use super::*;
    use crate::index::testing::{World, large_wheel, locked, target};

    #[tokio::test]
    async fn a_damaged_bundle_goes_and_a_sound_one_stays() {
        let wheel = large_wheel("one", 1000);
        let server = IndexServer::start(Packages::new().with(wheel.clone()));
        let lock = Lock {
            target: target(),
            packages: [locked(&wheel, &server)].into(),
            resolved: None,
            exclude_newer: None,
        };
        let world = World::new();
        let scratch = tempfile::tempdir().expect("a folder");
        let store = Arc::new(MemoryStore::new());
        let builder = Builder::new(store.clone(), world.client(&server), scratch.path());
        let record = builder.bundle(&lock, &|_| {}).await.expect("built");
        let hash = lock.hash();

        builder.check(&hash, &|_| {}).await.expect("checked");
        let kept = store.head(&catalog::bundle_record(&hash)).await;
        assert!(kept.expect("a store").is_some(), "a sound bundle stays");

        let key = catalog::bundle(&hash);
        let mut bytes = store
            .get(&key, None)
            .await
            .expect("a store")
            .expect("it")
            .to_vec();
        bytes[40] ^= 1;
        store.put(&key, bytes.into()).await.expect("stored");
        let warned = Mutex::new(0);
        let count = |event| {
            if matches!(event, Event::Warning { .. }) {
                *warned.lock().expect("no panic") += 1;
            }
        };
        builder.check(&hash, &count).await.expect("checked");
        assert_eq!(*warned.lock().expect("no panic"), 1);
        let again = builder.bundle(&lock, &|_| {}).await.expect("built again");
        assert_eq!(again.sha256, record.sha256);
        assert_eq!(
            builder.digest(&hash, again.size).await.expect("a store"),
            Some(record.sha256)
        );
    }
}
