//! What Lambda answers instead of a call's result, and what a test lets go wrong.
//!
//! In: what is wrong with a request, or a test's wish. Out: status, error type and body as the
//! API reference of Invoke lists them under "Errors" and "Common Errors".
//! Never: says anything of a function's own errors: those are answers with status 200.

use std::time::Duration;

use serde_json::{Value, json};

use super::function::{ACCOUNT, REGION};

/// Why a call is throttled (API reference of Invoke, `TooManyRequestsException`, `Reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleReason {
    /// The function has as many calls as are reserved for it.
    ReservedConcurrency,
    /// The account has as many calls as it may have.
    Concurrency,
    /// The caller asks too often.
    CallerRate,
}

impl ThrottleReason {
    fn text(self) -> &'static str {
        match self {
            Self::ReservedConcurrency => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Concurrency => "ConcurrentInvocationLimitExceeded",
            Self::CallerRate => "CallerRateLimitExceeded",
        }
    }
}

/// Something that goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// 429.
    Throttle(ThrottleReason),
    /// 403: the caller may not.
    AccessDenied,
    /// 403: the caller's token is too old.
    ExpiredToken,
    /// 403: the signature is for another region.
    WrongRegion,
    /// 404.
    NotFound,
    /// 500: Lambda itself failed.
    Service,
    /// 503, with a body that is no JSON, as a load balancer sends it.
    Unavailable,
    /// The connection closes without an answer; the function is not called.
    Close,
    /// The function is called, and the connection breaks after this many bytes of the answer.
    Cut(usize),
    /// The request waits this long before anything happens to it.
    Delay(Duration),
}

/// An answer that is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub kind: &'static str,
    pub body: Value,
    /// In seconds.
    pub retry_after: Option<u32>,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            body: json!({"Type": "User", "Message": message.into()}),
            retry_after: None,
        }
    }

    /// What the common checks of all services say has another letter case.
    fn common(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            body: json!({"message": message.into()}),
            ..Self::new(403, kind, "")
        }
    }

    /// The refusal of an injected failure that is one.
    pub(super) fn of(failure: &Failure, arn: &str) -> Option<Self> {
        Some(match failure {
            Failure::Throttle(reason) => Self::throttled(*reason),
            Failure::AccessDenied => Self::access_denied(arn),
            Failure::ExpiredToken => Self::common(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
            Failure::WrongRegion => Self::wrong_scope("region"),
            Failure::NotFound => Self::not_found(arn),
            Failure::Service => Self {
                body: json!({"Type": "Service", "Message": "An error occurred and the request cannot be processed."}),
                ..Self::new(500, "ServiceException", "")
            },
            Failure::Unavailable => Self {
                body: Value::String("<html>503 Service Unavailable</html>".into()),
                ..Self::new(503, "", "")
            },
            Failure::Close | Failure::Cut(_) | Failure::Delay(_) => return None,
        })
    }

    pub(super) fn throttled(reason: ThrottleReason) -> Self {
        Self {
            body: json!({"Type": "User", "message": "Rate Exceeded.", "Reason": reason.text()}),
            retry_after: Some(1),
            ..Self::new(429, "TooManyRequestsException", "")
        }
    }

    fn access_denied(arn: &str) -> Self {
        let message = format!(
            "User: arn:aws:iam::{ACCOUNT}:user/tester is not authorized to perform: \
             lambda:InvokeFunction on resource: {arn} because no identity-based policy allows \
             the lambda:InvokeFunction action"
        );
        Self {
            body: json!({"Message": message}),
            ..Self::new(403, "AccessDeniedException", "")
        }
    }

    pub(super) fn not_found(arn: &str) -> Self {
        Self::new(
            404,
            "ResourceNotFoundException",
            format!("Function not found: {arn}"),
        )
    }

    pub(super) fn no_key() -> Self {
        Self::common(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    pub(super) fn bad_key() -> Self {
        Self::common(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    }

    /// `what` of the signature's scope is not this server's.
    pub(super) fn wrong_scope(what: &str) -> Self {
        let message = match what {
            "region" => "Credential should be scoped to a valid region.".to_owned(),
            _ => format!("Credential should be scoped to correct {what}: 'lambda'."),
        };
        Self::common("InvalidSignatureException", message)
    }

    pub(super) fn too_large(limit: usize, operation: &str) -> Self {
        Self::new(
            413,
            "RequestTooLargeException",
            format!("Request must be smaller than {limit} bytes for the {operation} operation"),
        )
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameterValueException", message)
    }

    pub(super) fn bad_content(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequestContentException", message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self {
            body: json!({"Message": format!("no such operation in {REGION}")}),
            ..Self::new(404, "UnknownOperationException", "")
        }
    }
}
