//! What an environment writes: its processes' output, and Lambda's own lines between.
//!
//! In: a pipe that is the standard output and error of the processes, and lines. Out: the text,
//! and the last bytes of what a call wrote.
//! Never: keeps more than its bound; loses what was written before a call ended.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::unix::pipe::Receiver;

/// Bytes that an environment's log keeps.
const KEPT: usize = 64 << 10;
/// Bytes that a call's caller may see (API reference of Invoke, `LogType`).
const TAIL: usize = 4 << 10;
/// Reads at once at most: somebody may write without an end.
const READS: usize = 64;

/// The log of one environment.
#[derive(Debug, Default)]
pub(super) struct Log {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// How many bytes came before `bytes`.
    gone: usize,
    pipe: Option<Arc<Receiver>>,
}

impl State {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Twice the bound before it is cut: a move for each line would be slow.
        if self.bytes.len() > 2 * KEPT {
            let cut = self.bytes.len() - KEPT;
            self.bytes.drain(..cut);
            self.gone += cut;
        }
    }

    fn end(&self) -> usize {
        self.gone + self.bytes.len()
    }

    /// Takes what the pipe holds; whether more may come.
    fn drain(&mut self) -> bool {
        let Some(pipe) = self.pipe.clone() else {
            return false;
        };
        let mut buffer = [0; 8 << 10];
        for _ in 0..READS {
            match pipe.try_read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the output of a process from now on.
    pub(super) fn follow(self: &Arc<Self>, pipe: Receiver) {
        let pipe = Arc::new(pipe);
        self.state().pipe = Some(Arc::clone(&pipe));
        let log = Arc::clone(self);
        tokio::spawn(async move {
            while pipe.readable().await.is_ok() {
                let mut state = log.state();
                let ours = state.pipe.as_ref().is_some_and(|p| Arc::ptr_eq(p, &pipe));
                if !ours || !state.drain() {
                    break;
                }
            }
        });
    }

    /// Adds a line of Lambda's own, after all that the processes have written.
    pub(super) fn line(&self, text: &str) {
        let mut state = self.state();
        state.drain();
        if state.bytes.last().is_some_and(|byte| *byte != b'\n') {
            state.push(b"\n");
        }
        state.push(text.as_bytes());
        state.push(b"\n");
    }

    /// Where the log ends now.
    pub(super) fn mark(&self) -> usize {
        self.state().end()
    }

    /// The last 4 KB of what came after a mark.
    pub(super) fn tail(&self, mark: usize) -> Vec<u8> {
        let state = self.state();
        let from = mark.max(state.end().saturating_sub(TAIL)).max(state.gone);
        state.bytes[from - state.gone..].to_vec()
    }

    /// What is kept of the log.
    pub(super) fn text(&self) -> String {
        let mut state = self.state();
        state.drain();
        String::from_utf8_lossy(&state.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_at_its_mark_and_has_four_kilobytes_at_most() {
        let log = Log::default();
        log.line("before");
        let mark = log.mark();
        log.line("after");
        assert_eq!(log.tail(mark), b"after\n");
        for number in 0..100_000 {
            log.line(&format!("line {number}"));
        }
        let tail = String::from_utf8(log.tail(mark)).expect("text");
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with("line 99999\n"), "{tail}");
        assert!(log.text().len() <= 2 * KEPT);
    }
}
