//! The smallest Runtime API of AWS Lambda that a deployed function's program can be run against.
//!
//! In: the program and its variables, then payloads. Out: the lines of each answer as they come,
//! what the program asked for in which order, and its log. Never: freezes, limits or restarts the
//! program; listens beyond 127.0.0.1; outlives its [`FunctionProcess`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Notify;

use crate::loopback::Loopback;

const API: &str = "/2018-06-01/runtime";
/// How long a test waits for a line before it fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// A program, and what it is started with.
#[derive(Debug, Clone)]
pub struct FunctionSetup {
    /// The program.
    pub program: PathBuf,
    /// Its whole environment, but for what every function has.
    pub env: BTreeMap<String, String>,
    /// Its command line, which is the managed runtime's.
    pub arguments: Vec<String>,
    /// The user that it runs as, if another than the test's.
    pub user: Option<u32>,
}

impl FunctionSetup {
    /// A function of 1,024 MB with credentials that are none.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let env = [
            ("AWS_LAMBDA_FUNCTION_NAME", "kit-function"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
            ("AWS_ACCESS_KEY_ID", "AKIDSECRET"),
            ("AWS_SECRET_ACCESS_KEY", "verysecret"),
            ("AWS_SESSION_TOKEN", "tokensecret"),
            ("_HANDLER", "unused.handler"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", &path),
        ];
        Self {
            program: program.into(),
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            arguments: vec![
                "/var/lang/bin/python3".to_owned(),
                "bootstrap.py".to_owned(),
            ],
            user: None,
        }
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }
}

/// A program that runs against a Runtime API of its own. Both end with the value.
#[derive(Debug)]
pub struct FunctionProcess {
    /// When the program was started.
    pub began: Instant,
    shared: Arc<Shared>,
    calls: tokio::sync::mpsc::UnboundedSender<Call>,
    child: Child,
    log: Arc<Mutex<String>>,
    asked: u64,
    /// Ends after the program.
    _api: Loopback,
}

/// A call that waits for the program to ask for it.
#[derive(Debug)]
struct Call {
    id: String,
    payload: Bytes,
    deadline: u128,
}

#[derive(Debug)]
struct Shared {
    calls: tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<Call>>,
    answers: Mutex<BTreeMap<String, mpsc::Sender<Bytes>>>,
    events: Mutex<Vec<(Instant, String)>>,
    restore: Notify,
}

