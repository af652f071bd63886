//! What every test of a run needs: an interpreter, a job, and all that came of it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pyrun_core::protocol::{Call, Entry, Frame, Limits, RunRequest, Script, Stream};
use pyrun_core::{Fault, Sha256};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::worker::{Folder, Job, Outcome, Output, Stdin, Worker};

/// The interpreter that tests run with: the newest on this machine that can be asked.
pub(super) fn python() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let output = std::process::Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .expect("the tests need a `python3`");
        let path = String::from_utf8(output.stdout).expect("a path");
        fs_err::canonicalize(path.trim()).expect("the interpreter exists")
    })
}

/// All interpreters of this machine that pyrun knows, newest last.
pub(super) fn pythons() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let versions = home.join(".pyenv/versions");
    let mut found: Vec<PathBuf> = fs_err::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let minor: u32 = name.to_str()?.split('.').nth(1)?.parse().ok()?;
            (minor >= 9 && name.to_str()?.starts_with("3.")).then_some(())?;
            fs_err::canonicalize(entry.path().join("bin/python3")).ok()
        })
        .collect();
    found.push(python().to_owned());
    found.sort();
    found.dedup();
    found
}

pub(super) fn worker() -> &'static Worker {
    static INSTALLED: OnceLock<(tempfile::TempDir, Worker)> = OnceLock::new();
    let (_, worker) = INSTALLED.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let worker = Worker::install(folder.path()).expect("installs");
        (folder, worker)
    });
    worker
}

/// A request that calls `f` of a script.
pub(super) fn call(source: &str, args: Vec<Value>) -> RunRequest {
    request(
        source,
        Entry::Function {
            name: "f".to_owned(),
            call: Call {
                args,
                ..Call::default()
            },
        },
    )
}

/// A request that runs a script as a program.
pub(super) fn program(source: &str, argv: &[&str]) -> RunRequest {
    request(
        source,
        Entry::Program {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        },
    )
}

fn request(source: &str, entry: Entry) -> RunRequest {
    RunRequest {
        protocol: pyrun_core::protocol::PROTOCOL,
        lock: Sha256::of("").to_string().parse().expect("a lock hash"),
        script: Script {
            path: "folder/script.py".to_owned(),
            source: source.to_owned(),
        },
        entry,
        limits: Limits {
            timeout_ms: Some(60_000),
            ..Limits::default()
        },
        env: std::collections::BTreeMap::new(),
    }
}

/// All that came of a run.
pub(super) struct Ran {
    pub(super) frames: Vec<Frame>,
    pub(super) outcome: Outcome,
}

impl Ran {
    /// The result, of a run that must have one.
    pub(super) fn result(&self) -> &Value {
        match &self.outcome.last {
            Frame::Result { value } => value,
            other => panic!(
                "a result is expected, not {other:?}; frames: {:?}",
                self.frames
            ),
        }
    }

    /// The fault, of a run that must have one.
    pub(super) fn fault(&self) -> &Fault {
        match &self.outcome.last {
            Frame::Fault(fault) => fault,
            other => panic!("a fault is expected, not {other:?}"),
        }
    }

    /// What was written to a stream.
    pub(super) fn written(&self, wanted: Stream) -> String {
        let mut written = String::new();
        for frame in &self.frames {
            if let Frame::Log {
                stream,
                text,
                newline,
                ..
            } = frame
                && *stream == wanted
            {
                written.push_str(text);
                if *newline {
                    written.push('\n');
                }
            }
        }
        written
    }

    pub(super) fn stdout(&self) -> String {
        self.written(Stream::Stdout)
    }

    pub(super) fn stderr(&self) -> String {
        self.written(Stream::Stderr)
    }

    /// The values that were yielded.
    pub(super) fn yields(&self) -> Vec<&Value> {
        self.frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Yield { value } => Some(value),
                _ => None,
            })
            .collect()
    }
}

/// Makes a run with an interpreter, in a fresh folder.
pub(super) async fn run_with(python: &Path, request: &RunRequest) -> Ran {
    run_in(python, request, None).await
}

/// A run of a script without requirements, which reads nothing and writes into frames.
pub(super) fn job_in<'a>(python: &'a Path, request: &'a RunRequest, folder: Folder<'a>) -> Job<'a> {
    Job {
        python,
        site: None,
        pth: false,
        request,
        folder,
        stdin: Stdin::Null,
        output: Output::Frames,
        import_from: None,
    }
}

/// Makes a run, in a fresh folder or in a given one.
pub(super) async fn run_in(python: &Path, request: &RunRequest, folder: Option<&Path>) -> Ran {
    let scratch = tempfile::tempdir().expect("a folder");
    let place = folder.map_or(Folder::Fresh(scratch.path()), Folder::At);
    let ran = run_job(&Job {
        import_from: folder,
        ..job_in(python, request, place)
    })
    .await;
    let left: Vec<_> = fs_err::read_dir(scratch.path()).expect("lists").collect();
    assert!(left.is_empty(), "the run left its folder: {left:?}");
    ran
}

/// Makes a run, and listens to it.
pub(super) async fn run_job(job: &Job<'_>) -> Ran {
    let (sender, mut receiver) = mpsc::channel(16);
    let (_keep, interrupt) = watch::channel(false);
    let collect = async {
        let mut frames = Vec::new();
        while let Some(frame) = receiver.recv().await {
            frames.push(frame);
        }
        frames
    };
    let run = async move { worker().run(job, &sender, interrupt).await };
    let (outcome, frames) = tokio::join!(run, collect);
    Ran { frames, outcome }
}

/// Makes a run with the usual interpreter, in a fresh folder.
pub(super) async fn run(request: &RunRequest) -> Ran {
    run_with(python(), request).await
}
