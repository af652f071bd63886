//! What a pyrun that was built without AWS says of remotes and buckets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyrun_core::protocol::{BuildRequest, RunRequest};
use pyrun_core::{Code, Fault, LockHash, Target};
use pyrun_store::Store;

use super::Wish;
use super::budget::Prices;
use crate::depot::Depot;
use crate::interrupt::Interrupt;
use crate::settings::Remote;
use crate::settings::remote::Account;
use crate::transport::{Answer, Transport};

/// A way to functions that can't be opened here.
#[derive(Debug)]
pub enum Lambda {}

/// The store in a bucket.
pub async fn bucket(address: &str, _account: &Account) -> Result<Arc<dyn Store>, Fault> {
    Err(built_without(&format!("the store `{address}`")))
}

/// What lies in a remote's store.
pub async fn depot(remote: &Remote, _cache: &Path) -> Result<Depot, Fault> {
    Err(built_without(&format!("the remote `{}`", remote.name)))
}

fn built_without(what: &str) -> Fault {
    Fault::new(
        Code::REMOTE_UNKNOWN,
        format!("{what} can't be reached: this pyrun was built without AWS"),
    )
    .hint("build it with its default features: `cargo install --path .`")
}

impl Lambda {
    /// Opens a way to a remote's functions.
    #[expect(clippy::unused_async, reason = "as the other one is")]
    pub async fn open(
        remote: &Remote,
        _cache: &Path,
        _wish: &Wish<'_>,
        _interrupt: Interrupt,
    ) -> Result<Self, Fault> {
        Err(built_without(&format!("the remote `{}`", remote.name)))
    }

    /// What bundles for it are built for.
    pub fn target(&self) -> &Target {
        match *self {}
    }

    /// Bytes of its disk that bundles may take.
    pub fn disk_bytes(&self) -> u64 {
        match *self {}
    }

    /// Where this machine keeps what it knows of the remote.
    pub fn home(&self) -> PathBuf {
        match *self {}
    }

    /// Has a bundle's bytecode compiled without waiting for it.
    #[expect(clippy::unused_async, reason = "as the other one is")]
    pub async fn build_aside(&self, _request: BuildRequest) -> Result<(), Fault> {
        match *self {}
    }

    /// US dollars that the calls so far cost.
    pub fn spent(&self) -> f64 {
        match *self {}
    }

    /// What the runner costs.
    pub fn prices(&self) -> Prices {
        match *self {}
    }

    /// How long a call of the runner may take, in milliseconds.
    pub fn longest_ms(&self) -> u64 {
        match *self {}
    }

    /// The most calls that were open at one moment, and how many environments started for calls.
    pub fn environments(&self) -> (u64, u64) {
        match *self {}
    }
}

impl Transport for Lambda {
    fn build(&self, _request: BuildRequest) -> Answer {
        match *self {}
    }

    fn prepare(&self, _lock: LockHash, _hold_ms: u64) -> Answer {
        match *self {}
    }

    fn run(&self, _request: RunRequest) -> Answer {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bucket_is_refused_with_a_way_on() {
        let fault = bucket("s3://bucket", &Account::default()).await;
        let fault = fault.expect_err("there is no AWS here");
        assert!(fault.message.contains("built without AWS"));
        assert!(!fault.hints.is_empty());
    }
}