impl FunctionProcess {
    /// Starts a program.
    pub fn start(setup: &FunctionSetup) -> Self {
        let (calls, waiting) = tokio::sync::mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            calls: tokio::sync::Mutex::new(waiting),
            answers: Mutex::default(),
            events: Mutex::default(),
            restore: Notify::new(),
        });
        let served = Arc::clone(&shared);
        let api = Loopback::start(
            || (),
            move |request| {
                let served = Arc::clone(&served);
                async move { Ok(served.reply(request).await) }
            },
        );
        let began = Instant::now();
        let mut child = spawn(setup, api.address);
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("it is a pipe");
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut chunk) {
                let text = String::from_utf8_lossy(&chunk[..length]);
                lock(&written).push_str(&text);
            }
        });
        Self {
            began,
            shared,
            calls,
            child,
            log,
            asked: 0,
            _api: api,
        }
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Calls the function, which may take so long.
    pub fn call(&mut self, payload: impl Into<Bytes>, timeout: Duration) -> Answer {
        self.asked += 1;
        let id = format!("call-{}", self.asked);
        let (lines, chunks) = mpsc::channel();
        lock(&self.shared.answers).insert(id.clone(), lines);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let deadline = now.expect("it is after 1970") + timeout;
        let call = Call {
            id,
            payload: payload.into(),
            deadline: deadline.as_millis(),
        };
        self.calls.send(call).expect("the API listens");
        Answer {
            chunks,
            text: Vec::new(),
        }
    }

    /// What the program asked the Runtime API, in order, and when.
    pub fn events(&self) -> Vec<(Instant, String)> {
        lock(&self.shared.events).clone()
    }

    /// Waits for the first event that starts with `prefix`.
    pub fn event(&self, prefix: &str) -> (Instant, String) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let events = self.events();
            if let Some(found) = events.iter().find(|(_, event)| event.starts_with(prefix)) {
                return found.clone();
            }
            assert!(
                Instant::now() < limit,
                "no `{prefix}` in {events:?}: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets the program go on after its snapshot.
    pub fn restore(&self) {
        self.shared.restore.notify_one();
    }

    /// What the program has written to its standard error.
    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// Waits until the program has written so many lines.
    pub fn log_lines(&self, count: usize) -> Vec<String> {
        let limit = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.matches('\n').count() >= count {
                return log.lines().map(str::to_owned).collect();
            }
            assert!(Instant::now() < limit, "{count} lines are expected: {log}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the program ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("it is a child")
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(setup: &FunctionSetup, address: SocketAddr) -> Child {
    let mut command = Command::new(&setup.program);
    command
        .args(&setup.arguments)
        .env_clear()
        .envs(&setup.env)
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(user) = setup.user {
        std::os::unix::process::CommandExt::uid(&mut command, user);
    }
    command.spawn().expect("the program starts")
}

/// An answer as it comes.
#[derive(Debug)]
pub struct Answer {
    chunks: mpsc::Receiver<Bytes>,
    text: Vec<u8>,
}

impl Answer {
    /// The next line, without its end; `None` after the last.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let rest = self.text.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.text, rest);
                line.pop();
                return Some(String::from_utf8(line).expect("lines are text"));
            }
            match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => self.text.extend_from_slice(&chunk),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    assert!(self.text.is_empty(), "the answer ends within a line");
                    return None;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the answer does not go on"),
            }
        }
    }

    /// All lines that are left.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn note(&self, event: String) {
        lock(&self.events).push((Instant::now(), event));
    }

    async fn reply(&self, mut request: Request<Incoming>) -> Response<Whole> {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix(API) else {
            return response(StatusCode::NOT_FOUND, Bytes::new());
        };
        if request.method() == Method::GET {
            self.note(path.trim_start_matches('/').to_owned());
            return match path {
                "/invocation/next" => self.next().await,
                "/restore/next" => {
                    self.restore.notified().await;
                    response(StatusCode::OK, Bytes::new())
                }
                _ => response(StatusCode::NOT_FOUND, Bytes::new()),
            };
        }
        let Some(id) = path
            .strip_prefix("/invocation/")
            .and_then(|rest| rest.strip_suffix("/response"))
        else {
            let mut body = Vec::new();
            while let Some(chunk) = chunk(request.body_mut()).await {
                body.extend_from_slice(&chunk);
            }
            let body = String::from_utf8_lossy(&body);
            self.note(format!("{} {body}", path.trim_start_matches('/')));
            return response(StatusCode::ACCEPTED, Bytes::new());
        };
        let header = |name: &str| {
            let value = request.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or("-")
                .to_owned()
        };
        self.note(format!(
            "response {id} {} {} {}",
            header("content-type"),
            header("lambda-runtime-function-response-mode"),
            header("lambda-runtime-invocation-id"),
        ));
        let lines = lock(&self.answers).remove(id);
        while let Some(chunk) = chunk(request.body_mut()).await {
            if let Some(lines) = &lines {
                // A test may have heard enough.
                let _ = lines.send(chunk);
            }
        }
        response(StatusCode::ACCEPTED, Bytes::new())
    }

    async fn next(&self) -> Response<Whole> {
        let Some(call) = self.calls.lock().await.recv().await else {
            return response(StatusCode::GONE, Bytes::new());
        };
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:kit-function";
        Response::builder()
            .header("lambda-runtime-aws-request-id", &call.id)
            .header("lambda-runtime-deadline-ms", call.deadline.to_string())
            .header("lambda-runtime-invoked-function-arn", arn)
            .header("lambda-runtime-invocation-id", format!("own-{}", call.id))
            .body(Whole(Some(call.payload)))
            .expect("a response of plain headers")
    }
}

async fn chunk(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        if let Ok(data) = frame?.ok()?.into_data() {
            return Some(data);
        }
    }
}

fn response(status: StatusCode, body: Bytes) -> Response<Whole> {
    let mut response = Response::new(Whole(Some(body)));
    *response.status_mut() = status;
    response
}

/// A body in one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.0.take().filter(|body| !body.is_empty());
        Poll::Ready(body.map(|body| Ok(Frame::data(body))))
    }
}
