//! One call of a backend's hook, in a confined process (PEP 517).
//!
//! In: an interpreter, a folder with the source and its environment, a hook. Out: the hook's answer,
//! or how it failed and what it said last. Never: runs the backend where the network is open, unless
//! that was asked for; waits longer than the limit; lets a process of the build live on.
//!
//! What confines is `warden.py`; it speaks on stderr, which the backend's own process never gets.
//! The end of its stdin is its order to kill everything: it comes when the call is given up, and
//! when this process dies.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use super::error::Problem;
use super::folder::read_regular;
use super::output::Said;
use super::project::BuildSystem;
use crate::bytecode::compile::loader_path;

/// What stands between.
const WARDEN: &str = concat!(
    include_str!("confine.py"),
    "\n",
    include_str!("watch.py"),
    "\n",
    include_str!("warden.py")
);
/// What runs in the backend's process before the backend does.
const HOOK: &str = include_str!("hook.py");
/// Bytes of a hook's answer that are read.
const MAX_ANSWER: u64 = 4 << 20;
/// Bytes of what the warden says that are read.
const MAX_REPORT: u64 = 1 << 20;
/// How much longer than its limit a build is waited for: its warden needs some seconds to kill.
const GRACE: Duration = Duration::from_secs(30);
/// 1980-01-01, the first day that a zip archive can tell.
const EPOCH: &str = "315532800";

/// What a build may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Wall time of one hook.
    pub time: Duration,
    /// Processor time of one process.
    pub processor: Duration,
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of memory of all its processes together.
    pub memory: u64,
    /// Bytes on the disk of all that it has written, together with its source and what it needs.
    pub disk: u64,
    /// Processes, where they can be counted.
    pub processes: u32,
    /// Whether a build may go on where its network can't be shut off.
    pub open_network: bool,
    /// Layers of the confinement that a test leaves out.
    pub(crate) without: Vec<&'static str>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            time: Duration::from_mins(10),
            processor: Duration::from_hours(1),
            file: 4 << 30,
            memory: 8 << 30,
            disk: 16 << 30,
            processes: 1024,
            open_network: false,
            without: Vec::new(),
        }
    }
}

/// A hook of PEP 517.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hook {
    /// What the backend needs besides what the project says.
    Requires,
    /// The metadata alone.
    Metadata,
    /// The wheel; the metadata's folder, where it was made before.
    Wheel(Option<String>),
}

impl Hook {
    fn name(&self) -> &'static str {
        match self {
            Self::Requires => "get_requires_for_build_wheel",
            Self::Metadata => "prepare_metadata_for_build_wheel",
            Self::Wheel(_) => "build_wheel",
        }
    }
}

/// A hook's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The backend has no such hook.
    Missing,
    /// A list of texts.
    Texts(Vec<String>),
    /// The name of a file or folder.
    Name(String),
}

/// Which layers hold: `true`, or why not.
pub(super) type Layers = BTreeMap<String, Value>;

/// A place to call hooks in.
pub(super) struct Place<'a> {
    /// The interpreter that builds.
    pub(super) python: &'a Path,
    /// Holds `env`, `home`, `out`, `tmp` and the source.
    pub(super) root: &'a Path,
    /// The source's folder, relative to the root.
    pub(super) source: &'a str,
    pub(super) system: &'a BuildSystem,
    pub(super) bounds: &'a Bounds,
    /// Hears which layers hold, before the backend runs.
    pub(super) layers: &'a (dyn Fn(&Layers) + Send + Sync),
}

/// What the warden says.
#[derive(Debug, Default, Deserialize)]
struct Report {
    layers: Option<Layers>,
    ended: Option<String>,
    #[serde(default)]
    status: Option<i32>,
    broken: Option<String>,
}

/// All that it said.
#[derive(Debug, Default)]
struct Told {
    layers: Option<Layers>,
    ended: Option<(String, Option<i32>)>,
    broken: Option<String>,
}

