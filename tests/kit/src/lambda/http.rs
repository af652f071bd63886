//! Requests as both APIs read them: within bounds.
//!
//! In: a request. Out: its body, its headers as text.
//! Never: reads more of a request than its bound, but to throw it away.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::{Body as _, Frame, Incoming};

/// Bytes beyond a bound that are read for politeness, so that the client gets its answer
/// instead of a broken pipe.
const THROWN_AWAY: usize = 64 << 20;

/// The next frame of a body.
pub(super) async fn frame(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// Why a body could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It has more bytes than it may.
    TooLarge,
    /// It ended before its end.
    Broken,
}

/// A whole body of at most `limit` bytes.
pub(super) async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let mut bytes = BytesMut::new();
    while let Some(next) = frame(body).await {
        let next = next.map_err(|_| BodyError::Broken)?;
        let Ok(data) = next.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            throw_away(body).await;
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Reads on for a while.
pub(super) async fn throw_away(body: &mut Incoming) {
    let mut left = THROWN_AWAY;
    while let Some(Ok(next)) = frame(body).await {
        left = left.saturating_sub(next.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            break;
        }
    }
}

/// A header as text.
pub(super) fn header<'a>(request: &'a Request<Incoming>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
