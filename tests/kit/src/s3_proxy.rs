//! What can go wrong between a client and an S3 server, put between the two.
//!
//! In: a server's address, and what shall go wrong with which requests. Out: another address, and a
//! log of what was asked for. Never: listens beyond 127.0.0.1; changes a request (its signature
//! covers the host's name and the headers); outlives its [`S3Proxy`].

mod mishap;

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub use mishap::{Gate, Mishap, Strike};

use crate::loopback::Loopback;

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Request {
    /// Such as `PUT`.
    pub method: String,
    /// The path and query, as they came.
    pub path: String,
    /// Every header, with its name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Bytes of the body.
    pub size: usize,
}

/// A running proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct S3Proxy {
    http: Loopback,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `127.0.0.1:PORT` of the server.
    server: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    strikes: Vec<Strike>,
    log: Vec<S3Request>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere can't leave the state half-changed: each change is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl S3Proxy {
    /// Starts a proxy of the server at `endpoint`, which is `http://HOST:PORT`.
    pub fn start(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let state = Mutex::default();
        let shared = Arc::new(Shared { server, state });
        let asked = Arc::clone(&shared);
        let http = Loopback::start(|| (), move |request| answer(Arc::clone(&asked), request));
        Self { http, shared }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.http.address)
    }

    /// Lets something go wrong from now on. Of several strikes that fit a request, the first that
    /// is not used up is it.
    pub fn fail(&self, strike: impl Into<Strike>) {
        self.shared.state().strikes.push(strike.into());
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&self) {
        self.shared.state().strikes.clear();
    }

    /// Every request since the start or the last [`clear`](Self::clear), in order of arrival.
    pub fn requests(&self) -> Vec<S3Request> {
        self.shared.state().log.clone()
    }

    /// How many requests of this method had `text` in their path or query.
    pub fn count(&self, method: &str, text: &str) -> usize {
        let fits = |request: &&S3Request| request.method == method && request.path.contains(text);
        self.shared.state().log.iter().filter(fits).count()
    }

    /// Forgets the requests.
    pub fn clear(&self) {
        self.shared.state().log.clear();
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Sending>> {
    let (head, body) = request.into_parts();
    let body = whole(body).await?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter();
    let asked = S3Request {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        size: body.len(),
    };
    let mishap = {
        let mut state = shared.state();
        let mishap = state
            .strikes
            .iter_mut()
            .find_map(|strike| strike.at(&asked));
        state.log.push(asked);
        mishap
    };
    match &mishap {
        Some(Mishap::Answer {
            status,
            headers,
            body,
        }) => return Ok(mishap::response(*status, headers, body)),
        Some(Mishap::Hang) => std::future::pending().await,
        Some(Mishap::Hold(gate)) => gate.pass().await,
        _ => {}
    }
    let response = forward(&shared.server, Request::from_parts(head, body)).await?;
    if mishap == Some(Mishap::Lost) {
        return Err(io::Error::other("the answer is lost on purpose"));
    }
    let (mut head, body) = response.into_parts();
    let end = match mishap {
        Some(Mishap::Cut) => End::Cut,
        Some(Mishap::Stall) => End::Never,
        _ => End::Whole,
    };
    let whole = whole(body).await?;
    // The server may have answered in chunks; what the client is told is the whole length.
    if !whole.is_empty() {
        head.headers.remove("transfer-encoding");
        head.headers.insert("content-length", whole.len().into());
    }
    Ok(Response::from_parts(head, Sending::new(whole, end)))
}

/// Passes a request on, over a connection of its own.
async fn forward(server: &str, request: Request<Bytes>) -> io::Result<Response<Incoming>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = request.map(|body| Sending::new(body, End::Whole));
    sender.send_request(request).await.map_err(io::Error::other)
}

async fn whole(mut body: Incoming) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        let frame = frame.map_err(io::Error::other)?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    Ok(bytes.into())
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// After its last byte.
    Whole,
    /// After half of it, with a broken connection.
    Cut,
    /// Not at all: half of it comes, and then nothing.
    Never,
}

/// A body on its way.
#[derive(Debug)]
struct Sending {
    bytes: Option<Bytes>,
    length: u64,
    end: End,
}

impl Sending {
    fn new(bytes: Bytes, end: End) -> Self {
        let length = bytes.len() as u64;
        let half = bytes.len() / 2;
        let bytes = if end == End::Whole {
            bytes
        } else {
            bytes.slice(..half)
        };
        Self {
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
            length,
            end,
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match (self.bytes.take(), self.end) {
            (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(io::Error::other("cut off on purpose")))),
            (None, End::Never) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Whole && self.bytes.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}
