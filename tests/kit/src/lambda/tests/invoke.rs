//! `Invoke`: answers, errors, limits, and who may call.

use serde_json::json;

use super::super::{Failure, Function, Mode, ThrottleReason};
use super::*;

#[test]
fn an_answer_comes_with_its_log() {
    let stage = Stage::new();
    let reply = stage.call(&json!({"do": "write", "text": "hello\nworld"}));
    assert_eq!((reply.status, reply.text().as_str()), (200, "\"written\""));
    assert_eq!(reply.header("x-amz-executed-version"), "$LATEST");
    assert_eq!(reply.header("x-amz-function-error"), "");
    let tail = reply.tail();
    let id = reply.header("x-amzn-requestid");
    let start = format!(
        "init\nSTART RequestId: {id} Version: $LATEST\nhello\nworld\nEND RequestId: {id}\nREPORT RequestId: {id}\tDuration: "
    );
    assert!(tail.starts_with(&start), "{tail}");
    assert!(
        tail.contains("\tMemory Size: 128 MB\tMax Memory Used: "),
        "{tail}"
    );
    assert!(tail.contains("Init Duration: "), "{tail}");
    let warm = stage.call(&echo()).tail();
    assert!(
        warm.starts_with("START") && !warm.contains("Init Duration"),
        "{warm}"
    );
    assert_eq!(stage.call_with(&echo(), &[]).header("x-amz-log-result"), "");
}

#[test]
fn a_tail_has_four_kilobytes() {
    let stage = Stage::new();
    let reply = stage.call(&json!({"do": "write", "text": "x".repeat(100_000)}));
    let tail = reply.tail();
    assert_eq!(tail.len(), 4096);
    assert!(tail.starts_with('x') && tail.contains("REPORT"), "{tail}");
    assert!(stage.server.logs("f")[0].len() > 60_000);
}

