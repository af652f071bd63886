//! The call of a deployed function, and its answer line by line.
//!
//! In: a question ([`Ask`]) and a function's name. Out: the lines of the answer as they come, then
//! what the call cost and how it ended. Never: asks a run twice once it may have begun; reads the
//! frames, but for those that stand for something in the store; waits for ever; has more
//! connections open than it may.
//!
//! A question over [`MOST_SENT`] goes through the store, and so does what a function could not send
//! back. The SDK's own retries are off: what may be repeated is decided here (`retry`).

mod answer;
mod client;
mod describe;
mod error;
mod lines;
mod log_tail;
pub mod price;
mod retry;
mod stored;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use pyrun_core::protocol::Ask;
use pyrun_core::{Event, Events, Fault};
use pyrun_store::Store;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use crate::account::Connection;
use answer::Reader;
use error::Failure;
use log_tail::Tail;
use retry::{Patience, Verdict};

pub use describe::{Described, greet};
pub use retry::PATIENCE;

/// The most that is sent in a call, in bytes; Lambda takes 6 MB, in base 10 or 2 as it likes.
pub const MOST_SENT: usize = 5_000_000;
/// The most that is sent in a call that nobody waits for, in bytes; Lambda takes 256 KB.
pub const MOST_SENT_ASIDE: usize = 200_000;
/// The most that comes back at once, in bytes; Lambda sends 6 MB.
pub const MOST_AT_ONCE: u64 = 6_000_000;
/// The longest that Lambda lets a function work.
pub const LONGEST: Duration = Duration::from_mins(15);
/// What a call may take on top of the function's own time: to begin, and to be heard.
const MARGIN: Duration = Duration::from_secs(30);
/// What comes before a run's own time begins: fetching and unpacking its bundle.
const BEFORE_A_RUN: Duration = Duration::from_mins(2);

/// How many calls are under way at once, each on a connection of its own; the others wait for
/// their turn. As many as `prewarm` needs at one moment, and half the open files that a process
/// usually has.
pub const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(512).expect("not 0");
/// How long the end of a stream may take after its last event. Whoever does not read it can't use
/// the connection again.
const END_OF_STREAM: Duration = Duration::from_secs(2);

/// Whether an answer comes as it is said, or at once at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// `InvokeWithResponseStream`.
    #[default]
    Streaming,
    /// `Invoke`: for accounts or endpoints that do not stream. An answer is at most 6 MB.
    Buffered,
}

impl Mode {
    /// The permission that a call needs.
    pub fn action(self) -> &'static str {
        match self {
            Self::Streaming => "lambda:InvokeWithResponseStream",
            Self::Buffered => "lambda:InvokeFunction",
        }
    }

    /// What an answer may have, in bytes, where it is less than a function can send.
    fn answer_bytes(self) -> Option<u64> {
        match self {
            Self::Streaming => None,
            Self::Buffered => Some(MOST_AT_ONCE),
        }
    }
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The function: a name, or an ARN.
    pub function: &'a str,
    /// The question.
    pub ask: &'a Ask,
    /// How the answer comes.
    pub mode: Mode,
    /// The function's own limit on one call.
    pub longest: Duration,
}

/// What a call cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallReport {
    /// How often a function was called: more than once where a call was repeated.
    pub calls: u64,
    /// Milliseconds that are billed, where the log says it.
    pub billed_ms: Option<u64>,
    /// The function's memory in MB (2^20 bytes), where the log says it.
    pub memory_mb: Option<u64>,
    /// The most memory that was used, in MB, where the log says it.
    pub peak_mb: Option<u64>,
    /// Milliseconds that the environment took to start, where it did.
    pub init_ms: Option<u64>,
    /// From the first call to the end of the answer.
    pub wall: Duration,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Objects that the caller wrote to the store.
    pub puts: u64,
    /// Objects that the caller read from the store.
    pub gets: u64,
}

/// How a call went.
#[derive(Debug)]
pub struct Ended {
    /// What it cost, however it ended.
    pub report: CallReport,
    /// Whether the answer came to its end.
    pub outcome: Result<(), Fault>,
}

