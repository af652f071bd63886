//! A Python process for one run, and the frames it speaks.
//!
//! In: a [`Job`] (interpreter, site folder, request). Out: frames as they come, then an [`Outcome`]
//! (the last frame and the report). Never: trusts what the process says; leaves a descendant of it
//! behind, whether the run ends, is stopped, is dropped, or this whole process is killed; holds
//! more than a few buffers of its output.
//!
//! A *warden* stands between this process and Python (`warden.rs`): it adopts every orphan of
//! the run and kills them all when the run is over.

mod ending;
mod environment;
mod files;
mod keeper;
mod lines;
mod memory;
mod pump;
mod said;
mod secrecy;
mod warden;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pyrun_core::protocol::{Call, Entry, Frame, Report, RunRequest, StartKind};
use pyrun_core::{Code, Fault};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use ending::{Exit, Stop};
use pump::Pump;
use warden::Warden;

pub use files::Worker;
pub use secrecy::undumpable;

/// A line that a worker may have written: for the fuzz targets, and for the tests that replay what
/// they found.
#[doc(hidden)]
pub fn strange_line(line: &[u8]) {
    // Garbage is an answer like any other.
    let _ = said::parse(line);
}

/// The size of a result's JSON, in bytes, where the request names no limit.
pub const RESULT_BYTES: u64 = 64 << 20;

/// How long a process may take to end once its time is over.
const GRACE: Duration = Duration::from_millis(500);

/// How long a process may take to end once the user wants it to: it may have much to put in order.
pub const INTERRUPT_GRACE: Duration = Duration::from_secs(10);

/// How often memory is looked at, where it is limited.
const MEMORY_PERIOD: Duration = Duration::from_millis(50);

/// A run that is to be made.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The interpreter itself, not a shim: an absolute path.
    pub python: &'a Path,
    /// The site-packages of the bundle; `None` for a script without requirements.
    pub site: Option<&'a Path>,
    /// Whether `site` holds `.pth` files, which must be read.
    pub pth: bool,
    /// What to run.
    pub request: &'a RunRequest,
    /// Where it runs.
    pub folder: Folder<'a>,
    /// What it reads.
    pub stdin: Stdin,
    /// Where it writes.
    pub output: Output,
    /// A folder that comes first on `sys.path`: a local program's own.
    pub import_from: Option<&'a Path>,
}

/// Where a run's working folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder<'a> {
    /// A fresh folder below this one: working folder, `HOME` and `TMPDIR` of the run, removed
    /// when it ends.
    Fresh(&'a Path),
    /// This folder, which is the user's, with the user's own `HOME` and `TMPDIR`.
    At(&'a Path),
}

/// Where a run's standard output and standard error go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Into `log` frames, line by line.
    Frames,
    /// To those of this process, byte by byte: a terminal stays one.
    Inherit,
}

/// What a run reads from its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    Null,
    /// What this process would read.
    Inherit,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// `result` or `fault`: to be sent once every frame before it is.
    pub last: Frame,
    /// What the run cost: its phases from the start of Python, and its peak memory.
    pub report: Report,
}

