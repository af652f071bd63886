//! A deployed pyrun, as a command reaches it.
//!
//! In: a [`Remote`] of the settings. Out: its store, and a [`Lambda`], which is a `Transport` to its
//! functions. Never: needs a Python on this machine; asks more than it must: what is known of a
//! remote is remembered, so that a run that has been made before is one call.
//!
//! All that knows AWS stands in `aws`; a pyrun built without it has `without` in its place.
//!
//! [`Remote`]: crate::settings::Remote

pub mod budget;
pub mod locks;

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
#[path = "without.rs"]
mod aws;

use pyrun_core::VersionSpecifiers;
use pyrun_runner::interpreter::PythonRequest;

#[cfg(feature = "aws")]
pub use aws::open_store;
pub use aws::{Lambda, bucket, depot};

/// What is asked of a Python.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// `--python-version`, or what the lock is for.
    pub request: Option<&'a PythonRequest>,
    /// The script's own bound.
    pub requires_python: Option<&'a VersionSpecifiers>,
}