/// The functions of an account, as they are called.
#[derive(Debug, Clone)]
pub struct Functions {
    client: Client,
    connection: Connection,
    store: Arc<dyn Store>,
    patience: Duration,
    margin: Duration,
    /// Shared by all copies, as the client's connections are.
    turns: Arc<Semaphore>,
}

impl Functions {
    /// Functions that share `store` with their caller. Nothing is called yet.
    pub fn new(connection: &Connection, store: Arc<dyn Store>) -> Self {
        Self {
            client: client::client(connection, CONNECTIONS),
            connection: connection.clone(),
            store,
            patience: PATIENCE,
            margin: MARGIN,
            turns: Arc::new(Semaphore::new(CONNECTIONS.get())),
        }
    }

    /// Has this many connections open at most, instead of [`CONNECTIONS`].
    #[must_use]
    pub fn with_connections(mut self, most: NonZeroUsize) -> Self {
        self.client = client::client(&self.connection, most);
        self.turns = Arc::new(Semaphore::new(most.get()));
        self
    }

    /// Waits this long in all, and no longer, when it is asked to slow down.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asks a function. `lines` gets the answer, each line without its end; `events` hears of
    /// waiting. A closed `lines` ends the call: what the function does goes on. A call whose
    /// `lines` nobody reads keeps its connection.
    pub async fn call(
        &self,
        call: Call<'_>,
        lines: &mpsc::Sender<String>,
        events: Events<'_>,
    ) -> Ended {
        let began = Instant::now();
        let mut report = CallReport::default();
        let outcome = self.attempts(call, lines, events, &mut report).await;
        report.wall = began.elapsed();
        Ended { report, outcome }
    }

