//! How the builder and the runner are reached.
//!
//! In: a request. Out: an [`Answer`], which is the same lines of JSON wherever they come from.

mod elsewhere;
mod local;

use pyrun_core::protocol::{BuildRequest, Frame, RunRequest};
use pyrun_core::{Code, Fault, LockHash};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use elsewhere::Elsewhere;
pub use local::Local;

/// A way to a builder and a runner.
pub trait Transport: Send + Sync {
    /// Asks the builder. The answer ends with `built` or `fault`.
    fn build(&self, request: BuildRequest) -> Answer;

    /// Asks the runner to have a bundle at hand. The answer ends with `result` or `fault`, and where
    /// there are several environments, not before `hold_ms` milliseconds are over.
    fn prepare(&self, lock: LockHash, hold_ms: u64) -> Answer;

    /// Asks the runner. The answer ends with `result` or `fault`, then `report`.
    fn run(&self, request: RunRequest) -> Answer;
}

/// The lines of an answer as they come. Dropping it takes the question back.
#[derive(Debug)]
pub struct Answer {
    lines: mpsc::Receiver<String>,
    task: JoinHandle<()>,
}

/// How many lines may wait for their reader before the other side has to wait.
const WAITING_LINES: usize = 256;

impl Answer {
    /// An answer whose lines `task` sends.
    pub fn new<F>(answer: impl FnOnce(mpsc::Sender<String>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, lines) = mpsc::channel(WAITING_LINES);
        Self {
            lines,
            task: tokio::spawn(answer(sender)),
        }
    }

    /// The next frame; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Frame, Fault>> {
        let line = self.lines.recv().await?;
        Some(Frame::from_line(&line).map_err(|error| {
            Fault::new(
                Code::RUN_PROTOCOL,
                "the answer holds a line that is no frame",
            )
            .cause(error.to_string())
        }))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
