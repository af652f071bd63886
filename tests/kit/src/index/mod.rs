//! A package index on the loopback.
//!
//! In: packages, which may change at any time, and what shall go wrong. Out: pages, files and
//! their metadata over HTTP, and a log of what was asked for.
//! Never: listens beyond 127.0.0.1; outlives its [`IndexServer`]. It has a thread and a runtime of
//! its own, so that tests with and without a runtime, and tests of other processes, can use it.

mod body;
mod failure;
mod packages;
mod page;
mod reply;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::header::{ACCEPT, IF_NONE_MATCH, RANGE};
use hyper::{Request, Response};

pub use failure::{Failure, Rule};
pub use packages::{IndexFile, Listing, MetadataFile, Packages, UPLOAD_TIME};

use body::{Sending, Sent};
use reply::{Ask, REDIRECTED, Reply, reply};

use crate::loopback::{self, Loopback};

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLog {
    /// Such as `GET`.
    pub method: String,
    /// The path and query, as they came.
    pub path: String,
    /// `Range`.
    pub range: Option<String>,
    /// Every header, with its name in lower case.
    pub headers: BTreeMap<String, String>,
}

/// A running index. It stops when it is dropped.
#[derive(Debug)]
pub struct IndexServer {
    http: Loopback,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    connections: AtomicUsize,
    active: AtomicUsize,
    peak: AtomicUsize,
    bytes_sent: AtomicU64,
}

#[derive(Debug)]
struct State {
    packages: Packages,
    rules: Vec<Rule>,
    log: Vec<RequestLog>,
    max_age: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            packages: Packages::new(),
            rules: Vec::new(),
            log: Vec::new(),
            max_age: 600,
        }
    }
}

impl IndexServer {
    /// Starts an index on a free port.
    pub fn start(packages: impl Into<Packages>) -> Self {
        let shared = Arc::new(Shared::default());
        shared.state().packages = packages.into();
        let (counted, asked) = (Arc::clone(&shared), Arc::clone(&shared));
        let http = Loopback::start(
            move || counted.connections.fetch_add(1, Ordering::SeqCst),
            move |request| respond(Arc::clone(&asked), request),
        );
        Self { http, shared }
    }

    /// The address of an index that does not listen.
    pub fn nowhere() -> String {
        let (_, address) = loopback::bind();
        format!("http://{address}/simple")
    }

    /// `http://127.0.0.1:PORT/simple`.
    pub fn url(&self) -> String {
        format!("http://{}/simple", self.http.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.http.address.port()
    }

    /// The absolute address of a file, which need not be there.
    pub fn file_url(&self, filename: &str) -> String {
        format!("http://{}/files/{filename}", self.http.address)
    }

    /// Changes the packages.
    pub fn update<T>(&self, change: impl FnOnce(&mut Packages) -> T) -> T {
        change(&mut self.shared.state().packages)
    }

    /// Adds a file, in place of one of the same name.
    pub fn add(&self, file: impl Into<IndexFile>) {
        self.update(|packages| packages.add(file));
    }

    /// Removes a file; its project stays.
    pub fn remove(&self, filename: &str) {
        self.update(|packages| packages.remove(filename));
    }

    /// Yanks a file for a reason, which may be empty.
    pub fn yank(&self, filename: &str, reason: &str) {
        self.update(|packages| {
            let file = packages.file_mut(filename);
            file.expect("the file to yank is on the index").yanked = Some(reason.to_owned());
        });
    }

    /// How long pages may be kept, in seconds; 600 unless a test says otherwise.
    pub fn set_max_age(&self, seconds: u64) {
        self.shared.state().max_age = seconds;
    }

    /// Lets something go wrong from now on. Of several rules that fit a request, the first that
    /// is not used up strikes.
    pub fn fail(&self, rule: impl Into<Rule>) {
        self.shared.state().rules.push(rule.into());
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&self) {
        self.shared.state().rules.clear();
    }

    /// Every request since the start or the last [`clear`](Self::clear), in order of arrival.
    pub fn requests(&self) -> Vec<RequestLog> {
        self.shared.state().log.clone()
    }

    /// The requests' paths.
    pub fn paths(&self) -> Vec<String> {
        let paths = |log: &RequestLog| log.path.clone();
        self.shared.state().log.iter().map(paths).collect()
    }

    /// How many requests had `text` in their path.
    pub fn count(&self, text: &str) -> usize {
        let state = self.shared.state();
        state
            .log
            .iter()
            .filter(|log| log.path.contains(text))
            .count()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many requests were answered at once, at most.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies were sent.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.bytes_sent.load(Ordering::SeqCst)
    }

    /// Forgets the requests and sets the counters to zero.
    pub fn clear(&self) {
        self.shared.state().log.clear();
        self.shared.connections.store(0, Ordering::SeqCst);
        self.shared.bytes_sent.store(0, Ordering::SeqCst);
        let active = self.shared.active.load(Ordering::SeqCst);
        self.shared.peak.store(active, Ordering::SeqCst);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere can't leave the state half-changed: each change is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a request, and says what goes wrong with it.
    fn note(&self, log: RequestLog, path: &str) -> Option<Failure> {
        let mut state = self.state();
        state.log.push(log);
        state.rules.iter_mut().find_map(|rule| rule.strike(path))
    }
}

/// A request that is being answered.
struct Active(Arc<Shared>);

impl Active {
    fn new(shared: Arc<Shared>) -> Self {
        let active = shared.active.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(active, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Sent for Active {
    fn sent(&self, bytes: u64) {
        self.0.bytes_sent.fetch_add(bytes, Ordering::SeqCst);
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> io::Result<Response<Sending<Active>>> {
    let active = Active::new(Arc::clone(&shared));
    let ask = ask(&request);
    let failure = shared.note(log(&request), &ask.path);
    match &failure {
        Some(Failure::Close) => return Err(io::Error::other("closed on purpose")),
        Some(Failure::Slow(delay)) => tokio::time::sleep(*delay).await,
        _ => {}
    }
    let answer = {
        let state = shared.state();
        reply(&state.packages, state.max_age, &ask, failure.as_ref())
    };
    Ok(response(answer, active))
}

fn response(answer: Reply, active: Active) -> Response<Sending<Active>> {
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    if let (Some(length), true) = (answer.body.length, answer.status != 304) {
        builder = builder.header("content-length", length);
    }
    let body = Sending::new(answer.body, active);
    builder
        .body(body)
        .expect("statuses and headers of tests are valid")
}

fn ask(request: &Request<Incoming>) -> Ask {
    let header = |name| {
        let value = request.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let path = request.uri().path();
    let rest = path.strip_prefix(REDIRECTED);
    let raw = rest.unwrap_or(path).to_owned();
    Ask {
        redirected: rest.is_some(),
        path: decode(&raw),
        raw,
        accept: header(ACCEPT).unwrap_or_default(),
        range: header(RANGE),
        if_none_match: header(IF_NONE_MATCH),
    }
}

fn log(request: &Request<Incoming>) -> RequestLog {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
        .collect();
    RequestLog {
        method: request.method().to_string(),
        path: request.uri().to_string(),
        range: headers.get("range").cloned(),
        headers,
    }
}

/// A path without its percent signs.
pub(crate) fn decode(path: &str) -> String {
    let mut parts = path.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).map(|digits| u8::from_str_radix(digits, 16)) {
            Some(Ok(byte)) => {
                out.push(byte);
                out.extend(part[2..].bytes());
            }
            _ => out.extend(format!("%{part}").bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