    /// Asks a function to do something that nobody waits for.
    pub async fn send(&self, function: &str, ask: &Ask) -> Result<(), Fault> {
        let mut report = CallReport::default();
        let payload =
            stored::question(&*self.store, ask, MOST_SENT_ASIDE, None, &mut report).await?;
        let _turn = self.turn().await;
        let sent = self
            .client
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of(&error).into_fault(
                function,
                self.connection.region(),
                Mode::Buffered,
            )),
        }
    }

    async fn attempts(
        &self,
        call: Call<'_>,
        lines: &mpsc::Sender<String>,
        events: Events<'_>,
        report: &mut CallReport,
    ) -> Result<(), Fault> {
        let answer_bytes = call.mode.answer_bytes();
        let payload =
            stored::question(&*self.store, call.ask, MOST_SENT, answer_bytes, report).await?;
        let mut patience = Patience::new(self.patience, is_idempotent(call.ask));
        loop {
            report.calls += 1;
            let failure = match self.attempt(call, &payload, lines, report).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            // What was refused, or never sent, costs nothing.
            if matches!(failure, Failure::Refused(_) | Failure::NotSent(_)) {
                report.calls -= 1;
            }
            match patience.judge(&failure) {
                Verdict::Wait { pause, why } => {
                    if let Some(message) = why {
                        events(Event::Warning { message });
                    }
                    tokio::time::sleep(pause).await;
                }
                Verdict::GiveUp => {
                    return Err(failure.into_fault(
                        call.function,
                        self.connection.region(),
                        call.mode,
                    ));
                }
            }
        }
    }

    /// The right to a connection. Whoever pauses between two attempts has given it back.
    async fn turn(&self) -> SemaphorePermit<'_> {
        let turn = self.turns.acquire().await;
        turn.expect("nobody closes the semaphore")
    }

    async fn attempt(
        &self,
        call: Call<'_>,
        payload: &[u8],
        lines: &mpsc::Sender<String>,
        report: &mut CallReport,
    ) -> Result<(), Failure> {
        let _turn = self.turn().await;
        let mut reader = Reader::new(&*self.store, lines);
        let ended = match call.mode {
            Mode::Streaming => self.stream(call, payload, &mut reader).await,
            Mode::Buffered => self.at_once(call, payload, &mut reader).await,
        };
        report.bytes += reader.bytes;
        report.gets += reader.gets;
        let log = match &ended {
            Ok(tail) => tail.as_ref(),
            Err(Failure::Function { log, .. }) => log.as_ref(),
            Err(_) => None,
        };
        if let Some(tail) = log {
            report.billed_ms = add(report.billed_ms, tail.billed_ms);
            report.init_ms = add(report.init_ms, tail.init_ms);
            report.memory_mb = tail.memory_mb.or(report.memory_mb);
            report.peak_mb = tail.peak_mb.max(report.peak_mb);
        }
        ended.map(drop)
    }

    async fn stream(
        &self,
        call: Call<'_>,
        payload: &[u8],
        reader: &mut Reader<'_>,
    ) -> Result<Option<Tail>, Failure> {
        use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Part;

        let whole = tokio::time::Instant::now() + whole(call, self.margin);
        let silence = silence(call, self.margin);
        let sending = self
            .client
            .invoke_with_response_stream()
            .function_name(call.function)
            .log_type(LogType::Tail)
            .payload(Blob::new(payload))
            .send();
        let answer = within(whole, silence, sending).await?;
        let mut parts = answer.map_err(|error| Failure::of(&error))?.event_stream;
        loop {
            let part = within(whole, silence, parts.recv()).await?;
            match part.map_err(|error| Failure::cut(&error))? {
                Some(Part::PayloadChunk(chunk)) => {
                    if let Some(bytes) = chunk.payload() {
                        reader.take(bytes.as_ref()).await?;
                    }
                }
                Some(Part::InvokeComplete(end)) => {
                    let log = end.log_result().and_then(Tail::decode);
                    // Whatever comes now, the answer is whole.
                    let _ = tokio::time::timeout(END_OF_STREAM, parts.recv()).await;
                    let said = reader.finish(end.error_code().is_none()).await?;
                    return match (end.error_code(), said) {
                        (None, None) => Ok(log),
                        (code, said) => Err(Failure::function(
                            code,
                            end.error_details().or(said.as_deref()),
                            log,
                        )),
                    };
                }
                // An event of a newer service.
                Some(_) => {}
                None => return Err(Failure::Cut { cause: None }),
            }
        }
    }

    async fn at_once(
        &self,
        call: Call<'_>,
        payload: &[u8],
        reader: &mut Reader<'_>,
    ) -> Result<Option<Tail>, Failure> {
        let whole = whole(call, self.margin);
        let sending = self
            .client
            .invoke()
            .function_name(call.function)
            .log_type(LogType::Tail)
            .payload(Blob::new(payload))
            .send();
        let answer = within(tokio::time::Instant::now() + whole, whole, sending).await?;
        let answer = answer.map_err(|error| Failure::of(&error))?;
        let log = answer.log_result().and_then(Tail::decode);
        let bytes = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        if let Some(code) = answer.function_error() {
            let said = String::from_utf8_lossy(bytes);
            return Err(Failure::function(Some(code), Some(&said), log));
        }
        reader.take(&answer::lines(bytes)).await?;
        match reader.finish(true).await? {
            None => Ok(log),
            said => Err(Failure::function(None, said.as_deref(), log)),
        }
    }
}

/// Whether asking twice is as good as asking once.
fn is_idempotent(ask: &Ask) -> bool {
    match ask {
        Ask::Describe | Ask::Build(_) | Ask::Prepare(_) => true,
        Ask::Run(_) | Ask::Stored { .. } => false,
    }
}

/// How long a call may take in all.
fn whole(call: Call<'_>, margin: Duration) -> Duration {
    call.longest.min(LONGEST) + margin
}

/// How long a call may be silent: a run ends by itself after its own time.
fn silence(call: Call<'_>, margin: Duration) -> Duration {
    let own = match call.ask {
        Ask::Run(request) => request.limits.timeout_ms.map(Duration::from_millis),
        _ => None,
    };
    match own {
        Some(own) => own
            .saturating_add(BEFORE_A_RUN)
            .min(call.longest)
            .min(LONGEST)
            .saturating_add(margin),
        None => whole(call, margin),
    }
}

async fn within<T>(
    whole: tokio::time::Instant,
    silence: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let until = whole.min(tokio::time::Instant::now() + silence);
    tokio::time::timeout_at(until, work)
        .await
        .map_err(|_| Failure::Silent { waited: silence })
}

fn add(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
