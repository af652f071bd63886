//! Golden messages: what was sent once must be understood for ever.

use pyrun_core::protocol::{Ask, BuildRequest, Frame, RunRequest};
use serde_json::Value;

fn golden(name: &str) -> String {
    let path = format!("{}/tests/wire/{name}", env!("CARGO_MANIFEST_DIR"));
    fs_err::read_to_string(path).expect(name)
}

/// A golden message parses, and is written again as it stands, but for fields of a newer version.
fn assert_round_trip<T: serde::de::DeserializeOwned + serde::Serialize>(text: &str, exact: bool) {
    let message: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if exact {
        let written = serde_json::to_value(&message).expect("JSON");
        assert_eq!(written, serde_json::from_str::<Value>(text).expect("JSON"));
    }
}

#[test]
fn every_frame_reads_and_writes_as_it_did() {
    let lines = golden("frames.jsonl");
    let mut types = std::collections::BTreeSet::new();
    for line in lines.lines() {
        assert_round_trip::<Frame>(line, true);
        let value: Value = serde_json::from_str(line).expect("JSON");
        types.insert(value["type"].as_str().expect("a type").to_owned());
    }
    let all = [
        "built",
        "described",
        "fault",
        "hello",
        "log",
        "phase",
        "report",
        "result",
        "stored",
        "yield",
    ];
    assert_eq!(
        types.into_iter().collect::<Vec<_>>(),
        all,
        "each frame has a golden line"
    );
}

#[test]
fn frames_of_other_versions_are_understood() {
    for line in golden("frames-other-versions.jsonl").lines() {
        assert_round_trip::<Frame>(line, false);
    }
}

#[test]
fn requests_read_and_write_as_they_did() {
    assert_round_trip::<BuildRequest>(&golden("build-request.json"), true);
    assert_round_trip::<RunRequest>(&golden("run-function.json"), true);
    assert_round_trip::<RunRequest>(&golden("run-program.json"), true);
}

#[test]
fn questions_to_a_deployed_function_read_and_write_as_they_did() {
    for line in golden("asks.jsonl").lines() {
        assert_round_trip::<Ask>(line, true);
    }
}
