//! Reading objects: in pieces, each whole or asked for again.
//!
//! In: a key and a range. Out: exactly these bytes of one object. Never: mixes two objects that
//! stood under one key; takes a body that was cut for a whole one.

use std::error::Error;
use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _};
use pyrun_core::Code;
use pyrun_store::{Key, Meta, Result, StoreError};

use super::S3Store;
use super::refusal::{Action, Answer};

/// Bytes of a piece: large enough to pay for its round trip.
pub(super) const PIECE: u64 = 8 << 20;
/// Pieces of one object that come at once.
const PARALLEL: usize = 8;
/// Bytes: what is larger can be read in ranges only.
const LARGEST_WHOLE: u64 = 4 << 30;
/// How often to begin anew with an object that is replaced while it is read.
const ROUNDS: u32 = 10;

/// A piece of an object.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    /// The object's size and time.
    pub(super) meta: Meta,
    /// Which object it is of those that stand under the key one after the other.
    version: Option<String>,
}

/// What comes of asking for a piece.
#[derive(Debug)]
pub(super) enum Found {
    /// As much of the range as there is.
    Piece(Piece),
    /// There is no object.
    Missing,
    /// The object ends before the range begins.
    PastEnd,
    /// It is not the version that was asked for.
    Replaced,
}

/// What comes of reading an object once.
enum Round {
    /// The bytes, or `None` without an object.
    Done(Option<Bytes>),
    /// The object was replaced on the way.
    Replaced,
}

/// One try of a piece.
enum Tried {
    Found(Found),
    /// The body did not come as it should, for this reason.
    Cut(String),
}

