//! The bytes of an answer to lines for whoever asked.
//!
//! In: chunks. Out: lines, those from the store in the place of their references. Never: passes on
//! what Lambda says in the function's stead.

use std::borrow::Cow;

use pyrun_core::Code;
use pyrun_core::Fault;
use pyrun_store::Store;
use tokio::sync::mpsc;

use super::error::{Failure, FunctionError};
use super::lines::{Lines, MOST_LINE};
use super::stored;

/// The lines of an answer that came at once. Lines are not one JSON value, and a server that wants
/// one makes a string of them; no frame begins as a string does.
pub(super) fn lines(answer: &[u8]) -> Cow<'_, [u8]> {
    let string = answer
        .starts_with(b"\"")
        .then(|| serde_json::from_slice::<String>(answer));
    match string {
        Some(Ok(lines)) => Cow::Owned(lines.into_bytes()),
        _ => Cow::Borrowed(answer),
    }
}

/// Reads one answer.
pub(super) struct Reader<'a> {
    store: &'a dyn Store,
    to: &'a mpsc::Sender<String>,
    lines: Lines,
    /// What Lambda said instead of the function.
    instead: Option<String>,
    /// Bytes so far.
    pub bytes: u64,
    /// Objects read from the store.
    pub gets: u64,
}

impl<'a> Reader<'a> {
    /// A reader that passes lines on.
    pub(super) fn new(store: &'a dyn Store, to: &'a mpsc::Sender<String>) -> Self {
        Self {
            store,
            to,
            lines: Lines::new(MOST_LINE),
            instead: None,
            bytes: 0,
            gets: 0,
        }
    }

    /// Takes a chunk in.
    pub(super) async fn take(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.bytes += chunk.len() as u64;
        for line in self.lines.push(chunk)? {
            self.pass_on(line).await?;
        }
        Ok(())
    }

    /// Ends the answer: what Lambda said instead of the function, if it did. Half a line is none
    /// unless the function ended well.
    pub(super) async fn finish(&mut self, ended_well: bool) -> Result<Option<String>, Failure> {
        if let Some(rest) = self.lines.finish()?
            && (ended_well || FunctionError::parse(&rest).is_some())
        {
            self.pass_on(rest).await?;
        }
        Ok(self.instead.take())
    }

    async fn pass_on(&mut self, line: String) -> Result<(), Failure> {
        if line.trim().is_empty() {
            return Ok(());
        }
        if FunctionError::parse(&line).is_some() {
            self.instead = Some(line);
            return Ok(());
        }
        let line = match stored::reference(&line) {
            Some((sha256, size)) => {
                self.gets += 1;
                stored::reply(self.store, &sha256, size)
                    .await
                    .map_err(Failure::from)?
            }
            None => line,
        };
        self.to.send(line).await.map_err(|_| {
            // Never seen: whoever closed the channel does not ask how the call ended.
            Failure::from(Fault::new(Code::RUN_INTERRUPTED, "nobody listens any more"))
        })
    }
}
