//! One call, from its payload to the last line of its answer.
//!
//! In: an invocation's payload and deadline. Out: lines on a channel, and the call's entry in the
//! log. Never: ends without `result`, `built`, `described` or `fault`, however the function ends,
//! be it by a panic; says `hello` later than at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use pyrun_core::protocol::{Ask, Frame, PROTOCOL, Report};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::{Body, catalog};
use tokio::sync::mpsc;

use super::Function;
use super::allowance::{Asked, Call};
use super::answer::{Bounds, Meter, Step};
use super::log::Entry;
use super::question::{self, Question};
use super::shell::Shell;

/// How many frames may wait for the answer to take them.
const WAITING: usize = 64;

/// Holds a conversation; its lines go to `lines`, and what is to be logged is returned.
pub(super) async fn hold<F: Function>(
    shell: &Shell<F>,
    payload: &[u8],
    deadline: u64,
    lines: mpsc::Sender<Bytes>,
) -> Entry {
    let (call, cold) = shell.call(deadline);
    let mut speaker = Speaker {
        shell,
        lines,
        meter: Meter::new(Bounds::of(None)),
    };
    let mut entry = Entry {
        cold,
        ask: "unknown",
        ..Entry::default()
    };
    speaker.say(hello()).await;
    match question::read(payload, shell.store()).await {
        Ok(question) => {
            (entry.ask, entry.lock) = name(&question.ask);
            speaker.answer(question, &call).await;
        }
        Err(fault) => speaker.say(Frame::Fault(fault)).await,
    }
    let took = call.came.elapsed();
    entry.ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    entry.bytes = speaker.meter.sent();
    entry.outcome = match speaker.meter.outcome() {
        Some(code) => code.to_string(),
        None => "ok".to_owned(),
    };
    entry
}

fn hello() -> Frame {
    Frame::Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// A question's name, and the bundle that it is about.
fn name(ask: &Ask) -> (&'static str, Option<String>) {
    match ask {
        Ask::Describe => ("describe", None),
        Ask::Build(_) => ("build", None),
        Ask::Run(request) => ("run", Some(request.lock.to_string())),
        Ask::Prepare(request) => ("prepare", Some(request.lock.to_string())),
        Ask::Stored { .. } => ("stored", None),
    }
}

/// Says frames, within what can be sent.
struct Speaker<'a, F> {
    shell: &'a Shell<F>,
    lines: mpsc::Sender<Bytes>,
    meter: Meter,
}

impl<F: Function> Speaker<'_, F> {
    async fn answer(&mut self, question: Question, call: &Call) {
        let Question {
            mut ask,
            answer_bytes,
        } = question;
        if let Some(bytes) = answer_bytes {
            self.meter.within(Bounds::of(Some(bytes)));
        }
        let mut asked = Asked::default();
        let mut is_run = false;
        if let Ask::Run(request) = &mut ask {
            is_run = true;
            asked.memory_bytes = request.limits.memory_bytes;
            if let Err(fault) = call.grant(request) {
                return self.fail(fault, call, is_run).await;
            }
        }
        let (frames, mut spoken) = mpsc::channel(WAITING);
        let shell = self.shell;
        let work = AssertUnwindSafe(shell.work(ask, call, frames)).catch_unwind();
        let work = tokio::time::timeout_at(call.last_moment(), work);
        let listen = async {
            while let Some(frame) = spoken.recv().await {
                let frame = match frame {
                    Frame::Fault(fault) => Frame::Fault(call.explain(fault, &asked)),
                    frame => frame,
                };
                self.say(frame).await;
            }
        };
        let (worked, ()) = tokio::join!(work, listen);
        match worked {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(fault))) => {
                self.fail(call.explain(fault, &asked), call, is_run).await;
            }
            Ok(Err(_panic)) => self.fail(panicked(), call, is_run).await,
            Err(_elapsed) => self.fail(call.over(), call, is_run).await,
        }
    }

    /// Ends with a fault; after that a run has a report.
    async fn fail(&mut self, fault: Fault, call: &Call, is_run: bool) {
        self.say(Frame::Fault(fault)).await;
        if is_run {
            let micros = call.came.elapsed().as_micros();
            let report = Report {
                micros: u64::try_from(micros).unwrap_or(u64::MAX),
                ..Report::default()
            };
            self.say(Frame::Report(report)).await;
        }
    }

    async fn say(&mut self, frame: Frame) {
        let step = match self.meter.take(frame) {
            Step::Store(line) => match self.put(&line).await {
                Ok(()) => self.meter.stored(&line),
                Err(fault) => self.meter.lost(&line, fault),
            },
            step => step,
        };
        if let Step::Send(line) = step {
            // Nobody hears it only when the Runtime API is gone, and this process soon after it.
            let _ = self.lines.send(line.into()).await;
        }
    }

    async fn put(&self, line: &str) -> Result<(), Fault> {
        let store: Arc<_> = self.shell.store().await?;
        let key = catalog::reply(&Sha256::of(line));
        Ok(store.put(&key, Body::from(line.to_owned())).await?)
    }
}

