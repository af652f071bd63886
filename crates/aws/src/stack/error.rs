//! What `CloudFormation`, S3, STS and Lambda's control plane answer with, in words.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use pyrun_core::{Code, Fault};

/// An answer that was an error, as far as a caller has to tell one from another.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    /// The service's own code, such as `ValidationError`.
    pub code: String,
    /// Its own words.
    pub message: String,
}

impl Failure {
    /// The service's own code and words; empty when it never answered.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        let service = error.as_service_error();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            code: text(service.and_then(ProvideErrorMetadata::code)),
            message: text(service.and_then(ProvideErrorMetadata::message)),
        }
    }
}

/// The fault of a call that failed. `doing` follows `can't`: `look at the stack x`.
pub(crate) fn fault<E>(doing: &str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let SdkError::ServiceError(_) = error {
        let failure = Failure::of(error);
        return named(doing, &failure.code, &failure.message);
    }
    let chain = chain(error);
    if chain.iter().any(|cause| cause.is::<CredentialsError>()) {
        return credentials(doing, "there are no AWS credentials that can be used")
            .cause(words(&chain));
    }
    Fault::new(
        Code::REMOTE_UNREACHABLE,
        format!("can't {doing}: AWS does not answer"),
    )
    .cause(words(&chain))
    .hint("see whether the network is up, and whether the region's name is right")
}

/// The fault of an error that a service names.
pub(crate) fn named(doing: &str, code: &str, message: &str) -> Fault {
    let said = match (code, message) {
        ("", "") => "the answer says nothing".to_owned(),
        ("", message) => message.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let fault = match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            credentials(doing, "the AWS credentials have expired")
        }
        "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "IncompleteSignature" => credentials(doing, "AWS does not accept the credentials"),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Fault::new(
            Code::REMOTE_DENIED,
            format!("can't {doing}: AWS does not permit it"),
        )
        .hint("docs/aws.md has the policy that whoever deploys needs"),
        "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => Fault::new(
            Code::REMOTE_THROTTLED,
            format!("can't {doing}: AWS asks to slow down, and waiting did not help"),
        )
        .hint("try again in a minute"),
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "OptInRequired" => Fault::new(
            Code::REMOTE_REGION,
            format!("can't {doing}: it lies in another region, or the region is not enabled"),
        )
        .hint("name the region with `--region`"),
        "NoSuchBucket" => Fault::new(
            Code::STORE_MISSING,
            format!("can't {doing}: the bucket is not there"),
        )
        .hint("`pyrun destroy` removes what is left of the stack, `pyrun deploy` makes it anew"),
        "LimitExceededException" | "LimitExceeded" | "ServiceQuotaExceededException" => Fault::new(
            Code::REMOTE_QUOTA,
            format!("can't {doing}: a quota of the account is used up"),
        )
        .hint("`pyrun doctor` shows the quotas that matter here"),
        _ => Fault::new(Code::REMOTE_FAILED, format!("can't {doing}")),
    };
    fault.cause(said)
}

fn credentials(doing: &str, why: &str) -> Fault {
    Fault::new(Code::REMOTE_CREDENTIALS, format!("can't {doing}: {why}"))
        .hint("`aws sso login` or `aws configure` gets new ones; `--profile NAME` or AWS_PROFILE chooses among them")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).collect()
}

/// The innermost cause: what wraps it says less.
fn words(chain: &[&(dyn Error + 'static)]) -> String {
    chain.last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_refusal_has_its_own_code_and_way_on() {
        let table = [
            ("ExpiredToken", Code::REMOTE_CREDENTIALS),
            ("UnrecognizedClientException", Code::REMOTE_CREDENTIALS),
            ("AccessDenied", Code::REMOTE_DENIED),
            ("Throttling", Code::REMOTE_THROTTLED),
            ("AuthorizationHeaderMalformed", Code::REMOTE_REGION),
            ("NoSuchBucket", Code::STORE_MISSING),
            ("LimitExceededException", Code::REMOTE_QUOTA),
        ];
        for (code, expected) in table {
            let fault = named("look at the stack `x`", code, "no");
            assert_eq!(fault.code, expected);
            assert_eq!(fault.causes, [format!("{code}: no")]);
            assert!(!fault.hints.is_empty(), "{code} says what to do next");
        }
        assert_eq!(named("do", "Odd", "").code, Code::REMOTE_FAILED);
    }
}
