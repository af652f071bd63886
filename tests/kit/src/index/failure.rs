//! What can go wrong between an index and its client, and when it does.

use std::fmt;
use std::time::Duration;

/// One thing that goes wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The answer is this status: 401, 403, 404, 500, 503.
    Status(u16),
    /// 429 with a `Retry-After`, in seconds.
    RetryAfter(u64),
    /// The answer waits before its headers.
    Slow(Duration),
    /// The body comes in small parts.
    Drip {
        /// Bytes of a part.
        bytes: usize,
        /// The time after each part.
        pause: Duration,
    },
    /// `Content-Length` is true, and the connection closes after half of the body.
    Truncated,
    /// The body never ends.
    Endless,
    /// A bit in the middle of the body is flipped.
    WrongBytes,
    /// `Range` is ignored: the answer is 200 with all.
    NoRanges,
    /// 206 with the right bytes and a `Content-Range` that is one too high.
    WrongContentRange,
    /// 307 to another address of the same thing, which answers.
    RedirectOnce,
    /// 302 to the same address.
    RedirectLoop,
    /// A page that ends in the middle of its JSON.
    MalformedJson,
    /// A valid page in JSON of about this many bytes, nearly all of them spaces.
    HugeJson(u64),
    /// Pages in HTML, whatever `Accept` says.
    HtmlOnly,
    /// Another `Content-Type`.
    ContentType(&'static str),
    /// The connection closes without an answer.
    Close,
}

impl Failure {
    /// The failure, for paths that contain `text`.
    pub fn on(self, text: impl Into<String>) -> Rule {
        Rule::from(self).on(text)
    }

    /// The failure, for paths that `matches` likes.
    pub fn when(self, matches: impl Fn(&str) -> bool + Send + 'static) -> Rule {
        Rule::from(self).when(matches)
    }

    /// The failure, for the first `count` requests.
    pub fn times(self, count: u32) -> Rule {
        Rule::from(self).times(count)
    }
}

/// A failure, where it strikes and how often.
pub struct Rule {
    failure: Failure,
    matches: Box<dyn Fn(&str) -> bool + Send>,
    left: Option<u32>,
}

impl From<Failure> for Rule {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            matches: Box::new(|_| true),
            left: None,
        }
    }
}

impl Rule {
    /// Only for paths that contain `text`.
    #[must_use]
    pub fn on(self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.when(move |path| path.contains(&text))
    }

    /// Only for paths that `matches` likes.
    #[must_use]
    pub fn when(mut self, matches: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.matches = Box::new(matches);
        self
    }

    /// Only for the first `count` requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.left = Some(count);
        self
    }

    /// The failure, if it strikes a request for `path`.
    pub(super) fn strike(&mut self, path: &str) -> Option<Failure> {
        if self.left == Some(0) || !(self.matches)(path) {
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        Some(self.failure.clone())
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("failure", &self.failure)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
