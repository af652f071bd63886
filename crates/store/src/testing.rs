//! The laws that every backend keeps, and a store that fails on purpose.
//!
//! In: a store. Out: a panic that names the law it breaks, or nothing. Never: used by a program.

mod faulty;
mod laws;

pub use faulty::{Failure, FaultyStore, Operation};
pub use laws::conformance;
