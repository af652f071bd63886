//! HTTP as both APIs need it: connections in, requests read within bounds, answers out.
//!
//! In: a listener and what to answer. Out: a task that serves until it is dropped.
//! Never: reads more of a request than its bound, but to throw it away.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answer::Answer;

/// Bytes beyond a bound that are read for politeness, so that the client gets its answer
/// instead of a broken pipe.
const THROWN_AWAY: usize = 64 << 20;

/// Serves connections; they end when the future is dropped. What `opened` makes of each lives as
/// long as it does. An error of `respond` closes the connection without an answer.
pub(super) async fn serve<Opened, Kept, Respond, Answering>(
    listener: TcpListener,
    opened: Opened,
    respond: Respond,
) where
    Opened: Fn() -> Kept,
    Kept: Send + 'static,
    Respond: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
    Answering: Future<Output = io::Result<Response<Answer>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        // That no connection can be had (too many files) is for the client to see.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        let respond = respond.clone();
        let kept = opened();
        connections.spawn(async move {
            let _kept = kept;
            // That the client went away is no event.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(respond))
                .await;
        });
    }
}

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
