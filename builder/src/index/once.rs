//! Work that is done once per key, however many ask at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// One result per key. A failure is not kept: whoever asks next tries again.
#[derive(Debug)]
pub(super) struct OncePerKey<K, V> {
    cells: Mutex<BTreeMap<K, Arc<OnceCell<V>>>>,
}

impl<K: Ord, V: Clone> OncePerKey<K, V> {
    pub(super) fn new() -> Self {
        Self {
            cells: Mutex::new(BTreeMap::new()),
        }
    }

    /// The result of `work` for `key`, from whoever was first. Others wait for it; if the first
    /// is cancelled, the next one takes over.
    pub(super) async fn get<E, F, Fut>(&self, key: K, work: F) -> Result<V, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key).or_default())
        };
        cell.get_or_try_init(work).await.cloned()
    }
}