impl Place<'_> {
    /// Calls a hook.
    pub(super) async fn call(&self, hook: &Hook) -> Result<Answer, Problem> {
        let result = self.root.join("result.json");
        // An answer of an earlier hook must not pass for this one's.
        let _ = fs_err::remove_file(&result);
        let (told, said) = self.run(hook).await?;
        self.judge(hook, told, said)?;
        let answer = read_regular(&result, MAX_ANSWER)
            .map_err(|_| self.odd(format!("leaves no answer of `{}`", hook.name())))?;
        self.understand(hook, &answer)
    }

    /// Runs the hook to its end.
    async fn run(&self, hook: &Hook) -> Result<(Told, Said), Problem> {
        let mut command = Command::new(self.python);
        command
            .args(["-I", "-S", "-X", "utf8", "-c", WARDEN])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(loader_path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // It ends with its stdin; this is for a warden that hangs.
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(Problem::Start)?;
        let mut stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let mut job = serde_json::to_vec(&self.job(hook)).expect("plain values are JSON");
        job.push(b'\n');
        let talk = async {
            let (sent, said, told) =
                tokio::join!(send(&mut stdin, &job), listen(stdout), self.hear(stderr));
            // A warden that could not be told anything has said why.
            drop(sent);
            let _ = child.wait().await;
            (told, said)
        };
        let limit = self.bounds.time + GRACE;
        timeout(limit, talk)
            .await
            .map_err(|_| Problem::Keeper("it does not end".to_owned()))
    }

    fn job(&self, hook: &Hook) -> impl Serialize {
        let metadata = match hook {
            Hook::Wheel(Some(folder)) => Some(folder.as_str()),
            _ => None,
        };
        json!({
            "root": self.root,
            "seconds": self.bounds.time.as_secs_f64(),
            "cpu_seconds": self.bounds.processor.as_secs(),
            "file_bytes": self.bounds.file,
            "memory_bytes": self.bounds.memory,
            "disk_bytes": self.bounds.disk,
            "home": std::env::home_dir(),
            "processes": self.bounds.processes,
            "may_have_network": self.bounds.open_network,
            "without": self.bounds.without,
            "variables": {
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "PYTHONHASHSEED": "0",
                "PYTHONNOUSERSITE": "1",
                // What goes to two streams comes in one order.
                "PYTHONUNBUFFERED": "1",
                "PYTHONUTF8": "1",
                "SOURCE_DATE_EPOCH": EPOCH,
            },
            "folders": { "HOME": "home", "TMPDIR": "tmp", "VIRTUAL_ENV": "env" },
            "program": HOOK,
            "task": {
                "source": self.source,
                "backend": self.system.backend,
                "backend_path": self.system.backend_path,
                "hook": hook.name(),
                "metadata": metadata,
            },
        })
    }

    /// Hears the warden out.
    async fn hear(&self, stderr: impl AsyncRead + Unpin) -> Told {
        let mut told = Told::default();
        let mut lines = BufReader::new(stderr.take(MAX_REPORT)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str::<Report>(&line) {
                Ok(report) => {
                    if let Some(layers) = report.layers {
                        (self.layers)(&layers);
                        told.layers = Some(layers);
                    }
                    told.broken = told.broken.or(report.broken);
                    let ended = report.ended.map(|ended| (ended, report.status));
                    told.ended = told.ended.or(ended);
                }
                // The last line of a traceback says what happened.
                Err(_) if told.ended.is_none() => told.broken = Some(line),
                Err(_) => {}
            }
        }
        told
    }

    /// Whether the hook's process did what it should.
    fn judge(&self, hook: &Hook, told: Told, said: Said) -> Result<(), Problem> {
        if let Some(broken) = told.broken {
            return Err(Problem::Keeper(broken));
        }
        let layers = told.layers.unwrap_or_default();
        if layers.get("network") != Some(&Value::Bool(true)) && !self.bounds.open_network {
            return Err(Problem::Network(lacking(&layers)));
        }
        let (how, status) = told
            .ended
            .ok_or_else(|| Problem::Keeper("it ended before the backend did".to_owned()))?;
        let (ending, setting) = match (how.as_str(), status) {
            ("itself", Some(0)) => return Ok(()),
            ("itself", Some(status)) => (ended_with(status), None),
            ("time", _) => {
                let seconds = self.bounds.time.as_secs();
                (format!("takes longer than {seconds} s"), Some("build-time"))
            }
            ("memory", _) => {
                let most = megabytes(self.bounds.memory);
                let ending = format!("takes more than {most} of memory");
                (ending, Some("build-memory"))
            }
            ("disk", _) => {
                let most = megabytes(self.bounds.disk);
                let ending = format!("takes more than {most} of disk");
                (ending, Some("build-disk"))
            }
            ("depth", _) => (
                "makes folders that are too deep to be looked into".to_owned(),
                None,
            ),
            _ => {
                return Err(Problem::Keeper(
                    "it ended before the backend did".to_owned(),
                ));
            }
        };
        Err(Problem::Backend {
            backend: self.system.backend.clone(),
            hook: hook.name(),
            ending,
            setting,
            said,
        })
    }

    fn odd(&self, problem: impl Into<String>) -> Problem {
        Problem::Answer {
            backend: self.system.backend.clone(),
            problem: problem.into(),
        }
    }

    fn understand(&self, hook: &Hook, answer: &[u8]) -> Result<Answer, Problem> {
        #[derive(Deserialize)]
        struct Read {
            #[serde(default)]
            missing: bool,
            #[serde(default)]
            answer: Value,
        }
        let wrong = || {
            self.odd(format!(
                "answers `{}` with something else than PEP 517 says",
                hook.name()
            ))
        };
        let read: Read = serde_json::from_slice(answer).map_err(|_| wrong())?;
        match (read.missing, hook, read.answer) {
            (true, Hook::Wheel(_), _) => Err(self.odd("has no `build_wheel`")),
            (true, ..) => Ok(Answer::Missing),
            (false, Hook::Requires, Value::Array(texts)) => {
                let texts = texts.into_iter().map(|text| match text {
                    Value::String(text) => Ok(text),
                    _ => Err(wrong()),
                });
                texts.collect::<Result<_, _>>().map(Answer::Texts)
            }
            (false, Hook::Metadata | Hook::Wheel(_), Value::String(name))
                if is_base_name(&name) =>
            {
                Ok(Answer::Name(name))
            }
            _ => Err(wrong()),
        }
    }
}

