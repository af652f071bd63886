//! Requirements to a lock, a lock to a bundle.
//!
//! In: a [`pyrun_core::Request`] or a lock, an index, a store. Out: a published bundle.
//! Never: runs a package's code; trusts a byte before its hash is checked; publishes half a bundle.

pub mod bytecode;
pub mod fetch;
pub mod index;
pub mod install;
pub mod lease;
pub mod resolve;
pub mod splice;
pub mod wheel;
pub mod zip;
