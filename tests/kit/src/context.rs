//! The real binary, run in a clean place.
//!
//! In: files, settings and a command line. Out: what the process said, as it is or with all that
//! differs between machines and runs filtered out.
//! Never: lets the caller's environment or home reach the process; leaves files behind; waits
//! longer than its limit.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::index::IndexServer;
use crate::python;
use crate::snapshot;

/// A home, a cache, a store and a working folder for the binary, gone when this is dropped.
#[derive(Debug)]
pub struct TestContext {
    binary: PathBuf,
    root: TempDir,
    variables: BTreeMap<OsString, OsString>,
    limit: Duration,
}

/// What a process said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Standard error; what is not UTF-8 is replaced.
    pub stderr: String,
}

impl Output {
    /// Whether the exit status is 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {self:#?}"))
    }
}

impl TestContext {
    /// A clean place for `binary`, such as `env!("CARGO_BIN_EXE_pyrun")`.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let context = Self {
            binary: binary.into(),
            root: tempfile::tempdir().expect("the machine has room for a temporary folder"),
            variables: BTreeMap::new(),
            limit: Duration::from_mins(2),
        };
        for folder in [context.home(), context.work(), context.root().join("tmp")] {
            fs_err::create_dir_all(folder).expect("a temporary folder can be written to");
        }
        let home = context.home();
        let tmp = context.root().join("tmp");
        let cache = context.cache();
        let store = context.store();
        context
            .env("HOME", home)
            .env("TMPDIR", tmp)
            .env("PATH", path())
            .env("LC_ALL", "C.UTF-8")
            .env("PYRUN_CACHE_DIR", cache)
            .env("PYRUN_STORE", store)
    }

    /// Uses this index.
    #[must_use]
    pub fn index(self, index: &IndexServer) -> Self {
        self.env("PYRUN_INDEX_URL", index.url())
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.variables.remove(name.as_ref());
        self
    }

    /// How long a process may take; 120 seconds unless a test says otherwise.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The folder that holds all others.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// `PYRUN_CACHE_DIR`; the binary makes it.
    pub fn cache(&self) -> PathBuf {
        self.root().join("cache")
    }

    /// `PYRUN_STORE`; the binary makes it.
    pub fn store(&self) -> PathBuf {
        self.root().join("store")
    }

    /// The folder that the binary runs in.
    pub fn work(&self) -> PathBuf {
        self.root().join("work")
    }

    /// Writes a file of the working folder, and the folders above it.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        let folder = path.parent().expect("a file has a folder");
        fs_err::create_dir_all(folder).expect("a temporary folder can be written to");
        fs_err::write(&path, content).expect("a temporary folder can be written to");
        path
    }

    /// Reads a file of the working folder.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        fs_err::read_to_string(self.work().join(path)).expect("the file to read is there")
    }

    /// The command, not yet started: for tests that do more than wait for it.
    pub fn command(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Runs the binary.
    pub fn run(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Output {
        self.run_with_input(arguments, "")
    }

    /// Runs the binary with `input` on its standard input.
    pub fn run_with_input(
        &self,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
        input: impl AsRef<[u8]>,
    ) -> Output {
        let mut command = self.command(arguments);
        // Files, not pipes: no side waits for the other, and descendants that stay hold up nothing.
        let mut stdin = file();
        stdin.write_all(input.as_ref()).expect("the file is ours");
        stdin.rewind().expect("the file is ours");
        let (mut stdout, mut stderr) = (file(), file());
        let share = |file: &std::fs::File| file.try_clone().expect("the file is open");
        command
            .stdin(stdin)
            .stdout(share(&stdout))
            .stderr(share(&stderr));
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` starts: {error}", self.binary.display()));
        let status = wait(child, self.limit);
        let output = Output {
            status: status.and_then(|status| status.code()),
            stdout: text(&mut stdout),
            stderr: text(&mut stderr),
        };
        assert!(
            status.is_some(),
            "{command:?} did not end within {:?}: {output:#?}",
            self.limit
        );
        output
    }

    /// The output as a text that is the same on every machine and in every run.
    pub fn snapshot(&self, output: &Output) -> String {
        let status = output
            .status
            .map_or("signal".into(), |code| code.to_string());
        let stdout = self.filter(&output.stdout);
        let stderr = self.filter(&output.stderr);
        format!("exit: {status}\n----- stdout -----\n{stdout}\n----- stderr -----\n{stderr}")
    }

    /// A text without what differs between machines and runs.
    pub fn filter(&self, text: &str) -> String {
        let root = self.root();
        let real = fs_err::canonicalize(root).expect("the folder is there");
        let text = text.replace(&*real.to_string_lossy(), "[TMP]");
        snapshot::filter(&text.replace(&*root.to_string_lossy(), "[TMP]"))
    }
}

fn file() -> std::fs::File {
    tempfile::tempfile().expect("the machine has room for a temporary file")
}

fn text(file: &mut std::fs::File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("the file is ours");
    file.read_to_end(&mut bytes).expect("the file is ours");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The status of a process that ends within `limit`; one that does not is killed with its group.
fn wait(mut child: Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let group = format!("-{}", child.id());
    // Without a `kill` on this machine, the child alone is killed.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.kill();
    child.wait().expect("the child is ours");
    None
}

/// The folders with an interpreter in them, in the caller's order, then those of the system.
fn path() -> OsString {
    let has_python = |folder: &PathBuf| {
        let Ok(entries) = fs_err::read_dir(folder) else {
            return false;
        };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            name.to_str()
                .is_some_and(|name| name.starts_with("python3"))
        })
    };
    let mut folders: Vec<PathBuf> = python::folders();
    folders.retain(has_python);
    for folder in ["/usr/bin", "/bin"] {
        if !folders.iter().any(|known| known == Path::new(folder)) {
            folders.push(folder.into());
        }
    }
    std::env::join_paths(folders).expect("folders of a PATH can be joined")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> TestContext {
        TestContext::new("/bin/sh")
    }

    #[test]
    fn a_process_runs_in_its_own_place() {
        let context = shell().env("GREETING", "hello");
        context.write("deep/note.txt", "noted\n");
        let script = "cat deep/note.txt; cat; echo \"$GREETING $HOME\" >&2; exit 3";
        let output = context.run_with_input(["-c", script], "input\n");
        assert_eq!(output.status, Some(3));
        assert_eq!(output.stdout, "noted\ninput\n");
        assert_eq!(
            context.snapshot(&output),
            "exit: 3\n----- stdout -----\nnoted\ninput\n\n----- stderr -----\nhello [TMP]/home\n"
        );
    }

    #[test]
    fn the_callers_environment_stays_outside() {
        let output = shell().run(["-c", "env"]);
        let kept = [
            "HOME",
            "LC_ALL",
            "PATH",
            "PWD",
            "PYRUN_CACHE_DIR",
            "PYRUN_STORE",
            "SHLVL",
            "TMPDIR",
            "_",
            "OLDPWD",
        ];
        for line in output.stdout.lines() {
            let name = line.split('=').next().unwrap_or_default();
            assert!(kept.contains(&name), "{line}");
        }
    }

    #[test]
    fn an_interpreter_can_be_found() {
        let output = shell().run(["-c", "command -v python3"]);
        assert!(output.success(), "{output:?}");
    }

    #[test]
    fn an_index_is_passed_on() {
        let index = IndexServer::start(crate::Packages::new());
        let context = shell().index(&index);
        let output = context.run(["-c", "echo $PYRUN_INDEX_URL"]);
        assert_eq!(output.stdout, format!("{}\n", index.url()));
        assert_eq!(
            context.filter(&output.stdout),
            "http://127.0.0.1:[PORT]/simple\n"
        );
    }

    #[test]
    fn json_is_read_from_stdout() {
        let output = shell().run(["-c", "echo '[1]'; echo noise >&2"]);
        assert_eq!(output.json()[0], 1);
    }

    #[test]
    fn descendants_that_hold_the_output_hold_up_nothing() {
        let limit = Duration::from_secs(30);
        let output = shell().limit(limit).run(["-c", "sleep 60 & echo $!"]);
        let left = Command::new("kill").arg(output.stdout.trim()).status();
        assert!(left.expect("there is a `kill`").success());
    }

    #[test]
    #[should_panic(expected = "did not end within 50ms")]
    fn a_process_that_does_not_end_is_killed() {
        shell()
            .limit(Duration::from_millis(50))
            .run(["-c", "sleep 60"]);
    }
}