impl S3Store {
    pub(super) async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        if let Some(range) = &range
            && (range.is_empty() || range.start > i64::MAX as u64)
        {
            return self.nothing_of(key, range).await;
        }
        for _ in 0..ROUNDS {
            if let Round::Done(bytes) = self.read_once(key, range.as_ref()).await? {
                return Ok(bytes);
            }
        }
        let cause = "it is replaced faster than it can be read";
        let action = Action::Read;
        Err(self
            .location
            .broken(action, key, Code::STORE_UNREADABLE, cause))
    }

    /// A range without bytes, or one that no object reaches: only whether it is allowed is asked.
    async fn nothing_of(&self, key: &Key, range: &Range<u64>) -> Result<Option<Bytes>> {
        let Some(meta) = self.meta(key).await? else {
            return Ok(None);
        };
        if range.start == range.end && range.end <= meta.size {
            return Ok(Some(Bytes::new()));
        }
        Err(past_end(key, range, meta.size))
    }

    async fn read_once(&self, key: &Key, range: Option<&Range<u64>>) -> Result<Round> {
        let start = range.map_or(0, |range| range.start);
        let end = range.map(|range| range.end);
        let first = start..end.unwrap_or(u64::MAX).min(start + PIECE);
        let first = match self.piece(key, first, None).await? {
            Found::Piece(piece) => piece,
            Found::Missing => return Ok(Round::Done(None)),
            Found::Replaced => return Ok(Round::Replaced),
            Found::PastEnd => return self.past_end(key, range).await,
        };
        let size = first.meta.size;
        let end = end.unwrap_or(size);
        if let Some(range) = range
            && end > size
        {
            return Err(past_end(key, range, size));
        }
        let got = start + first.bytes.len() as u64;
        if got == end {
            return Ok(Round::Done(Some(first.bytes)));
        }
        self.rest(key, first, got..end, end - start).await
    }

    /// What the end of an object before the range means: an empty object has no first byte.
    async fn past_end(&self, key: &Key, range: Option<&Range<u64>>) -> Result<Round> {
        match (self.measure(key).await?, range) {
            (None, _) => Ok(Round::Done(None)),
            (Some(meta), Some(range)) if range.start >= meta.size => {
                Err(past_end(key, range, meta.size))
            }
            (Some(meta), None) if meta.size == 0 => Ok(Round::Done(Some(Bytes::new()))),
            _ => Ok(Round::Replaced),
        }
    }

    /// The pieces after the first, several at a time, and of the same object.
    async fn rest(&self, key: &Key, first: Piece, range: Range<u64>, length: u64) -> Result<Round> {
        let mut whole = self.room(key, length)?;
        whole.extend_from_slice(&first.bytes);
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let piece = at..range.end.min(at + PIECE);
            at = piece.end;
            pieces.push(self.piece(key, piece, first.version.as_deref()));
        }
        let mut pieces = stream::iter(pieces).buffered(PARALLEL);
        while let Some(found) = pieces.next().await {
            match found? {
                Found::Piece(piece)
                    if piece.version == first.version && piece.meta.size == first.meta.size =>
                {
                    whole.extend_from_slice(&piece.bytes);
                }
                _ => return Ok(Round::Replaced),
            }
        }
        Ok(Round::Done(Some(whole.into())))
    }

    /// Room for so many bytes, if they may be held at once.
    fn room(&self, key: &Key, length: u64) -> Result<Vec<u8>> {
        let mut room = Vec::new();
        let bytes = usize::try_from(length).ok();
        let bytes = bytes.filter(|_| length <= LARGEST_WHOLE);
        if bytes.is_some_and(|bytes| room.try_reserve_exact(bytes).is_ok()) {
            return Ok(room);
        }
        let cause = format!("{length} bytes are too many to be read at once");
        let (action, code) = (Action::Read, Code::STORE_UNREADABLE);
        Err(self.location.broken(action, key, code, cause))
    }

    /// Size and time. A `HEAD` would not say whether the object is missing or its bucket.
    pub(super) async fn meta(&self, key: &Key) -> Result<Option<Meta>> {
        match self.piece(key, 0..1, None).await? {
            Found::Piece(piece) => Ok(Some(piece.meta)),
            Found::PastEnd => self.measure(key).await,
            Found::Missing | Found::Replaced => Ok(None),
        }
    }

    /// Size and time of an object that may have no byte to read; its bucket is there.
    async fn measure(&self, key: &Key) -> Result<Option<Meta>> {
        let request = self.clients.read.head_object();
        let request = request
            .bucket(self.location.bucket())
            .key(self.location.object(key));
        match request.send().await {
            Ok(head) => Ok(Some(Meta {
                size: unsigned(head.content_length()),
                modified: seconds(head.last_modified()),
            })),
            Err(error) if Answer::of(&error) == Answer::Missing => Ok(None),
            Err(error) => Err(self.location.refused(Action::Read, key, &error)),
        }
    }

    /// As much of a range as there is, of the version that is named. The range is not empty, and
    /// not longer than [`PIECE`].
    pub(super) async fn piece(
        &self,
        key: &Key,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Found> {
        let _turn = self.turn(range.end - range.start).await;
        let mut attempt = 1;
        loop {
            match self.try_piece(key, &range, version).await? {
                Tried::Found(found) => return Ok(found),
                Tried::Cut(_) if attempt < self.patience.attempts => {
                    tokio::time::sleep(self.patience.pause_after(attempt)).await;
                    attempt += 1;
                }
                Tried::Cut(cause) => {
                    let (action, code) = (Action::Read, Code::REMOTE_UNREACHABLE);
                    return Err(self.location.broken(action, key, code, cause));
                }
            }
        }
    }

    async fn try_piece(
        &self,
        key: &Key,
        range: &Range<u64>,
        version: Option<&str>,
    ) -> Result<Tried> {
        let request = self.clients.read.get_object();
        let request = request
            .bucket(self.location.bucket())
            .key(self.location.object(key))
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_if_match(version.map(str::to_owned));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return Ok(Tried::Found(match Answer::of(&error) {
                    Answer::Missing => Found::Missing,
                    Answer::PastEnd => Found::PastEnd,
                    Answer::Unmet if version.is_some() => Found::Replaced,
                    _ => return Err(self.location.refused(Action::Read, key, &error)),
                }));
            }
        };
        let Some(size) = size_of(&answer, range) else {
            let cause = "the answer is another range than was asked for";
            let (action, code) = (Action::Read, Code::REMOTE_FAILED);
            return Err(self.location.broken(action, key, code, cause));
        };
        let meta = Meta {
            size,
            modified: seconds(answer.last_modified()),
        };
        let version = answer.e_tag().map(str::to_owned);
        let length = range.end.min(size) - range.start;
        Ok(match body(answer, length).await {
            Ok(bytes) => Tried::Found(Found::Piece(Piece {
                bytes,
                meta,
                version,
            })),
            Err(cause) => Tried::Cut(cause),
        })
    }
}

