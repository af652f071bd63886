//! Each kind of failure has its code, whichever service it comes from.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use pyrun_core::Exit;

use super::*;

#[derive(Debug)]
struct Said(ErrorMetadata);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unhandled error")
    }
}

impl Error for Said {}

impl ProvideErrorMetadata for Said {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
    let status = status.try_into().expect("a status");
    let mut response = HttpResponse::new(status, SdkBody::empty());
    for (name, value) in headers {
        response.headers_mut().insert(*name, *value);
    }
    response
}

fn service(code: &str, text: &str, raw: HttpResponse) -> SdkError<Said, HttpResponse> {
    let mut meta = ErrorMetadata::builder();
    if !code.is_empty() {
        meta = meta.code(code);
    }
    if !text.is_empty() {
        meta = meta.message(text);
    }
    SdkError::service_error(Said(meta.build()), raw)
}

#[test]
fn what_a_service_says_has_its_code() {
    for (said, status, expected) in [
        ("ExpiredToken", 400, Code::REMOTE_CREDENTIALS),
        ("InvalidAccessKeyId", 403, Code::REMOTE_CREDENTIALS),
        ("UnrecognizedClientException", 400, Code::REMOTE_CREDENTIALS),
        ("RequestTimeTooSkewed", 403, Code::REMOTE_CREDENTIALS),
        ("AccessDenied", 403, Code::REMOTE_DENIED),
        ("AccessDeniedException", 400, Code::REMOTE_DENIED),
        ("", 403, Code::REMOTE_DENIED),
        ("PermanentRedirect", 301, Code::REMOTE_REGION),
        ("", 301, Code::REMOTE_REGION),
        ("SlowDown", 503, Code::REMOTE_THROTTLED),
        ("TooManyRequestsException", 429, Code::REMOTE_THROTTLED),
        ("LimitExceededException", 400, Code::REMOTE_QUOTA),
        ("", 503, Code::REMOTE_THROTTLED),
        ("", 504, Code::REMOTE_UNREACHABLE),
        ("NoSuchBucket", 404, Code::STORE_MISSING),
        ("InternalError", 500, Code::REMOTE_FAILED),
        ("SomethingNew", 400, Code::REMOTE_FAILED),
    ] {
        let error = service(said, "A text.", answer(status, &[]));
        let fault = fault("ask", &error);
        assert_eq!(fault.code, expected, "{said} {status}");
        assert_eq!(fault.message, "can't ask");
        assert_eq!(fault.causes.len(), 1, "{fault:?}");
        assert!(fault.causes[0].ends_with("A text"), "{fault:?}");
        let hinted = fault.code == Code::REMOTE_FAILED || !fault.hints.is_empty();
        assert!(hinted, "{fault:?}");
        assert_eq!(fault.exit(), Exit::Infrastructure);
    }
}

#[test]
fn the_right_region_is_named() {
    let header = answer(301, &[("x-amz-bucket-region", "eu-west-1")]);
    let text = "the region 'us-east-1' is wrong; expecting 'eu-central-1'";
    for (error, region) in [
        (service("PermanentRedirect", "", header), "eu-west-1"),
        (
            service("AuthorizationHeaderMalformed", text, answer(400, &[])),
            "eu-central-1",
        ),
        (
            service("", "", answer(400, &[("x-amz-bucket-region", "sa-east-1")])),
            "sa-east-1",
        ),
    ] {
        let fault = fault("ask", &error);
        assert_eq!(fault.code, Code::REMOTE_REGION);
        assert!(fault.hints[0].contains(region), "{fault:?}");
    }
    let other = service(
        "AuthorizationHeaderMalformed",
        "three parts",
        answer(400, &[]),
    );
    assert_eq!(fault("ask", &other).code, Code::REMOTE_CREDENTIALS);
}

#[test]
fn what_was_not_answered_is_told_apart() {
    type Unsaid = SdkError<Said, HttpResponse>;
    let none = CredentialsError::not_loaded("nobody has any");
    let none = Unsaid::dispatch_failure(ConnectorError::other(none.into(), None));
    let fault_of_none = fault("ask", &none);
    assert_eq!(fault_of_none.code, Code::REMOTE_CREDENTIALS);
    assert!(fault_of_none.hints[0].contains("aws sso login"));
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let refused = Unsaid::dispatch_failure(ConnectorError::io(refused.into()));
    assert_eq!(fault("ask", &refused).code, Code::REMOTE_UNREACHABLE);
    assert_eq!(
        fault("ask", &refused).causes,
        ["dispatch failure", "connection refused"]
    );
    let late = Unsaid::timeout_error("too late");
    assert_eq!(fault("ask", &late).code, Code::REMOTE_UNREACHABLE);
    let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
    let cut = Unsaid::response_error(cut, answer(200, &[]));
    assert_eq!(fault("ask", &cut).code, Code::REMOTE_UNREACHABLE);
    let nonsense = Unsaid::response_error("no XML", answer(200, &[]));
    assert_eq!(fault("ask", &nonsense).code, Code::REMOTE_FAILED);
    let wrong = Unsaid::construction_failure("a field is missing");
    assert_eq!(fault("ask", &wrong).code, Code::REMOTE_FAILED);
}

#[test]
fn what_a_server_says_is_one_bounded_line() {
    let long = format!("two\n  lines {}", "x".repeat(5_000));
    let fault = fault("ask", &service("Odd", &long, answer(400, &[])));
    assert!(fault.causes[0].starts_with("Odd: two lines x"), "{fault:?}");
    assert!(fault.causes[0].len() < 700);
}

#[cfg(feature = "client")]
#[test]
fn an_error_in_the_middle_of_an_answer_is_of_the_same_kinds() {
    let fault = named("empty the bucket `x`", "AccessDenied", "No.");
    assert_eq!(fault.code, Code::REMOTE_DENIED);
    assert_eq!(fault.message, "can't empty the bucket `x`");
    assert_eq!(fault.causes, ["AccessDenied: No"]);
    assert!(!fault.hints.is_empty());
    assert_eq!(named("do", "Odd", "x").code, Code::REMOTE_FAILED);
}
