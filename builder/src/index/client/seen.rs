//! What indexes said of wheels that are about to be used.
//!
//! In: a wheel's index and digest. Out: its metadata as it was read when its version was chosen on
//! this machine, or nothing. Never: asks an index.

use pyrun_core::Sha256;

use super::Client;
use super::wheels::known_as;
use crate::index::cache::Cache;
use crate::index::{Metadata, parse_metadata};

/// What was said on this machine. Threads that check wheels take it with them.
#[derive(Debug, Clone)]
pub(crate) struct Seen(Cache);

impl Client {
    /// What was said so far.
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.cache.clone())
    }
}

impl Seen {
    /// What an index said of a wheel. Blocks.
    pub(crate) fn metadata(&self, index: &str, wheel: &Sha256) -> Option<Metadata> {
        parse_metadata(&self.0.metadata(&known_as(index, wheel))?).ok()
    }
}
