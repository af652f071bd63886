//! The Runtime API of one environment.
//!
//! In: the requests of the function's own process ("Using the Lambda runtime API for custom
//! runtimes", version 2018-06-01). Out: events for the environment, and the parts of an answer
//! straight to whoever called.
//! Never: decides what becomes of the environment; keeps more than a part of a streamed answer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::answer::Answer;
use super::function::{CREDENTIALS, Role};
use super::http::{BodyError, collect, frame, header, throw_away};

/// Bytes of an answer that is not streamed ("Lambda quotas": 6 MB, and a little for what is
/// around it).
pub(super) const BUFFERED: usize = 6_291_556;
/// Bytes of a streamed answer ("Lambda quotas").
pub(super) const STREAMED: usize = 200 << 20;
/// Bytes of one part of an answer on its way to the caller.
const PART: usize = 64 << 10;

/// An error of the function or its runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionError {
    /// Such as `Runtime.ExitError`.
    pub kind: String,
    /// What the caller gets as the payload.
    pub body: Bytes,
}

impl FunctionError {
    /// An error of Lambda's own wording.
    pub(super) fn new(kind: &str, message: &str) -> Self {
        let body = json!({"errorType": kind, "errorMessage": message});
        Self {
            kind: kind.to_owned(),
            body: body.to_string().into(),
        }
    }

    fn too_large(limit: usize) -> Self {
        let message =
            format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        Self::new("Function.ResponseSizeTooLarge", &message)
    }
}

/// What the process did.
#[derive(Debug)]
pub(super) enum Event {
    /// It wants the next invocation.
    Next(oneshot::Sender<Delivery>),
    /// Its snapshot may be taken.
    Restore(oneshot::Sender<()>),
    /// It gave its answer.
    Responded(Responded),
    /// It can't start, or can't be restored.
    InitError(FunctionError),
}

/// How an answer went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Responded {
    /// All of it.
    Whole,
    /// It is an error, or ended as one.
    Failed(FunctionError),
    /// The connection broke on the way.
    Truncated,
}

/// An invocation as the process gets it.
#[derive(Debug)]
pub(super) struct Delivery {
    pub id: String,
    pub arn: String,
    pub deadline_ms: u128,
    pub trace: String,
    pub client_context: Option<String>,
    pub payload: Bytes,
}

/// What the connections of one environment share.
#[derive(Debug)]
pub(super) struct Desk {
    current: Mutex<Option<Current>>,
    events: mpsc::Sender<Event>,
    role: Role,
    token: String,
}

/// The invocation that an answer is expected for.
#[derive(Debug)]
struct Current {
    id: String,
    streamed_limit: usize,
    /// Gone when an answer has begun.
    data: Option<mpsc::Sender<Bytes>>,
}

