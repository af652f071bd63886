//! Locks beside what they were made from, and beside each other.

pub mod diff;
pub mod outside;
