//! Requests: limited, retried, and with credentials for their own origin alone.
//!
//! In: an address and what to ask of it. Out: status, headers and a bounded body. Never: waits
//! without end, keeps more than the caller's limit, follows a redirect from https to http, or lets
//! an error carry a credential.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pyrun_core::Sha256;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use url::Url;

use crate::index::IndexError;
use crate::index::address::{Credentials, Keyring};
use crate::index::cause::{Cause, RedirectError};

/// How long and how often.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For a connection to stand.
    pub connect: Duration,
    /// From a request to the end of the headers of its answer, with all redirects; then between
    /// two pieces of the answer.
    pub read: Duration,
    /// Bytes in a second that an answer must reach on average, once [`Self::grace`] is over.
    pub slowest: u64,
    /// How long an answer may be slower.
    pub grace: Duration,
    /// How often a request is sent, at most.
    pub tries: u32,
    /// How often one download may break in all, however far it came between two breaks.
    pub breaks: u32,
    /// The wait before the second try; it doubles with each one.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for.
    pub patience: Duration,
    /// How many requests are under way at once.
    pub concurrent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            slowest: 1024,
            grace: Duration::from_secs(30),
            tries: 4,
            breaks: 60,
            backoff: Duration::from_millis(150),
            patience: Duration::from_secs(20),
            concurrent: 50,
        }
    }
}

const MAX_REDIRECTS: usize = 5;

/// The HTTP client: made on the first request, since reading the trusted certificates takes
/// milliseconds that a warm run does not have.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) limits: Limits,
    keys: Keyring,
    offline: bool,
    client: OnceLock<Result<reqwest::Client, Cause>>,
    permits: Semaphore,
}

/// What to ask.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) url: &'a Url,
    pub(super) range: Option<ByteRange>,
    pub(super) headers: HeaderMap,
    /// Credentials that the address itself came with; else the keyring's are used.
    pub(super) key: Option<Credentials>,
}

/// Which bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteRange {
    /// The last ones.
    Last(u64),
    /// From one on.
    From(u64),
    /// From the first up to, not including, the second.
    Within(u64, u64),
}

impl ByteRange {
    fn header(self) -> String {
        match self {
            Self::Last(count) => format!("bytes=-{count}"),
            Self::From(start) => format!("bytes={start}-"),
            Self::Within(start, end) => format!("bytes={start}-{}", end.saturating_sub(1)),
        }
    }
}

impl<'a> Ask<'a> {
    pub(super) fn new(url: &'a Url) -> Self {
        Self {
            url,
            range: None,
            headers: HeaderMap::new(),
            key: None,
        }
    }

    pub(super) fn range(mut self, range: ByteRange) -> Self {
        self.range = Some(range);
        self
    }

    /// Adds a header; a value that no header can have is left out.
    pub(super) fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The address after all redirects.
    pub(super) url: Url,
    /// Empty unless the status is the one that was hoped for.
    pub(super) body: Bytes,
}

/// Why a try failed, and whether another may go better.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: IndexError,
    /// `None`: it is final. Else how long the server asks to wait, zero if it does not say.
    pub(super) again: Option<Duration>,
}

impl Failure {
    pub(super) fn last(error: IndexError) -> Self {
        Self { error, again: None }
    }
}

/// The tries of one request.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    limits: &'a Limits,
    made: u32,
}

impl<'a> Tries<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, made: 1 }
    }

    /// Waits for the next try, or gives the error back when there is none.
    pub(super) async fn next(&mut self, failure: Failure, url: &Url) -> Result<(), IndexError> {
        let Some(asked) = failure.again else {
            return Err(failure.error);
        };
        if self.made >= self.limits.tries {
            return Err(failure.error);
        }
        let backoff = self.limits.backoff * 2u32.saturating_pow(self.made - 1);
        // Requests that failed together must not come back together. A hash spreads them as well
        // as chance would, and the same for every run.
        let spread = crc32fast::hash(format!("{} {url}", self.made).as_bytes()) % 512;
        let wait = backoff + backoff * spread / 1024;
        self.made += 1;
        tokio::time::sleep(wait.max(asked.min(self.limits.patience))).await;
        Ok(())
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    pub(super) response: Response,
    limits: &'a Limits,
    started: Instant,
    received: u64,
    _permit: SemaphorePermit<'a>,
}