/// A worker that can't be put on disk or started.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The worker's own files can't be written.
    #[error("can't write the worker's files")]
    Install(#[source] std::io::Error),
    /// No working folder for the run.
    #[error("can't make a working folder for the run")]
    Folder(#[source] std::io::Error),
    /// A folder's name is no UTF-8: all else can be told to Python.
    #[error("can't tell Python where its folders are")]
    Order(#[source] serde_json::Error),
    /// The interpreter can't be executed.
    #[error("can't start Python at `{python}`")]
    Start {
        /// The interpreter.
        python: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<WorkerError> for Fault {
    fn from(error: WorkerError) -> Self {
        match &error {
            WorkerError::Install(_) => Fault::from_error(Code::STORE_UNWRITABLE, &error)
                .hint("name another folder with `--cache-dir`"),
            WorkerError::Folder(_) => Fault::from_error(Code::STORE_UNWRITABLE, &error)
                .hint("check that the folder for temporary files exists and has space left"),
            WorkerError::Order(_) => Fault::from_error(Code::CONFIG_INVALID, &error)
                .hint("use folders whose names are UTF-8 text"),
            WorkerError::Start { .. } => Fault::from_error(Code::PYTHON_BROKEN, &error)
                .hint("check the interpreter, or choose another with `--python-version`"),
        }
    }
}

/// What the Python side is told, once, as compact JSON.
#[derive(Serialize)]
struct Order<'a> {
    path: &'a str,
    source: &'a str,
    kind: &'static str,
    name: &'a str,
    args: &'a [serde_json::Value],
    kwargs: &'a BTreeMap<String, serde_json::Value>,
    tagged: bool,
    argv: &'a [String],
    site: Option<&'a Path>,
    pth: bool,
    script_dir: Option<&'a Path>,
    variables: &'a BTreeMap<String, String>,
    result_bytes: u64,
}

impl Worker {
    /// Makes the run: starts Python, passes on what it says, and sees to it that nothing of it
    /// is left. A `true` from `interrupt` stops it as Ctrl-C does, and leaves it
    /// [`INTERRUPT_GRACE`] to end; dropping the future, or the receiver of `frames`, kills it.
    pub async fn run(
        &self,
        job: &Job<'_>,
        frames: &mpsc::Sender<Frame>,
        interrupt: watch::Receiver<bool>,
    ) -> Outcome {
        let began = Instant::now();
        match self.try_run(job, frames, interrupt, began).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome {
                last: Frame::Fault(error.into()),
                report: Report {
                    micros: micros_since(began),
                    ..Report::default()
                },
            },
        }
    }

    async fn try_run(
        &self,
        job: &Job<'_>,
        frames: &mpsc::Sender<Frame>,
        mut interrupt: watch::Receiver<bool>,
        began: Instant,
    ) -> Result<Outcome, WorkerError> {
        let fresh = match job.folder {
            Folder::Fresh(parent) => Some(
                tempfile::Builder::new()
                    .prefix("run-")
                    .tempdir_in(parent)
                    .map_err(WorkerError::Folder)?,
            ),
            Folder::At(_) => None,
        };
        let folder = match (&fresh, job.folder) {
            (Some(fresh), _) => fresh.path(),
            (None, Folder::At(path) | Folder::Fresh(path)) => path,
        };
        let (variables, later) = environment::split(environment::of_run(
            std::env::vars_os(),
            fresh.as_ref().map(|_| folder),
            job.site,
            &job.request.env,
        ));
        let order = job.order(&later)?;
        let start = Warden::start(self.home(), job, folder, variables);
        let (mut warden, streams, wire) = start.map_err(|source| WorkerError::Start {
            python: job.python.to_owned(),
            source,
        })?;
        let (answers, mut orders) = wire.into_split();
        // The process may die before it has read all: what then comes is said by its exit.
        let mut tell = std::pin::pin!(async move {
            let _ = orders.write_all(&order).await;
            let _ = orders.shutdown().await;
        });
        let mut told = false;
        let mut pump = Pump::new(frames, began, streams, answers, job.result_bytes());
        let mut watch = Watch::new(&job.request.limits, began);
        let mut memory = std::pin::pin!(memory::exceeds(warden.id(), watch.memory));
        let exit: Exit = loop {
            tokio::select! {
                biased;
                exit = warden.exit() => break exit,
                () = until(watch.kill_at), if watch.kill_at.is_some() => {
                    watch.kill_at = None;
                    warden.kill().await;
                }
                () = until(watch.deadline), if watch.stop.is_none() && watch.deadline.is_some() => {
                    watch.ask(&warden, Stop::Timeout, libc::SIGTERM, GRACE);
                }
                () = interrupted(&mut interrupt), if watch.stop.is_none() => {
                    watch.ask(&warden, Stop::Interrupt, libc::SIGINT, INTERRUPT_GRACE);
                }
                () = &mut memory, if watch.stop.is_none() => {
                    watch.stop = Some(Stop::Memory);
                    warden.kill().await;
                }
                () = &mut tell, if !told => told = true,
                step = pump.step(), if !pump.ended() => {
                    if step.is_err() {
                        // Nobody listens any more.
                        watch.stop.get_or_insert(Stop::Interrupt);
                        pump.abandon();
                        warden.kill().await;
                    }
                }
            }
        };
        pump.drain().await;
        drop(warden);
        if let Some(fresh) = fresh {
            remove(fresh).await;
        }
        let (phases, said) = pump.finish().await;
        let (last, notes) = ending::conclude(job.request, said, exit, watch.stop);
        Ok(Outcome {
            last,
            report: Report {
                phases,
                micros: micros_since(began),
                peak_memory_bytes: exit.peak_bytes,
                start: StartKind::Fresh,
                cost: None,
                notes,
            },
        })
    }
}

impl Job<'_> {
    fn result_bytes(&self) -> u64 {
        self.request.limits.result_bytes.unwrap_or(RESULT_BYTES)
    }

    fn order(&self, variables: &BTreeMap<String, String>) -> Result<Vec<u8>, WorkerError> {
        static NO_CALL: Call = Call {
            args: Vec::new(),
            kwargs: BTreeMap::new(),
        };
        let (kind, name, call, words): (_, &str, _, &[String]) = match &self.request.entry {
            Entry::Function { name, call } => ("function", name, call, &[]),
            Entry::Program { argv } => ("program", "", &NO_CALL, argv),
        };
        serde_json::to_vec(&Order {
            path: &self.request.script.path,
            source: &self.request.script.source,
            kind,
            name,
            args: &call.args,
            kwargs: &call.kwargs,
            tagged: call.args.iter().chain(call.kwargs.values()).any(is_tagged),
            argv: words,
            site: self.site,
            pth: self.pth,
            script_dir: self.import_from,
            variables,
            result_bytes: self.result_bytes(),
        })
        .map_err(WorkerError::Order)
    }
}

fn is_tagged(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(is_tagged),
        serde_json::Value::Object(items) => {
            items.contains_key("$pyrun") || items.values().any(is_tagged)
        }
        _ => false,
    }
}