/// The size of an object whose answer is as much of `range` as there is.
fn size_of(answer: &GetObjectOutput, range: &Range<u64>) -> Option<u64> {
    let (start, end, size) = if let Some(text) = answer.content_range() {
        content_range(text)?
    } else {
        // A server may answer a range that is the whole object with the whole object.
        let size = u64::try_from(answer.content_length()?).ok()?;
        (0, size, size)
    };
    let fits = start == range.start && start < end && end == range.end.min(size);
    fits.then_some(size)
}

/// Start, end (exclusive) and size of `bytes 0-9/100`.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let last: u64 = last.parse().ok()?;
    Some((
        start.parse().ok()?,
        last.checked_add(1)?,
        size.parse().ok()?,
    ))
}

/// The body, if it has this length and comes to its end.
async fn body(answer: GetObjectOutput, length: u64) -> std::result::Result<Bytes, String> {
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let mut bytes = BytesMut::with_capacity(length);
    let mut body = answer.body;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| innermost(&error))?;
        if chunk.len() > length - bytes.len() {
            return Err("the answer has more bytes than it said".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() == length {
        Ok(bytes.freeze())
    } else {
        Err(format!("{} of {length} bytes came", bytes.len()))
    }
}

/// The last cause of an error, which says the most.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last();
    last.map_or_else(String::new, ToString::to_string)
}

fn past_end(key: &Key, range: &Range<u64>, size: u64) -> StoreError {
    StoreError::Range {
        key: key.clone(),
        size,
        start: range.start,
        end: range.end,
    }
}

/// What the SDK counts with a sign though it has none.
pub(super) fn unsigned(number: Option<i64>) -> u64 {
    number
        .and_then(|number| number.try_into().ok())
        .unwrap_or(0)
}

/// Seconds since 1970-01-01 UTC.
pub(super) fn seconds(time: Option<&DateTime>) -> u64 {
    unsigned(time.map(DateTime::secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read() {
        assert_eq!(content_range("bytes 0-9/100"), Some((0, 10, 100)));
        for wrong in [
            "bytes */100",
            "bytes 0-9/*",
            "0-9/100",
            "bytes 0-18446744073709551615/1",
            "bytes -1-9/100",
            "",
        ] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_answer_of_another_range_is_none() {
        let answer = |text: &str| GetObjectOutput::builder().content_range(text).build();
        assert_eq!(size_of(&answer("bytes 5-9/100"), &(5..10)), Some(100));
        assert_eq!(size_of(&answer("bytes 5-9/10"), &(5..20)), Some(10));
        assert_eq!(size_of(&answer("bytes 5-9/100"), &(5..20)), None);
        assert_eq!(size_of(&answer("bytes 4-9/100"), &(5..10)), None);
        assert_eq!(size_of(&answer("bytes 5-9/7"), &(5..10)), None);
        let whole = GetObjectOutput::builder().content_length(7).build();
        assert_eq!(size_of(&whole, &(0..10)), Some(7));
        assert_eq!(size_of(&whole, &(0..5)), None);
        assert_eq!(size_of(&whole, &(1..7)), None);
    }
}
