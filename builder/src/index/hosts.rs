//! What hosts can do, learned once: whether they have `.metadata` files that no page announces,
//! and whether they answer range requests.
//!
//! In: the outcome of a request. Out: what to try with the next file of the same host. Never:
//! decides what is true of a file: a wrong memory costs a request, nothing else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::index::cache::{Cache, now};

/// For how many seconds an answer is believed: a week.
const BELIEVED: u64 = 7 * 24 * 3600;
/// More hosts than this are not remembered.
const MOST: usize = 1000;

/// What is known of one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Facts {
    /// When it was learned, in seconds since 1970.
    pub(super) learned: u64,
    /// Whether `.metadata` files are there although no page says so.
    pub(super) siblings: Option<bool>,
    /// Whether ranges are answered.
    pub(super) ranges: Option<bool>,
}

/// What is known of all hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    cache: Cache,
    known: OnceLock<Mutex<BTreeMap<String, Facts>>>,
}

impl Hosts {
    pub(super) fn new(cache: Cache) -> Self {
        Self {
            cache,
            known: OnceLock::new(),
        }
    }

    pub(super) fn facts(&self, host: &str) -> Facts {
        let facts = self.known().get(host).copied().unwrap_or_default();
        let age = now().checked_sub(facts.learned);
        if age.is_some_and(|age| age < BELIEVED) {
            facts
        } else {
            Facts::default()
        }
    }

    /// Remembers, here and on disk, what `change` says of the host.
    pub(super) fn learn(&self, host: &str, change: impl FnOnce(&mut Facts)) {
        let before = self.facts(host);
        let mut after = before;
        change(&mut after);
        if after == before {
            return;
        }
        after.learned = now();
        let mut known = self.known();
        if known.len() < MOST || known.contains_key(host) {
            known.insert(host.to_owned(), after);
        }
        if let Ok(json) = serde_json::to_vec(&*known) {
            self.cache.put_hosts(&json);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Facts>> {
        let load = || {
            let json = self.cache.hosts().unwrap_or_default();
            Mutex::new(serde_json::from_slice(&json).unwrap_or_default())
        };
        self.known
            .get_or_init(load)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_outlives_the_process_but_not_a_week() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let hosts = Hosts::new(cache.clone());
        hosts.learn("h:80", |facts| facts.ranges = Some(false));
        hosts.learn("h:80", |facts| facts.siblings = Some(true));
        let again = Hosts::new(cache.clone()).facts("h:80");
        assert_eq!((again.ranges, again.siblings), (Some(false), Some(true)));
        let old = BTreeMap::from([(
            "h:80",
            Facts {
                learned: now() - BELIEVED,
                ..again
            },
        )]);
        cache.put_hosts(&serde_json::to_vec(&old).expect("json"));
        assert_eq!(Hosts::new(cache.clone()).facts("h:80"), Facts::default());
        cache.put_hosts(b"{nonsense");
        assert_eq!(Hosts::new(cache).facts("h:80"), Facts::default());
    }
}
