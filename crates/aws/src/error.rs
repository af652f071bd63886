//! What AWS answers instead of what was asked for, in words.
//!
//! In: an error of any of the SDK's clients, and what was being done. Out: a [`Fault`] whose code
//! says what kind of failure it is and whose hints say what to do next. Never: decides whether to
//! try again; says a credential.

use std::error::Error;
use std::fmt::Debug;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::event_stream::RawMessage;
use pyrun_core::{Code, Fault};

/// The header that names the region of a bucket that lies elsewhere.
const BUCKET_REGION: &str = "x-amz-bucket-region";
/// Characters of what a server says that are passed on.
const LONGEST_CAUSE: usize = 600;

/// What came with an error: a whole response, or a message of a stream.
pub(crate) trait Raw {
    /// The status, where there is one.
    fn status(&self) -> Option<u16> {
        None
    }

    /// A header, where there are any.
    fn header(&self, _name: &str) -> Option<&str> {
        None
    }
}

impl Raw for HttpResponse {
    fn status(&self) -> Option<u16> {
        Some(self.status().as_u16())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)
    }
}

impl Raw for RawMessage {}

/// The fault of a call that failed. `what` is what can't be done, as in "can't `what`".
pub(crate) fn fault<E, R>(what: &str, error: &SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Raw + Debug + 'static,
{
    let kind = kind(error);
    let fault = Fault::new(kind.code(), format!("can't {what}"));
    let fault = causes(error).into_iter().fold(fault, Fault::cause);
    kind.hint(fault)
}

/// The fault of an error that a service names in the middle of an answer.
#[cfg(feature = "client")]
pub(crate) fn named(what: &str, code: &str, message: &str) -> Fault {
    let error = aws_smithy_types::error::ErrorMetadata::builder()
        .code(code)
        .message(message)
        .build();
    let kind = said::<HttpResponse>(&error, None);
    let fault = Fault::new(kind.code(), format!("can't {what}"));
    kind.hint(fault.cause(format!("{code}: {}", tidy(message))))
}

/// The service's own code for an error, such as `NoSuchKey`.
pub(crate) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(|error| error.code())
}

/// What an error is, whichever service it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// No credentials, or none that can be used.
    NoCredentials,
    /// Credentials that the service does not accept.
    BadCredentials,
    /// A clock that is off: every signature then looks old or is from the future.
    Clock,
    Denied,
    /// With the right region, where the answer says it.
    Region(Option<String>),
    Throttled,
    Quota,
    Unreachable,
    NoBucket,
    Other,
}

impl Kind {
    fn code(&self) -> Code {
        match self {
            Self::NoCredentials | Self::BadCredentials | Self::Clock => Code::REMOTE_CREDENTIALS,
            Self::Denied => Code::REMOTE_DENIED,
            Self::Region(_) => Code::REMOTE_REGION,
            Self::Throttled => Code::REMOTE_THROTTLED,
            Self::Quota => Code::REMOTE_QUOTA,
            Self::Unreachable => Code::REMOTE_UNREACHABLE,
            Self::NoBucket => Code::STORE_MISSING,
            Self::Other => Code::REMOTE_FAILED,
        }
    }

    fn hint(self, fault: Fault) -> Fault {
        match self {
            Self::NoCredentials => fault.hint(
                "sign in with `aws sso login` or `aws configure`, or set AWS_PROFILE or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            Self::BadCredentials => fault.hint(
                "the credentials are expired, or belong to another account or endpoint: sign in \
                 again (`aws sso login`), or name another profile",
            ),
            Self::Clock => fault.hint("set this machine's clock: signatures are valid for minutes"),
            Self::Denied => {
                fault.hint("ask for the permission, or name a profile that has it")
            }
            Self::Region(Some(region)) => fault
                .hint(format!("it lies in the region `{region}`: set AWS_REGION={region}, or `region` of the remote in pyrun.toml")),
            Self::Region(None) => {
                fault.hint("set AWS_REGION, or `region` of the remote in pyrun.toml")
            }
            Self::Throttled => fault.hint("try again in a minute"),
            Self::Quota => fault.hint("ask for a larger quota in the Service Quotas console"),
            Self::Unreachable => fault.hint(
                "check the network, the proxy variables, and the endpoint and region that are set",
            ),
            Self::NoBucket => fault.hint(
                "check the bucket's name and the account (`pyrun deploy status`), or make the \
                 stack again with `pyrun deploy`",
            ),
            Self::Other => fault,
        }
    }
}

