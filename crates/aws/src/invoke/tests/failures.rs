//! Every way in which a call goes wrong: its code, its hint, and how often it was made.

use super::*;

#[tokio::test]
async fn refusals_are_told_apart_and_a_run_is_not_repeated() {
    for (status, code, message, expected, word) in [
        (
            404,
            "ResourceNotFoundException",
            "Function not found: f",
            Code::REMOTE_NO_STACK,
            "pyrun deploy",
        ),
        (
            403,
            "AccessDeniedException",
            "not authorized",
            Code::REMOTE_DENIED,
            "lambda:Invoke",
        ),
        (
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
            Code::REMOTE_CREDENTIALS,
            "sign in",
        ),
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            Code::REMOTE_CREDENTIALS,
            "sign in",
        ),
        (
            413,
            "RequestTooLargeException",
            "Request must be smaller",
            Code::REMOTE_PAYLOAD,
            "send less",
        ),
        (
            502,
            "KMSAccessDeniedException",
            "no",
            Code::REMOTE_START,
            "KMS key",
        ),
        (
            502,
            "ENILimitReachedException",
            "no",
            Code::REMOTE_QUOTA,
            "subnets",
        ),
        (
            408,
            "SnapStartTimeoutException",
            "no",
            Code::REMOTE_START,
            "snapshot",
        ),
        (500, "ServiceException", "oh", Code::REMOTE_FAILED, ""),
    ] {
        for (got, calls) in both(&Reply::refusal(status, code, message)).await {
            let fault = got.fault();
            assert_eq!(fault.code, expected, "{fault:?}");
            assert!(
                word.is_empty() || fault.hints[0].contains(word),
                "{fault:?}"
            );
            assert_eq!(calls, 1, "{code}");
        }
    }
}

#[tokio::test]
async fn the_permission_that_is_missing_is_named() {
    let refusal = Reply::refusal(403, "AccessDeniedException", "no");
    let [(streamed, _), (buffered, _)] = both(&refusal).await;
    assert!(streamed.fault().hints[0].contains("lambda:InvokeWithResponseStream"));
    assert!(buffered.fault().hints[0].contains("lambda:InvokeFunction"));
}

