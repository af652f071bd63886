//! `Invoke` and `InvokeWithResponseStream`.
//!
//! In: a request for a function that is known. Out: the answer of the API reference: payload or
//! event stream, the error header, the log's tail.
//! Never: waits for a free environment: there is one, or the call is refused.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use tokio::sync::{mpsc, oneshot};

use super::answer::{Answer, Events};
use super::call::{self, Call, Completion};
use super::function::{Function, VERSION};
use super::http::{BodyError, collect, header};
use super::pool::{Permit, World};
use super::refusal::{Failure, Refusal};
use super::runtime_api::{BUFFERED, STREAMED};

/// Bytes of a question ("Lambda quotas").
pub(super) const REQUEST: usize = 6 << 20;
/// Bytes of a question that nobody waits for the answer of.
pub(super) const EVENT_REQUEST: usize = 1 << 20;
/// Parts of an answer between the function and its caller.
const PARTS: usize = 16;

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

/// A function's answer on its way.
struct Answering {
    id: String,
    data: mpsc::Receiver<Bytes>,
    done: oneshot::Receiver<Completion>,
}

/// The kind of call that a request wants.
pub(super) fn kind(request: &Request<Incoming>) -> Result<Kind, Refusal> {
    match header(request, "x-amz-invocation-type") {
        None | Some("RequestResponse") => Ok(Kind::RequestResponse),
        Some("Event") => Ok(Kind::Event),
        Some("DryRun") => Ok(Kind::DryRun),
        Some(other) => Err(Refusal::bad_request(format!("invocation type {other}"))),
    }
}

/// Answers `Invoke`.
pub(super) async fn invoke(
    world: &Arc<World>,
    function: Arc<Function>,
    qualifier: Option<&str>,
    kind: Kind,
    cut: Option<usize>,
    mut request: Request<Incoming>,
) -> io::Result<Result<Response<Answer>, Refusal>> {
    if kind == Kind::DryRun {
        let response = Response::builder().status(204);
        return Ok(Ok(finish(response, Answer::whole(""))));
    }
    let limit = match kind {
        Kind::Event => EVENT_REQUEST,
        _ => REQUEST,
    };
    let tail = wants_tail(&request);
    let call = match question(world, &function, qualifier, limit, false, &mut request).await {
        Ok(call) => call,
        Err(BadQuestion::Gone) => return Err(io::ErrorKind::ConnectionReset.into()),
        Err(BadQuestion::Refused(refusal)) => return Ok(Err(refusal)),
    };
    let mut answering = match begin(world, function, call) {
        Ok(answering) => answering,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let response = Response::builder().header("x-amzn-requestid", &answering.id);
    if kind == Kind::Event {
        tokio::spawn(async move { while answering.data.recv().await.is_some() {} });
        return Ok(Ok(finish(response.status(202), Answer::whole(""))));
    }
    let mut payload = BytesMut::new();
    while let Some(part) = answering.data.recv().await {
        payload.extend_from_slice(&part);
    }
    let completion = answering.done.await.map_err(io::Error::other)?;
    let mut response = response
        .status(200)
        .header("content-type", "application/json")
        .header("x-amz-executed-version", VERSION);
    if tail {
        response = response.header("x-amz-log-result", STANDARD.encode(&completion.tail));
    }
    let body = match completion.error {
        None => payload.freeze(),
        Some(error) => {
            response = response.header("x-amz-function-error", "Unhandled");
            error.body
        }
    };
    response = response.header("content-length", body.len());
    Ok(Ok(finish(response, Answer::whole(body).cut(cut))))
}

/// Answers `InvokeWithResponseStream`. The head of the answer waits for the first part, as there
/// is nothing to tell before it.
pub(super) async fn invoke_streamed(
    world: &Arc<World>,
    function: Arc<Function>,
    qualifier: Option<&str>,
    cut: Option<usize>,
    mut request: Request<Incoming>,
) -> io::Result<Result<Response<Answer>, Refusal>> {
    let tail = wants_tail(&request);
    let call = match question(world, &function, qualifier, REQUEST, true, &mut request).await {
        Ok(call) => call,
        Err(BadQuestion::Gone) => return Err(io::ErrorKind::ConnectionReset.into()),
        Err(BadQuestion::Refused(refusal)) => return Ok(Err(refusal)),
    };
    let errors = world.state().stream_errors;
    let mut answering = match begin(world, function, call) {
        Ok(answering) => answering,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let first = answering.data.recv().await;
    let events = Events {
        first,
        data: answering.data,
        done: Some(answering.done),
        log: tail,
        errors,
        last: None,
    };
    let response = Response::builder()
        .status(200)
        .header("content-type", "application/vnd.amazon.eventstream")
        .header("x-amz-executed-version", VERSION)
        .header("x-amzn-requestid", answering.id);
    Ok(Ok(finish(response, Answer::events(events).cut(cut))))
}

fn finish(response: hyper::http::response::Builder, body: Answer) -> Response<Answer> {
    response.body(body).expect("the headers' values are valid")
}

fn wants_tail(request: &Request<Incoming>) -> bool {
    header(request, "x-amz-log-type") == Some("Tail")
}

/// Why there is no question.
enum BadQuestion {
    Gone,
    Refused(Refusal),
}

/// The question of a request.
async fn question(
    world: &World,
    function: &Function,
    qualifier: Option<&str>,
    limit: usize,
    streamed: bool,
    request: &mut Request<Incoming>,
) -> Result<Call, BadQuestion> {
    let operation = if streamed {
        "InvokeWithResponseStream"
    } else {
        "InvokeFunction"
    };
    let client_context = client_context(request).map_err(BadQuestion::Refused)?;
    let payload = match collect(request.body_mut(), limit).await {
        Ok(payload) => payload,
        Err(BodyError::Broken) => return Err(BadQuestion::Gone),
        Err(BodyError::TooLarge) => {
            return Err(BadQuestion::Refused(Refusal::too_large(limit, operation)));
        }
    };
    let payload = if payload.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        payload
    };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        let message = format!("Could not parse request body into json: {error}");
        return Err(BadQuestion::Refused(Refusal::bad_content(message)));
    }
    let id = world.state().request_id();
    Ok(Call {
        arn: function.arn(qualifier),
        trace: format!("Root=1-{}-{};Sampled=0", &id[..8], id.replace('-', "")),
        id,
        client_context,
        payload,
        streamed_limit: if streamed { STREAMED } else { BUFFERED },
        streamed,
    })
}

/// `X-Amz-Client-Context`: JSON in base64, which the function gets as JSON.
fn client_context(request: &Request<Incoming>) -> Result<Option<String>, Refusal> {
    let Some(text) = header(request, "x-amz-client-context") else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(text).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    match text.filter(|text| HeaderValue::from_str(text).is_ok()) {
        Some(text) => Ok(Some(text)),
        None => Err(Refusal::bad_content(
            "Client context must be a valid Base64-encoded JSON object.",
        )),
    }
}

/// Serves the call in a task of its own: it goes on when the caller goes away.
fn begin(world: &Arc<World>, function: Arc<Function>, call: Call) -> Result<Answering, Refusal> {
    let permit = Permit::take(world, function)?;
    let (send, data) = mpsc::channel(PARTS);
    let (tell, done) = oneshot::channel();
    let id = call.id.clone();
    tokio::spawn(call::serve(permit, call, send, tell));
    Ok(Answering { id, data, done })
}

/// What of an injected failure happens to the answer's connection.
pub(super) fn cut_of(failure: Option<&Failure>) -> Option<usize> {
    match failure {
        Some(Failure::Cut(bytes)) => Some(*bytes),
        _ => None,
    }
}
