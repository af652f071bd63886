//! The resolver against an index in memory: scenarios from files, and laws.

mod laws;
mod memory;
mod rounds;
mod scenarios;
mod tarpit;
