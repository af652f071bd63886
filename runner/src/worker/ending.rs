//! How a run ended, from all that is known of it.
//!
//! In: the worker's last word, the exit of its process, and why it was stopped, if it was. Out: the
//! last frame, and notes for the report. Never: takes a result from a run that was stopped.

use pyrun_core::protocol::{Entry, Frame, RunRequest};
use pyrun_core::{Code, Fault};
use serde_json::Value;

use super::pump::LastWord;
use super::said::Last;

/// The exit status of a worker that can't reach the wire any more (`pyrun_worker/__init__.py`).
const WIRE_LOST: i32 = 117;

/// The end of the worker's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    /// As wait(2) gives it; `None` if the warden itself was killed.
    pub(super) status: Option<i32>,
    /// The highest resident memory of a process of the run, in bytes.
    pub(super) peak_bytes: u64,
}

/// Why a run was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time was up.
    Timeout,
    /// The user, or whoever listens, wants it no longer.
    Interrupt,
    /// It held too much memory.
    Memory,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Code(i32),
    Signal(i32),
}

impl Exit {
    fn way(self) -> Way {
        let status = self.status.unwrap_or(libc::SIGKILL);
        if libc::WIFEXITED(status) {
            Way::Code(libc::WEXITSTATUS(status))
        } else {
            Way::Signal(libc::WTERMSIG(status))
        }
    }
}

/// The last frame, and what the report should mention.
pub(super) fn conclude(
    request: &RunRequest,
    said: LastWord,
    exit: Exit,
    stop: Option<Stop>,
) -> (Frame, Vec<String>) {
    let program = matches!(request.entry, Entry::Program { .. });
    if let Some(stop) = stop {
        return (Frame::Fault(stopped(request, &said, stop)), Vec::new());
    }
    let last = match said {
        Ok(last) => last,
        Err(garbage) => {
            let fault = Fault::from_error(Code::RUN_PROTOCOL, &garbage);
            let fault = Fault {
                message: "the worker said something that is no frame".to_owned(),
                causes: vec![fault.message],
                ..fault
            };
            let hint = "the code may have written to a descriptor that is not its own";
            return (Frame::Fault(fault.hint(hint)), Vec::new());
        }
    };
    if program {
        return (program_end(last, exit.way()), Vec::new());
    }
    let mut notes = Vec::new();
    let frame = match last {
        Some(last) => {
            if let Way::Signal(signal) = exit.way() {
                notes.push(format!(
                    "Python was killed by {} after the function had ended",
                    signal_name(signal)
                ));
            }
            match last {
                Last::Result(value) => Frame::Result { value },
                Last::Fault(fault) => Frame::Fault(fault),
            }
        }
        None => Frame::Fault(silent_end(exit)),
    };
    (frame, notes)
}

fn stopped(request: &RunRequest, said: &LastWord, stop: Stop) -> Fault {
    match stop {
        Stop::Timeout => {
            let limit = request.limits.timeout_ms.unwrap_or_default();
            let fault = Fault::new(
                Code::RUN_TIMEOUT,
                format!("the run took longer than its limit of {}", seconds(limit)),
            );
            if matches!(said, Ok(Some(_))) {
                fault
                    .cause("the function had ended, but its threads or exit handlers had not")
                    .hint("join or stop the threads that the function starts")
            } else {
                fault.hint("give it more time with `--timeout`")
            }
        }
        Stop::Interrupt => Fault::new(Code::RUN_INTERRUPTED, "the run was interrupted"),
        Stop::Memory => {
            let limit = request.limits.memory_bytes.unwrap_or_default();
            Fault::new(
                Code::RUN_MEMORY,
                format!(
                    "the run took more memory than its limit of {}",
                    bytes(limit)
                ),
            )
            .hint("give it more memory, or work on the data in parts")
        }
    }
}

/// A program's end is its exit status; what the worker said only explains it.
fn program_end(last: Option<Last>, way: Way) -> Frame {
    let status = match way {
        Way::Code(0) => return Frame::Result { value: Value::Null },
        Way::Code(code) => code,
        Way::Signal(signal) => 128 + signal,
    };
    let fault = match (last, way) {
        (Some(Last::Fault(fault)), _) => fault,
        (_, Way::Signal(signal)) => killed(signal),
        (_, Way::Code(code)) => Fault::new(
            Code::RUN_EXITED,
            format!("the program ended with status {code}"),
        ),
    };
    Frame::Fault(Fault {
        status: Some(status),
        ..fault
    })
}

/// A function's process that ended and had said nothing.
fn silent_end(exit: Exit) -> Fault {
    match exit.way() {
        Way::Signal(signal) => killed(signal),
        Way::Code(WIRE_LOST) => Fault::new(
            Code::RUN_EXITED,
            "the function's outcome is lost: its code closed the descriptor that results travel on",
        )
        .hint("close only descriptors that the code has opened itself"),
        Way::Code(code) => Fault::new(
            Code::RUN_EXITED,
            format!("Python ended with status {code} before the function did"),
        )
        .hint("`os._exit` ends the whole process: return from the function instead"),
    }
}

fn killed(signal: i32) -> Fault {
    let name = signal_name(signal);
    let fault = Fault::new(Code::RUN_KILLED, format!("the run was killed by {name}"));
    match signal {
        libc::SIGKILL => fault.hint("the machine may have run out of memory"),
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGABRT | libc::SIGFPE => {
            fault.hint("native code crashed: look for its package in the lines above")
        }
        _ => fault,
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

fn seconds(millis: u64) -> String {
    if millis.is_multiple_of(1000) {
        format!("{} s", millis / 1000)
    } else {
        format!("{millis} ms")
    }
}

fn bytes(count: u64) -> String {
    match count {
        _ if count >= 1 << 20 => format!("{} MiB", count >> 20),
        _ if count >= 1 << 10 => format!("{} KiB", count >> 10),
        _ => format!("{count} bytes"),
    }
}
