//! A bundle and a call to frames.
//!
//! In: a [`pyrun_core::protocol::RunRequest`] and a store. Out: frames.
//! Never: writes a bundle; trusts what a worker says; leaves a process behind.

pub mod interpreter;
pub mod unpack;
pub mod warm;
pub mod worker;