#[tokio::test]
async fn without_credentials_nothing_is_called() {
    let server = CallServer::start(|_, _| Reply::lines(&[hello()]));
    let caller = Caller {
        connection: Connection::to(&server.endpoint(), false),
        ..Caller::new(&server.endpoint())
    };
    let got = caller.ask(&run(None)).await;
    assert_eq!(
        got.fault().code,
        Code::REMOTE_CREDENTIALS,
        "{:?}",
        got.fault()
    );
    assert!(!got.fault().hints.is_empty());
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn a_busy_service_is_waited_for_with_a_word() {
    let server = CallServer::start(|_, number| match number {
        0 => Reply::Refusal {
            status: 429,
            code: "TooManyRequestsException",
            message: "Rate Exceeded.",
            reason: Some("CallerRateLimitExceeded"),
        },
        _ => Reply::lines(&[hello()]),
    });
    let got = Caller::new(&server.endpoint()).ask(&run(None)).await;
    assert_eq!(got.ended.outcome, Ok(()));
    // What was refused costs nothing.
    assert_eq!(got.ended.report.calls, 1);
    assert_eq!(got.warnings.len(), 1);
    assert!(got.warnings[0].contains("CallerRateLimitExceeded"));
}

#[tokio::test]
async fn waiting_has_an_end() {
    let server = CallServer::start(|_, _| Reply::Refusal {
        status: 429,
        code: "TooManyRequestsException",
        message: "Rate Exceeded.",
        reason: Some("ReservedFunctionConcurrentInvocationLimitExceeded"),
    });
    let caller = Caller {
        patience: Duration::from_millis(700),
        ..Caller::new(&server.endpoint())
    };
    let got = caller.ask(&run(None)).await;
    assert_eq!(got.fault().code, Code::REMOTE_THROTTLED);
    assert!(got.fault().hints[0].contains("--concurrency"));
    assert!(server.calls().len() >= 2);
}

#[tokio::test]
async fn an_endpoint_that_does_not_listen_is_unreachable() {
    let got = Caller::new(&CallServer::nowhere()).ask(&run(None)).await;
    assert_eq!(
        got.fault().code,
        Code::REMOTE_UNREACHABLE,
        "{:?}",
        got.fault()
    );
    // It was never sent, so it costs nothing.
    assert_eq!(got.ended.report.calls, 0);
}

#[tokio::test]
async fn what_may_have_begun_is_not_repeated_unless_that_does_no_harm() {
    let prepare = Ask::Prepare(PrepareRequest {
        protocol: PROTOCOL,
        lock: LockHash(Sha256::of("x")),
        hold_ms: 0,
    });
    for reply in [
        Reply::Closed,
        Reply::answer(hello().into_bytes(), End::Cut, ""),
    ] {
        let server = CallServer::start(move |_, _| reply.clone());
        let caller = Caller::new(&server.endpoint());
        let got = caller.ask(&run(None)).await;
        assert_eq!(got.fault().code, Code::REMOTE_CUT, "{:?}", got.fault());
        assert!(got.fault().hints[0].contains("not repeated"));
        assert_eq!(server.calls().len(), 1);
        let got = caller.ask(&prepare).await;
        assert_eq!(got.fault().code, Code::REMOTE_CUT);
        assert_eq!(server.calls().len(), 4);
    }
}

#[tokio::test]
async fn a_failing_service_is_asked_again_for_what_does_no_harm() {
    let server = CallServer::start(|_, number| match number {
        0 => Reply::refusal(500, "ServiceException", "oh"),
        _ => Reply::lines(&[hello()]),
    });
    let got = Caller::new(&server.endpoint()).ask(&Ask::Describe).await;
    assert_eq!(got.ended.outcome, Ok(()));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_function_that_fails_says_how() {
    let own = Fault::new(Code::PYTHON_NOT_FOUND, "no Python is here").hint("add one");
    let own = serde_json::to_string(&own).expect("JSON");
    for (code, details, expected) in [
        (
            "Runtime.ExitError",
            "RequestId: 1 Error: Runtime exited with error: exit status 1",
            Code::REMOTE_CRASHED,
        ),
        (
            "Runtime.ExitError",
            "RequestId: 1 Error: Runtime exited with error: signal: killed",
            Code::RUN_MEMORY,
        ),
        (
            "Sandbox.Timedout",
            "RequestId: 1 Error: Task timed out after 3.00 seconds",
            Code::RUN_TIMEOUT,
        ),
        ("python.not-found", &own, Code::REMOTE_START),
        (
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            Code::REMOTE_PAYLOAD,
        ),
    ] {
        let end = End::Failed {
            code,
            details: details.to_owned(),
        };
        for (got, calls) in both(&Reply::answer(hello().into_bytes(), end, REPORT)).await {
            let fault = got.fault();
            assert_eq!(fault.code, expected, "{fault:?}");
            assert!(!fault.hints.is_empty(), "{fault:?}");
            assert_eq!(
                got.ended.report.billed_ms,
                Some(113),
                "a failure is billed too"
            );
            assert_eq!(calls, 1);
            if expected == Code::REMOTE_CRASHED {
                assert!(
                    fault
                        .causes
                        .iter()
                        .any(|cause| cause.contains("something went wrong"))
                );
            }
        }
    }
}

#[tokio::test]
async fn what_lambda_says_in_the_functions_stead_is_no_frame() {
    let said =
        r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: exit status 1"}"#;
    let reply = Reply::answer(said.as_bytes().to_vec(), End::Complete, "");
    for (got, _) in both(&reply).await {
        assert!(got.lines.is_empty());
        assert_eq!(got.fault().code, Code::REMOTE_CRASHED);
    }
}

#[tokio::test]
async fn what_is_no_text_is_no_answer() {
    for (got, _) in both(&Reply::answer(b"\xff\n".to_vec(), End::Complete, "")).await {
        assert_eq!(got.fault().code, Code::RUN_PROTOCOL);
    }
}

#[tokio::test]
async fn silence_has_an_end() {
    for reply in [
        Reply::Silence,
        Reply::answer(hello().into_bytes(), End::Silence, ""),
    ] {
        let server = CallServer::start(move |_, _| reply.clone());
        let caller = Caller {
            longest: Duration::from_millis(50),
            margin: Duration::from_millis(200),
            ..Caller::new(&server.endpoint())
        };
        let got = caller.ask(&run(None)).await;
        assert_eq!(got.fault().code, Code::REMOTE_CUT);
        assert!(got.fault().message.contains("longer than it may work"));
        assert_eq!(server.calls().len(), 1);
    }
}