/// What may stop a run.
struct Watch {
    deadline: Option<Instant>,
    memory: Option<u64>,
    kill_at: Option<Instant>,
    stop: Option<Stop>,
}

impl Watch {
    fn new(limits: &pyrun_core::protocol::Limits, began: Instant) -> Self {
        Self {
            deadline: limits
                .timeout_ms
                .and_then(|limit| began.checked_add(Duration::from_millis(limit))),
            memory: limits.memory_bytes,
            kill_at: None,
            stop: None,
        }
    }

    /// Asks the run's process group to end, and gives it some time.
    fn ask(&mut self, warden: &Warden, stop: Stop, signal: libc::c_int, grace: Duration) {
        self.stop = Some(stop);
        self.kill_at = Some(Instant::now() + grace);
        warden.signal(signal);
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The fault of a run that was interrupted before Python started.
pub(crate) fn interruption() -> Fault {
    Fault::new(Code::RUN_INTERRUPTED, "the run was interrupted")
}

/// Comes when the caller says so, and never once it can't say so any more.
pub(crate) async fn interrupted(interrupt: &mut watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Removes a run's folder; away from the runtime's threads where it may hold many files.
async fn remove(folder: tempfile::TempDir) {
    if fs_err::remove_dir(folder.path()).is_ok() {
        // It was empty, and is gone: nothing is left for the guard to do.
        let _ = folder.keep();
        return;
    }
    let _ = tokio::task::spawn_blocking(move || drop(folder)).await;
}

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
