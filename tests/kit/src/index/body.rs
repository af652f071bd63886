//! A body that is sent as a test wants it: in parts, with pauses, without an end.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

/// How a body is sent.
pub(super) struct Plan {
    /// The parts, none of them empty.
    pub parts: Box<dyn Iterator<Item = Bytes> + Send>,
    /// The time after each part.
    pub pause: Duration,
    /// Whether the connection breaks after the last part.
    pub breaks: bool,
    /// What `Content-Length` says; without it the body is chunked.
    pub length: Option<u64>,
}

impl Plan {
    /// All of it at once.
    pub(super) fn whole(body: Bytes) -> Self {
        Self {
            length: Some(body.len() as u64),
            parts: Box::new(Some(body).filter(|body| !body.is_empty()).into_iter()),
            pause: Duration::ZERO,
            breaks: false,
        }
    }

    /// Parts of `bytes` bytes with pauses between them.
    pub(super) fn drip(body: Bytes, bytes: usize, pause: Duration) -> Self {
        let length = Some(body.len() as u64);
        Self {
            parts: Box::new(parts(body, bytes.max(1))),
            pause,
            breaks: false,
            length,
        }
    }

    /// The first half, and then a broken connection.
    pub(super) fn truncated(body: &Bytes) -> Self {
        Self {
            length: Some(body.len() as u64),
            parts: Box::new(std::iter::once(body.slice(..body.len() / 2))),
            // The half is flushed before the connection breaks.
            pause: Duration::from_millis(20),
            breaks: true,
        }
    }

    /// Parts without a length.
    pub(super) fn chunked(parts: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self {
            parts: Box::new(parts),
            pause: Duration::ZERO,
            breaks: false,
            length: None,
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

fn parts(mut body: Bytes, bytes: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let part = body.split_to(bytes.min(body.len()));
        Some(part).filter(|part| !part.is_empty())
    })
}

/// A plan while it is carried out. `T` is told of each part, and dropped at the end.
pub(super) struct Sending<T> {
    plan: Plan,
    sleep: Option<Pin<Box<Sleep>>>,
    sent: T,
}

/// Counts what is sent.
pub(super) trait Sent: Unpin {
    /// `bytes` bytes go out.
    fn sent(&self, bytes: u64);
}

impl<T: Sent> Sending<T> {
    pub(super) fn new(plan: Plan, sent: T) -> Self {
        Self {
            plan,
            sleep: None,
            sent,
        }
    }
}

impl<T: Sent> Body for Sending<T> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(context));
            self.sleep = None;
        }
        let Some(part) = self.plan.parts.next() else {
            let broken = self
                .plan
                .breaks
                .then(|| Err(io::Error::other("cut off on purpose")));
            return Poll::Ready(broken);
        };
        self.sent.sent(part.len() as u64);
        if !self.plan.pause.is_zero() {
            self.sleep = Some(Box::pin(tokio::time::sleep(self.plan.pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.plan.length == Some(0)
    }
}
