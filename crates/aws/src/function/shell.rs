//! What a function's process keeps from its start on: its store, its Python, and the function.
//!
//! In: settings. Out: each of these, made when it is first needed, or ahead of that. Never: keeps
//! a failure: what could not be made for one call is tried again for the next.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyrun_core::Fault;
use pyrun_core::protocol::Description;
use pyrun_store::Store;
use tokio::sync::OnceCell;

use super::allowance::{Call, Size};
use super::python::{self, Python};
use super::settings::Settings;
use super::{Function, Place, disk, store};

/// What stays between calls.
#[derive(Debug)]
pub(super) struct Shell<F> {
    settings: Settings,
    executable: PathBuf,
    python: OnceCell<Python>,
    store: OnceCell<Arc<dyn Store>>,
    function: OnceCell<F>,
    was_called: AtomicBool,
}

impl<F: Function> Shell<F> {
    /// Checks all that can be checked without waiting for anything.
    pub(super) fn new(settings: Settings) -> Result<Self, Fault> {
        let executable = python::locate(settings.python.as_deref())?;
        Ok(Self {
            settings,
            executable,
            python: OnceCell::new(),
            store: OnceCell::new(),
            function: OnceCell::new(),
            was_called: AtomicBool::new(false),
        })
    }

    /// The function's Python, asked what it is.
    pub(super) async fn python(&self) -> Result<&Python, Fault> {
        let ask = || python::ask(&self.executable);
        self.python.get_or_try_init(ask).await
    }

    /// The store. Its clients and credentials begin here: not before a snapshot.
    pub(super) async fn store(&self) -> Result<Arc<dyn Store>, Fault> {
        let open = async || store::open(&self.settings.store);
        self.store.get_or_try_init(open).await.cloned()
    }

    /// The function itself.
    pub(super) async fn function(&self) -> Result<&F, Fault> {
        let open = async || {
            let (python, store) = tokio::try_join!(self.python(), self.store())?;
            let policy = match &self.settings.policy {
                Some(digest) => Some(store::policy(&*store, digest).await?),
                None => None,
            };
            F::open(Place {
                store,
                python: python.clone(),
                cache: self.settings.cache.clone(),
                disk_bytes: self.disk()?,
                memory_bytes: self.size().memory_bytes(),
                policy,
            })
            .await
        };
        self.function.get_or_try_init(open).await
    }

    /// A call that is over at `deadline`, and whether it is the first.
    pub(super) fn call(&self, deadline: u64) -> (Call, bool) {
        let is_first = !self.was_called.swap(true, Ordering::Relaxed);
        (Call::new(self.size(), deadline), is_first)
    }

    fn size(&self) -> Size {
        Size {
            name: self.settings.name.clone(),
            memory_mb: self.settings.memory_mb,
        }
    }

    /// What the function is.
    pub(super) async fn describe(&self, call: &Call) -> Result<Description, Fault> {
        Ok(Description {
            target: self.python().await?.target.clone(),
            memory_bytes: call.size.memory_bytes(),
            disk_bytes: self.disk()?,
            timeout_ms: u64::try_from(call.timeout().as_millis()).unwrap_or(0),
        })
    }

    fn disk(&self) -> Result<u64, Fault> {
        disk::share(&self.settings.cache, self.settings.disk_bytes)
    }
}
