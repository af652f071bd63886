//! The real program against the kit's own index: what a user sees.
//!
//! Tests named `pypi_*` need PyPI itself and are ignored unless asked for.

mod bad_input;
mod cache;
#[cfg(feature = "aws")]
mod deploy;
mod determinism;
mod docs;
mod full_disk;
mod interrupt;
mod locks;
mod pypi;
#[cfg(feature = "aws")]
mod remote;
mod run;
mod scenarios;
mod support;
mod tidy;
mod together;
mod wire;
