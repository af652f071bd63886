//! The resolver against an index in memory: scenarios from files, and laws.

mod laws;
mod memory;
mod retry;
mod rounds;
mod scenarios;
mod tarpit;
