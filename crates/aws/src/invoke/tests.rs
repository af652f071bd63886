//! Calls of an endpoint that answers as a test wants it to: every way in which one goes wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyrun_core::protocol::{
    Ask, Entry, Frame, Limits, PROTOCOL, PrepareRequest, RunRequest, Script,
};
use pyrun_core::{Code, Event, LockHash, Sha256};
use pyrun_kit::calls::{CallServer, End, Reply};
use pyrun_store::{MemoryStore, Store, catalog};
use tokio::sync::mpsc;

use super::*;
use crate::account::Connection;

mod failures;

const REPORT: &str = "START RequestId: 1\nsomething went wrong\nEND RequestId: 1\n\
    REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\tMax Memory Used: 128 MB\tInit Duration: 99.60 ms\t\n";

fn run(timeout_ms: Option<u64>) -> Ask {
    Ask::Run(Box::new(RunRequest {
        protocol: PROTOCOL,
        lock: LockHash(Sha256::of("x")),
        script: Script {
            path: "x.py".to_owned(),
            source: "print()\n".to_owned(),
        },
        entry: Entry::Program { argv: Vec::new() },
        limits: Limits {
            timeout_ms,
            ..Limits::default()
        },
        env: std::collections::BTreeMap::new(),
    }))
}

fn hello() -> String {
    Frame::Hello {
        protocol: PROTOCOL,
        version: "0.1.0".to_owned(),
    }
    .to_line()
}

fn value(value: &serde_json::Value) -> String {
    Frame::Result {
        value: value.clone(),
    }
    .to_line()
}

/// What came of a call.
struct Called {
    lines: Vec<String>,
    warnings: Vec<String>,
    ended: Ended,
}

impl Called {
    fn fault(&self) -> &Fault {
        self.ended.outcome.as_ref().expect_err("it fails")
    }
}

/// Calls one endpoint.
struct Caller {
    connection: Connection,
    store: Arc<MemoryStore>,
    mode: Mode,
    longest: Duration,
    patience: Duration,
    margin: Duration,
}

impl Caller {
    fn new(endpoint: &str) -> Self {
        Self {
            connection: Connection::to(endpoint, true),
            store: Arc::default(),
            mode: Mode::Streaming,
            longest: LONGEST,
            patience: PATIENCE,
            margin: MARGIN,
        }
    }

    async fn ask(&self, ask: &Ask) -> Called {
        let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&self.store);
        let functions = Functions {
            margin: self.margin,
            ..Functions::new(&self.connection, store).with_patience(self.patience)
        };
        let (sender, mut heard) = mpsc::channel(4);
        let warnings = Mutex::new(Vec::new());
        let events = |event| {
            if let Event::Warning { message } = event {
                warnings.lock().expect("one thread").push(message);
            }
        };
        let call = Call {
            function: "pyrun-runner",
            ask,
            mode: self.mode,
            longest: self.longest,
        };
        let calling = async {
            let ended = functions.call(call, &sender, &events).await;
            drop(sender);
            ended
        };
        let hearing = async {
            let mut lines = Vec::new();
            while let Some(line) = heard.recv().await {
                lines.push(line);
            }
            lines
        };
        let (ended, lines) = tokio::join!(calling, hearing);
        Called {
            lines,
            warnings: warnings.into_inner().expect("one thread"),
            ended,
        }
    }
}

/// What one run comes to when every call is answered alike, in both modes.
async fn both(reply: &Reply) -> [(Called, usize); 2] {
    let mut both = Vec::new();
    for mode in [Mode::Streaming, Mode::Buffered] {
        let reply = reply.clone();
        let server = CallServer::start(move |_, _| reply.clone());
        let caller = Caller {
            mode,
            ..Caller::new(&server.endpoint())
        };
        let got = caller.ask(&run(None)).await;
        both.push((got, server.calls().len()));
    }
    both.try_into()
        .unwrap_or_else(|_| unreachable!("two modes"))
}

#[tokio::test]
async fn an_answer_comes_line_by_line_with_what_it_cost() {
    let body = [hello(), value(&serde_json::json!("é\n"))].concat();
    let parts: Vec<Vec<u8>> = body.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    let reply = Reply::Answer {
        parts,
        pause: Duration::ZERO,
        end: End::Complete,
        log: REPORT.to_owned(),
    };
    for (got, calls) in both(&reply).await {
        assert_eq!(got.ended.outcome, Ok(()));
        assert_eq!(got.lines.concat() + "\n", body.replacen('\n', "", 1));
        let report = got.ended.report;
        assert_eq!((report.calls, calls), (1, 1));
        assert_eq!(
            (report.billed_ms, report.memory_mb, report.init_ms),
            (Some(113), Some(128), Some(100))
        );
        assert_eq!(report.bytes, body.len() as u64);
    }
}

#[tokio::test]
async fn an_answer_that_came_as_one_string_is_its_lines() {
    let lines = [hello(), value(&serde_json::json!("é\n"))];
    let string = serde_json::to_string(&lines.concat()).expect("a string");
    let server = CallServer::start(move |_, _| Reply::lines(std::slice::from_ref(&string)));
    let caller = Caller {
        mode: Mode::Buffered,
        ..Caller::new(&server.endpoint())
    };
    let got = caller.ask(&run(None)).await;
    assert_eq!(got.ended.outcome, Ok(()));
    assert_eq!(got.lines, lines.map(|line| line.trim_end().to_owned()));
}

