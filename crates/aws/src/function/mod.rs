//! The shell in which the two deployed functions run.
//!
//! In: invocations of AWS Lambda, each with an [`Ask`] as its whole payload. Out: a streamed answer
//! of newline-delimited frames, `hello` first, and one line of log a call. Never: builds or runs
//! anything itself; ends without a frame that says how, for as long as it lives; serves two calls
//! at once.
//!
//! The managed runtimes start the program as their `AWS_LAMBDA_EXEC_WRAPPER`, with the command line
//! of the runtime that it stands in for; `provided` runtimes start it as `bootstrap`, and an image
//! as its entry point. It is the same program each time, and looks at no argument.

mod allowance;
mod answer;
mod conversation;
mod disk;
mod log;
mod python;
mod question;
mod runtime;
mod settings;
mod shell;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use pyrun_core::protocol::{Ask, Frame};
use pyrun_core::{Fault, Policy};
use pyrun_store::Store;
use tokio::sync::mpsc;

pub use allowance::Call;
pub use disk::used_below;
pub use python::Python;

/// One of the two functions.
#[async_trait]
pub trait Function: Sized + Send + Sync + 'static {
    /// What it is called in messages: `builder` or `runner`.
    const NAME: &'static str;

    /// Makes it, once for all calls of this process.
    async fn open(place: Place) -> Result<Self, Fault>;

    /// Answers a question in frames; a fault that it returns becomes the last of them.
    async fn answer(
        &self,
        ask: Ask,
        call: &Call,
        frames: &mpsc::Sender<Frame>,
    ) -> Result<(), Fault>;
}

/// What a function finds around it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Its Python.
    pub python: Python,
    /// The folder for all that it keeps between calls.
    pub cache: PathBuf,
    /// Bytes that it may keep there.
    pub disk_bytes: u64,
    /// Bytes of the function's memory.
    pub memory_bytes: u64,
    /// The policy that it holds to, if there is one.
    pub policy: Option<Policy>,
}

/// Serves calls for as long as the environment lives. Returns when it can't.
pub fn serve<F: Function>() -> ExitCode {
    runtime::run::<F>()
}
