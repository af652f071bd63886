//! `InvokeWithResponseStream`: parts as they come, and every way to end.

use std::time::Duration;

use serde_json::json;

use super::super::{Failure, StreamErrors};
use super::*;

#[test]
fn parts_come_while_the_function_runs() {
    let stage = Stage::new();
    let mut stream = connect(&stage.server);
    let body = json!({"do": "stream", "parts": ["one", "two"], "pause": 3600}).to_string();
    write!(
        stream,
        "POST /2021-11-15/functions/f/response-streaming-invocations HTTP/1.1\r\nhost: l\r\n\
         authorization: {AUTHORIZATION}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    // The function sleeps for an hour behind its first part.
    while !bytes.windows(3).any(|three| three == b"one") {
        let count = stream.read(&mut buffer).expect("it answers");
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
    }
    let head = read(&bytes);
    assert_eq!(
        head.header("content-type"),
        "application/vnd.amazon.eventstream"
    );
    assert!(!head.whole);
}

#[test]
fn a_stream_ends_with_its_log() {
    let stage = Stage::new();
    let reply = stage.stream(&json!({"do": "stream", "parts": ["one", "two"]}));
    let (payload, complete, left) = reply.events();
    assert_eq!((payload.as_str(), left, reply.whole), ("onetwo", 0, true));
    assert_eq!(complete.get("ErrorCode"), None);
    let log = decode(complete["LogResult"].as_str().expect("a log"));
    assert!(
        log.contains("REPORT RequestId: ") && log.contains("Billed Duration"),
        "{log}"
    );
    // An answer in one piece streams too, and a stream can be had in one piece.
    let (payload, _, _) = stage.stream(&echo()).events();
    assert!(payload.contains("\"last\": 202"), "{payload}");
    let whole = stage.call(&json!({"do": "stream", "parts": ["\"a", "b\""]}));
    assert_eq!(whole.text(), "\"ab\"");
    let streamed: Vec<bool> = stage
        .server
        .calls()
        .iter()
        .map(|one| one.streamed)
        .collect();
    assert_eq!(streamed, [true, true, false]);
}

#[test]
fn an_error_is_told_in_the_last_event() {
    let stage = Stage::new();
    let events = |event: &Value| stage.stream(event).events();
    let (payload, complete, _) = events(&json!({"do": "fail", "kind": "My.Error"}));
    assert_eq!(
        (payload.as_str(), &complete["ErrorCode"]),
        ("", &json!("My.Error"))
    );
    let details = complete["ErrorDetails"].as_str().expect("details");
    assert!(details.contains("on purpose"), "{details}");
    let trailer = json!({"do": "stream", "parts": ["half"], "error": "My.Trailer"});
    let (payload, complete, _) = events(&trailer);
    assert_eq!(
        (payload.as_str(), &complete["ErrorCode"]),
        ("half", &json!("My.Trailer"))
    );
    assert_eq!(complete["ErrorDetails"], "{\"errorType\":\"x\"}");
    stage.server.set_stream_errors(StreamErrors::Payload);
    let (payload, complete, _) = events(&trailer);
    assert_eq!(payload, "half{\"errorType\":\"x\"}");
    assert_eq!(complete["ErrorCode"], "Unhandled");
    assert_eq!(stage.call(&trailer).json(), json!({"errorType": "x"}));
}

#[test]
fn a_crash_in_the_middle_keeps_what_was_sent() {
    let stage = Stage::new();
    let event = json!({"do": "die", "after": ["one", "two"], "status": 9});
    let (payload, complete, left) = stage.stream(&event).events();
    assert_eq!((payload.as_str(), left), ("onetwo", 0));
    assert_eq!(complete["ErrorCode"], "Runtime.ExitError");
    let details = complete["ErrorDetails"].as_str().expect("details");
    assert!(details.contains("exit status 9"), "{details}");
    let log = decode(complete["LogResult"].as_str().expect("a log"));
    assert!(
        log.contains("Status: error\tError Type: Runtime.ExitError"),
        "{log}"
    );
    assert_eq!(stage.call(&event).error(), "Runtime.ExitError");
}

#[test]
fn a_timeout_in_the_middle_keeps_what_was_sent() {
    let stage = Stage::with(|function| function.timeout = Duration::from_secs(1));
    let event = json!({"do": "stream", "parts": ["one", "two"], "pause": 60});
    let (payload, complete, _) = stage.stream(&event).events();
    assert_eq!(payload, "one");
    assert_eq!(complete["ErrorCode"], "Sandbox.Timedout");
}

#[test]
fn a_stream_may_have_two_hundred_megabytes() {
    let stage = Stage::new();
    let within = json!({"do": "big", "size": 200 << 20, "streamed": true});
    let reply = stage.stream(&within);
    assert!(
        reply.body.len() > 200 << 20 && reply.whole,
        "{}",
        reply.body.len()
    );
    let tail = String::from_utf8_lossy(&reply.body[reply.body.len() - 8192..]).into_owned();
    assert!(
        tail.contains("LogResult") && !tail.contains("ErrorCode"),
        "{tail}"
    );
    let over = json!({"do": "big", "size": (200 << 20) + 1, "streamed": true});
    let reply = stage.stream(&over);
    let tail = String::from_utf8_lossy(&reply.body[reply.body.len() - 8192..]).into_owned();
    assert!(tail.contains("Function.ResponseSizeTooLarge"), "{tail}");
}

#[test]
fn a_connection_can_break_in_the_middle_and_the_function_goes_on() {
    let stage = Stage::new();
    stage.server.fail_next(1, &Failure::Cut(40));
    let reply = stage.stream(&json!({"do": "stream", "parts": ["one", "two"], "pause": 0.1}));
    assert_eq!(
        (reply.status, reply.body.len(), reply.whole),
        (200, 40, false)
    );
    while stage.server.calls().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stage.server.calls()[0].error, None);
    assert_eq!(stage.call(&echo()).json()["calls"], 2);
}
