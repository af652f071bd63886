//! Requirements to exact versions.
//!
//! In: a request, an index. Out: a lock, or a fault that says in plain words what stands in the
//! way. Never: recursion, a random choice, an answer that depends on the order of requirements, of
//! pages or of the network's answers.
//!
//! `amendments` knows what stands beside the requirements; `candidates` reads a page; `solver` is
//! `PubGrub` without I/O (`choices`, `packages`, `incompatibility`, `partial` are its values, `expand`
//! and `conflict` its two halves); `search` feeds it, `prefetch` asks ahead within a `budget`; `driver`
//! makes a lock of the answer; `explain`, `minimal` and `verdict` turn a failure into sentences
//! (`dead_end` and `absent` those about one package), and `relax` tries what would help.
//! `objections` holds a lock that is there to the same rules.

mod absent;
mod amendments;
mod budget;
mod candidates;
mod choices;
mod conflict;
mod dead_end;
mod dependencies;
mod driver;
mod error;
mod expand;
mod explain;
mod hashes;
mod incompatibility;
mod minimal;
mod moment;
mod objections;
mod packages;
mod partial;
mod phrases;
mod prefetch;
mod relax;
mod search;
mod solver;
mod specifiers;
mod spoken;
mod suggest;
mod verdict;

pub use driver::resolve;
pub use error::{Limit, ResolveError};
pub use moment::as_of;
pub use objections::{Known, objections};
