//! Requirements to exact versions.
//!
//! In: a request, an index. Out: a lock, or a fault that says in plain words what stands in the
//! way. Never: recursion, a random choice, an answer that depends on the order of requirements, of
//! pages or of the network's answers.
//!
//! `candidates` reads a page; `solver` is PubGrub without I/O (`choices`, `packages`,
//! `incompatibility`, `partial` are its values, `expand` and `conflict` its two halves); `driver`
//! feeds it, `prefetch` asks ahead; `explain` and `verdict` turn a failure into sentences.

mod candidates;
mod choices;
mod conflict;
mod dead_end;
mod dependencies;
mod driver;
mod error;
mod expand;
mod explain;
mod incompatibility;
mod packages;
mod partial;
mod phrases;
mod prefetch;
mod solver;
mod specifiers;
mod suggest;
mod verdict;

pub use driver::resolve;
pub use error::ResolveError;
