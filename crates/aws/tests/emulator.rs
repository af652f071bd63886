//! The kit's emulated Lambda as the AWS SDK sees it: what the SDK accepts here, in framing,
//! headers and error shapes, is what the rest of the tests stand on.
#![cfg(feature = "client")]

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{Config, Region, retry::RetryConfig};
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::types::{InvocationType, LogType, ThrottleReason};
use base64::Engine as _;
use pyrun_kit::lambda::{Failure, Function, LambdaServer, bootstrap};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Stage {
    server: LambdaServer,
    client: Client,
    _folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Function)) -> Self {
        let server = LambdaServer::start();
        let folder = tempfile::tempdir().expect("room");
        let mut function = Function::new("f", bootstrap(folder.path()));
        function.timeout = Duration::from_mins(2);
        function.init_timeout = Duration::from_mins(1);
        change(&mut function);
        server.function(function);
        let client = client(&server, LambdaServer::ACCESS_KEY, LambdaServer::REGION);
        Self {
            server,
            client,
            _folder: folder,
        }
    }

    async fn call(&self, event: &Value) -> InvokeOutput {
        self.try_call(event).await.unwrap_or_else(|error| {
            panic!("{}", DisplayErrorContext(error));
        })
    }

    async fn try_call(
        &self,
        event: &Value,
    ) -> Result<InvokeOutput, aws_sdk_lambda::error::SdkError<InvokeError>> {
        let call = self.client.invoke().function_name("f");
        let call = call.log_type(LogType::Tail);
        call.payload(Blob::new(event.to_string())).send().await
    }

    /// The payload of a streamed call, its error's code and details, and its log.
    async fn stream(&self, event: &Value) -> (String, Option<String>, String, String) {
        let call = self.client.invoke_with_response_stream();
        let call = call.function_name("f").log_type(LogType::Tail);
        let payload = Blob::new(event.to_string());
        let mut output = call.payload(payload).send().await.expect("it begins");
        let mut bytes = Vec::new();
        while let Some(event) = output.event_stream.recv().await.expect("whole events") {
            match event {
                Event::PayloadChunk(chunk) => {
                    bytes.extend(chunk.payload.expect("a payload").into_inner());
                }
                Event::InvokeComplete(end) => {
                    let payload = String::from_utf8(bytes).expect("text");
                    let details = end.error_details.unwrap_or_default();
                    let log = decode(&end.log_result.expect("a log"));
                    return (payload, end.error_code, details, log);
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("the stream has no end")
    }
}

fn client(server: &LambdaServer, key: &str, region: &'static str) -> Client {
    let credentials = Credentials::new(key, LambdaServer::SECRET_KEY, None, None, "test");
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::new(region))
        .endpoint_url(server.endpoint())
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn decode(text: &str) -> String {
    let engine = base64::engine::general_purpose::STANDARD;
    let bytes = engine.decode(text).expect("base64");
    String::from_utf8(bytes).expect("text")
}

fn payload(output: &InvokeOutput) -> Value {
    let blob = output.payload().expect("a payload");
    serde_json::from_slice(blob.as_ref()).expect("JSON")
}

/// The type of a function's error.
fn error(output: &InvokeOutput) -> String {
    assert_eq!(output.function_error(), Some("Unhandled"));
    payload(output)["errorType"]
        .as_str()
        .expect("a type")
        .to_owned()
}

#[tokio::test]
async fn an_answer_its_log_and_its_version_are_understood() {
    let stage = Stage::new();
    let event = json!({"do": "write", "text": "hello\n"});
    let output = stage.call(&event).await;
    assert_eq!(output.status_code(), 200);
    assert_eq!(payload(&output), json!("written"));
    assert_eq!(output.executed_version(), Some("$LATEST"));
    assert_eq!(output.function_error(), None);
    let log = decode(output.log_result().expect("a log"));
    assert!(
        log.contains("hello\n") && log.contains("Billed Duration: "),
        "{log}"
    );
}

#[tokio::test]
async fn a_question_may_be_an_event_or_a_dry_run() {
    let stage = Stage::new();
    for (kind, status) in [(InvocationType::Event, 202), (InvocationType::DryRun, 204)] {
        let call = stage.client.invoke().function_name("f");
        let output = call.invocation_type(kind).send().await.expect("accepted");
        assert_eq!(output.status_code(), status);
    }
}

#[tokio::test]
async fn a_streams_framing_and_sums_are_accepted() {
    let stage = Stage::new();
    let event = json!({"do": "stream", "parts": ["one", "two", "three"]});
    let (payload, code, _, log) = stage.stream(&event).await;
    assert_eq!((payload.as_str(), code), ("onetwothree", None));
    assert!(log.contains("REPORT RequestId: "), "{log}");
    let (payload, code, _, _) = stage
        .stream(&json!({"do": "big", "size": 20 << 20, "streamed": true}))
        .await;
    assert_eq!((payload.len(), code), (20 << 20, None));
}

#[tokio::test]
async fn the_first_part_is_here_before_the_last_is_written() {
    let stage = Stage::new();
    let event = json!({"do": "stream", "parts": ["one", "two"], "pause": 3600});
    let call = stage
        .client
        .invoke_with_response_stream()
        .function_name("f");
    let payload = Blob::new(event.to_string());
    let mut output = call.payload(payload).send().await.expect("it begins");
    let first = output.event_stream.recv().await.expect("an event");
    let Some(Event::PayloadChunk(chunk)) = first else {
        panic!("{first:?}");
    };
    assert_eq!(chunk.payload.expect("a payload").as_ref(), b"one");
}

#[tokio::test]
async fn function_errors_are_told_by_both_calls() {
    let stage = Stage::new();
    let event = json!({"do": "fail", "kind": "My.Error"});
    assert_eq!(error(&stage.call(&event).await), "My.Error");
    let (_, code, details, _) = stage.stream(&event).await;
    assert_eq!(code.as_deref(), Some("My.Error"));
    assert!(details.contains("on purpose"), "{details}");
    let event = json!({"do": "stream", "parts": ["half"], "error": "My.Trailer"});
    let (payload, code, _, _) = stage.stream(&event).await;
    assert_eq!(
        (payload.as_str(), code.as_deref()),
        ("half", Some("My.Trailer"))
    );
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_stream_is_an_orderly_end() {
    let stage = Stage::new();
    let event = json!({"do": "die", "after": ["one", "two"], "status": 9});
    let (payload, code, details, log) = stage.stream(&event).await;
    assert_eq!(
        (payload.as_str(), code.as_deref()),
        ("onetwo", Some("Runtime.ExitError"))
    );
    assert!(details.contains("exit status 9"), "{details}");
    assert!(log.contains("Status: error"), "{log}");
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_an_error_of_the_stream() {
    let stage = Stage::new();
    stage.server.fail_next(1, &Failure::Cut(200));
    let call = stage
        .client
        .invoke_with_response_stream()
        .function_name("f");
    let event = json!({"do": "stream", "parts": ["one", "two"]});
    let payload = Blob::new(event.to_string());
    let mut output = call.payload(payload).send().await.expect("it begins");
    loop {
        match output.event_stream.recv().await {
            Ok(Some(Event::PayloadChunk(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
}

#[tokio::test]
async fn timeouts_crashes_memory_and_init_have_their_types() {
    let stage = Stage::with(|function| function.timeout = Duration::from_secs(4));
    let event = json!({"do": "sleep", "seconds": 60});
    let output = stage.call(&event).await;
    assert_eq!(error(&output), "Sandbox.Timedout");
    let message = payload(&output)["errorMessage"].to_string();
    assert!(
        message.contains("Task timed out after 4.00 seconds"),
        "{message}"
    );

    let stage = Stage::new();
    let output = stage.call(&json!({"do": "kill"})).await;
    assert_eq!(error(&output), "Runtime.ExitError");
    let event = json!({"do": "allocate", "megabytes": 120, "hold": 3600});
    assert_eq!(error(&stage.call(&event).await), "Runtime.OutOfMemory");
    let (_, code, _, _) = stage.stream(&event).await;
    assert_eq!(code.as_deref(), Some("Runtime.OutOfMemory"));

    let stage = Stage::with(|function| *function = function.clone().env("INIT", "error"));
    assert_eq!(error(&stage.call(&json!({})).await), "Test.Init");
}

#[tokio::test]
async fn time_stands_still_between_calls() {
    let stage = Stage::with(|function| *function = function.clone().env("TICKS", "1"));
    let mut ticks = Vec::new();
    for _ in 0..2 {
        let output = stage.call(&json!({"do": "echo"})).await;
        ticks.push(payload(&output)["ticks"].as_u64().expect("a count"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // 250 of them would have gone by.
    assert!(ticks[1] - ticks[0] < 100, "{ticks:?}");
}

#[tokio::test]
async fn refusals_are_the_sdks_own_errors() {
    let stage = Stage::with(|function| function.reserved_concurrency = Some(0));
    let refused = stage.try_call(&json!({})).await.expect_err("refused");
    let InvokeError::TooManyRequestsException(throttled) = refused.into_service_error() else {
        panic!("another error");
    };
    let reserved = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
    assert_eq!(throttled.reason(), Some(&reserved));
    assert_eq!(throttled.retry_after_seconds(), Some("1"));
    for (failure, code) in [
        (Failure::AccessDenied, "AccessDeniedException"),
        (Failure::ExpiredToken, "ExpiredTokenException"),
        (Failure::WrongRegion, "InvalidSignatureException"),
        (Failure::NotFound, "ResourceNotFoundException"),
        (Failure::Service, "ServiceException"),
    ] {
        stage.server.fail_next(1, &failure);
        let refused = stage.try_call(&json!({})).await.expect_err("refused");
        let refused = refused.into_service_error();
        assert_eq!(refused.code(), Some(code));
        assert!(
            refused.message().is_some_and(|text| !text.is_empty()),
            "{code}"
        );
    }
    let large = json!("x".repeat(6 << 20));
    let refused = stage.try_call(&large).await.expect_err("too large");
    assert!(matches!(
        refused.into_service_error(),
        InvokeError::RequestTooLargeException(_)
    ));
}

#[tokio::test]
async fn keys_and_regions_are_looked_at() {
    let stage = Stage::new();
    for (key, region, code) in [
        (
            "AKIAOTHER",
            LambdaServer::REGION,
            "UnrecognizedClientException",
        ),
        (
            LambdaServer::ACCESS_KEY,
            "us-east-1",
            "InvalidSignatureException",
        ),
    ] {
        let client = client(&stage.server, key, region);
        let refused = client.invoke().function_name("f").send().await;
        let refused = refused.expect_err("refused").into_service_error();
        assert_eq!(refused.code(), Some(code));
    }
}

#[tokio::test]
async fn a_throttled_call_is_repeated_by_an_sdk_that_may() {
    let stage = Stage::new();
    stage.server.throttle_next(2);
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = stage.client.config().to_builder().retry_config(retries);
    let client = Client::from_conf(config.build());
    let output = client.invoke().function_name("f").send().await;
    assert_eq!(output.expect("the third time").status_code(), 200);
    assert_eq!(stage.server.statistics().throttled, 2);
}

#[tokio::test]
async fn functions_and_the_account_are_described() {
    let stage = Stage::with(|function| function.memory_mb = 512);
    let configuration = stage.client.get_function_configuration();
    let configuration = configuration.function_name("f").send().await;
    let configuration = configuration.expect("it is there");
    assert_eq!(configuration.memory_size(), Some(512));
    assert_eq!(
        configuration
            .ephemeral_storage()
            .map(aws_sdk_lambda::types::EphemeralStorage::size),
        Some(512)
    );
    let account = stage.client.get_account_settings().send().await;
    let limit = account.expect("an account").account_limit.expect("limits");
    assert_eq!(limit.concurrent_executions, 1000);
    let missing = stage.client.get_function().function_name("g").send().await;
    assert!(
        missing
            .expect_err("none")
            .into_service_error()
            .is_resource_not_found_exception()
    );
}
