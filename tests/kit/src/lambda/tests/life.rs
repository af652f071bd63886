//! The life of environments: cold, warm, frozen, and every way to end.

use std::time::Duration;

use serde_json::json;

use super::*;

const BRIEF: Duration = Duration::from_millis(500);

fn pids(reply: &Reply) -> Vec<i64> {
    let value = reply.json();
    let list = value.as_array().unwrap_or_else(|| panic!("{value}"));
    list.iter().filter_map(Value::as_i64).collect()
}

fn gone(pids: &[i64]) -> bool {
    pids.iter().all(|pid| state_of(*pid).is_none())
}

#[test]
fn the_environment_that_was_used_last_is_used_again() {
    let stage = Stage::new();
    std::thread::scope(|scope| {
        for seconds in [0.3, 0.6] {
            let stage = &stage;
            scope.spawn(move || stage.call(&json!({"do": "sleep", "seconds": seconds})));
        }
    });
    let last = stage.server.calls()[1].environment;
    stage.call(&echo());
    let calls = stage.server.calls();
    assert_eq!((calls[2].environment, calls[2].cold), (last, false));
    assert!(calls[0].cold && calls[0].init.is_some() && calls[2].init.is_none());
    assert_eq!(stage.server.statistics().environments_started, 2);
    assert_eq!(
        (stage.server.idle(), stage.server.statistics().peak),
        (2, 2)
    );
    stage.server.retire_idle();
    assert_eq!((stage.server.idle(), stage.server.environments()), (0, 0));
    assert_eq!(stage.call(&echo()).json()["calls"], 1);
}

#[test]
fn nothing_runs_between_calls() {
    let stage = Stage::with(|function| *function = function.clone().env("TICKS", "1"));
    let pids = pids(&stage.call(&json!({"do": "descend"})));
    assert_eq!(pids.len(), 4);
    for pid in &pids {
        assert_eq!(state_of(*pid), Some('T'), "{pid} of {pids:?}");
    }
    let ticks = |reply: &Reply| reply.json()["ticks"].as_u64().expect("a count");
    let before = ticks(&stage.call(&echo()));
    std::thread::sleep(Duration::from_millis(500));
    let after = ticks(&stage.call(&echo()));
    // It counts every 2 ms while it runs: 250 if it had not been stopped.
    assert!(after - before < 100, "{before} {after}");
    stage.call(&json!({"do": "sleep", "seconds": 0.1}));
    assert!(
        ticks(&stage.call(&echo())) > after,
        "it goes on when it is called"
    );
    stage.server.retire_idle();
    assert!(gone(&pids), "{pids:?}");
}

#[test]
fn all_processes_end_at_the_timeout_and_the_next_call_is_cold() {
    let stage = Stage::with(|function| function.timeout = Duration::from_secs(5));
    let pids = pids(&stage.call(&json!({"do": "descend"})));
    let reply = stage.call(&json!({"do": "sleep", "seconds": 60}));
    assert_eq!(reply.error(), "Sandbox.Timedout");
    let message = reply.json()["errorMessage"].to_string();
    assert!(
        message.contains("Task timed out after 5.00 seconds"),
        "{message}"
    );
    assert!(reply.tail().contains("Status: timeout"), "{}", reply.tail());
    assert!(gone(&pids), "{pids:?}");
    let next = stage.call(&echo()).json();
    assert_eq!(next["calls"], 1);
    assert!(stage.server.calls()[2].cold);
    // What comes after the answer counts for the environment, and not for the caller.
    let late = stage.call(&json!({"do": "sleep", "seconds": 60, "answer": true}));
    assert_eq!(
        (late.text().as_str(), late.header("x-amz-function-error")),
        ("\"before\"", "")
    );
    assert_eq!(stage.server.environments(), 0);
}

#[test]
fn too_much_memory_ends_the_environment() {
    let stage = Stage::with(|function| {
        function.memory_mb = 128;
    });
    let within = stage.call(&json!({"do": "allocate", "megabytes": 60}));
    assert_eq!(within.text(), "\"allocated\"");
    let peak = stage.server.calls()[0].peak_memory_bytes;
    assert!(peak > 60 << 20 && peak < 128 << 20, "{peak}");
    let over = stage.call(&json!({"do": "allocate", "megabytes": 120, "hold": 60}));
    assert_eq!(over.error(), "Runtime.OutOfMemory");
    assert!(
        over.json()["errorMessage"]
            .to_string()
            .contains("signal: killed")
    );
    assert_eq!(stage.server.environments(), 0);
}

#[test]
fn a_crash_is_told_by_its_status_or_signal() {
    let stage = Stage::new();
    for (event, text) in [
        (json!({"do": "die", "status": 3}), "exit status 3"),
        (
            json!({"do": "die", "status": 0}),
            "without providing a reason",
        ),
        (json!({"do": "kill"}), "signal: killed"),
    ] {
        let reply = stage.call(&event);
        assert_eq!(reply.error(), "Runtime.ExitError");
        let message = reply.json()["errorMessage"].to_string();
        assert!(message.contains(text), "{message}");
    }
    assert_eq!(stage.server.statistics().environments_started, 3);
    let whole = stage.call(&json!({"do": "die", "whole": true}));
    assert_eq!(whole.text(), "\"all of it\"");
}

