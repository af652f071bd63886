//! The body of an answer: whole, or an event stream while the function writes it.
//!
//! In: bytes, or the parts of a function's answer and how it ended. Out: what goes over the
//! connection. Never: holds more than one part of a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use super::StreamErrors;
use super::call::Completion;
use super::event_stream;

/// What was sent before a connection breaks is flushed in this time.
const FLUSH: Duration = Duration::from_millis(20);

/// A body.
#[derive(Debug)]
pub(super) struct Answer {
    source: Source,
    /// How many bytes may go out before the connection breaks.
    cut: Option<usize>,
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

/// A function's answer on its way.
#[derive(Debug)]
pub(super) struct Events {
    /// A part that is here already.
    pub first: Option<Bytes>,
    /// The other parts.
    pub data: mpsc::Receiver<Bytes>,
    /// How it ended.
    pub done: Option<oneshot::Receiver<Completion>>,
    /// Whether the log's tail is wanted.
    pub log: bool,
    /// Where a function's error is told.
    pub errors: StreamErrors,
    /// A message that is to follow.
    pub last: Option<Bytes>,
}

impl Events {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(last) = self.last.take() {
            return Poll::Ready(Some(last));
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(event_stream::payload_chunk(&first).into()));
        }
        if let Some(part) = ready!(self.data.poll_recv(context)) {
            return Poll::Ready(Some(event_stream::payload_chunk(&part).into()));
        }
        let Some(done) = &mut self.done else {
            return Poll::Ready(None);
        };
        // Only a server that stops drops the other end.
        let completion = ready!(Pin::new(done).poll(context)).ok();
        self.done = None;
        Poll::Ready(completion.map(|completion| self.end(completion)))
    }

    fn end(&mut self, completion: Completion) -> Bytes {
        let log = self.log.then(|| STANDARD.encode(&completion.tail));
        let log = log.as_deref();
        let Some(error) = completion.error else {
            return event_stream::invoke_complete(None, log).into();
        };
        match self.errors {
            StreamErrors::Details => {
                let details = String::from_utf8_lossy(&error.body);
                event_stream::invoke_complete(Some((&error.kind, Some(&details))), log).into()
            }
            StreamErrors::Payload => {
                let complete = event_stream::invoke_complete(Some(("Unhandled", None)), log);
                self.last = Some(complete.into());
                event_stream::payload_chunk(&error.body).into()
            }
        }
    }
}

impl Answer {
    /// All of it at once.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = Some(bytes.into()).filter(|bytes| !bytes.is_empty());
        Self::from(Source::Whole(bytes))
    }

    /// An event stream.
    pub(super) fn events(events: Events) -> Self {
        Self::from(Source::Events(Box::new(events)))
    }

    /// Lets the connection break after `bytes` bytes.
    pub(super) fn cut(mut self, bytes: Option<usize>) -> Self {
        self.cut = bytes;
        self
    }

    fn from(source: Source) -> Self {
        Self {
            source,
            cut: None,
            pause: None,
        }
    }

    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take()),
            Source::Events(events) => events.poll_message(context),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.cut == Some(0) {
            let pause = self
                .pause
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH)));
            ready!(pause.as_mut().poll(context));
            return Poll::Ready(Some(Err(io::Error::other("cut off on purpose"))));
        }
        let Some(mut part) = ready!(self.poll_part(context)) else {
            return Poll::Ready(None);
        };
        if let Some(left) = &mut self.cut {
            part.truncate(*left);
            *left -= part.len();
        }
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Whole(None)) && self.cut.is_none()
    }
}
