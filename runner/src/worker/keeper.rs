//! The forked half of the warden: between `fork` and the end of its life, with system calls alone.
//!
//! In: two descriptors. Out: the worker's exit on the control descriptor. Never: allocates, locks,
//! or returns into the program that it is a copy of.
//!
//! It adopts every orphan below it (`PR_SET_CHILD_SUBREAPER`), so that a daemon which has forked
//! twice and left its session is still its child, and it lives exactly as long as the run: when the
//! worker ends, or when the other end of the control socket is closed (the run was stopped, or the
//! process that wanted it was killed), it kills its children until there are none.
#![expect(
    unsafe_code,
    reason = "fork, sessions, signals and reaping have no safe form in std; what runs here may only \
              make system calls"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use libc::{c_int, pid_t};

/// The length of the message that tells the worker's exit.
pub(super) const MESSAGE: usize = 12;

/// Runs in the freshly forked child, before Python is executed: forks once more. The new process
/// returns, to become Python; this one stays between and never returns.
pub(super) fn stand_between(control: RawFd, wire: RawFd) -> io::Result<()> {
    // SAFETY: plain system calls on this process; `fork` is called in a process that has one
    // thread, being itself a fresh fork.
    unsafe {
        if libc::setsid() < 0 || libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let keeper = libc::getpid();
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => become_worker(keeper, wire),
            worker => keep(worker, control),
        }
    }
}

/// The process that Python will be executed in: its own session, gone with its keeper.
fn become_worker(keeper: pid_t, wire: RawFd) -> io::Result<()> {
    let no_core = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: plain system calls; `no_core` outlives the call that reads it.
    unsafe {
        if libc::setsid() < 0
            || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) != 0
            || libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) != 0
            || libc::fcntl(wire, libc::F_SETFD, 0) < 0
        {
            return Err(io::Error::last_os_error());
        }
        // The keeper may have died before the line above that would have told.
        if libc::getppid() != keeper {
            libc::_exit(1);
        }
    }
    Ok(())
}

/// The keeper's life.
fn keep(worker: pid_t, control: RawFd) -> ! {
    let control = leave_all_behind(control);
    let mut tally = Tally {
        worker,
        status: None,
        peak_kib: 0,
    };
    wait_for_end(&mut tally, control);
    kill_all(&mut tally);
    let mut message = [0u8; MESSAGE];
    message[..4].copy_from_slice(&tally.status.unwrap_or(libc::SIGKILL).to_le_bytes());
    message[4..].copy_from_slice(&tally.peak_kib.to_le_bytes());
    // SAFETY: the buffer is as long as is said; `_exit` ends this copy of the program without
    // running any of its exit handlers.
    unsafe {
        libc::send(
            control,
            message.as_ptr().cast(),
            MESSAGE,
            libc::MSG_NOSIGNAL,
        );
        libc::_exit(0)
    }
}

/// Closes every descriptor but the control socket, which becomes number 0: the user's pipes must
/// end when the user's processes end, and the parent waits for one that `exec` would have closed.
fn leave_all_behind(control: RawFd) -> RawFd {
    // SAFETY: plain system calls on descriptors; nothing in this process uses one of them again.
    unsafe {
        // The handlers that this copy has inherited belong to a runtime that is not here.
        let mut all = MaybeUninit::zeroed();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
        libc::dup2(control, 0);
        if libc::syscall(libc::SYS_close_range, 1, c_int::MAX, 0) != 0 {
            for fd in 1..65_536 {
                libc::close(fd);
            }
        }
        libc::chdir(c"/".as_ptr());
        libc::prctl(libc::PR_SET_NAME, c"pyrun-keeper".as_ptr(), 0, 0, 0);
    }
    0
}

/// What the keeper has learned from the processes that it has reaped.
struct Tally {
    worker: pid_t,
    status: Option<c_int>,
    peak_kib: u64,
}

