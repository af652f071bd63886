//! The builder and the runner in this very process.
//!
//! In: requests. Out: the lines that a remote side would send. Never: knows a way to build or run
//! that the two libraries do not.

use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_core::LockHash;
use pyrun_core::protocol::{BuildRequest, Frame, PROTOCOL, RunRequest};
use pyrun_runner::interpreter::Interpreter;
use pyrun_runner::{Runner, Surroundings};
use tokio::sync::{mpsc, watch};

use super::{Answer, Transport};
use crate::background;

/// Reaches the libraries directly.
#[derive(Debug)]
pub struct Local {
    builder: Arc<Builder>,
    runner: Arc<Runner>,
    interpreter: Interpreter,
    surroundings: Surroundings,
    interrupt: watch::Receiver<bool>,
}

impl Local {
    /// A transport to a builder and a runner on this machine.
    pub fn new(
        builder: Builder,
        runner: Runner,
        interpreter: Interpreter,
        surroundings: Surroundings,
        interrupt: watch::Receiver<bool>,
    ) -> Self {
        Self {
            builder: builder.into(),
            runner: runner.into(),
            interpreter,
            surroundings,
            interrupt,
        }
    }
}

impl Transport for Local {
    fn build(&self, request: BuildRequest) -> Answer {
        let builder = Arc::clone(&self.builder);
        let interpreter = self.interpreter.clone();
        Answer::new(async move |lines| {
            hello(&lines).await;
            let (frames, mut spoken) = mpsc::channel::<Frame>(64);
            let compiler = background::compiler(&interpreter);
            let work = async move { builder.answer(request, &compiler, &frames).await };
            tokio::join!(work, pass_on(&mut spoken, &lines));
        })
    }

    fn prepare(&self, lock: LockHash, _hold_ms: u64) -> Answer {
        let runner = Arc::clone(&self.runner);
        Answer::new(async move |lines| {
            hello(&lines).await;
            let (frames, mut spoken) = mpsc::channel::<Frame>(64);
            let work = async move {
                let prepared = runner.prepare(&lock, &frames).await;
                let last = prepared.map_or_else(Frame::Fault, |()| Frame::Result {
                    value: serde_json::Value::Null,
                });
                let _ = frames.send(last).await;
            };
            tokio::join!(work, pass_on(&mut spoken, &lines));
        })
    }

    fn run(&self, request: RunRequest) -> Answer {
        let runner = Arc::clone(&self.runner);
        let surroundings = self.surroundings.clone();
        let interrupt = self.interrupt.clone();
        Answer::new(async move |lines| {
            hello(&lines).await;
            let (frames, mut spoken) = mpsc::channel::<Frame>(64);
            let run = async move {
                runner
                    .run(&request, &surroundings, &frames, interrupt)
                    .await;
            };
            tokio::join!(run, pass_on(&mut spoken, &lines));
        })
    }
}

/// Sends frames as lines, until there are no more or nobody listens.
pub(super) async fn pass_on(spoken: &mut mpsc::Receiver<Frame>, lines: &mpsc::Sender<String>) {
    while let Some(frame) = spoken.recv().await {
        if lines.send(frame.to_line()).await.is_err() {
            // Nobody listens: the run is taken back with the channel.
            spoken.close();
            return;
        }
    }
}

/// Says who answers.
pub(super) async fn hello(lines: &mpsc::Sender<String>) {
    let hello = Frame::Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let _ = lines.send(hello.to_line()).await;
}
