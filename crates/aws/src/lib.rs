//! pyrun on AWS: the only crate that names the AWS SDK.
//!
//! In: an account's credentials and names of resources. Out: a [`pyrun_store::Store`] in a bucket,
//! answers of deployed functions, stacks, and the shell in which the two functions run. Never:
//! resolves, builds or runs anything itself; repeats a run that may have begun; prints, but for the
//! one line a call that a function leaves in its log.
//!
//! Features: `client` is what the command needs, `function` what the deployed functions need; the
//! bucket is for both.

#[cfg(feature = "client")]
pub mod account;
mod error;
mod http;
#[cfg(feature = "client")]
pub mod identity;
#[cfg(feature = "client")]
pub mod invoke;
pub mod names;
#[cfg(feature = "client")]
pub mod quotas;
pub mod s3;
#[cfg(feature = "client")]
pub mod stack;
