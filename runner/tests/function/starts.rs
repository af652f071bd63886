//! How the program starts, and how it can't.

use std::process::Command;

use pyrun_core::{Code, Fault};
use pyrun_kit::{FunctionProcess, FunctionSetup};
use serde_json::{Value, json};

use crate::world::{RUNNER, World, ask, result, run};

/// The fault that a start was given up with.
fn given_up(setup: &FunctionSetup, place: &str) -> Fault {
    let mut function = FunctionProcess::start(setup);
    assert!(!function.ended().success());
    let (_, event) = function.event(place);
    let events = function.events();
    assert_eq!(events.len(), 1, "it went on: {events:?}");
    let body: Value = serde_json::from_str(&event[place.len()..]).expect("JSON");
    let text = body["errorMessage"].as_str().expect("a message");
    let fault: Fault = serde_json::from_str(text).expect("a fault");
    assert_eq!(body["errorType"], fault.code.as_str());
    fault
}

#[test]
fn a_function_without_a_store_does_not_start() {
    let setup = World::new().setup().env("PYRUN_STORE", "");
    let fault = given_up(&setup, "init/error");
    assert_eq!(fault.code, Code::CONFIG_INVALID);
    assert!(fault.message.contains("PYRUN_STORE"), "{fault:?}");
}

#[test]
fn a_function_without_a_python_does_not_start() {
    let setup = World::new().setup().env("PYRUN_PYTHON", "/nowhere/python3");
    assert_eq!(given_up(&setup, "init/error").code, Code::PYTHON_NOT_FOUND);
}

#[test]
fn a_python_that_is_none_is_told_by_each_call() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = FunctionProcess::start(&world.setup().env("PYRUN_PYTHON", "/bin/true"));
    for _ in 0..2 {
        let frames = ask(&mut function, &run(&lock, "def f(): pass\n", &[]));
        assert_eq!(crate::world::fault(&frames).code, Code::PYTHON_BROKEN);
    }
}

#[test]
fn python_is_asked_before_a_snapshot_and_calls_come_after_it() {
    let world = World::new();
    let lock = world.bundle("small");
    let setup = world
        .setup()
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start");
    let mut function = FunctionProcess::start(&setup);
    function.event("restore/next");
    let names = |function: &FunctionProcess| -> Vec<String> {
        let events = function.events().into_iter();
        events.map(|(_, event)| event).collect()
    };
    assert_eq!(names(&function), ["restore/next"]);
    function.restore();
    function.event("invocation/next");
    let frames = ask(&mut function, &run(&lock, "def f(): return 1\n", &[]));
    assert_eq!(result(&frames).0, &json!(1));
    assert_eq!(names(&function)[..2], ["restore/next", "invocation/next"]);
}

#[test]
fn a_snapshot_is_not_taken_without_a_python() {
    let setup = World::new()
        .setup()
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
        .env("PYRUN_PYTHON", "/bin/true");
    assert_eq!(given_up(&setup, "init/error").code, Code::PYTHON_BROKEN);
}

#[test]
fn a_restored_function_that_can_not_live_says_so() {
    let setup = World::new()
        .setup()
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
        .env("PYRUN_STORE", "nothing://");
    let mut function = FunctionProcess::start(&setup);
    function.event("restore/next");
    function.restore();
    let (_, event) = function.event("restore/error");
    assert!(event.contains("nothing://"), "{event}");
    assert!(!function.ended().success());
}

#[test]
fn whoever_starts_it_by_hand_is_told_what_it_is() {
    let output = Command::new(RUNNER)
        .env_clear()
        .output()
        .expect("it starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("pyrun deploy"), "{said}");
}

/// Not a bound, but a number to look at: from the start of the process to its first question.
#[test]
fn the_time_of_a_start_is_told() {
    let world = World::new();
    let mut times: Vec<u128> = (0..20)
        .map(|_| {
            let function = world.start();
            let (asked, _) = function.event("invocation/next");
            asked.duration_since(function.began).as_micros()
        })
        .collect();
    times.sort_unstable();
    eprintln!("start: median {} µs of {times:?}", times[10]);
}
