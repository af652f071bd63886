//! What S3 refuses, in the words of a store.
//!
//! In: an error of the SDK, and what was asked for. Out: a [`StoreError`] that carries the fault,
//! or the news that the object is not there. Never: takes a missing bucket for a missing object.

use std::error::Error;
use std::fmt::{Debug, Display};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use pyrun_core::{Code, Fault};
use pyrun_store::StoreError;

use super::location::S3Location;
use crate::error;

/// What is asked of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Write,
    List,
    Delete,
}

impl Action {
    fn what(self, key: &dyn Display, bucket: &str) -> String {
        match self {
            Self::Read => format!("read `{key}` from the bucket `{bucket}`"),
            Self::Write => format!("write `{key}` to the bucket `{bucket}`"),
            Self::List => format!("list `{key}` in the bucket `{bucket}`"),
            Self::Delete => format!("delete `{key}` from the bucket `{bucket}`"),
        }
    }

    /// The permission it takes, as a policy says it.
    fn permission(self, location: &S3Location) -> String {
        let (bucket, prefix) = (location.bucket(), location.prefix());
        let name = match self {
            Self::Read => "s3:GetObject",
            Self::Write => "s3:PutObject",
            Self::Delete => "s3:DeleteObject",
            Self::List => return format!("`s3:ListBucket` on `arn:aws:s3:::{bucket}`"),
        };
        format!("`{name}` on `arn:aws:s3:::{bucket}/{prefix}*`")
    }
}

/// An answer that is no success, told apart as far as a store has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// There is no such object.
    Missing,
    /// The object is not the one that the condition names, or there is one where none should be.
    Unmet,
    /// The object ends before the range begins.
    PastEnd,
    /// Another write to the object is under way.
    Conflict,
    /// The multipart upload is completed or aborted.
    NoUpload,
    /// Anything else.
    Failed,
}

impl Answer {
    pub(super) fn of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Self {
        let Some(raw) = error.raw_response() else {
            return Self::Failed;
        };
        let code = error::code(error).unwrap_or_default();
        match (code, raw.status().as_u16()) {
            ("NoSuchKey" | "NotFound", _) | ("", 404) => Self::Missing,
            ("AccessDenied", _) if is_hidden(error) => Self::Missing,
            ("PreconditionFailed", _) | ("", 412) => Self::Unmet,
            ("InvalidRange", _) | ("", 416) => Self::PastEnd,
            ("ConditionalRequestConflict" | "OperationAborted", _) | ("", 409) => Self::Conflict,
            ("NoSuchUpload", _) => Self::NoUpload,
            _ => Self::Failed,
        }
    }
}

/// Whether an object is missing and its reader may not know. Who may not list a bucket is denied
/// what is not there, and the text names the permission that would have said so.
fn is_hidden<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let text = error.as_service_error().and_then(|error| error.message());
    text.is_some_and(|text| text.contains("s3:ListBucket"))
}

impl S3Location {
    /// The error of a request that failed.
    pub(super) fn refused<E>(
        &self,
        action: Action,
        key: &dyn Display,
        error: &SdkError<E>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut fault = error::fault(&action.what(key, self.bucket()), error);
        if fault.code == Code::REMOTE_DENIED {
            let needed = format!("the credentials need {}", action.permission(self));
            fault.hints.insert(0, needed);
        }
        backend(key, fault)
    }

    /// The error of a request that was answered, but not with what was asked for.
    pub(super) fn broken(
        &self,
        action: Action,
        key: &dyn Display,
        code: Code,
        cause: impl Into<String>,
    ) -> StoreError {
        let message = format!("can't {}", action.what(key, self.bucket()));
        backend(key, Fault::new(code, message).cause(cause))
    }
}

fn backend(key: &dyn Display, fault: Fault) -> StoreError {
    StoreError::Backend {
        key: key.to_string(),
        fault: fault.into(),
    }
}