/// Layers that do not hold, in words; empty when all do.
pub(super) fn lacking(layers: &Layers) -> String {
    let lacking = layers.iter().filter_map(|(name, state)| {
        let why = state.as_str()?;
        let why: String = why.chars().filter(|c| !c.is_control()).take(120).collect();
        Some(format!("{name} ({why})"))
    });
    lacking.collect::<Vec<_>>().join(", ")
}

/// A bound, as settings spell it.
fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// A wait status in words.
fn ended_with(status: i32) -> String {
    match status & 0x7f {
        0 => format!("ends with status {}", status >> 8 & 0xff),
        24 => "is killed for its processor time".to_owned(),
        25 => "is killed for a file that is too large".to_owned(),
        9 => "is killed, as when the machine has no memory left".to_owned(),
        signal => format!("is killed by signal {signal}"),
    }
}

fn is_base_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 250
        && !name.contains(['/', '\\', '\0'])
        && !name.starts_with('.')
}

/// Sends the job; the pipe stays open, for its end is an order.
async fn send(stdin: &mut ChildStdin, job: &[u8]) -> io::Result<()> {
    stdin.write_all(job).await?;
    stdin.flush().await
}

/// Reads an output to its end and keeps the last of it.
async fn listen(mut output: impl AsyncRead + Unpin) -> Said {
    let mut said = Said::default();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = output.read(&mut buffer).await {
        said.add(&buffer[..count]);
    }
    said
}
