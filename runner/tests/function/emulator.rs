//! The same program in the kit's emulator, which freezes, limits and replaces its environments.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use pyrun_core::protocol::{Frame, StartKind};
use pyrun_core::{Code, LockHash};
use pyrun_kit::lambda::{Function, LambdaServer, Mode};
use serde_json::{Value, json};

use crate::world::{AMPLE, RUNNER, World, fault, result, run};

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIAEMULATED/20260101/eu-central-1/lambda/aws4_request, SignedHeaders=host, Signature=00";

fn function(world: &World) -> Function {
    let store = world.path("store");
    let mut function = Function::new("runner", RUNNER)
        .env("PYRUN_STORE", format!("file://{}", store.display()))
        .env(
            "PYRUN_PYTHON",
            world.python.executable.display().to_string(),
        );
    function.memory_mb = 512;
    function.timeout = AMPLE;
    function.init_timeout = AMPLE;
    function
}

/// Calls the function for a buffered answer.
fn invoke(server: &LambdaServer, question: &Value) -> Vec<Frame> {
    let address = server.endpoint();
    let host = address.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(host).expect("it listens");
    let body = question.to_string();
    write!(
        stream,
        "POST /2015-03-31/functions/runner/invocations HTTP/1.1\r\nhost: {host}\r\n\
         authorization: {AUTHORIZATION}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(!head.contains("x-amz-function-error"), "{reply}");
    let frame = |line: &str| Frame::from_line(line).expect("a frame");
    body.lines().map(frame).collect()
}

/// A warm call, after the environment was frozen.
fn calls_twice(server: &LambdaServer, lock: &LockHash) {
    let source = "import small\ndef f(n):\n    return small.VALUE + n\n";
    for (number, start) in [(1, StartKind::Cold), (2, StartKind::Fresh)] {
        let frames = invoke(server, &run(lock, source, &[json!(number)]));
        assert_eq!(result(&frames).0, &json!(41 + number));
        assert_eq!(result(&frames).1.start, start);
    }
    assert_eq!(server.statistics().environments_started, 1);
}

#[test]
fn it_is_a_bootstrap() {
    let world = World::new();
    let lock = world.bundle("small");
    let server = LambdaServer::start();
    server.function(function(&world));
    calls_twice(&server, &lock);
}

#[test]
fn it_is_the_wrapper_of_a_managed_runtime() {
    let world = World::new();
    let lock = world.bundle("small");
    let server = LambdaServer::start();
    let mut wrapped = function(&world);
    wrapped.mode = Mode::ExecWrapper {
        runtime: "python3.12".to_owned(),
        command: vec![
            "/var/lang/bin/python3.12".to_owned(),
            "/var/runtime/bootstrap.py".to_owned(),
        ],
    };
    server.function(wrapped);
    calls_twice(&server, &lock);
}

#[test]
fn it_comes_from_a_snapshot() {
    let world = World::new();
    let lock = world.bundle("small");
    let server = LambdaServer::start();
    let mut snapped = function(&world);
    snapped.snap_start = true;
    server.function(snapped);
    calls_twice(&server, &lock);
}

#[test]
fn memory_that_a_run_takes_ends_the_run_and_not_the_function() {
    let world = World::new();
    let lock = world.bundle("small");
    let server = LambdaServer::start();
    server.function(function(&world));
    let source = "import time\ndef f():\n    taken = []\n    while True:\n        \
                  taken.append(b'x' * (1 << 20))\n        time.sleep(0.005)\n";
    let frames = invoke(&server, &run(&lock, source, &[]));
    assert_eq!(fault(&frames).code, Code::RUN_MEMORY);
    let frames = invoke(&server, &run(&lock, "def f(): return 1\n", &[]));
    assert_eq!(result(&frames).0, &json!(1));
    assert_eq!(server.statistics().environments_started, 1);
}
