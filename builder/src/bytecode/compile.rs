//! A few interpreters that compile files as long as there are any.
//!
//! In: a path below site-packages and its source. Out: the content of its `.pyc`, or why it has
//! none. Never: runs the source; lets one file's fate touch another's: an interpreter that hangs
//! or dies is replaced.
//!
//! The `.pyc` is "unchecked hash-based" (PEP 552): Python takes it as it is, whatever the time of
//! the source beside it. Its bytes depend on the path, the source and the interpreter's version
//! alone, since [`marshal::normalise`] undoes what depends on the compiler's state.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::marshal::{self, Layout};

/// The program that each interpreter runs.
const PROGRAM: &str = include_str!("compile.py");
/// Bytes of the largest answer that is read.
const MAX_ANSWER: u32 = 512 << 20;
/// PEP 552: hash-based, and the source is not to be looked at.
const UNCHECKED_HASH: u32 = 0b01;

/// Why nothing can be compiled at all.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The interpreter does not start.
    #[error("`{}` does not start as a compiler", python.display())]
    Start {
        /// Its path.
        python: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is another interpreter than the one that the bytecode is for.
    #[error("`{}` writes bytecode {found}, not {expected}", python.display())]
    Magic {
        /// Its path.
        python: PathBuf,
        /// Its magic number.
        found: u16,
        /// The one that was asked for.
        expected: u16,
    },
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiled {
    /// The content of its `.pyc`.
    Bytecode(Vec<u8>),
    /// Why it has none: it is no Python of this version, or too large. It is so every time.
    Skipped(String),
    /// Why it has none this time, twice in a row: an interpreter was killed, or took too long.
    Failed(String),
}

/// Interpreters that compile. They start when there is work, and end with this value.
#[derive(Debug)]
pub struct Pool {
    python: PathBuf,
    magic: u16,
    layout: Layout,
    patience: Duration,
    program: String,
    permits: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Pool {
    /// How long a file may take before its interpreter is given up. The largest that people write takes some seconds.
    pub const PATIENCE: Duration = Duration::from_mins(1);

    /// Sources above this many bytes are skipped: they are data, and compiling takes a hundred
    /// times their size in memory.
    pub const MAX_SOURCE: u64 = 16 << 20;

    /// Up to `workers` interpreters of the magic number `magic`; `None` when that version's
    /// bytecode is not known.
    pub fn new(python: &Path, magic: u16, workers: usize, patience: Duration) -> Option<Self> {
        Some(Self {
            python: python.to_owned(),
            magic,
            layout: Layout::of(magic)?,
            patience,
            program: PROGRAM.to_owned(),
            permits: Semaphore::new(workers.max(1)),
            idle: Mutex::default(),
        })
    }

    /// How many files can be compiled at once.
    pub fn cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Compiles one file; waits for an interpreter that is free.
    pub async fn compile(&self, path: &str, source: Bytes) -> Result<Compiled, CompileError> {
        if source.len() as u64 > Self::MAX_SOURCE {
            return Ok(Compiled::Skipped("it is too large".to_owned()));
        }
        let answer = {
            // Never closed, so this is a permit.
            let _permit = self.permits.acquire().await;
            self.ask(path, &source).await?
        };
        let marshalled = match answer {
            Ok(Answer::Marshalled(bytes)) => bytes,
            Ok(Answer::Skipped(reason)) => return Ok(Compiled::Skipped(reason)),
            Err(failure) => return Ok(Compiled::Failed(failure.to_string())),
        };
        let (magic, layout) = (self.magic, self.layout);
        let assembling = tokio::task::spawn_blocking(move || assemble(&marshalled, magic, layout));
        let assembled = assembling.await;
        Ok(assembled.unwrap_or_else(|stopped| Compiled::Failed(stopped.to_string())))
    }

    /// Asks an interpreter that is free, or one more; and once more where that one fails, which
    /// says little about the file: the machine may have been short of memory, or of time.
    async fn ask(
        &self,
        path: &str,
        source: &[u8],
    ) -> Result<Result<Answer, Failure>, CompileError> {
        let idle = self.idle().pop();
        let first = match idle {
            Some(worker) => worker,
            None => self.start().await?,
        };
        if let Ok(answer) = self.ask_worker(first, path, source).await {
            return Ok(Ok(answer));
        }
        let second = self.start().await?;
        Ok(self.ask_worker(second, path, source).await)
    }

    /// Asks this interpreter, which is free again afterwards unless it failed.
    async fn ask_worker(
        &self,
        mut worker: Worker,
        path: &str,
        source: &[u8],
    ) -> Result<Answer, Failure> {
        let asking = timeout(self.patience, worker.ask(path, source));
        let answer = asking.await.map_err(|_| Failure::Slow(self.patience))?;
        let answer = answer.map_err(Failure::Died)?;
        self.idle().push(worker);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self) -> Result<Worker, CompileError> {
        let starting = timeout(self.patience, Worker::start(&self.python, &self.program));
        let started = starting.await.unwrap_or_else(|late| Err(late.into()));
        let (worker, found) = started.map_err(|source| CompileError::Start {
            python: self.python.clone(),
            source,
        })?;
        if found == self.magic {
            Ok(worker)
        } else {
            Err(CompileError::Magic {
                python: self.python.clone(),
                found,
                expected: self.magic,
            })
        }
    }
}

/// An interpreter that gave no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It ended, or said nonsense.
    #[error("the compiler died: {0}")]
    Died(#[source] io::Error),
    /// It took longer than it may.
    #[error("it takes over {} s", .0.as_secs())]
    Slow(Duration),
}

/// One interpreter. It is killed when this is dropped.
#[derive(Debug)]
struct Worker {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _child: Child,
}

/// What an interpreter says of a file.
enum Answer {
    /// The source's hash in eight bytes, then the marshalled code.
    Marshalled(Vec<u8>),
    /// Why there is none.
    Skipped(String),
}

impl Worker {
    /// Starts an interpreter that reads neither the environment nor any site-packages. Gives its
    /// magic number too.
    async fn start(python: &Path, program: &str) -> io::Result<(Self, u16)> {
        let mut command = Command::new(python);
        command
            .args(["-S", "-s", "-B", "-X", "utf8", "-c", program])
            .env_clear()
            // `-I` would ignore this one: the order of a set of names reaches 3.13's bytecode.
            .env("PYTHONHASHSEED", "0")
            .envs(loader_path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut worker = Self {
            stdin: child.stdin.take().expect("it is piped"),
            stdout: BufReader::new(child.stdout.take().expect("it is piped")),
            _child: child,
        };
        let magic = worker.stdout.read_u16_le().await?;
        Ok((worker, magic))
    }

    async fn ask(&mut self, path: &str, source: &[u8]) -> io::Result<Answer> {
        let length = |bytes: &[u8]| {
            u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
        };
        let mut head = Vec::with_capacity(path.len() + 8);
        head.extend(length(path.as_bytes())?.to_le_bytes());
        head.extend(path.as_bytes());
        head.extend(length(source)?.to_le_bytes());
        self.stdin.write_all(&head).await?;
        self.stdin.write_all(source).await?;
        self.stdin.flush().await?;

        let kind = self.stdout.read_u8().await?;
        let length = self.stdout.read_u32_le().await?;
        if length > MAX_ANSWER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut answer = Vec::new();
        let mut rest = (&mut self.stdout).take(u64::from(length));
        if rest.read_to_end(&mut answer).await? as u64 != u64::from(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match kind {
            b'c' => Ok(Answer::Marshalled(answer)),
            b's' => Ok(Answer::Skipped(
                String::from_utf8_lossy(&answer).into_owned(),
            )),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Where the system looks for shared libraries: an interpreter may not start without it.
pub(crate) fn loader_path() -> impl Iterator<Item = (&'static OsStr, std::ffi::OsString)> {
    ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"]
        .into_iter()
        .filter_map(|name| Some((OsStr::new(name), std::env::var_os(name)?)))
}

/// How every `.pyc` of this magic number begins: the number, then what PEP 552 calls flags.
pub(super) fn header(magic: u16) -> [u8; 8] {
    let [low, high] = magic.to_le_bytes();
    let [a, b, c, d] = UNCHECKED_HASH.to_le_bytes();
    [low, high, b'\r', b'\n', a, b, c, d]
}

/// The content of a `.pyc` (PEP 552) from what an interpreter said.
fn assemble(marshalled: &[u8], magic: u16, layout: Layout) -> Compiled {
    let Some((hash, stream)) = marshalled.split_at_checked(8) else {
        return Compiled::Skipped("the compiler said too little".to_owned());
    };
    let normal = match marshal::normalise(stream, layout) {
        Ok(normal) => normal,
        Err(error) => return Compiled::Skipped(format!("its bytecode is not known: {error}")),
    };
    let mut content = Vec::with_capacity(normal.len() + 16);
    content.extend(header(magic));
    content.extend(hash);
    content.extend(normal);
    Compiled::Bytecode(content)
}

#[cfg(test)]
mod tests;
