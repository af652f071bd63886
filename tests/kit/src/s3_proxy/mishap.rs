//! What goes wrong with a request to an S3 server, and with which.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Response;
use tokio::sync::Semaphore;

use super::{End, S3Request, Sending};

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub enum Mishap {
    /// This answer comes instead of the server's, which is not asked.
    Answer {
        /// The status.
        status: u16,
        /// The headers beside the length.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The server does what it is asked, and the connection breaks without an answer.
    Lost,
    /// Half of the answer's body comes, and the connection breaks.
    Cut,
    /// Half of the answer's body comes, and then nothing.
    Stall,
    /// Nothing comes, and the server is not asked.
    Hang,
    /// The request waits at a gate, and then goes its way.
    Hold(Gate),
}

impl PartialEq for Mishap {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Mishap {
    /// The answer of S3 with this code.
    pub fn code(status: u16, code: &str, message: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type", "application/xml".to_owned())],
            body: format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            ),
        }
    }

    /// An answer with another header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    /// The mishap, for requests of this method whose path or query contains `text`.
    pub fn on(self, method: &'static str, text: &str) -> Strike {
        Strike {
            mishap: self,
            method: Some(method),
            text: text.to_owned(),
            skip: 0,
            left: None,
        }
    }
}

/// A mishap, where it strikes and how often.
#[derive(Debug)]
pub struct Strike {
    mishap: Mishap,
    method: Option<&'static str>,
    text: String,
    skip: u32,
    left: Option<u32>,
}

impl From<Mishap> for Strike {
    fn from(mishap: Mishap) -> Self {
        Self {
            mishap,
            method: None,
            text: String::new(),
            skip: 0,
            left: None,
        }
    }
}

impl Strike {
    /// Only for `count` requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.left = Some(count);
        self
    }

    /// Not for the first `count` requests.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// The mishap, if it strikes this request.
    pub(super) fn at(&mut self, request: &S3Request) -> Option<Mishap> {
        let fits = self.method.is_none_or(|method| method == request.method)
            && request.path.contains(&self.text);
        if !fits || self.left == Some(0) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        Some(self.mishap.clone())
    }
}

/// Where requests wait until a test lets them go.
#[derive(Debug, Clone)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            arrived: Arc::new(Semaphore::new(0)),
            opened: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Gate {
    /// Waits until a request more waits.
    pub async fn arrival(&self) {
        let arrived = self.arrived.acquire().await;
        arrived.expect("it is never closed").forget();
    }

    /// Lets all requests go, from now on too.
    pub fn open(&self) {
        self.opened.close();
    }

    pub(super) async fn pass(&self) {
        self.arrived.add_permits(1);
        // Closed is open.
        let _ = self.opened.acquire().await;
    }
}

pub(super) fn response(
    status: u16,
    headers: &[(&'static str, String)],
    body: &str,
) -> Response<Sending> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    let body = Sending::new(Bytes::copy_from_slice(body.as_bytes()), End::Whole);
    response
        .body(body)
        .expect("statuses and headers of tests are valid")
}
