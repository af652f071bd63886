//! Questions and their answers.

use pyrun_core::protocol::{Frame, StartKind};
use pyrun_core::{Code, Event, Phase, Sha256};
use pyrun_kit::FunctionProcess;
use pyrun_store::catalog;
use serde_json::{Value, json};

use crate::world::{AMPLE, World, ask, fault, frames, result, run};

const ADD: &str = "import small\ndef f(n):\n    print('adding')\n    return small.VALUE + n\n";

fn was_unpacked(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| {
        let is_extract = |phase: &Phase| *phase == Phase::Extract;
        matches!(frame, Frame::Phase(Event::Finished { phase, .. }) if is_extract(phase))
    })
}

#[test]
fn a_second_call_finds_the_bundle_on_the_disk() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let cold = ask(&mut function, &run(&lock, ADD, &[json!(1)]));
    assert_eq!(result(&cold).0, &json!(42));
    assert_eq!(result(&cold).1.start, StartKind::Cold);
    assert!(was_unpacked(&cold), "{cold:?}");
    let warm = ask(&mut function, &run(&lock, ADD, &[json!(2)]));
    assert_eq!(result(&warm).0, &json!(43));
    assert_eq!(result(&warm).1.start, StartKind::Fresh);
    assert!(!was_unpacked(&warm), "{warm:?}");
}

#[test]
fn lines_come_while_the_function_runs() {
    let world = World::new();
    let lock = world.bundle("small");
    let go = world.path("go");
    let source = "import os, time\ndef f(go):\n    print('waiting')\n    \
                  while not os.path.exists(go): time.sleep(0.01)\n    return 'gone'\n";
    let question = run(&lock, source, &[json!(go.to_str())]);
    let mut function = world.start();
    let mut answer = function.call(question.to_string(), AMPLE);
    let mut first = None;
    loop {
        let line = answer.line().expect("the function has not ended");
        first.get_or_insert_with(|| line.clone());
        if line.contains("waiting") {
            break;
        }
    }
    assert!(first.expect("a line").contains("hello"));
    fs_err::write(go, "").expect("writable");
    let rest = answer.rest();
    assert!(rest.iter().any(|line| line.contains("gone")), "{rest:?}");
    let (_, how) = function.event("response");
    assert_eq!(
        how,
        "response call-1 application/x-ndjson streaming own-call-1"
    );
}

#[test]
fn a_call_leaves_one_line_that_holds_nothing_of_the_users() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let secret = "def f(word):\n    print('print-secret')\n    raise ValueError(word)\n";
    let frames = ask(&mut function, &run(&lock, secret, &[json!("value-secret")]));
    assert_eq!(fault(&frames).code, Code::RUN_RAISED);
    let lines = function.log_lines(1);
    let [line] = &lines[..] else {
        panic!("one line is expected: {lines:?}");
    };
    let line: Value = serde_json::from_str(line).expect("JSON");
    let call = &line["call"];
    assert_eq!(call["request_id"], "call-1");
    assert_eq!(call["ask"], "run");
    assert_eq!(call["lock"], lock.to_string());
    assert_eq!(call["outcome"], "run.raised");
    assert_eq!(call["cold"], true);
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[test]
fn a_bundle_is_prepared_ahead_of_its_run() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let prepare = json!({ "ask": "prepare", "protocol": 1, "lock": lock.to_string() });
    let prepared = ask(&mut function, &prepare);
    assert!(was_unpacked(&prepared));
    assert!(matches!(
        prepared.last(),
        Some(Frame::Result { value: Value::Null })
    ));
    let frames = ask(&mut function, &run(&lock, ADD, &[json!(1)]));
    assert_eq!(result(&frames).1.start, StartKind::Fresh);
}

#[test]
fn an_answer_is_held_as_long_as_it_is_asked_to_be() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let prepare =
        json!({ "ask": "prepare", "protocol": 1, "lock": lock.to_string(), "hold_ms": 1_500 });
    ask(&mut function, &prepare);
    let line: Value = serde_json::from_str(&function.log_lines(1)[0]).expect("JSON");
    let took = line["call"]["ms"].as_u64().expect("a number");
    assert!(took >= 1_500, "{took}");
}

