//! Deployed functions as far as a command sees them: an endpoint that answers as they would.

use pyrun_core::protocol::{Ask, Description, Entry, Frame, PROTOCOL, Report, RunRequest, Stream};
use pyrun_core::{Arch, LockHash, Os, Sha256, Target};
use pyrun_kit::calls::{CallLog, CallServer, End, Reply};
use pyrun_kit::{Output, TestContext};
use serde_json::Value;

use crate::support::PYRUN;

pub const SCRIPT: &str = "@requirements({'requests': ''})\ndef f(a):\n    return a\n";
pub const LOG: &str = "REPORT RequestId: 1\tDuration: 99.10 ms\tBilled Duration: 100 ms\tMemory Size: 1024 MB\tMax Memory Used: 50 MB\tInit Duration: 20.00 ms\t\n";

/// A remote, a machine without Python, and the functions that answer.
pub struct Cloud {
    pub server: CallServer,
    pub context: TestContext,
}

/// What the functions answer in place of what they usually do.
pub type Answering = dyn Fn(&Ask, usize) -> Option<Reply> + Send + Sync;

impl Cloud {
    pub fn new() -> Self {
        Self::with("", |_, _| None)
    }

    /// Functions that answer some questions in another way, and more lines for the settings.
    pub fn with(
        settings: &str,
        answering: impl Fn(&Ask, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let answering: Box<Answering> = Box::new(answering);
        let server = CallServer::start(move |call, number| {
            let ask = question(call);
            answering(&ask, number).unwrap_or_else(|| usual(&ask))
        });
        let context = TestContext::new(PYRUN)
            .env("PATH", "/nowhere")
            .env("AWS_ACCESS_KEY_ID", "AKIANOBODY")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        context.write("script.py", SCRIPT);
        let remote = format!(
            "[on.test]\nstore = \"s3://bucket/prefix\"\nendpoint-url = \"{}\"\n\
             builder = {{\"3.12\" = \"b312\", \"3.13\" = \"b313\"}}\nrunner = {{\"3.12\" = \"r312\", \"3.13\" = \"r313\"}}\n{settings}",
            server.endpoint()
        );
        context.write("pyrun.toml", remote);
        Self { server, context }
    }

    pub fn pyrun(&self, words: &[&str]) -> Output {
        self.context.run(words)
    }

    /// `pyrun run --on test … script.py -a 5`.
    pub fn run(&self, options: &[&str]) -> Output {
        let words = ["run", "--on", "test"].iter().chain(options);
        let words: Vec<&str> = words.copied().chain(["script.py", "-a", "5"]).collect();
        self.pyrun(&words)
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<String> {
        let kind = |call: &CallLog| {
            let ask = call.json()["ask"].as_str().unwrap_or_default().to_owned();
            format!("{ask} {}", call.function)
        };
        self.server.calls().iter().map(kind).collect()
    }

    /// The runs that were asked for.
    pub fn runs(&self) -> Vec<RunRequest> {
        let run = |call: &CallLog| match question(call) {
            Ask::Run(request) => Some(*request),
            _ => None,
        };
        self.server.calls().iter().filter_map(run).collect()
    }
}

pub fn question(call: &CallLog) -> Ask {
    serde_json::from_slice(&call.payload).expect("a question")
}

pub fn lock() -> LockHash {
    LockHash(Sha256::of("lock"))
}

pub fn hello(protocol: u32) -> String {
    Frame::Hello {
        protocol,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
    .to_line()
}

pub fn described(python: &str) -> Frame {
    Frame::Described(Description {
        target: Target {
            python: python.parse().expect("a version"),
            free_threaded: false,
            os: Os::Glibc {
                major: 2,
                minor: 34,
            },
            arch: Arch::X86_64,
        },
        memory_bytes: 1 << 30,
        disk_bytes: 1 << 30,
        timeout_ms: 300_000,
    })
}

pub fn answer(frames: &[Frame]) -> Reply {
    let mut lines = hello(PROTOCOL);
    lines.extend(frames.iter().map(Frame::to_line));
    Reply::answer(lines.into_bytes(), End::Complete, LOG)
}

pub fn built() -> Frame {
    Frame::Built {
        lock: lock(),
        pylock: "lock-version = \"1.0\"\n".to_owned(),
        record: None,
        remembered: false,
    }
}

pub fn usual(ask: &Ask) -> Reply {
    match ask {
        Ask::Describe => answer(&[described("3.13.2")]),
        Ask::Build(_) => answer(&[built()]),
        Ask::Run(request) => {
            let value = match &request.entry {
                Entry::Function { call, .. } => call.args.first().or(call.kwargs.get("a")).cloned(),
                Entry::Program { .. } => None,
            };
            answer(&[
                Frame::Log {
                    stream: Stream::Stdout,
                    micros: 0,
                    text: "printed".to_owned(),
                    newline: true,
                },
                Frame::Result {
                    value: value.unwrap_or(Value::Null),
                },
                Frame::Report(Report::default()),
            ])
        }
        _ => answer(&[Frame::Result { value: Value::Null }]),
    }
}
