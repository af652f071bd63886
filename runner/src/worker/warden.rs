//! The process that stands between this one and Python, seen from this side.
//!
//! In: a job and its folder. Out: the streams of the new Python, and its exit. Never: outlives the
//! run: dropping a [`Warden`] closes the control socket, on which it kills everything of the run.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::ending::Exit;
use super::{Job, Output, Stdin, keeper};

/// What Python is told to execute: its own package, which takes the place of the current folder
/// on `sys.path`, then the run.
const BOOT: &str = "import sys; sys.path[0] = sys.argv[2]; import pyrun_worker; \
                    pyrun_worker.main(int(sys.argv[1]))";

/// A run's keeper.
pub(super) struct Warden {
    child: Child,
    control: UnixStream,
    heard: [u8; keeper::MESSAGE],
    length: usize,
}

/// What the user's code writes.
pub(super) struct Streams {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Warden {
    /// Starts Python below a new warden.
    pub(super) fn start(
        home: &Path,
        job: &Job<'_>,
        folder: &Path,
        variables: Vec<(OsString, OsString)>,
    ) -> io::Result<(Self, Streams, UnixStream)> {
        let (control, theirs) = StdUnixStream::pair()?;
        let (wire, worker_wire) = StdUnixStream::pair()?;
        let worker_wire = out_of_the_way(&worker_wire)?;
        let mut command = Command::new(job.python);
        command
            .args(["-s", "-S", "-X", "utf8", "-X", "faulthandler", "-c", BOOT])
            .arg(worker_wire.as_raw_fd().to_string())
            .arg(home)
            .current_dir(folder)
            .env_clear()
            .envs(variables)
            .stdin(match job.stdin {
                Stdin::Null => Stdio::null(),
                Stdin::Inherit => Stdio::inherit(),
            })
            .stdout(stream(job.output))
            .stderr(stream(job.output));
        let fds = (theirs.as_raw_fd(), worker_wire.as_raw_fd());
        before_exec(&mut command, move || keeper::stand_between(fds.0, fds.1));
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok((
            Self {
                child,
                control: to_tokio(control)?,
                heard: [0; keeper::MESSAGE],
                length: 0,
            },
            Streams { stdout, stderr },
            to_tokio(wire)?,
        ))
    }

    /// The warden's process id: every process of the run is below it.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Sends a signal to the worker's process group.
    pub(super) fn signal(&self, signal: libc::c_int) {
        // A full or closed socket means that the warden is ending everything anyway.
        let _ = self.control.try_write(&[signal.to_le_bytes()[0]]);
    }

    /// Has everything killed, now.
    pub(super) async fn kill(&mut self) {
        let _ = self.control.shutdown().await;
    }

    /// Waits until the worker has ended and all that it left is killed. May be called anew after
    /// it was cancelled.
    pub(super) async fn exit(&mut self) -> Exit {
        while self.length < self.heard.len() {
            match self.control.read(&mut self.heard[self.length..]).await {
                Ok(0) | Err(_) => break,
                Ok(count) => self.length += count,
            }
        }
        let _ = self.child.wait().await;
        let (status, peak) = self.heard.split_at(4);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        Exit {
            status: (self.length == self.heard.len())
                .then(|| i32::try_from(number(status)).unwrap_or(libc::SIGKILL)),
            peak_bytes: number(peak).saturating_mul(1024),
        }
    }
}

fn stream(output: Output) -> Stdio {
    match output {
        Output::Frames => Stdio::piped(),
        Output::Inherit => Stdio::inherit(),
    }
}

fn to_tokio(stream: StdUnixStream) -> io::Result<UnixStream> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// The same socket under a high number, where code that closes or replaces low ones won't meet it.
#[expect(
    unsafe_code,
    reason = "std can duplicate a descriptor, but not choose its number"
)]
fn out_of_the_way(stream: &StdUnixStream) -> io::Result<OwnedFd> {
    // SAFETY: the call makes a new descriptor that nothing else owns.
    unsafe {
        let fd = libc::fcntl(stream.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 100);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

#[expect(
    unsafe_code,
    reason = "what runs between fork and exec is unsafe to name"
)]
fn before_exec(
    command: &mut Command,
    step: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the only caller passes `keeper::stand_between`, which makes system calls alone.
    unsafe {
        command.pre_exec(step);
    }
}
