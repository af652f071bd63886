//! The streams of a run to frames.
//!
//! In: stdout, stderr, and the worker's own lines. Out: `log`, `yield` and `phase` frames, in the
//! order in which they came, and the worker's last word. Never: reads on while the receiver of
//! the frames is full, so a flood waits in the writer; loses a frame when a step is cancelled;
//! passes on a yield before what was printed before it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::time::Duration;

use pyrun_core::protocol::{Frame, PhaseCost, Stream};
use pyrun_core::{Event, Phase};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::unix::OwnedReadHalf;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lines::{Lines, Piece};
use super::said::{self, Garbage, Last, Said};
use super::warden::Streams;

/// How long an open line waits for its end: prompts and progress bars have none.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long a stream that is still held by somebody may be silent once the run is over.
const SILENCE: Duration = Duration::from_millis(200);

/// What a worker's line may hold beside a result: a fault with its traceback.
const SLACK: u64 = 1 << 20;

/// What a pipe can hold at most, in bytes, unless an administrator has raised the bound.
const PIPE: usize = 1 << 20;

/// The receiver of the frames is gone.
#[derive(Debug)]
pub(super) struct NobodyListens;

/// What the worker said last: nothing, an outcome, or nonsense.
pub(super) type LastWord = Result<Option<Last>, Garbage>;

/// Everything that is read from a run.
pub(super) struct Pump<'a> {
    frames: &'a mpsc::Sender<Frame>,
    began: Instant,
    stdout: Output<ChildStdout>,
    stderr: Output<ChildStderr>,
    wire: Wire,
    pending: VecDeque<Frame>,
    phases: Phases,
}

/// One of the user's streams.
struct Output<R> {
    reader: Option<R>,
    /// The same pipe, to be read without waiting for the reactor to say that it is ready.
    direct: Option<File>,
    chunk: Box<[u8]>,
    lines: Lines,
    opened: Option<Instant>,
    stream: Stream,
}

/// The worker's own lines.
struct Wire {
    reader: Option<OwnedReadHalf>,
    chunk: Box<[u8]>,
    line: Vec<u8>,
    longest: usize,
    last: LastWord,
}

