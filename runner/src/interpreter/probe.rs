//! Asks one interpreter what it is.
//!
//! In: a file. Out: an [`Answer`]. Never: waits longer than its limit; reads an endless answer;
//! lets the caller's `PYTHON*` variables or the current folder in (`-I`).

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pyrun_core::{Arch, Os, PythonVersion, Target};
use serde::{Deserialize, Serialize};

use super::Interpreter;

/// How long an interpreter may take to say what it is: a bare start takes some 10 ms.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes; a whole answer has some 300.
const LONGEST_ANSWER: u64 = 16 * 1024;
const SCRIPT: &str = include_str!("probe.py");

/// What an interpreter said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// pyrun can use it.
    Usable(Interpreter),
    /// It works, and pyrun can't use it.
    Unusable {
        /// Its version, if it said it.
        version: Option<String>,
        /// Why not.
        reason: String,
    },
    /// It did not answer as an interpreter does.
    Broken {
        /// What happened.
        reason: String,
    },
}

impl Answer {
    fn broken(reason: impl Into<String>) -> Self {
        Self::Broken {
            reason: reason.into(),
        }
    }

    fn unusable(version: Option<&str>, reason: impl Into<String>) -> Self {
        Self::Unusable {
            version: version.map(str::to_owned),
            reason: reason.into(),
        }
    }
}

/// Runs `path` once and reads its answer.
pub(super) fn ask(path: &Path, patience: Duration) -> Answer {
    let command = || {
        let mut command = Command::new(path);
        command
            .args(["-I", "-S", "-c", SCRIPT])
            // macOS's framework builds would take it for their own path.
            .env_remove("__PYVENV_LAUNCHER__");
        command
    };
    match answer_of(command, patience) {
        Ok(Output { stdout, stderr }) => read(&stdout, &stderr, path, patience),
        Err(Failure::Start(error)) => Answer::broken(format!("it does not start: {error}")),
        Err(Failure::Silent) => Answer::broken(format!(
            "it did not answer within {} s",
            patience.as_secs().max(1)
        )),
    }
}

struct Output {
    stdout: String,
    stderr: String,
}

enum Failure {
    Start(io::Error),
    Silent,
}

/// Runs a command until it has closed both outputs, then ends it: nothing is waited for that
/// comes after the answer.
fn answer_of(command: impl Fn() -> Command, patience: Duration) -> Result<Output, Failure> {
    let deadline = Instant::now() + patience;
    let mut child = spawn(command).map_err(Failure::Start)?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let read = |from: &mpsc::Receiver<String>| {
        from.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .map_err(|_| Failure::Silent)
    };
    let output = read(&stdout).and_then(|stdout| {
        let stderr = if stdout.ends_with("end\n") {
            String::new()
        } else {
            read(&stderr)?
        };
        Ok(Output { stdout, stderr })
    });
    // Killing what has ended, and waiting for what was killed, can't fail in a way that matters.
    let _ = child.kill();
    let _ = child.wait();
    output
}

fn spawn(command: impl Fn() -> Command) -> io::Result<Child> {
    let mut attempts = 0;
    loop {
        let child = command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match child {
            // Another thread's child may hold a fresh file open for writing until it executes.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempts < 20 => {
                attempts += 1;
                thread::sleep(Duration::from_millis(5));
            }
            child => return child,
        }
    }
}

/// Reads in a thread of its own, which outlives the caller if a grandchild keeps the pipe open.
fn drain(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error is judged as it is.
            let _ = pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes);
        }
        // The receiver is gone when its patience has run out.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn read(stdout: &str, stderr: &str, path: &Path, patience: Duration) -> Answer {
    let complete = stdout.strip_suffix("end\n");
    let Some(answer) = complete else {
        if stderr.contains("Unknown option: -I") {
            return Answer::unusable(Some("2"), "CPython 3.9 or newer is needed");
        }
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        return Answer::broken(match last {
            Some(line) => format!("it says `{}`", line.chars().take(200).collect::<String>()),
            None => "it does not answer as a Python interpreter does".to_owned(),
        });
    };
    let fields: BTreeMap<&str, &str> = answer
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    interpret(&fields, path, patience).unwrap_or_else(|answer| answer)
}

fn interpret(
    fields: &BTreeMap<&str, &str>,
    path: &Path,
    patience: Duration,
) -> Result<Answer, Answer> {
    let field = |name: &str| {
        fields
            .get(name)
            .copied()
            .ok_or_else(|| Answer::broken(format!("its answer lacks `{name}`")))
    };
    let version_text = field("version")?;
    let version: PythonVersion = version_text
        .parse()
        .map_err(|error| Answer::broken(format!("{error}")))?;
    let unusable = |reason: String| Answer::unusable(Some(version_text), reason);
    let implementation = field("implementation")?;
    if implementation != "cpython" {
        return Err(unusable(format!("it is `{implementation}`, not CPython")));
    }
    if version.minor() < (3, 9) {
        return Err(unusable("CPython 3.9 or newer is needed".to_owned()));
    }
    if field("bits")? != "64" {
        return Err(unusable("it is a 32-bit build".to_owned()));
    }
    let machine = field("machine")?;
    let arch = Arch::from_machine(machine)
        .ok_or_else(|| unusable(format!("pyrun does not know the processor `{machine}`")))?;
    let os = match field("platform")? {
        "linux" => linux(fields, patience),
        "darwin" => macos(),
        other => Err(format!("pyrun does not know the platform `{other}`")),
    }
    .map_err(unusable)?;
    let stated = PathBuf::from(field("executable")?);
    Ok(Answer::Usable(Interpreter {
        executable: if stated.is_absolute() && stated.is_file() {
            stated
        } else {
            path.to_owned()
        },
        target: Target {
            python: version,
            free_threaded: field("free-threaded")? == "1",
            os,
            arch,
        },
        magic: field("magic")?
            .parse()
            .map_err(|_| Answer::broken("its bytecode magic number is no number"))?,
        cache_tag: field("cache-tag")?.to_owned(),
    }))
}

fn linux(fields: &BTreeMap<&str, &str>, patience: Duration) -> Result<Os, String> {
    if let Some(libc) = fields.get("libc") {
        let (major, minor) = libc
            .strip_prefix("glibc ")
            .and_then(two_numbers)
            .ok_or_else(|| format!("its C library calls itself `{libc}`"))?;
        return Ok(Os::Glibc { major, minor });
    }
    let loader = fields
        .get("loader")
        .ok_or("it uses neither glibc nor musl")?;
    let said = answer_of(|| Command::new(loader), patience)
        .map_err(|_| format!("`{loader}` does not say its version"))?;
    let (major, minor) = said
        .stderr
        .lines()
        .find_map(|line| two_numbers(line.strip_prefix("Version ")?))
        .ok_or_else(|| format!("`{loader}` does not say its version"))?;
    Ok(Os::Musl { major, minor })
}

fn macos() -> Result<Os, String> {
    let path = "/System/Library/CoreServices/SystemVersion.plist";
    let (major, minor) = fs_err::read_to_string(path)
        .ok()
        .and_then(|plist| {
            let (_, after) = plist.split_once("<key>ProductVersion</key>")?;
            let (_, value) = after.split_once("<string>")?;
            two_numbers(value.split_once("</string>")?.0)
        })
        .ok_or_else(|| format!("`{path}` does not say which macOS this is"))?;
    Ok(Os::Macos { major, minor })
}

/// The first two numbers of `2.36`, `14.5.1` or `15`.
fn two_numbers(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    Some((major, minor))
}