impl Desk {
    pub(super) fn new(events: mpsc::Sender<Event>, role: Role, token: String) -> Self {
        Self {
            current: Mutex::new(None),
            events,
            role,
            token,
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects an answer to `id` from now on.
    pub(super) fn open(&self, id: &str, streamed_limit: usize, data: mpsc::Sender<Bytes>) {
        *self.current() = Some(Current {
            id: id.to_owned(),
            streamed_limit,
            data: Some(data),
        });
    }

    /// Expects no answer any more; whether one has begun.
    pub(super) fn close(&self) -> bool {
        let current = self.current().take();
        current.is_some_and(|current| current.data.is_none())
    }

    /// The way to the caller of `id`, for the first who asks.
    fn claim(&self, id: &str) -> Result<(mpsc::Sender<Bytes>, usize), Response<Answer>> {
        let mut current = self.current();
        match current.as_mut().filter(|current| current.id == id) {
            None => Err(error(400, "InvalidRequestID", "Invalid request ID")),
            Some(current) => match current.data.take() {
                Some(data) => Ok((data, current.streamed_limit)),
                None => Err(wrong_state()),
            },
        }
    }

    async fn tell(&self, event: Event) {
        // The environment is gone, and the process with it in a moment.
        let _ = self.events.send(event).await;
    }

    async fn next(&self) -> Response<Answer> {
        let (deliver, delivered) = oneshot::channel();
        self.tell(Event::Next(deliver)).await;
        let Ok(delivery) = delivered.await else {
            return wrong_state();
        };
        let mut response = Response::builder()
            .status(200)
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", delivery.id)
            .header(
                "lambda-runtime-deadline-ms",
                delivery.deadline_ms.to_string(),
            )
            .header("lambda-runtime-invoked-function-arn", delivery.arn)
            .header("lambda-runtime-trace-id", delivery.trace);
        if let Some(context) = delivery.client_context {
            response = response.header("lambda-runtime-client-context", context);
        }
        response
            .body(Answer::whole(delivery.payload))
            .expect("the headers' values are valid")
    }

    async fn respond(&self, id: &str, mut request: Request<Incoming>) -> Response<Answer> {
        let mode = header(&request, "lambda-runtime-function-response-mode");
        let streaming = match mode {
            None => false,
            Some(mode) if mode.eq_ignore_ascii_case("streaming") => true,
            Some(_) => return error(400, "InvalidResponseModeHeader", "no such response mode"),
        };
        let (data, streamed_limit) = match self.claim(id) {
            Ok(claimed) => claimed,
            Err(refused) => return refused,
        };
        let body = request.body_mut();
        let responded = if streaming {
            stream(body, &data, streamed_limit).await
        } else {
            buffer(body, &data).await
        };
        // The parts end before the environment hears of it.
        drop(data);
        let oversized = matches!(&responded, Responded::Failed(error) if error.kind == "Function.ResponseSizeTooLarge");
        self.tell(Event::Responded(responded)).await;
        if oversized {
            return error(
                413,
                "RequestEntityTooLarge",
                &format!("Exceeded maximum allowed payload size ({BUFFERED} bytes)."),
            );
        }
        accepted()
    }

    async fn fail(&self, id: &str, request: Request<Incoming>) -> Response<Answer> {
        let data = match self.claim(id) {
            Ok((data, _)) => data,
            Err(refused) => return refused,
        };
        let error = reported(request).await;
        drop(data);
        self.tell(Event::Responded(Responded::Failed(error))).await;
        accepted()
    }

    fn credentials(&self, request: &Request<Incoming>) -> Response<Answer> {
        if header(request, "authorization") != Some(self.token.as_str()) {
            return error(401, "Unauthorized", "wrong token");
        }
        let body = json!({
            "AccessKeyId": self.role.access_key,
            "SecretAccessKey": self.role.secret_key,
            "Token": self.role.session_token.as_deref().unwrap_or_default(),
            "Expiration": "2099-01-01T00:00:00Z",
        });
        reply(200, &body.to_string())
    }
}

/// The answer to a request of the process.
pub(super) async fn respond(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> io::Result<Response<Answer>> {
    let path = request.uri().path().to_owned();
    let post = request.method() == Method::POST;
    if !post && path == CREDENTIALS {
        return Ok(desk.credentials(&request));
    }
    let rest = path.strip_prefix("/2018-06-01/runtime/").unwrap_or("");
    let parts: Vec<&str> = rest.split('/').collect();
    Ok(match (post, parts.as_slice()) {
        (false, ["invocation", "next"]) => desk.next().await,
        (true, ["invocation", id, "response"]) => desk.respond(id, request).await,
        (true, ["invocation", id, "error"]) => desk.fail(id, request).await,
        (true, ["init" | "restore", "error"]) => {
            let error = reported(request).await;
            desk.tell(Event::InitError(error)).await;
            accepted()
        }
        (false, ["restore", "next"]) => {
            let (go, gone) = oneshot::channel();
            desk.tell(Event::Restore(go)).await;
            match gone.await {
                Ok(()) => reply(200, ""),
                Err(_) => wrong_state(),
            }
        }
        _ => error(404, "NotFound", "no such path"),
    })
}

/// An answer that counts only when it is whole.
async fn buffer(body: &mut Incoming, data: &mpsc::Sender<Bytes>) -> Responded {
    match collect(body, BUFFERED).await {
        Ok(bytes) => {
            pass_on(bytes, data).await;
            Responded::Whole
        }
        Err(BodyError::TooLarge) => Responded::Failed(FunctionError::too_large(BUFFERED)),
        Err(BodyError::Broken) => Responded::Truncated,
    }
}

/// An answer that is passed on as it comes.
async fn stream(body: &mut Incoming, data: &mpsc::Sender<Bytes>, limit: usize) -> Responded {
    let mut left = limit;
    while let Some(next) = frame(body).await {
        let Ok(next) = next else {
            return Responded::Truncated;
        };
        match next.into_data() {
            Ok(bytes) if bytes.len() > left => {
                throw_away(body).await;
                return Responded::Failed(FunctionError::too_large(limit));
            }
            Ok(bytes) => {
                left -= bytes.len();
                pass_on(bytes, data).await;
            }
            Err(other) => {
                let trailers = other.into_trailers().unwrap_or_default();
                if let Some(error) = trailing(&trailers) {
                    return Responded::Failed(error);
                }
            }
        }
    }
    Responded::Whole
}

async fn pass_on(mut bytes: Bytes, data: &mpsc::Sender<Bytes>) {
    while !bytes.is_empty() {
        let part = bytes.split_to(bytes.len().min(PART));
        // The caller went away; the function is not told, as on Lambda.
        let _ = data.send(part).await;
    }
}

/// The error that a stream's trailers tell: a type, and a body in base64.
fn trailing(trailers: &HeaderMap) -> Option<FunctionError> {
    use base64::Engine as _;
    let kind = trailers.get("lambda-runtime-function-error-type")?;
    let kind = String::from_utf8_lossy(kind.as_bytes()).into_owned();
    let body = trailers
        .get("lambda-runtime-function-error-body")
        .map(|body| {
            base64::engine::general_purpose::STANDARD
                .decode(body.as_bytes())
                .unwrap_or_else(|_| body.as_bytes().to_vec())
        });
    Some(match body {
        Some(body) => FunctionError {
            kind,
            body: body.into(),
        },
        None => FunctionError::new(&kind, &kind),
    })
}

/// The error of a request to one of the error paths: its type stands in a header, or in the body.
async fn reported(mut request: Request<Incoming>) -> FunctionError {
    let kind = header(&request, "lambda-runtime-function-error-type").map(ToOwned::to_owned);
    let body = collect(request.body_mut(), BUFFERED)
        .await
        .unwrap_or_default();
    let value: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let in_body = value.as_ref().and_then(|value| value["errorType"].as_str());
    let kind = kind
        .or(in_body.map(ToOwned::to_owned))
        .unwrap_or_else(|| "Runtime.Unknown".into());
    if body.is_empty() {
        return FunctionError::new(&kind, &kind);
    }
    FunctionError { kind, body }
}

fn accepted() -> Response<Answer> {
    reply(202, &json!({"status": "OK"}).to_string())
}

fn wrong_state() -> Response<Answer> {
    error(
        403,
        "InvalidStateTransition",
        "that is not what is expected now",
    )
}

fn error(status: u16, kind: &str, message: &str) -> Response<Answer> {
    let body = json!({"errorType": kind, "errorMessage": message});
    reply(status, &body.to_string())
}

fn reply(status: u16, body: &str) -> Response<Answer> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Answer::whole(body.to_owned()))
        .expect("the parts are valid")
}