/// The phases so far, and the one that is on.
struct Phases {
    done: Vec<PhaseCost>,
    current: Option<(Phase, Instant)>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        frames: &'a mpsc::Sender<Frame>,
        began: Instant,
        streams: Streams,
        answers: OwnedReadHalf,
        result_bytes: u64,
    ) -> Self {
        let mut pump = Self {
            frames,
            began,
            stdout: Output::new(streams.stdout, Stream::Stdout),
            stderr: Output::new(streams.stderr, Stream::Stderr),
            wire: Wire {
                reader: Some(answers),
                chunk: chunk(),
                line: Vec::new(),
                longest: usize::try_from(result_bytes.saturating_add(SLACK)).unwrap_or(usize::MAX),
                last: Ok(None),
            },
            pending: VecDeque::new(),
            phases: Phases {
                done: Vec::new(),
                current: None,
            },
        };
        pump.begin(Phase::Start, began);
        pump
    }

    /// Whether there is nothing left to read or to send.
    pub(super) fn ended(&self) -> bool {
        self.pending.is_empty()
            && self.stdout.reader.is_none()
            && self.stderr.reader.is_none()
            && self.wire.reader.is_none()
    }

    /// Sends one frame, or reads once. Cancelling it loses nothing.
    pub(super) async fn step(&mut self) -> Result<(), NobodyListens> {
        if !self.pending.is_empty() {
            let permit = self.frames.reserve().await.map_err(|_| NobodyListens)?;
            if let Some(frame) = self.pending.pop_front() {
                permit.send(frame);
            }
            return Ok(());
        }
        let flush_at = [self.stdout.opened, self.stderr.opened]
            .into_iter()
            .flatten()
            .min()
            .map(|opened| opened + PATIENCE);
        let began = self.began;
        tokio::select! {
            biased;
            count = self.stdout.read(), if self.stdout.reader.is_some() => {
                self.stdout.take(count, began, &mut self.pending);
            }
            count = self.stderr.read(), if self.stderr.reader.is_some() => {
                self.stderr.take(count, began, &mut self.pending);
            }
            count = self.wire.read(), if self.wire.reader.is_some() => {
                // What was printed before a word stands in its pipe before the word stands in the
                // wire, but the reactor may see the wire first.
                self.stdout.catch_up(began, &mut self.pending);
                self.stderr.catch_up(began, &mut self.pending);
                self.hear(count);
            }
            () = tokio::time::sleep_until(flush_at.unwrap_or(began)), if flush_at.is_some() => {
                let now = Instant::now();
                self.stdout.flush(now, began, &mut self.pending);
                self.stderr.flush(now, began, &mut self.pending);
            }
            else => {}
        }
        Ok(())
    }

    /// Stops reading and sending.
    pub(super) fn abandon(&mut self) {
        self.pending.clear();
        self.stdout.close();
        self.stderr.close();
        self.wire.reader = None;
    }

    /// Reads what is left after the run's end. A stream that somebody outside of the run still
    /// holds open is left after a short silence.
    pub(super) async fn drain(&mut self) {
        while !self.ended() {
            // While the receiver is slow there is nothing to be impatient about.
            let patience = if self.pending.is_empty() {
                SILENCE
            } else {
                Duration::MAX
            };
            match tokio::time::timeout(patience, self.step()).await {
                Ok(Ok(())) => {}
                Ok(Err(NobodyListens)) => self.abandon(),
                Err(_) => {
                    let began = self.began;
                    self.stdout.take(0, began, &mut self.pending);
                    self.stderr.take(0, began, &mut self.pending);
                    self.wire.reader = None;
                }
            }
        }
    }

    /// Ends the phase that is on. What each phase took, and the worker's last word.
    pub(super) async fn finish(mut self) -> (Vec<PhaseCost>, LastWord) {
        self.end_phase(Instant::now());
        for frame in std::mem::take(&mut self.pending) {
            if self.frames.send(frame).await.is_err() {
                break;
            }
        }
        (self.phases.done, self.wire.last)
    }

    fn begin(&mut self, phase: Phase, now: Instant) {
        self.phases.current = Some((phase, now));
        self.pending
            .push_back(Frame::Phase(Event::Started { phase }));
    }

    fn end_phase(&mut self, now: Instant) {
        let Some((phase, since)) = self.phases.current.take() else {
            return;
        };
        let micros = micros(now - since);
        self.phases.done.push(PhaseCost {
            phase,
            micros,
            bytes: 0,
        });
        self.pending.push_back(Frame::Phase(Event::Finished {
            phase,
            micros,
            bytes: 0,
            items: 0,
        }));
    }

    /// Takes in what was read from the wire.
    fn hear(&mut self, count: usize) {
        if count == 0 {
            self.wire.reader = None;
            return;
        }
        let mut start = 0;
        while let Some(length) = self.wire.chunk[start..count]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let end = start + length;
            self.wire
                .line
                .extend_from_slice(&self.wire.chunk[start..end]);
            let line = std::mem::take(&mut self.wire.line);
            self.understand(&line);
            start = end + 1;
        }
        self.wire
            .line
            .extend_from_slice(&self.wire.chunk[start..count]);
        if self.wire.line.len() > self.wire.longest {
            self.refuse(Garbage::Long(self.wire.longest));
        }
    }

    fn understand(&mut self, line: &[u8]) {
        if self.wire.reader.is_none() {
            return;
        }
        let now = Instant::now();
        match said::parse(line) {
            Ok(_) if matches!(self.wire.last, Ok(Some(_))) => self.refuse(Garbage::Twice),
            // In one order, each once: a report holds no more phases than there are.
            Ok(Said::Phase(phase))
                if self
                    .phases
                    .current
                    .is_none_or(|(current, _)| current >= phase) =>
            {
                self.refuse(Garbage::Order(phase.as_str()));
            }
            Ok(Said::Phase(phase)) => {
                self.end_phase(now);
                self.begin(phase, now);
            }
            Ok(Said::Yield(value)) => {
                // An open line was printed before it, too.
                self.stdout.let_go(self.began, &mut self.pending);
                self.stderr.let_go(self.began, &mut self.pending);
                self.pending.push_back(Frame::Yield { value });
            }
            Ok(Said::Last(last)) => {
                self.end_phase(now);
                self.wire.last = Ok(Some(last));
            }
            Ok(Said::Unfit(fault)) => {
                self.end_phase(now);
                self.hang_up(Ok(Some(Last::Fault(fault))));
            }
            Err(garbage) => self.refuse(garbage),
        }
    }

    fn refuse(&mut self, garbage: Garbage) {
        self.hang_up(Err(garbage));
    }

    /// Listens no longer: the worker's writes fail from here on.
    fn hang_up(&mut self, last: LastWord) {
        self.wire.last = last;
        self.wire.reader = None;
        self.wire.line = Vec::new();
    }
}