#[test]
fn processes_see_lambdas_variables_and_none_of_the_tests() {
    let stage = Stage::with(|function| {
        *function = function.clone().env("MINE", "1").env("AWS_REGION", "no");
        function.memory_mb = 256;
        function.timeout = Duration::from_mins(1);
    });
    let answer = stage.call(&echo()).json();
    let variables = answer["environment"].as_object().expect("variables");
    let value = |name: &str| variables.get(name).and_then(Value::as_str);
    assert_eq!(value("MINE"), Some("1"));
    assert_eq!(value("AWS_REGION"), Some("eu-central-1"));
    assert_eq!(value("AWS_LAMBDA_FUNCTION_NAME"), Some("f"));
    assert_eq!(value("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), Some("256"));
    assert_eq!(value("AWS_LAMBDA_INITIALIZATION_TYPE"), Some("on-demand"));
    assert_eq!(value("AWS_ACCESS_KEY_ID"), Some("ASIAEMULATEDROLE"));
    assert_eq!(value("PYRUN_DISK_BYTES"), Some("536870912"));
    assert_eq!(value("AWS_EXECUTION_ENV"), None);
    for name in ["HOME", "USER", "CARGO_MANIFEST_DIR"] {
        assert_eq!(value(name), None, "{name}");
    }
    let folder = value("PYRUN_CACHE_DIR").expect("a folder");
    assert!(std::path::Path::new(folder).is_dir());
    assert_eq!(answer["cwd"], stage.folder.path().to_str().expect("UTF-8"));
    let head = &answer["head"];
    assert_eq!(
        head["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:eu-central-1:123456789012:function:f"
    );
    let deadline = head["lambda-runtime-deadline-ms"].as_str().expect("a time");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("now")
        .as_millis();
    let deadline: u128 = deadline.parse().expect("a number");
    assert!(
        deadline <= now + 60_000 && deadline + 600_000 > now,
        "{deadline} {now}"
    );
}

#[test]
fn a_wrapper_gets_the_runtimes_command() {
    let stage = Stage::with(|function| {
        function.mode = Mode::ExecWrapper {
            runtime: "python3.12".into(),
            command: vec!["/var/lang/bin/python3.12".into(), "bootstrap.py".into()],
        };
    });
    let answer = stage.call(&echo()).json();
    assert_eq!(
        answer["argv"],
        json!(["/var/lang/bin/python3.12", "bootstrap.py"])
    );
    let variables = &answer["environment"];
    assert_eq!(variables["AWS_EXECUTION_ENV"], "AWS_Lambda_python3.12");
    let wrapper = stage.folder.path().join("bootstrap");
    assert_eq!(
        variables["AWS_LAMBDA_EXEC_WRAPPER"],
        wrapper.to_str().expect("UTF-8")
    );
}

#[test]
fn a_functions_own_error_leaves_its_environment_alive() {
    let stage = Stage::new();
    let reply = stage.call(&json!({"do": "fail", "kind": "My.Error"}));
    assert_eq!(reply.error(), "My.Error");
    assert_eq!(reply.json()["errorMessage"], "on purpose");
    assert_eq!(stage.call(&echo()).json()["calls"], 2);
    assert_eq!(stage.server.calls()[0].error.as_deref(), Some("My.Error"));
}

#[test]
fn events_and_dry_runs_answer_at_once() {
    let stage = Stage::new();
    let dry = stage.call_with(&echo(), &[("x-amz-invocation-type", "DryRun")]);
    assert_eq!((dry.status, dry.body.len()), (204, 0));
    let event = stage.call_with(&echo(), &[("x-amz-invocation-type", "Event")]);
    assert_eq!((event.status, event.body.len()), (202, 0));
    while stage.server.calls().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stage.server.statistics().invocations, 1);
    let wrong = stage.call_with(&echo(), &[("x-amz-invocation-type", "Maybe")]);
    assert_eq!(wrong.status, 400);
}

#[test]
fn questions_have_a_limit() {
    let stage = Stage::new();
    let path = "/2015-03-31/functions/f/invocations";
    let body = |size: usize| format!("\"{}\"", "x".repeat(size - 2)).into_bytes();
    let over = stage.post(path, &[], &body((6 << 20) + 1));
    assert_eq!(over.status, 413, "{}", over.text());
    assert_eq!(over.header("x-amzn-errortype"), "RequestTooLargeException");
    let event = ("x-amz-invocation-type", "Event");
    assert_eq!(stage.post(path, &[event], &body((1 << 20) + 1)).status, 413);
    let within = stage.post(path, &[], &body(6 << 20));
    // The answer holds the question and is itself too large.
    assert_eq!(within.error(), "Function.ResponseSizeTooLarge");
    let no_json = stage.post(path, &[], b"{");
    assert_eq!(
        no_json.header("x-amzn-errortype"),
        "InvalidRequestContentException"
    );
}

#[test]
fn answers_have_a_limit_and_the_runtime_hears_of_it() {
    let stage = Stage::new();
    let within = stage.call(&json!({"do": "big", "size": 6 << 20}));
    assert_eq!((within.status, within.body.len()), (200, 6 << 20));
    let over = stage.call(&json!({"do": "big", "size": 6_291_557}));
    assert_eq!(over.error(), "Function.ResponseSizeTooLarge");
    assert_eq!(stage.call(&echo()).json()["last"], 413);
    let streamed = stage.call(&json!({"do": "big", "size": 7 << 20, "streamed": true}));
    assert_eq!(streamed.error(), "Function.ResponseSizeTooLarge");
}

#[test]
fn functions_are_named_in_several_ways_and_described() {
    let stage = Stage::with(|function| {
        function.qualifiers = vec!["live".into()];
        function.reserved_concurrency = Some(5);
    });
    for name in [
        "f:live",
        "123456789012:function:f",
        "arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Af",
    ] {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        assert_eq!(stage.post(&path, &[], b"{}").status, 200, "{name}");
    }
    for name in ["g", "f:dead"] {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let reply = stage.post(&path, &[], b"{}");
        assert_eq!(
            reply.header("x-amzn-errortype"),
            "ResourceNotFoundException"
        );
        assert_eq!((reply.status, &reply.json()["Type"]), (404, &json!("User")));
    }
    let configuration = stage.get("/2015-03-31/functions/f/configuration").json();
    assert_eq!(configuration["MemorySize"], 128);
    assert_eq!(configuration["EphemeralStorage"]["Size"], 512);
    let whole = stage.get("/2015-03-31/functions/f").json();
    assert_eq!(whole["Configuration"]["FunctionName"], "f");
    assert_eq!(whole["Concurrency"]["ReservedConcurrentExecutions"], 5);
    let account = stage.get("/2016-08-19/account-settings/").json();
    assert_eq!(account["AccountLimit"]["ConcurrentExecutions"], 1000);
    stage.server.remove("f");
    assert_eq!(stage.call(&echo()).status, 404);
}

#[test]
fn a_caller_needs_a_known_key_for_this_region_and_service() {
    let stage = Stage::new();
    let path = "/2015-03-31/functions/f/invocations";
    let with = |headers: &[(&str, &str)]| {
        let reply = request(&stage.server, "POST", path, headers, b"{}");
        (reply.status, reply.header("x-amzn-errortype").to_owned())
    };
    let refused = |name: &str| (403, name.to_owned());
    assert_eq!(with(&[]), refused("MissingAuthenticationTokenException"));
    for (from, to, error) in [
        ("AKIAEMULATED", "AKIAOTHER", "UnrecognizedClientException"),
        ("eu-central-1", "us-east-1", "InvalidSignatureException"),
        ("/lambda/", "/s3/", "InvalidSignatureException"),
    ] {
        let authorization = AUTHORIZATION.replace(from, to);
        assert_eq!(with(&[("authorization", &authorization)]), refused(error));
    }
    stage.server.allow_key("AKIAOTHER");
    let other = AUTHORIZATION.replace("AKIAEMULATED", "AKIAOTHER");
    assert_eq!(with(&[("authorization", &other)]).0, 200);
    assert_eq!(stage.server.statistics().refused, 4);
}

#[test]
fn what_goes_wrong_on_purpose_goes_wrong_once() {
    let stage = Stage::new();
    for (failure, status, kind) in [
        (Failure::AccessDenied, 403, "AccessDeniedException"),
        (Failure::ExpiredToken, 403, "ExpiredTokenException"),
        (Failure::WrongRegion, 403, "InvalidSignatureException"),
        (Failure::NotFound, 404, "ResourceNotFoundException"),
        (Failure::Service, 500, "ServiceException"),
        (Failure::Unavailable, 503, ""),
        (Failure::Close, 0, ""),
    ] {
        stage.server.fail_next(1, &failure);
        let reply = stage.call(&echo());
        assert_eq!(
            (reply.status, reply.header("x-amzn-errortype")),
            (status, kind)
        );
    }
    stage.server.throttle_next(2);
    for _ in 0..2 {
        let reply = stage.call(&echo());
        assert_eq!((reply.status, reply.header("retry-after")), (429, "1"));
        assert_eq!(reply.json()["Reason"], "CallerRateLimitExceeded");
    }
    stage
        .server
        .fail_next(9, &Failure::Throttle(ThrottleReason::Concurrency));
    stage.server.heal();
    assert_eq!(stage.call(&echo()).json()["calls"], 1);
    stage.server.fail_next(1, &Failure::Cut(10));
    let cut = stage.call(&echo());
    assert_eq!((cut.status, cut.body.len(), cut.whole), (200, 10, false));
    assert_eq!(stage.server.statistics().throttled, 2);
    assert_eq!(stage.server.statistics().invocations, 2);
}

#[test]
fn calls_over_the_reserved_number_are_refused() {
    let stage = Stage::with(|function| function.reserved_concurrency = Some(1));
    std::thread::scope(|scope| {
        let long = scope.spawn(|| stage.call(&json!({"do": "sleep", "seconds": 1})));
        while stage.server.environments() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let reply = stage.call(&echo());
        assert_eq!(reply.status, 429);
        assert_eq!(
            reply.json()["Reason"],
            "ReservedFunctionConcurrentInvocationLimitExceeded"
        );
        assert_eq!(long.join().expect("an answer").text(), "\"slept\"");
    });
    assert_eq!(stage.call(&echo()).status, 200);
    stage.server.set_account_concurrency(0);
    let reply = stage.call(&echo());
    assert_eq!(reply.json()["Reason"], "ConcurrentInvocationLimitExceeded");
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_so() {
    let stage = Stage::new();
    stage
        .server
        .function(Function::new("f", "/nowhere/bootstrap"));
    assert_eq!(stage.call(&echo()).error(), "Runtime.InvalidEntrypoint");
}
