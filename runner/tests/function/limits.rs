//! Time, memory and disk of the function.

use std::time::{Duration, SystemTime};

use pyrun_core::protocol::Frame;
use pyrun_core::{Code, LockHash};
use pyrun_kit::FunctionProcess;
use serde_json::json;

use crate::world::{AMPLE, World, ask, fault, frames, result, run};

/// Whether a process lives (a zombie does not).
fn lives(id: &str) -> bool {
    fs_err::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.starts_with(" Z"))
    })
}

/// Starts a daemon that has left its session, says its process id, then does as it is told.
const DAEMON: &str = "
import os, time
def f(seconds):
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    print(os.read(read, 20).decode(), flush=True)
    time.sleep(seconds)
";

fn daemon(frames: &[Frame]) -> String {
    let log = frames.iter().find_map(|frame| match frame {
        Frame::Log { text, .. } => Some(text.clone()),
        _ => None,
    });
    log.expect("it has said its id")
}

#[test]
fn a_run_ends_before_its_function_is_killed_and_says_why() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    ask(
        &mut function,
        &json!({ "ask": "prepare", "protocol": 1, "lock": lock.to_string() }),
    );
    let question = run(&lock, DAEMON, &[json!(600)]);
    let frames = frames(function.call(question.to_string(), Duration::from_secs(4)));
    let fault = fault(&frames);
    assert_eq!(fault.code, Code::RUN_TIMEOUT);
    assert!(fault.causes[0].contains("`kit-function`"), "{fault:?}");
    assert!(fault.causes[0].contains("4 s"), "{fault:?}");
    assert!(
        fault.hints[0].contains("pyrun deploy --timeout"),
        "{fault:?}"
    );
    assert!(!lives(&daemon(&frames)), "the daemon outlived its run");
}

#[test]
fn the_users_own_limit_is_still_the_users_own() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let mut question = run(&lock, DAEMON, &[json!(600)]);
    question["limits"] = json!({ "timeout_ms": 500 });
    let frames = ask(&mut function, &question);
    let fault = fault(&frames);
    assert_eq!(fault.code, Code::RUN_TIMEOUT);
    assert!(fault.message.contains("500 ms"), "{fault:?}");
    assert!(!format!("{fault:?}").contains("pyrun deploy"), "{fault:?}");
}

#[test]
fn no_process_of_a_run_is_left_when_it_is_answered() {
    let world = World::new();
    let lock = world.bundle("small");
    let mut function = world.start();
    let frames = ask(&mut function, &run(&lock, DAEMON, &[json!(0)]));
    result(&frames);
    assert!(!lives(&daemon(&frames)), "the daemon outlived its run");
    let children = format!("/proc/{0}/task/{0}/children", function.id());
    let children = fs_err::read_to_string(children).expect("the function lives");
    assert_eq!(children, "", "the function has children between calls");
}

#[test]
fn the_functions_memory_is_the_runs_limit() {
    let world = World::new();
    let lock = world.bundle("small");
    let setup = world.setup().env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256");
    let mut function = FunctionProcess::start(&setup);
    let source = "def f(n):\n    taken = []\n    while True: taken.append(b'x' * n)\n";
    let frames = ask(&mut function, &run(&lock, source, &[json!(1 << 20)]));
    let taken = fault(&frames);
    assert_eq!(taken.code, Code::RUN_MEMORY);
    assert!(taken.message.contains("192 MiB"), "{taken:?}");
    assert!(taken.hints[0].contains("--memory 512"), "{taken:?}");
    let mut greedy = run(&lock, source, &[json!(1)]);
    greedy["limits"] = json!({ "memory_bytes": 300 << 20 });
    let frames = ask(&mut function, &greedy);
    let refused = fault(&frames);
    assert_eq!(refused.code, Code::REMOTE_QUOTA);
    assert!(refused.hints[0].contains("--memory 364"), "{refused:?}");
}

/// Makes a bundle's last use so many minutes old.
fn age(world: &World, lock: &LockHash, minutes: u64) {
    let path = world.path(&format!("tmp/pyrun/runner/v1/uses/{lock}"));
    let file = fs_err::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("it was used");
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    file.set_modified(then).expect("its own file");
}

#[test]
fn the_least_recently_used_bundle_makes_way_for_a_new_one() {
    let world = World::new();
    let locks = ["first", "second", "third"].map(|name| world.bundle(name));
    // Seven eighths of it hold two bundles, and not three.
    let setup = world.setup().env("PYRUN_DISK_BYTES", "900000");
    let mut function = FunctionProcess::start(&setup);
    let source = "def f():\n    return 'ran'\n";
    for lock in &locks[..2] {
        result(&ask(&mut function, &run(lock, source, &[])));
    }
    age(&world, &locks[0], 1);
    age(&world, &locks[1], 2);
    result(&ask(&mut function, &run(&locks[2], source, &[])));
    let mut expected = [locks[0].to_string(), locks[2].to_string()];
    expected.sort();
    assert_eq!(world.unpacked(), expected);
}

#[test]
fn a_bundle_that_never_fits_is_refused_with_what_to_do() {
    let world = World::new();
    let lock = world.bundle("first");
    let setup = world.setup().env("PYRUN_DISK_BYTES", "200000");
    let mut function = FunctionProcess::start(&setup);
    let frames = frames(function.call(run(&lock, "def f(): pass\n", &[]).to_string(), AMPLE));
    let fault = fault(&frames);
    assert_eq!(fault.code, Code::REMOTE_QUOTA);
    assert!(fault.message.contains("175000"), "{fault:?}");
    assert!(fault.hints[0].contains("--storage 512"), "{fault:?}");
    assert!(world.unpacked().is_empty());
}