impl Stream<'_> {
    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self, url: &Url) -> Result<Option<Bytes>, Failure> {
        let failure = |cause| failure(url, cause);
        let chunk = match self.response.chunk().await {
            Ok(chunk) => chunk,
            Err(error) => return Err(failure(cause(&error, self.limits))),
        };
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let time = self.started.elapsed();
        let needed = u128::from(self.limits.slowest) * time.as_millis() / 1000;
        if time > self.limits.grace && chunk.is_some() && u128::from(self.received) < needed {
            return Err(failure(Cause::Slow(self.limits.slowest)));
        }
        Ok(chunk)
    }
}

impl Http {
    pub(super) fn new(limits: Limits, keys: Keyring, offline: bool) -> Self {
        let permits = Semaphore::new(limits.concurrent.max(1));
        Self {
            limits,
            keys,
            offline,
            client: OnceLock::new(),
            permits,
        }
    }

    /// Asks until there is an answer, and reads its body if its status is the one hoped for: 200,
    /// or 206 where a range is asked for. Other statuses come without a body, but 429 and those
    /// from 500 on are errors.
    pub(super) async fn get(&self, ask: &Ask<'_>, limit: u64) -> Result<Answer, IndexError> {
        let mut tries = Tries::new(&self.limits);
        loop {
            match self.try_get(ask, limit).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => tries.next(failure, ask.url).await?,
            }
        }
    }

    async fn try_get(&self, ask: &Ask<'_>, limit: u64) -> Result<Answer, Failure> {
        let mut stream = self.open(ask).await?;
        let hoped_for = match ask.range {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let status = stream.response.status();
        let body = if status == hoped_for {
            read(&mut stream, ask.url, limit).await?
        } else {
            Bytes::new()
        };
        Ok(Answer {
            status,
            headers: std::mem::take(stream.response.headers_mut()),
            url: stream.response.url().clone(),
            body,
        })
    }

    /// Sends a request once.
    pub(super) async fn open(&self, ask: &Ask<'_>) -> Result<Stream<'_>, Failure> {
        if self.offline {
            let url = ask.url.to_string();
            return Err(Failure::last(IndexError::Offline { url }));
        }
        let permit = self.permits.acquire().await;
        let permit = permit.expect("the semaphore is never closed");
        let client = self.client(ask.url)?;
        let mut request = client.get(ask.url.clone()).headers(ask.headers.clone());
        if let Some(range) = ask.range {
            // Compressed, a range would be one of other bytes.
            request = request
                .header(header::RANGE, range.header())
                .header(header::ACCEPT_ENCODING, "identity");
        }
        if let Some(key) = ask.key.as_ref().or_else(|| self.keys.find(ask.url)) {
            request = request.basic_auth(&key.user, key.password.as_ref());
        }
        let started = Instant::now();
        let response = request
            .send()
            .await
            .map_err(|error| failure(ask.url, cause(&error, &self.limits)))?;
        refuse_passing_status(&response, ask.url)?;
        Ok(Stream {
            response,
            limits: &self.limits,
            started,
            received: 0,
            _permit: permit,
        })
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, Failure> {
        let client = self.client.get_or_init(|| build(&self.limits));
        client
            .as_ref()
            .map_err(|cause| Failure::last(unreachable(url, cause.clone())))
    }
}

fn build(limits: &Limits) -> Result<reqwest::Client, Cause> {
    // Whoever was first has chosen the same: there is one provider in the program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = reqwest::redirect::Policy::custom(|attempt| {
        match may_redirect(attempt.previous(), attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(error) => attempt.error(error),
        }
    });
    reqwest::Client::builder()
        .user_agent(concat!("pyrun/", env!("CARGO_PKG_VERSION")))
        .redirect(policy)
        .referer(false)
        .connect_timeout(limits.connect)
        .read_timeout(limits.read)
        // One connection carries everything: the usual windows of 64 KiB would throttle it.
        .http2_initial_stream_window_size(4 << 20)
        .http2_initial_connection_window_size(16 << 20)
        .http2_max_frame_size(64 << 10)
        .build()
        .map_err(|error| cause(&error, limits))
}