#[test]
fn it_says_what_it_is() {
    let world = World::new();
    let setup = world.setup().env("PYRUN_DISK_BYTES", "8000");
    let mut function = FunctionProcess::start(&setup);
    let frames = ask(&mut function, &json!({ "ask": "describe" }));
    let [Frame::Described(description)] = &frames[..] else {
        panic!("a description is expected: {frames:?}");
    };
    assert_eq!(description.target, world.python.target);
    assert_eq!(description.memory_bytes, 1 << 30);
    assert_eq!(description.disk_bytes, 7_000);
    assert_eq!(description.timeout_ms, 120_000);
}

#[test]
fn what_is_no_question_is_answered_and_harms_nothing() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let newer = r#"{"ask":"run","protocol":99}"#;
    for payload in ["", "nonsense", "{}", r#"{"ask":"dance"}"#, "[[[[", newer] {
        let frames = frames(function.call(payload, AMPLE));
        assert_eq!(fault(&frames).code, Code::REMOTE_SKEW, "{frames:?}");
    }
    let build = json!({
        "ask": "build",
        "protocol": 1,
        "request": { "requirements": [], "target": world.python.target },
    });
    let frames = ask(&mut function, &build);
    assert_eq!(fault(&frames).code, Code::CONFIG_INVALID);
    let frames = ask(&mut function, &run(&lock, ADD, &[json!(1)]));
    assert_eq!(result(&frames).0, &json!(42));
}

#[test]
fn a_bundle_that_is_not_there_is_a_fault_of_its_own() {
    let world = World::new();
    let mut function = world.start();
    let lock = Sha256::of("none").to_string().parse().expect("a hash");
    let frames = ask(&mut function, &run(&lock, ADD, &[json!(1)]));
    assert_eq!(fault(&frames).code, Code::BUNDLE_MISSING);
}

#[test]
fn a_large_result_goes_by_way_of_the_store() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let source = "def f(n):\n    return 'x' * n\n";
    let frames = ask(&mut function, &run(&lock, source, &[json!(6_000_000)]));
    let [.., Frame::Stored { sha256, size }, Frame::Report(_)] = &frames[..] else {
        panic!("a reference is expected: {:?}", frames.last());
    };
    let line = world.object(&catalog::reply(sha256)).expect("it is there");
    assert_eq!(Sha256::of(&line), *sha256);
    assert_eq!(line.len() as u64, *size);
    let Ok(Frame::Result { value }) = Frame::from_line(&line) else {
        panic!("it is the result");
    };
    assert_eq!(value.as_str().map(str::len), Some(6_000_000));
}

#[test]
fn a_large_question_comes_by_way_of_the_store() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let source = "def f(word):\n    return len(word)\n";
    let question = run(&lock, source, &[json!("x".repeat(7_000_000))]).to_string();
    let digest = Sha256::of(&question);
    let reference = json!({ "ask": "stored", "sha256": digest });
    let frames = ask(&mut function, &reference);
    assert_eq!(
        fault(&frames).code,
        Code::STORE_UNREADABLE,
        "nobody has put it there"
    );
    world.put(&catalog::request(&digest), &question);
    let frames = ask(&mut function, &reference);
    assert_eq!(result(&frames).0, &json!(7_000_000));
}

#[test]
fn what_the_policy_denies_is_not_run() {
    let world = World::new();
    let lock = world.bundle("small");
    let text = "[packages]\ndeny = [\"small\"]\n";
    let digest = Sha256::of(text);
    world.put(&catalog::policy(&digest), text);
    let setup = world.setup().env("PYRUN_POLICY", digest.to_string());
    let mut function = FunctionProcess::start(&setup);
    let frames = ask(&mut function, &run(&lock, ADD, &[json!(1)]));
    assert_eq!(fault(&frames).code, Code::POLICY_DENIED);
}
