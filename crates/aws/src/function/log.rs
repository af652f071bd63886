//! The function's own log: one line of JSON a call, on standard error.
//!
//! In: how a call went. Out: the line. Never: anything of the user's: no value, no text, no name
//! but those of the call and the bundle.

use std::io::Write as _;
use std::panic::PanicHookInfo;

use serde::Serialize;

/// How a call went.
#[derive(Debug, Default, Serialize)]
pub(super) struct Entry {
    /// AWS's name for the call.
    pub(super) request_id: String,
    /// What was asked.
    pub(super) ask: &'static str,
    /// The bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<String>,
    /// `ok`, or the fault's code.
    pub(super) outcome: String,
    /// Whether it was the first call of this process.
    pub(super) cold: bool,
    /// How long it took, in milliseconds.
    pub(super) ms: u64,
    /// Bytes of the answer.
    pub(super) bytes: u64,
    /// What the Runtime API said to the answer, unless it took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<u16>,
}

/// Writes a call's line.
pub(super) fn write(entry: &Entry) {
    line(&serde_json::json!({ "level": "info", "call": entry }));
}

/// Says why the program ends.
pub(super) fn end(message: &str) {
    line(&serde_json::json!({ "level": "error", "message": message }));
}

/// Panics become a line with their place. Their message may hold the user's values.
pub(super) fn note_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string);
        line(&serde_json::json!({ "level": "error", "panic": place }));
    }));
}

fn line(value: &serde_json::Value) {
    // In one write, so that no other process's output comes between. Where it can't be written
    // there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{value}\n").as_bytes());
}
