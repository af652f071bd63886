//! The real program against the kit's own index: what a user sees.
//!
//! Tests named `pypi_*` need PyPI itself and are ignored unless asked for.

mod bad_input;
mod cache;
mod compare;
#[cfg(feature = "aws")]
mod deploy;
#[cfg(feature = "aws")]
mod deployed;
mod determinism;
mod docs;
mod full_disk;
mod inputs;
mod interrupt;
mod locks;
mod look;
mod memory;
mod output;
mod peers;
mod policy;
mod processes;
mod pypi;
#[cfg(feature = "aws")]
mod remote;
mod run;
mod scenarios;
mod sdists;
mod seeds;
mod sources;
#[cfg(feature = "aws")]
mod story;
mod support;
#[cfg(feature = "aws")]
mod template;
mod tidy;
mod together;
mod wire;
