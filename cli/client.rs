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
/// How long each of several environments is held, so that the next question reaches another one:
/// what it takes to send the first, and on top of it for each question, in milliseconds.
const HOLD_MS: u64 = 1_000;
const HOLD_MS_EACH: u64 = 20;

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
    /// What was built for it; `None` when its lock was known.
    pub built: Option<Built>,
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
        let built = |frame| match frame {
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
        };
        self.wait_for(self.transport.build(request), built, |frame| {
            self.console.frame(frame, Output::Function);
        })
        .await
    }

    /// Has a bundle unpacked ahead of its first run.
    pub async fn prepare(&self, lock: LockHash) -> Result<(), Fault> {
        let answer = self.transport.prepare(lock, 0);
        self.wait_for(answer, prepared, |frame| {
            self.console.frame(frame, Output::Function);
        })
        .await
    }

    /// Has a bundle unpacked in so many environments at once: what came of each question. Only the
    /// first one's progress is shown, which the others repeat.
    pub async fn prepare_many(&self, lock: LockHash, count: u32) -> Vec<Result<(), Fault>> {
        let hold_ms = HOLD_MS + HOLD_MS_EACH * u64::from(count);
        let questions = (0..count).map(|number| {
            let answer = self.transport.prepare(lock, hold_ms);
            self.wait_for(answer, prepared, move |frame| {
                if number == 0 {
                    self.console.frame(frame, Output::Function);
                }
            })
        });
        futures::future::join_all(questions).await
    }

    /// Shows the frames of an answer up to the one that `last` takes.
    async fn wait_for<T>(
        &self,
        mut answer: Answer,
        last: impl Fn(Frame) -> Result<T, Frame>,
        show: impl Fn(&Frame),
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
                Err(frame) => show(&frame),
            }
        }
    }

    /// Has requirements built, unless it is `known` which lock answers them, and a call run against
    /// them. A bundle that turns out to be missing or corrupt before anything ran is built again,
    /// once.
    pub async fn run(
        &self,
        requirements: BuildRequest,
        known: Option<LockHash>,
        output: Output,
        request: impl Fn(LockHash) -> Result<RunRequest, Fault>,
    ) -> Result<Outcome, Fault> {
        let built = match known {
            Some(_) => None,
            None => Some(self.build(requirements.clone()).await?),
        };
        let lock = known.or(built.as_ref().map(|built| built.lock));
        let lock = lock.expect("what is not known is built");
        let outcome = self.call(request(lock)?, output).await?;
        match &outcome.result {
            Err(fault)
                if fault.code == Code::BUNDLE_MISSING || fault.code == Code::BUNDLE_CORRUPT =>
            {
                let doubted = BuildRequest {
                    doubt: true,
                    ..requirements
                };
                let built = self.build(doubted).await?;
                let outcome = self.call(request(built.lock)?, output).await?;
                Ok(Outcome {
                    built: Some(built),
                    ..outcome
                })
            }
            _ => Ok(Outcome { built, ..outcome }),
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
                    built: None,
                    result: Ok(Value::Null),
                    report: None,
                });
            }
        }
        let result = result.ok_or_else(ended_early)?;
        Ok(Outcome {
            lock,
            built: None,
            result,
            report,
        })
    }
}

fn prepared(frame: Frame) -> Result<(), Frame> {
    match frame {
        Frame::Result { .. } => Ok(()),
        other => Err(other),
    }
}

async fn next(answer: &mut Answer) -> Result<Frame, Fault> {
    answer.next().await.unwrap_or_else(|| Err(ended_early()))
}

fn ended_early() -> Fault {
    Fault::new(Code::RUN_PROTOCOL, "the answer ended before its last frame")
        .hint("run it again; nothing was stored that is not whole")
}