#[test]
fn an_environment_that_died_while_it_was_idle_is_not_used() {
    let stage = Stage::new();
    let first = stage.call(&echo()).json();
    let pid = first["pid"].as_i64().expect("a number");
    let status = std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(status.expect("kill runs").success());
    while state_of(pid).is_some() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stage.call(&echo()).json()["calls"], 1);
}

#[test]
fn a_failed_init_is_repeated_and_then_told() {
    for (init, kind) in [
        ("exit", "Runtime.ExitError"),
        ("error", "Test.Init"),
        ("sleep", "Sandbox.Timedout"),
    ] {
        let stage = Stage::with(|function| {
            *function = function.clone().env("INIT", init);
            function.init_timeout = if init == "sleep" {
                BRIEF
            } else {
                function.init_timeout
            };
            function.timeout = if init == "sleep" {
                BRIEF
            } else {
                function.timeout
            };
        });
        let reply = stage.call(&echo());
        assert_eq!(reply.error(), kind, "{}", reply.text());
        let tail = reply.tail();
        assert!(tail.contains("INIT_REPORT Init Duration: "), "{tail}");
        assert_eq!(stage.server.statistics().environments_started, 2);
        assert_eq!(stage.server.environments(), 0);
    }
}

#[test]
fn a_snapshot_waits_for_its_first_call() {
    let stage = Stage::with(|function| {
        *function = function.clone().env("INIT", "hooks");
        function.snap_start = true;
    });
    assert_eq!(stage.server.provision("f", 1), 1);
    assert!(!stage.server.logs("f")[0].contains("restored"));
    let reply = stage.call(&echo());
    let answer = reply.json();
    assert_eq!(
        answer["environment"]["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "snap-start"
    );
    assert_eq!(answer["environment"].get("AWS_ACCESS_KEY_ID"), None);
    let tail = reply.tail();
    assert!(
        tail.contains("restored") && tail.contains("Restore Duration: "),
        "{tail}"
    );
    assert!(!tail.contains("Init Duration"), "{tail}");
    assert!(!stage.server.calls()[0].cold);
    // The keys are where the variables say, for who shows the token.
    let variable = |name: &str| {
        answer["environment"][name]
            .as_str()
            .expect("set")
            .to_owned()
    };
    let address = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let (host, path) = address["http://".len()..].split_once('/').expect("a path");
    let ask = |token: &str| {
        let mut stream = TcpStream::connect(host).expect("it listens");
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nhost: l\r\nauthorization: {token}\r\nconnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("read");
        read(&bytes)
    };
    let reply = ask(&variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    assert_eq!(reply.json()["AccessKeyId"], "ASIAEMULATEDROLE");
    assert_eq!(ask("other").status, 401);
}

#[test]
fn provisioned_environments_are_warm_at_their_first_call() {
    let stage = Stage::new();
    assert_eq!(stage.server.provision("f", 2), 2);
    assert_eq!(
        (stage.server.provision("g", 1), stage.server.idle()),
        (0, 2)
    );
    let answer = stage.call(&echo()).json();
    let start = &answer["environment"]["AWS_LAMBDA_INITIALIZATION_TYPE"];
    assert_eq!(start, "provisioned-concurrency");
    assert!(!stage.server.calls()[0].cold);
}

#[test]
fn a_disk_that_is_over_its_size_is_reported() {
    let stage = Stage::with(|function| function.storage_mb = 1);
    stage.call(&json!({"do": "write", "disk": 2 << 20}));
    assert!(stage.server.calls()[0].storage_bytes >= 2 << 20);
    assert_eq!(stage.server.statistics().over_storage, 1);
}

#[test]
fn a_function_that_is_replaced_starts_anew() {
    let stage = Stage::new();
    let first = stage.call(&echo()).json()["pid"]
        .as_i64()
        .expect("a number");
    let function = Function::new("f", stage.folder.path().join("bootstrap")).env("NEW", "1");
    stage.server.function(function);
    assert!(gone(&[first]));
    assert_eq!(stage.call(&echo()).json()["environment"]["NEW"], "1");
}

#[test]
fn nothing_outlives_the_server() {
    let stage = Stage::new();
    let pids = pids(&stage.call(&json!({"do": "descend"})));
    // One is at work when the server goes.
    let mut stream = connect(&stage.server);
    let body = json!({"do": "sleep", "seconds": 3600}).to_string();
    write!(
        stream,
        "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nhost: l\r\nauthorization: {AUTHORIZATION}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    while stage.server.idle() > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(stage);
    assert!(gone(&pids), "{pids:?}");
}