/// Whether a redirect is followed, after those that led here. Once an answer came over https, all
/// that follows must.
fn may_redirect(previous: &[Url], next: &Url) -> Result<(), RedirectError> {
    let is_https = |url: &Url| url.scheme() == "https";
    if previous.len() > MAX_REDIRECTS {
        Err(RedirectError::TooMany(MAX_REDIRECTS))
    } else if previous.iter().any(is_https) && !is_https(next) {
        Err(RedirectError::Downgrade)
    } else {
        Ok(())
    }
}

async fn read(stream: &mut Stream<'_>, url: &Url, limit: u64) -> Result<Bytes, Failure> {
    let announced = stream.response.content_length().unwrap_or(0);
    if announced > limit {
        return Err(Failure::last(too_large(url, limit)));
    }
    let capacity = usize::try_from(announced).unwrap_or(0);
    let mut body = BytesMut::with_capacity(capacity);
    while let Some(chunk) = stream.chunk(url).await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Failure::last(too_large(url, limit)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(url: &Url, limit: u64) -> IndexError {
    IndexError::Broken {
        url: url.to_string(),
        problem: format!("answers with more than {limit} bytes"),
    }
}

/// Turns a status that may pass into a failure.
fn refuse_passing_status(response: &Response, url: &Url) -> Result<(), Failure> {
    let status = response.status();
    let passes = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
    if !passes {
        return Ok(());
    }
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Err(Failure {
        error: status_error(url, status),
        again: Some(Duration::from_secs(seconds.unwrap_or(0))),
    })
}

pub(super) fn status_error(url: &Url, status: StatusCode) -> IndexError {
    IndexError::Status {
        url: url.to_string(),
        status: status.as_u16(),
    }
}

pub(super) fn broken(url: &Url, problem: impl std::fmt::Display) -> IndexError {
    IndexError::Broken {
        url: url.to_string(),
        problem: problem.to_string(),
    }
}

/// Compares what came with what was promised, if anything was.
pub(super) fn as_promised(
    url: &Url,
    promised: Option<Sha256>,
    found: Sha256,
) -> Result<(), IndexError> {
    match promised.filter(|promised| *promised != found) {
        None => Ok(()),
        Some(promised) => Err(IndexError::Altered {
            url: url.to_string(),
            found,
            promised,
        }),
    }
}

fn cause(error: &reqwest::Error, limits: &Limits) -> Cause {
    Cause::of(error, limits.connect, limits.read)
}

pub(super) fn failure(url: &Url, cause: Cause) -> Failure {
    let again = cause.passes().then_some(Duration::ZERO);
    let error = unreachable(url, cause);
    Failure { error, again }
}

fn unreachable(url: &Url, cause: Cause) -> IndexError {
    IndexError::Unreachable {
        url: url.to_string(),
        source: Box::new(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_from_https_to_http_is_not_followed() {
        let url = |text: &str| text.parse::<Url>().expect("an address");
        let (safe, plain) = (url("https://a.example/x"), url("http://a.example/x"));
        let follow = |previous: &[&Url], next: &Url| {
            let previous: Vec<Url> = previous.iter().map(|url| (*url).clone()).collect();
            may_redirect(&previous, next)
        };
        assert_eq!(follow(&[&safe], &plain), Err(RedirectError::Downgrade));
        assert_eq!(
            follow(&[&safe, &safe], &plain),
            Err(RedirectError::Downgrade)
        );
        assert_eq!(
            follow(&[&safe], &url("ftp://a.example/x")),
            Err(RedirectError::Downgrade)
        );
        assert_eq!(follow(&[&safe], &url("https://b.example/y")), Ok(()));
        assert_eq!(follow(&[&plain], &safe), Ok(()));
        assert_eq!(
            follow(&[&safe; MAX_REDIRECTS + 1], &safe),
            Err(RedirectError::TooMany(MAX_REDIRECTS))
        );
    }
}
