//! The wire: one request as a JSON value, answered by newline-delimited JSON frames.
//!
//! A run's last frame but one is `result` or `fault`, its last one `report`; a build ends with
//! `built` or `fault`. Frames and fields of
//! a newer version are ignored, never refused. tests/wire holds a golden file for each message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Sha256;
use crate::event::{Event, Phase};
use crate::fault::Fault;
use crate::lock::LockHash;
use crate::manifest::BundleRecord;
use crate::request::Request;
use crate::target::Target;

/// The protocol's number; the first frame of an answer carries the answering side's.
pub const PROTOCOL: u32 = 1;

/// What a deployed function is asked: one of these is its whole payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Who it is. Both functions answer, with `described`.
    Describe,
    /// A builder's work.
    Build(Box<BuildRequest>),
    /// A runner's work.
    Run(Box<RunRequest>),
    /// That a runner has a bundle at hand.
    Prepare(PrepareRequest),
    /// The question itself is in the store, being too large to be sent.
    Stored {
        /// The digest of its bytes, which names it in the catalog's requests.
        sha256: Sha256,
    },
}

/// What a runner is asked to do ahead of a bundle's first run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareRequest {
    /// [`PROTOCOL`] of the asking side.
    pub protocol: u32,
    /// The bundle.
    pub lock: LockHash,
    /// How long the answer takes at least, in milliseconds: several questions that are held at
    /// once reach as many environments.
    #[serde(default)]
    pub hold_ms: u64,
}

/// What a deployed function is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// What bundles for it are built for.
    pub target: Target,
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// Bytes of its disk that bundles may take.
    pub disk_bytes: u64,
    /// How long one call may take, in milliseconds; 0 where it is not known.
    #[serde(default)]
    pub timeout_ms: u64,
}

/// What a builder is asked to do: make sure that the bundle of these requirements is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildRequest {
    /// [`PROTOCOL`] of the asking side.
    pub protocol: u32,
    /// The requirements, the target and how to resolve.
    pub request: Request,
    /// A lock to build as it is, in the text of its `pylock.toml`, instead of resolving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pylock: Option<String>,
    /// Whether a remembered lock will do.
    #[serde(default)]
    pub freshness: Freshness,
    /// Whether the bundle is wanted, or the lock alone.
    #[serde(default)]
    pub goal: Goal,
    /// Whether the bundle was found damaged: one that is published already is read whole and
    /// checked before it is the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubt: bool,
    /// What there is for the packages where they are to run: what can't fit there is not built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
}

/// What there is for a bundle's packages where they are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes of disk.
    pub disk_bytes: u64,
    /// Whether the store's wheels and bundles are to fit there as well.
    #[serde(default)]
    pub holds_store: bool,
}

/// Whether a remembered lock answers a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// It does; else the request is resolved.
    #[default]
    Remembered,
    /// It does not: resolve anew.
    Upgrade,
    /// It must: resolving is refused.
    Locked,
}

/// How far to build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// The lock alone.
    Lock,
    /// The bundle; its bytecode follows in its own time.
    #[default]
    Bundle,
    /// The bundle and its bytecode.
    Bytecode,
}

/// What a runner is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// [`PROTOCOL`] of the asking side.
    pub protocol: u32,
    /// Which bundle to run against.
    pub lock: LockHash,
    /// The script.
    pub script: Script,
    /// What of it to run.
    pub entry: Entry,
    /// What may be spent.
    #[serde(default)]
    pub limits: Limits,
    /// Variables for the run, on top of the runner's short allow-list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// A script as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The path that tracebacks show, as the user named it.
    pub path: String,
    /// The whole text.
    pub source: String,
}

/// What to run of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// Call a function with values.
    Function {
        /// Its name at the top level of the script.
        name: String,
        /// The call.
        #[serde(flatten)]
        call: Call,
    },
    /// Execute the file as `__main__`.
    Program {
        /// `sys.argv[1:]`.
        argv: Vec<String>,
    },
}

