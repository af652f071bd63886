//! What can go wrong with a call, and what it is called.
//!
//! In: the SDK's errors, and what Lambda says in a function's stead. Out: a [`Failure`], which says
//! whether the function may have begun, and its [`Fault`]. Never: repeats a call (`retry` does).

mod function;
mod service;

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::event_stream::RawMessage;
use pyrun_core::{Code, Fault};

use super::Mode;
use super::lines::LineError;
use super::log_tail::Tail;
use crate::error;

pub(super) use function::FunctionError;

/// Why a call did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service refused it, so the function was not called.
    Refused(Refusal),
    /// It was never sent.
    NotSent(Box<Fault>),
    /// Nobody knows whether the function was called, or how far it came.
    Cut {
        /// Why, as far as anybody says.
        cause: Option<String>,
    },
    /// Nothing came for longer than the function may work.
    Silent {
        /// That long.
        waited: Duration,
    },
    /// The function did not come to its end.
    Function {
        /// What Lambda says of it.
        error: FunctionError,
        /// Its log's last lines.
        log: Option<Tail>,
    },
    /// It can't go on, whatever AWS does.
    Own(Box<Fault>),
}

/// What the service says when it refuses a call.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Its code, such as `TooManyRequestsException`.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// Its words.
    pub message: String,
    /// The kind of limit, such as `ReservedFunctionConcurrentInvocationLimitExceeded`.
    pub reason: Option<String>,
    /// What it comes to when it is nothing that only Lambda says.
    pub general: Box<Fault>,
}

impl Failure {
    /// Of a call that got no answer to read.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let general = Box::new(error::fault("call the function", error));
        match error {
            SdkError::ServiceError(answer) => {
                let body = answer.raw().body().bytes().unwrap_or_default();
                Self::Refused(Refusal {
                    code: answer.err().code().unwrap_or_default().to_owned(),
                    status: answer.raw().status().as_u16(),
                    message: answer.err().message().unwrap_or_default().to_owned(),
                    reason: reason(body),
                    general,
                })
            }
            _ if general.code == Code::REMOTE_CREDENTIALS => Self::Own(general),
            // What can't be put together is not sent, and would not be the next time.
            SdkError::ConstructionFailure(_) => Self::Own(general),
            _ if never_sent(error) => Self::NotSent(general),
            _ => Self::Cut {
                cause: general.causes.last().cloned(),
            },
        }
    }

    /// Of an answer that broke off.
    pub(super) fn cut<E>(error: &SdkError<E, RawMessage>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let general = error::fault("read the answer", error);
        Self::Cut {
            cause: general.causes.last().cloned(),
        }
    }

    /// Of a function that did not come to its end.
    pub(super) fn function(code: Option<&str>, said: Option<&str>, log: Option<Tail>) -> Self {
        Self::Function {
            error: FunctionError::new(code, said),
            log,
        }
    }

    /// The fault to show.
    pub(super) fn into_fault(self, function: &str, region: &str, mode: Mode) -> Fault {
        match self {
            Self::Refused(refusal) => service::fault(refusal, function, region, mode),
            Self::NotSent(fault) | Self::Own(fault) => *fault,
            Self::Function { error, log } => error.into_fault(function, log.as_ref()),
            Self::Cut { cause } => {
                let fault = Fault::new(
                    Code::REMOTE_CUT,
                    format!("the connection to the function `{function}` ended before the answer did"),
                );
                cause.into_iter().fold(fault, Fault::cause).hint(
                    "what the function did is not known, so it is not repeated: run it again if that does no harm",
                )
            }
            Self::Silent { waited } => Fault::new(
                Code::REMOTE_CUT,
                format!(
                    "the function `{function}` said nothing for {} seconds, which is longer than it may work",
                    waited.as_secs()
                ),
            )
            .hint("the connection was lost on the way: run it again if that does no harm"),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Own(Box::new(fault))
    }
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Self {
        let fault = Fault::new(Code::RUN_PROTOCOL, error.to_string())
            .hint("`pyrun deploy` makes the functions this pyrun's own");
        Self::Own(Box::new(fault))
    }
}

/// The reason that stands in a refusal's body.
fn reason(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("Reason")?.as_str()?.to_owned())
}

/// Whether an error says for certain that nothing was sent: no connection was made.
fn never_sent<E, R>(error: &SdkError<E, R>) -> bool
where
    E: Error + 'static,
    R: Debug,
{
    let SdkError::DispatchFailure(failure) = error else {
        return false;
    };
    let mut link = failure
        .as_connector_error()
        .map(|error| error as &(dyn Error + 'static));
    while let Some(error) = link {
        if says_unconnected(error) {
            return true;
        }
        link = error.source();
    }
    false
}

/// Whether an error, its sources aside, says that no connection was made.
fn says_unconnected(error: &(dyn Error + 'static)) -> bool {
    let refused = error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    let text = error.to_string();
    // Neither of these has a type of its own that is public.
    refused
        || text.starts_with("HTTP connect timeout")
        || text.contains("failed to lookup address information")
}