#[tokio::test]
async fn a_function_is_told_what_can_come_back_at_once() {
    for (mode, expected) in [
        (Mode::Streaming, serde_json::Value::Null),
        (Mode::Buffered, MOST_AT_ONCE.into()),
    ] {
        let server = CallServer::start(|_, _| Reply::lines(&[hello()]));
        let caller = Caller {
            mode,
            ..Caller::new(&server.endpoint())
        };
        let ask = run(None);
        caller.ask(&ask).await;
        let payload = &server.calls()[0].payload;
        let sent: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        assert_eq!(sent["answer_bytes"], expected, "{mode:?}");
        assert_eq!(serde_json::from_slice::<Ask>(payload).ok(), Some(ask));
    }
}

#[tokio::test]
async fn lines_come_while_the_function_works() {
    let reply = Reply::Answer {
        parts: vec![hello().into_bytes()],
        pause: Duration::ZERO,
        end: End::Silence,
        log: String::new(),
    };
    let server = CallServer::start(move |_, _| reply.clone());
    let caller = Caller::new(&server.endpoint());
    let functions = Functions::new(&caller.connection, Arc::<MemoryStore>::default());
    let (sender, mut heard) = mpsc::channel(4);
    let ask = run(None);
    let call = Call {
        function: "f",
        ask: &ask,
        mode: Mode::Streaming,
        longest: LONGEST,
    };
    tokio::select! {
        ended = functions.call(call, &sender, &|_| {}) => panic!("{ended:?}"),
        line = heard.recv() => assert_eq!(line.as_deref(), Some(hello().trim_end())),
    }
}

#[tokio::test]
async fn a_question_that_is_too_large_goes_through_the_store() {
    let server = CallServer::start(|_, _| Reply::lines(&[hello()]));
    let caller = Caller::new(&server.endpoint());
    let mut ask = run(None);
    if let Ask::Run(request) = &mut ask {
        request.script.source = "#".repeat(MOST_SENT);
    }
    let got = caller.ask(&ask).await;
    assert_eq!(got.ended.outcome, Ok(()));
    assert_eq!(got.ended.report.puts, 1);
    let sent: Ask = serde_json::from_slice(&server.calls()[0].payload).expect("a question");
    let Ask::Stored { sha256 } = sent else {
        panic!("it is sent by name")
    };
    let kept = caller.store.get(&catalog::request(&sha256), None).await;
    let kept = kept.expect("a store").expect("it is there");
    assert_eq!(serde_json::from_slice::<Ask>(&kept).ok(), Some(ask));
}

#[tokio::test]
async fn a_frame_that_is_too_large_comes_from_the_store() {
    let line = value(&serde_json::json!("large"));
    let sha256 = Sha256::of(&line);
    let reference = Frame::Stored {
        sha256,
        size: line.len() as u64,
    };
    let body = vec![hello(), reference.to_line()];
    let server = CallServer::start(move |_, _| Reply::lines(&body));
    let caller = Caller::new(&server.endpoint());
    let lost = caller.ask(&run(None)).await;
    assert_eq!(lost.fault().code, Code::STORE_UNREADABLE);
    let key = catalog::reply(&sha256);
    caller
        .store
        .put(&key, line.clone().into())
        .await
        .expect("a store");
    let found = caller.ask(&run(None)).await;
    assert_eq!(found.ended.outcome, Ok(()));
    assert_eq!(found.ended.report.gets, 1);
    assert_eq!(found.lines[1], line.trim_end());
}

#[tokio::test]
async fn what_nobody_waits_for_is_only_handed_in() {
    let server = CallServer::start(|_, _| Reply::lines(&[]));
    let caller = Caller::new(&server.endpoint());
    let functions = Functions::new(&caller.connection, Arc::<MemoryStore>::default());
    assert_eq!(functions.send("f", &Ask::Describe).await, Ok(()));
    let calls = server.calls();
    assert_eq!(calls[0].headers["x-amz-invocation-type"], "Event");
    assert!(!calls[0].streamed);
}

fn silence_of(ask: &Ask, longest: Duration) -> Duration {
    let call = Call {
        function: "f",
        ask,
        mode: Mode::Streaming,
        longest,
    };
    silence(call, MARGIN)
}

#[test]
fn no_call_waits_longer_than_its_function_may_work() {
    let minute = Duration::from_mins(1);
    assert_eq!(silence_of(&run(None), LONGEST), LONGEST + MARGIN);
    assert_eq!(silence_of(&run(None), LONGEST * 4), LONGEST + MARGIN);
    assert_eq!(
        silence_of(&run(Some(1_000)), LONGEST),
        Duration::from_secs(1) + BEFORE_A_RUN + MARGIN
    );
    assert_eq!(silence_of(&run(Some(1_000)), minute), minute + MARGIN);
    assert_eq!(silence_of(&run(Some(u64::MAX)), minute), minute + MARGIN);
}