/// What kind of error a service speaks of.
fn said<R: Raw>(error: &impl ProvideErrorMetadata, raw: Option<&R>) -> Kind {
    let status = raw.and_then(Raw::status);
    let elsewhere = raw.and_then(|raw| raw.header(BUCKET_REGION));
    let text = error.message().unwrap_or_default();
    match error.code().unwrap_or_default() {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidToken"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "TokenRefreshRequired"
        | "UnrecognizedClientException" => Kind::BadCredentials,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Kind::Clock,
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "Forbidden"
        | "NotAuthorized"
        | "OptInRequired"
        | "UnauthorizedOperation" => Kind::Denied,
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => {
            Kind::Region(region(text, elsewhere))
        }
        "AuthorizationHeaderMalformed" => match region(text, elsewhere) {
            Some(region) => Kind::Region(Some(region)),
            None => Kind::BadCredentials,
        },
        "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "TransactionInProgressException" => Kind::Throttled,
        "CodeStorageExceededException"
        | "LimitExceeded"
        | "LimitExceededException"
        | "ServiceQuotaExceededException" => Kind::Quota,
        "RequestTimeout" | "RequestTimeoutException" => Kind::Unreachable,
        "NoSuchBucket" => Kind::NoBucket,
        // Answers without a body: of S3's HEAD, and of what stands between.
        _ => match (status, elsewhere) {
            (Some(301 | 307), _) | (Some(400), Some(_)) => Kind::Region(region(text, elsewhere)),
            (Some(401 | 403), _) => Kind::Denied,
            (Some(429 | 503), _) => Kind::Throttled,
            (Some(502 | 504), _) => Kind::Unreachable,
            _ => Kind::Other,
        },
    }
}

/// The right region, from the header or from `... expecting 'eu-central-1'`.
fn region(text: &str, header: Option<&str>) -> Option<String> {
    let expected = || text.split("expecting '").nth(1)?.split('\'').next();
    header
        .or_else(expected)
        .filter(|region| !region.is_empty())
        .map(str::to_owned)
}

/// What kind of error it is.
fn kind<E, R>(error: &SdkError<E, R>) -> Kind
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Raw + Debug + 'static,
{
    match error {
        SdkError::ServiceError(answer) => said(answer.err(), Some(answer.raw())),
        _ if is_caused_by::<CredentialsError>(error) => Kind::NoCredentials,
        SdkError::TimeoutError(_) => Kind::Unreachable,
        SdkError::DispatchFailure(failure)
            if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() =>
        {
            Kind::Unreachable
        }
        // An answer that was cut, or that is none of AWS.
        _ if is_caused_by::<io::Error>(error) => Kind::Unreachable,
        _ => Kind::Other,
    }
}

/// Why, as far as anybody says.
fn causes<E, R>(error: &SdkError<E, R>) -> Vec<String>
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Raw + Debug + 'static,
{
    if let SdkError::ServiceError(answer) = error {
        let status = answer.raw().status().map(|status| format!("HTTP {status}"));
        let code = answer.err().code().map(str::to_owned).or(status);
        return match (code, answer.err().message()) {
            (Some(code), Some(text)) => vec![format!("{code}: {}", tidy(text))],
            (Some(code), None) => vec![code],
            (None, text) => text.map(tidy).into_iter().collect(),
        };
    }
    let mut causes = vec![error.to_string()];
    for source in sources(error) {
        let text = tidy(&source.to_string());
        // A connector's own text is one word about its kind, which its source says better.
        if !source.is::<ConnectorError>() && !causes.contains(&text) {
            causes.push(text);
        }
    }
    causes
}

/// One line of bounded length, whatever a server says.
fn tidy(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    line.chars().take(LONGEST_CAUSE).collect()
}

fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

fn is_caused_by<C: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(<dyn Error + 'static>::is::<C>)
}

#[cfg(test)]
mod tests;