/// A call's arguments. A value that JSON has no word for is an object with the one key
/// `$pyrun`, as docs/VALUES.md says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Positional arguments.
    #[serde(default)]
    pub args: Vec<Value>,
    /// Keyword arguments.
    #[serde(default)]
    pub kwargs: BTreeMap<String, Value>,
}

/// What a run may spend; `None` is the runner's own limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Wall time from the start of Python, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Wall time from the request on, with all that comes before Python, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_ms: Option<u64>,
    /// Memory of the run's processes, in bytes.
    pub memory_bytes: Option<u64>,
    /// The result's size as JSON, in bytes.
    pub result_bytes: Option<u64>,
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Frame {
    /// The first frame: who answers.
    Hello {
        /// [`PROTOCOL`] of the answering side.
        protocol: u32,
        /// Its version.
        version: String,
    },
    /// What the answering side is, when it was asked.
    Described(Description),
    /// Something happened on the way.
    Phase(Event),
    /// A line that the user's code wrote.
    Log {
        /// Which stream.
        stream: Stream,
        /// Microseconds since the run began.
        micros: u64,
        /// The text; without its line end when `newline` is true.
        text: String,
        /// Whether a line end followed: a prompt or a cut line has none.
        #[serde(default = "yes")]
        newline: bool,
    },
    /// The requirements are locked, and as far as was asked for, built.
    Built {
        /// The bundle's name.
        lock: LockHash,
        /// The lock in full, as a `pylock.toml`.
        pylock: String,
        /// The bundle, unless the lock alone was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<Box<BundleRecord>>,
        /// Whether the lock was remembered rather than resolved.
        #[serde(default)]
        remembered: bool,
    },
    /// A value that a generator yielded.
    Yield {
        /// The value.
        value: Value,
    },
    /// The function's result.
    Result {
        /// The value.
        value: Value,
    },
    /// A frame that is too large to be sent: it is in the store, and stands in the answer here.
    Stored {
        /// The digest of its line, which names it in the catalog's replies.
        sha256: Sha256,
        /// Its size in bytes.
        size: u64,
    },
    /// What failed.
    Fault(Fault),
    /// What it cost; always last.
    Report(Report),
    /// A frame of a newer version.
    #[serde(other)]
    Other,
}

fn yes() -> bool {
    true
}

/// Which stream a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a run cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What each phase took.
    pub phases: Vec<PhaseCost>,
    /// From the request to the last frame, in microseconds.
    pub micros: u64,
    /// The highest resident memory of the run's processes, in bytes; 0 where it is not known.
    pub peak_memory_bytes: u64,
    /// Whether Python started fresh or was warm.
    pub start: StartKind,
    /// What it costs in money, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Notes for the user, such as a layer of the sandbox that could not be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a remote run costs, as far as the caller can tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Milliseconds that are billed.
    pub billed_ms: u64,
    /// The function's memory in MB (2^20 bytes), which is billed for that long.
    pub memory_mb: u64,
    /// GB-seconds: the product of the two.
    pub gb_seconds: f64,
    /// Calls of a function.
    pub requests: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// The estimate in US dollars, by the prices of `prices`.
    pub usd: f64,
    /// The date of the price table, such as `2026-11-01`.
    pub prices: String,
}

/// What a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseCost {
    /// Which.
    pub phase: Phase,
    /// Microseconds.
    pub micros: u64,
    /// Bytes it moved.
    #[serde(default)]
    pub bytes: u64,
}

/// How Python came to run the function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// Nothing ran: the run failed before Python started.
    #[default]
    None,
    /// The bundle had to be unpacked first.
    Cold,
    /// The bundle was on the machine; Python started fresh.
    Fresh,
    /// Something newer.
    #[serde(other)]
    Other,
}

impl Frame {
    /// The frame as one line of JSON, with its line end.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("frames are plain values");
        line.push('\n');
        line
    }

    /// A frame from one line.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}
