//! The story of a command over a [`Transport`]: requirements are built, a call is run.
//!
//! In: requests. Out: what came of them, while the console shows what happens on the way.

use std::time::Duration;

use pyrun_core::protocol::{BuildRequest, Frame, Report, RunRequest};
use pyrun_core::{BundleRecord, Code, Fault, LockHash};
use pyrun_runner::worker::INTERRUPT_GRACE;
use serde_json::Value;

use crate::console::{Console, Output};
use crate::interrupt::{self, Interrupt};
use crate::transport::{Answer, Transport};

/// How soon after Ctrl-C a run that ends has ended at once.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Asks on behalf of one command.
pub struct Client<'a> {
    transport: &'a dyn Transport,
    console: &'a Console,
    interrupt: Interrupt,
}

/// What a build came to.
#[derive(Debug)]
pub struct Built {
    /// The bundle's name.
    pub lock: LockHash,
    /// The lock in full.
    pub pylock: String,
    /// The bundle, unless the lock alone was asked for.
    pub record: Option<Box<BundleRecord>>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The bundle it ran against.
    pub lock: LockHash,
    /// The result, or what failed.
    pub result: Result<Value, Fault>,
    /// What it cost.
    pub report: Option<Report>,
}

impl<'a> Client<'a> {
    /// A client that reaches builder and runner over `transport`.
    pub fn new(transport: &'a dyn Transport, console: &'a Console, interrupt: Interrupt) -> Self {
        Self {
            transport,
            console,
            interrupt,
        }
    }

    /// Has requirements locked and built.
    pub async fn build(&self, request: BuildRequest) -> Result<Built, Fault> {
        self.wait_for(self.transport.build(request), |frame| match frame {
            Frame::Built {
                lock,
                pylock,
                record,
                ..
            } => Ok(Built {
                lock,
                pylock,
                record,
            }),
            other => Err(other),
        })
        .await
    }

    /// Has a bundle unpacked ahead of its first run.
    pub async fn prepare(&self, lock: LockHash) -> Result<(), Fault> {
        self.wait_for(self.transport.prepare(lock), |frame| match frame {
            Frame::Result { .. } => Ok(()),
            other => Err(other),
        })
        .await
    }

    /// Shows the frames of an answer up to the one that `last` takes.
    async fn wait_for<T>(
        &self,
        mut answer: Answer,
        last: impl Fn(Frame) -> Result<T, Frame>,
    ) -> Result<T, Fault> {
        let mut interrupt = self.interrupt.clone();
        loop {
            let frame = tokio::select! {
                frame = next(&mut answer) => frame?,
                () = interrupt.wait() => return Err(interrupt::fault()),
            };
            match last(frame) {
                Ok(value) => return Ok(value),
                Err(Frame::Fault(fault)) => return Err(fault),
                Err(frame) => self.console.frame(&frame, Output::Function),
            }
        }
    }

    /// Has requirements built and a call run against them. A bundle that turns out to be missing
    /// or corrupt before anything ran is built again, once.
    pub async fn run(
        &self,
        requirements: BuildRequest,
        output: Output,
        request: impl Fn(LockHash) -> RunRequest,
    ) -> Result<Outcome, Fault> {
        let built = self.build(requirements.clone()).await?;
        let outcome = self.call(request(built.lock), output).await?;
        match &outcome.result {
            Err(fault)
                if fault.code == Code::BUNDLE_MISSING || fault.code == Code::BUNDLE_CORRUPT =>
            {
                let doubted = BuildRequest {
                    doubt: true,
                    ..requirements
                };
                let built = self.build(doubted).await?;
                self.call(request(built.lock), output).await
            }
            _ => Ok(outcome),
        }
    }

    /// Runs one call. The runner itself is told of an interrupt, and answers to the end.
    async fn call(&self, request: RunRequest, output: Output) -> Result<Outcome, Fault> {
        let lock = request.lock;
        let mut answer = self.transport.run(request);
        let mut result = None;
        let mut report = None;
        let mut interrupt = self.interrupt.clone();
        let mut patience = std::pin::pin!(async {
            interrupt.wait().await;
            // Most end at once, and then there is nothing to say.
            tokio::time::sleep(AT_ONCE).await;
        });
        let mut is_said = false;
        loop {
            let frame = tokio::select! {
                biased;
                frame = answer.next() => frame,
                () = &mut patience, if !is_said => {
                    is_said = true;
                    self.console.say(&format!(
                        "Waiting up to {} s for it to end; press Ctrl-C again to kill it",
                        INTERRUPT_GRACE.as_secs()
                    ));
                    continue;
                }
            };
            let Some(frame) = frame else { break };
            match frame? {
                Frame::Result { value } => result = Some(Ok(value)),
                Frame::Fault(fault) => result = Some(Err(fault)),
                Frame::Report(last) => report = Some(last),
                frame => self.console.frame(&frame, output),
            }
            if self.console.is_deaf() {
                // Dropping the answer ends the run, as a broken pipe ends any program.
                return Ok(Outcome {
                    lock,
                    result: Ok(Value::Null),
                    report: None,
                });
            }
        }
        let result = result.ok_or_else(ended_early)?;
        Ok(Outcome {
            lock,
            result,
            report,
        })
    }
}

async fn next(answer: &mut Answer) -> Result<Frame, Fault> {
    answer.next().await.unwrap_or_else(|| Err(ended_early()))
}

fn ended_early() -> Fault {
    Fault::new(Code::RUN_PROTOCOL, "the answer ended before its last frame")
        .hint("run it again; nothing was stored that is not whole")
}
