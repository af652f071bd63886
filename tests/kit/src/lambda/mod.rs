//! AWS Lambda on the loopback: the API that an SDK calls, and the environments in which the real
//! programs run.
//!
//! In: functions, whose programs are on this machine, and calls over HTTP. Out: their answers,
//! and a record of what happened. Never: listens beyond 127.0.0.1; outlives its [`LambdaServer`],
//! and nor does any process that it started.
//!
//! # What is emulated
//!
//! | AWS's page | here |
//! |---|---|
//! | API reference: Invoke | `RequestResponse`, `Event`, `DryRun`; log tail; function errors; names, qualifiers, ARNs; every error that [`Failure`] lists |
//! | API reference: `InvokeWithResponseStream` | parts as the function writes them, `InvokeComplete` with error and log |
//! | API reference: `GetFunction`, `GetFunctionConfiguration`, `GetFunctionConcurrency`, `GetAccountSettings` | the fields that a function here has |
//! | Signing: missing, unknown key; scope of another region or service | refused; the signature itself is not verified |
//! | Using the Lambda runtime API for custom runtimes | all paths, streamed answers with error trailers, 413 and 403 for what comes too large or too early |
//! | Runtime hooks for `SnapStart` | `restore/next`, `restore/error`; credentials from the container address |
//! | Understanding the execution environment life cycle | one call at a time, most recently used first, frozen between calls, killed at the timeout; a failed init is repeated within the call |
//! | Defined runtime environment variables | those that `function.rs` sets, and none of the test's own |
//! | Lambda quotas | 6 MB in and out, 1 MB for events, 200 MB streamed, 10 s init, reserved and account concurrency |
//! | Log: START, END, REPORT, `INIT_REPORT` | billed duration with the init phase, memory, status |
//!
//! A caller is answered when the environment has asked for its next call and is frozen, so that
//! two calls, one after the other, meet the same environment, and the log's tail has its report.
//!
//! # What is not
//!
//! * CPU by memory, the bandwidth of a stream beyond its first 6 MB, extensions, layers, function
//!   URLs, event sources, repeated events and their destinations, X-Ray, versions with code of
//!   their own, the rate at which environments may be added.
//! * `/tmp` and `/var/task` are the machine's: an environment has a folder instead, which
//!   `TMPDIR` and `PYRUN_CACHE_DIR` name. Its size is looked at and reported; a full disk can't be
//!   had. A file system that is read-only can't either.
//! * Memory is looked at each 20 ms or so: who takes more for a shorter time is not killed.
//! * A snapshot is a process of its own for each environment, so that nothing of the init phase
//!   is shared, as it would be.
//! * Where AWS's page leaves open how a stream tells an error, [`StreamErrors`] has both forms.

mod answer;
mod api;
mod bootstrap;
mod call;
mod ending;
mod environment;
mod event_stream;
mod function;
mod http;
mod invoke;
mod limits;
mod log;
mod pool;
mod processes;
mod records;
mod refusal;
mod runtime_api;
mod server;
#[cfg(test)]
mod tests;

pub use bootstrap::bootstrap;
pub use function::{Function, Mode, Role};
pub use records::{CallRecord, Statistics};
pub use refusal::{Failure, ThrottleReason};
pub use server::LambdaServer;

/// Where a streamed answer tells that the function failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamErrors {
    /// In `InvokeComplete`: the error's type is the code, its JSON the details.
    Details,
    /// The error's JSON is the last part of the payload, and the code is `Unhandled`.
    Payload,
}
