//! The client against an index that fails on demand: one test for each way to fail.

mod cached;
mod direct;
mod hostile;
mod links;
mod metadata;
mod pages;
mod pypi;
