//! Keeps what is unpacked within a disk's bounds.
//!
//! In: bytes that are needed. Out: room for them, or an error that says what is missing. Never:
//! removes what a run uses; removes more than has to make way.

use std::time::SystemTime;

use pyrun_core::{Event, Events};

use super::{Keep, Warm, WarmError};
use crate::unpack::BundleSource;

/// How many times its own size a companion takes once it is unpacked, at most as a rule.
const BYTECODE_GROWTH: u64 = 4;

impl Warm {
    /// Removes the least recently used bundles until `need` more bytes fit.
    pub(super) fn make_room(&self, need: u64) -> Result<(), WarmError> {
        let Some(disk) = self.disk else {
            return Ok(());
        };
        let Some(left) = disk.checked_sub(need) else {
            return Err(WarmError::TooLarge { need, disk });
        };
        let keep = Keep {
            bytes: Some(left),
            within: None,
        };
        let in_use = self.gc(keep, SystemTime::now())?.left;
        if in_use > left {
            return Err(WarmError::InUse { need, in_use, disk });
        }
        Ok(())
    }

    /// Whether a companion fits beside its bundle, which takes `bundle` bytes. Without it the
    /// bundle works, only slower: that is said, and no error.
    pub(super) fn has_room(&self, bundle: u64, source: &BundleSource, events: Events<'_>) -> bool {
        if self.disk.is_none() {
            return true;
        }
        let companion = match source {
            BundleSource::Bytes(bytes) => bytes.len() as u64,
            BundleSource::File(path) => fs_err::metadata(path).map_or(0, |meta| meta.len()),
            BundleSource::Store(..) => 0,
        };
        let need = bundle.saturating_add(companion.saturating_mul(BYTECODE_GROWTH));
        let fits = self.make_room(need).is_ok();
        if !fits {
            let message = "the disk has no room for the bundle's bytecode: imports take longer";
            events(Event::Warning {
                message: message.to_owned(),
            });
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use pyrun_core::{Code, Fault, LockHash};
    use pyrun_store::{MemoryStore, Store, catalog};

    use super::*;
    use crate::unpack::testing::{Entry, bundle, companion, entry, pyc};

    const MAGIC: u16 = 3531;

    struct Scene {
        folder: tempfile::TempDir,
        store: Arc<dyn Store>,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().expect("a folder"),
                store: Arc::new(MemoryStore::new()),
            }
        }

        fn warm(&self, disk: u64) -> Warm {
            Warm::open(self.folder.path()).with_disk(disk)
        }

        /// A bundle of one file of 1,000 bytes.
        async fn put(&self, name: &str) -> LockHash {
            let files: Vec<Entry> = vec![entry(&format!("{name}/x.py"), "#".repeat(1_000))];
            let bundle = bundle(&[(name, files)]);
            let (lock, record) = (bundle.lock(), serde_json::to_vec(&bundle.record));
            let put = |key, bytes: Vec<u8>| async move {
                self.store.put(&key, bytes.into()).await.expect("stored");
            };
            put(catalog::bundle(&lock), bundle.bytes.clone()).await;
            put(catalog::bundle_record(&lock), record.expect("a record")).await;
            lock
        }
    }

    #[tokio::test]
    async fn what_a_run_uses_never_makes_way() {
        let scene = Scene::new();
        let (first, second) = (scene.put("a").await, scene.put("b").await);
        let warm = scene.warm(3_500);
        let ensure = |lock| warm.ensure(&scene.store, lock, MAGIC, &|_| {});
        let used = ensure(&first).await.expect("there is room for one");
        let error = ensure(&second).await.expect_err("the room is in use");
        assert!(
            matches!(error, WarmError::InUse { in_use: 1_000, .. }),
            "{error:?}"
        );
        assert!(used.path.is_dir());
        drop(used);
        ensure(&second).await.expect("the first has made way");
        assert!(warm.site(&first).expect("a folder").is_none());
    }

    #[tokio::test]
    async fn one_that_never_fits_removes_nothing() {
        let scene = Scene::new();
        let (first, second) = (scene.put("a").await, scene.put("b").await);
        let roomy = scene.warm(4_000);
        drop(
            roomy
                .ensure(&scene.store, &first, MAGIC, &|_| {})
                .await
                .expect("fits"),
        );
        let tight = scene.warm(2_000);
        let error = tight.ensure(&scene.store, &second, MAGIC, &|_| {}).await;
        let fault = Fault::from(error.expect_err("it is too large"));
        assert_eq!(fault.code, Code::REMOTE_QUOTA);
        assert!(fault.hints[0].contains("--storage 512"), "{fault:?}");
        assert!(tight.site(&first).expect("a folder").is_some());
    }

    #[tokio::test]
    async fn bytecode_without_room_is_left_out_and_that_is_said() {
        for (disk, fits) in [(100_000, true), (3_100, false)] {
            let scene = Scene::new();
            let lock = scene.put("a").await;
            let bytecode = companion(&[pyc("a/__pycache__/x.cpython-312.pyc", MAGIC, "x")]);
            let key = catalog::companion(&lock, MAGIC);
            scene
                .store
                .put(&key, bytecode.into())
                .await
                .expect("stored");
            let warnings = Mutex::new(0);
            let count = |event| {
                if matches!(event, Event::Warning { .. }) {
                    *warnings.lock().expect("no panic") += 1;
                }
            };
            let warm = scene.warm(disk);
            let site = warm.ensure(&scene.store, &lock, MAGIC, &count);
            let site = site.await.expect("the bundle itself fits");
            assert_eq!(site.has_bytecode(MAGIC), fits);
            assert_eq!(*warnings.lock().expect("no panic"), usize::from(!fits));
        }
    }
}