impl Wire {
    async fn read(&mut self) -> usize {
        read_some(self.reader.as_mut(), &mut self.chunk).await
    }
}

impl<R: AsyncRead + AsFd + Unpin> Output<R> {
    fn new(reader: Option<R>, stream: Stream) -> Self {
        // Without a descriptor to spare the order may be off by a moment, and that is all.
        let direct = reader
            .as_ref()
            .and_then(|reader| reader.as_fd().try_clone_to_owned().ok())
            .map(File::from);
        Self {
            reader,
            direct,
            chunk: chunk(),
            lines: Lines::default(),
            opened: None,
            stream,
        }
    }

    async fn read(&mut self) -> usize {
        read_some(self.reader.as_mut(), &mut self.chunk).await
    }

    /// Takes in what stands in the pipe by now, and does not wait for more. Bounded: a writer that
    /// never pauses would have no end.
    fn catch_up(&mut self, began: Instant, pending: &mut VecDeque<Frame>) {
        let mut taken = 0;
        while taken < PIPE
            && let Some(direct) = &mut self.direct
        {
            match direct.read(&mut self.chunk) {
                Ok(count) => {
                    self.take(count, began, pending);
                    taken += count;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // Nothing is there; any other error comes up where the stream is awaited.
                Err(_) => return,
            }
        }
    }

    /// Takes in what was read; 0 bytes are the stream's end.
    fn take(&mut self, count: usize, began: Instant, pending: &mut VecDeque<Frame>) {
        let (stream, at) = (self.stream, micros(began.elapsed()));
        if count == 0 {
            self.close();
            pending.extend(self.lines.finish().map(|piece| log(stream, at, piece)));
            return;
        }
        let before = pending.len();
        self.lines.push(&self.chunk[..count], |piece| {
            pending.push_back(log(stream, at, piece));
        });
        if !self.lines.is_open() {
            self.opened = None;
        } else if self.opened.is_none() || pending.len() > before {
            self.opened = Some(Instant::now());
        }
    }

    /// Lets an open line go once it has waited long enough.
    fn flush(&mut self, now: Instant, began: Instant, pending: &mut VecDeque<Frame>) {
        if self.opened.is_some_and(|opened| opened + PATIENCE <= now) {
            self.let_go(began, pending);
        }
    }

    /// Lets an open line go.
    fn let_go(&mut self, began: Instant, pending: &mut VecDeque<Frame>) {
        self.opened = None;
        let at = micros(began.elapsed());
        pending.extend(self.lines.flush().map(|piece| log(self.stream, at, piece)));
    }

    fn close(&mut self) {
        self.reader = None;
        self.direct = None;
        self.opened = None;
    }
}

fn chunk() -> Box<[u8]> {
    vec![0; 64 << 10].into_boxed_slice()
}

/// Reads once. An error is an end: the process at the far side is gone.
async fn read_some(reader: Option<&mut (impl AsyncRead + Unpin)>, chunk: &mut [u8]) -> usize {
    match reader {
        Some(reader) => reader.read(chunk).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

fn log(stream: Stream, micros: u64, piece: Piece) -> Frame {
    Frame::Log {
        stream,
        micros,
        text: piece.text,
        newline: piece.newline,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