impl<F: Function> Shell<F> {
    /// Has the function work on a question; the frames end with the work.
    async fn work(&self, ask: Ask, call: &Call, frames: mpsc::Sender<Frame>) -> Result<(), Fault> {
        if matches!(ask, Ask::Describe) {
            let description = self.describe(call).await?;
            let _ = frames.send(Frame::Described(description)).await;
            return Ok(());
        }
        self.function().await?.answer(ask, call, &frames).await
    }
}

fn panicked() -> Fault {
    Fault::new(
        Code::INTERNAL,
        "pyrun itself failed in the deployed function",
    )
    .hint("the function's log names the place: please report it")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use async_trait::async_trait;

    use super::*;
    use crate::function::Place;
    use crate::function::settings::Settings;

    /// A function that panics when it is asked to hold an answer, and else never ends.
    struct Odd;

    #[async_trait]
    impl Function for Odd {
        const NAME: &'static str = "odd";

        async fn open(_: Place) -> Result<Self, Fault> {
            Ok(Self)
        }

        async fn answer(
            &self,
            ask: Ask,
            call: &Call,
            _: &mpsc::Sender<Frame>,
        ) -> Result<(), Fault> {
            match ask {
                Ask::Prepare(request) if request.hold_ms > 0 => panic!("it is odd"),
                Ask::Prepare(_) => std::future::pending().await,
                other => Err(call.refuse(&other)),
            }
        }
    }

    async fn talk(payload: &str, left: Duration) -> (Vec<Frame>, Entry) {
        let settings = Settings {
            name: "odd".to_owned(),
            memory_mb: 128,
            store: "file:///nowhere".to_owned(),
            policy: None,
            python: Some(PathBuf::from("/usr/bin/python3")).filter(|python| python.exists()),
            cache: std::env::temp_dir(),
            disk_bytes: None,
        };
        let shell = Shell::<Odd>::new(settings).expect("there is a Python");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let deadline = now.expect("a time") + left;
        let deadline = u64::try_from(deadline.as_millis()).expect("a time");
        let (lines, mut spoken) = mpsc::channel(WAITING);
        let entry = hold(&shell, payload.as_bytes(), deadline, lines).await;
        let mut frames = Vec::new();
        while let Some(line) = spoken.recv().await {
            let line = std::str::from_utf8(&line).expect("text");
            frames.push(Frame::from_line(line).expect("a frame"));
        }
        (frames, entry)
    }

    fn prepare(hold_ms: u64) -> String {
        let lock = "0".repeat(64);
        format!(r#"{{"ask":"prepare","protocol":1,"lock":"{lock}","hold_ms":{hold_ms}}}"#)
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_and_not_told_in_its_own_words() {
        let (frames, entry) = talk(&prepare(1), Duration::from_mins(1)).await;
        let [Frame::Hello { .. }, Frame::Fault(fault)] = &frames[..] else {
            panic!("a fault is expected, not {frames:?}");
        };
        assert_eq!(fault.code, Code::INTERNAL);
        assert!(!format!("{fault:?}").contains("it is odd"), "{fault:?}");
        assert_eq!(entry.outcome, "internal");
        assert_eq!(entry.ask, "prepare");
    }

    #[tokio::test]
    async fn what_does_not_end_is_given_up_before_the_function_is_killed() {
        let (frames, entry) = talk(&prepare(0), Duration::from_secs(3)).await;
        let Some(Frame::Fault(fault)) = frames.last() else {
            panic!("a fault is expected, not {frames:?}");
        };
        assert_eq!(fault.code, Code::RUN_TIMEOUT);
        assert!(fault.message.contains("`odd`"), "{fault:?}");
        assert_eq!(entry.outcome, "run.timeout");
    }

    #[tokio::test]
    async fn a_runs_fault_is_followed_by_a_report() {
        let run = format!(
            r#"{{"ask":"run","protocol":1,"lock":"{}","script":{{"path":"a","source":""}},
                "entry":{{"kind":"program","argv":[]}},"limits":{{"memory_bytes":1000000000}}}}"#,
            "0".repeat(64)
        );
        let (frames, _) = talk(&run, Duration::from_mins(1)).await;
        let [Frame::Hello { .. }, Frame::Fault(fault), Frame::Report(_)] = &frames[..] else {
            panic!("a fault and a report are expected, not {frames:?}");
        };
        assert_eq!(fault.code, Code::REMOTE_QUOTA);
    }
}