impl Tally {
    /// Reaps all that have ended. False once there is no child left.
    fn reap(&mut self) -> bool {
        loop {
            let mut status = 0;
            let mut usage = MaybeUninit::<libc::rusage>::zeroed();
            // SAFETY: both out-pointers are valid for writing; a zeroed `rusage` is a valid value.
            let (child, usage) = unsafe {
                let child = libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
                (child, usage.assume_init())
            };
            if child <= 0 {
                return child == 0;
            }
            self.peak_kib = self
                .peak_kib
                .max(u64::try_from(usage.ru_maxrss).unwrap_or(0));
            if child == self.worker {
                self.status = Some(status);
            }
        }
    }
}

/// Passes signals on and reaps until the worker has ended, or nobody wants the run any more.
fn wait_for_end(tally: &mut Tally, control: RawFd) {
    // SAFETY: a plain system call. On a kernel without it the answer is -1, which `poll` skips.
    let ended = unsafe { libc::syscall(libc::SYS_pidfd_open, tally.worker, 0) };
    let ended = c_int::try_from(ended).unwrap_or(-1);
    // Without the descriptor the worker's end must be looked for; with it only orphans wait.
    let period = if ended < 0 { 5 } else { 1_000 };
    let watched = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        let mut fds = [watched(control), watched(ended)];
        // SAFETY: two entries, as is said.
        unsafe { libc::poll(fds.as_mut_ptr(), 2, period) };
        if fds[0].revents != 0 && !pass_signals(tally.worker, control) {
            return;
        }
        if !tally.reap() || tally.status.is_some() {
            return;
        }
    }
}

/// Sends each signal that was asked for to the worker's group. False at the end of input.
fn pass_signals(worker: pid_t, control: RawFd) -> bool {
    let mut signals = [0u8; 16];
    // SAFETY: the buffer is as long as is said; the worker is not reaped yet, so its id is its own.
    unsafe {
        let length = libc::recv(control, signals.as_mut_ptr().cast(), signals.len(), 0);
        let Ok(length) = usize::try_from(length) else {
            return io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        };
        for signal in &signals[..length] {
            libc::kill(-worker, c_int::from(*signal));
        }
        length > 0
    }
}

/// Kills and reaps until no child is left. What a killed process leaves behind is adopted, and
/// comes next. Bounded, since a process may hang inside the kernel.
fn kill_all(tally: &mut Tally) {
    for _ in 0..1_500 {
        if !tally.reap() {
            return;
        }
        if tally.status.is_none() {
            // SAFETY: a plain system call on a child that is not reaped yet.
            unsafe { libc::kill(-tally.worker, libc::SIGKILL) };
        }
        kill_children();
        // SAFETY: no descriptors: a pause of two milliseconds, cut short by nothing.
        unsafe { libc::poll(std::ptr::null_mut(), 0, 2) };
    }
}

/// Kills each direct child, by the kernel's own list.
fn kill_children() {
    // SAFETY: the path ends in a zero; the buffer is as long as is said; the ids are this
    // process's children, none of which is reaped while the list is read.
    unsafe {
        let list = libc::open(
            c"/proc/thread-self/children".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        );
        if list < 0 {
            return;
        }
        let mut buffer = [0u8; 4096];
        let mut id: pid_t = 0;
        loop {
            let length = libc::read(list, buffer.as_mut_ptr().cast(), buffer.len());
            let Ok(length @ 1..) = usize::try_from(length) else {
                break;
            };
            for byte in &buffer[..length] {
                if byte.is_ascii_digit() {
                    id = id.wrapping_mul(10).wrapping_add(pid_t::from(byte - b'0'));
                } else {
                    if id > 1 {
                        libc::kill(id, libc::SIGKILL);
                    }
                    id = 0;
                }
            }
        }
        if id > 1 {
            libc::kill(id, libc::SIGKILL);
        }
        libc::close(list);
    }
}
