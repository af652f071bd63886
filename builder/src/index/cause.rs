//! Why an exchange failed, in plain words.
//!
//! In: an error of the HTTP client, whose chain of sources names its own layers. Out: one cause
//! that a person can act on. Never: shows an address, so never a credential.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

/// Why an exchange failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Cause {
    /// The host has no address.
    #[error("the host's name can't be resolved")]
    Name,
    /// Nothing listens there.
    #[error("the connection is refused")]
    Refused,
    /// No connection within the limit.
    #[error("no connection within {0:?}")]
    Connect(Duration),
    /// No byte within the limit.
    #[error("nothing came for {0:?}")]
    Silence(Duration),
    /// Bytes come too slowly to wait for.
    #[error("fewer than {0} bytes came in a second")]
    Slow(u64),
    /// The certificate is not trusted, or not the host's.
    #[error("its certificate is not trusted: {0}")]
    Certificate(String),
    /// Nothing is trusted here.
    #[error("no trusted certificates are found on this machine")]
    NoRoots,
    /// TLS failed otherwise.
    #[error("TLS fails: {0}")]
    Tls(String),
    /// A redirect that is not followed.
    #[error("{0}")]
    Redirects(#[from] RedirectError),
    /// The answer ended early, or was cut.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// A file is another one than it was when its first part came.
    #[error("the file was changed while it came")]
    Changed,
    /// A download that broke too often.
    #[error(
        "{last}; it was tried {tries} times, and {received} of {} bytes came",
        size.map_or_else(|| "an unknown number of".to_owned(), |size| size.to_string())
    )]
    GivenUp {
        /// Why the last try failed.
        last: Box<Cause>,
        /// How many tries there were.
        tries: u32,
        /// The most bytes that any of them reached.
        received: u64,
        /// How many there should be.
        size: Option<u64>,
    },
    /// Anything else, as its innermost source says.
    #[error("{0}")]
    Other(String),
}

/// A redirect that is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    /// More than the limit.
    #[error("it redirects more than {0} times")]
    TooMany(usize),
    /// From https to something weaker.
    #[error("it redirects from https to an address that is not https")]
    Downgrade,
}

impl Cause {
    /// The cause behind an error of the HTTP client, under the given limits.
    pub(super) fn of(error: &reqwest::Error, connect: Duration, read: Duration) -> Self {
        if let Some(redirect) = find::<RedirectError>(error) {
            return Self::Redirects(*redirect);
        }
        if let Some(tls) = tls_error(error) {
            return match tls {
                // The platform's verifier has no error of its own for it.
                rustls::Error::General(text) if text.contains("No CA certificates") => {
                    Self::NoRoots
                }
                rustls::Error::InvalidCertificate(reason) => Self::Certificate(certificate(reason)),
                other => Self::Tls(other.to_string()),
            };
        }
        if error.is_timeout() {
            return if error.is_connect() {
                Self::Connect(connect)
            } else {
                Self::Silence(read)
            };
        }
        if error.is_dns() {
            return Self::Name;
        }
        match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Self::Refused,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => return Self::Broken,
            _ => {}
        }
        if error.is_body() || error.is_decode() || (error.is_request() && !error.is_connect()) {
            return Self::Broken;
        }
        Self::Other(innermost(error).to_string())
    }

    /// Whether another try may go better.
    pub(super) fn passes(&self) -> bool {
        !matches!(
            self,
            Self::Certificate(_)
                | Self::NoRoots
                | Self::Tls(_)
                | Self::Redirects(_)
                | Self::Slow(_)
                | Self::GivenUp { .. }
        )
    }
}

fn certificate(reason: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Reason;
    match reason {
        Reason::UnknownIssuer => "its issuer is unknown here".to_owned(),
        Reason::Expired | Reason::ExpiredContext { .. } => "it has expired".to_owned(),
        Reason::NotValidYet | Reason::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        Reason::NotValidForName | Reason::NotValidForNameContext { .. } => {
            "it is for another host".to_owned()
        }
        other => other.to_string(),
    }
}

/// The chain of an error's sources, itself first, looking inside I/O errors as well: they hide
/// what they wrap from `source`.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match inside {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
    .take(16)
}

fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    chain(error).find_map(|error| error.downcast_ref::<T>())
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    find::<rustls::Error>(error)
}

fn innermost(error: &reqwest::Error) -> &(dyn StdError + 'static) {
    chain(error).last().unwrap_or(error)
}
