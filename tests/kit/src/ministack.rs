//! `MiniStack`, a server that speaks the APIs of AWS's control plane, on the loopback.
//!
//! In: nothing. Out: its address, once it answers. Never: listens beyond 127.0.0.1; outlives the
//! value that started it.
//!
//! It is made with `pip` once for all tests, in a virtual environment of its own under the user's
//! cache folder. `PYRUN_TEST_MINISTACK` names a program to start instead.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::python;

/// The version that tests are made for.
const VERSION: &str = "1.5.33";
/// How long it may take to answer.
const READY: Duration = Duration::from_mins(1);
/// How long it has to end by itself before it is killed.
const ENDING: Duration = Duration::from_secs(5);

/// A running `MiniStack` with an account of its own: nothing that one test makes is seen by another.
#[derive(Debug)]
pub struct MiniStack {
    server: Child,
    port: u16,
    folder: TempDir,
}

impl MiniStack {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        // A port that is free now may be taken a moment later: another one is chosen then.
        for _ in 0..5 {
            if let Some(started) = Self::try_start() {
                return started;
            }
        }
        panic!("ministack did not start");
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
        let port = free_port();
        let log = fs_err::File::create(folder.path().join("log")).expect("the folder is ours");
        let address = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(program());
        command
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("LAMBDA_EXECUTOR", "local")
            // Functions get the server's variables, and share the machine's `/tmp`.
            .env("PYRUN_CACHE_DIR", folder.path().join("functions"))
            // So that a function's own calls come back here.
            .env("AWS_ENDPOINT_URL", &address)
            .stdin(Stdio::null())
            .stdout(log.file().try_clone().expect("the file is open"))
            .stderr(log.into_parts().0)
            .process_group(0);
        let server = command.spawn().expect("ministack's program starts");
        let mut started = Self {
            server,
            port,
            folder,
        };
        let end = Instant::now() + READY;
        while Instant::now() < end {
            if started.server.try_wait().expect("it is ours").is_some() {
                return None;
            }
            if started.is_ready() {
                return Some(started);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("ministack does not answer: {}", started.log());
    }

    /// Its address, such as `http://127.0.0.1:4566`, for every service.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables that lead the AWS SDK there.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// What it said, to see why a test fails.
    pub fn log(&self) -> String {
        fs_err::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What it answers to a plain request, head and body.
    pub fn get(&self, path: &str) -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn is_ready(&self) -> bool {
        let answer = self.get("/_ministack/ready");
        answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        signal(&self.server, "TERM");
        let end = Instant::now() + ENDING;
        while Instant::now() < end && matches!(self.server.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Functions that it started are of its group and may still be there.
        signal(&self.server, "KILL");
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Signals the server and all that it started.
fn signal(server: &Child, name: &str) {
    let group = format!("-{}", server.id());
    let _ = Command::new("kill")
        .args([&format!("-{name}"), "--", &group])
        .stderr(Stdio::null())
        .status();
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    address.port()
}

/// The program, which is installed on first use.
fn program() -> PathBuf {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os("PYRUN_TEST_MINISTACK").map_or_else(installed, PathBuf::from)
    });
    FOUND.clone()
}

/// The program in the virtual environment of this version. Test binaries that start at once make it
/// once: whoever has the lock makes it, the others find it.
fn installed() -> PathBuf {
    let tools = cache().join("pyrun-ci");
    let folder = tools.join(format!("ministack-{VERSION}"));
    let program = folder.join("bin/ministack");
    fs_err::create_dir_all(&tools).expect("the cache folder can be written to");
    let lock = fs_err::File::create(tools.join("ministack.lock"))
        .expect("the cache folder can be written to");
    lock.file().lock().expect("a file can be locked");
    let complete = folder.join("complete");
    if !complete.exists() {
        let _ = fs_err::remove_dir_all(&folder);
        run(Command::new(python()).args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("ministack=={VERSION}"))
            .env_remove("PIP_FIND_LINKS"));
        fs_err::write(&complete, "").expect("the folder is ours");
    }
    program
}

fn cache() -> PathBuf {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    named.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("there is a home folder");
        Path::new(&home).join(".cache")
    })
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
