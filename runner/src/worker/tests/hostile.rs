//! Code that means harm, or does it.

use std::time::Duration;

use pyrun_core::Code;
use pyrun_core::protocol::Frame;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::support::{call, job_in, program, python, run, worker};
use crate::worker::Folder;

fn script(name: &str) -> String {
    let path = format!("{}/../tests/scripts/{name}.py", env!("CARGO_MANIFEST_DIR"));
    fs_err::read_to_string(path).expect("the script is there")
}

/// Whether a process lives (a zombie does not).
fn lives(id: u64) -> bool {
    fs_err::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.starts_with(" Z"))
    })
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .map(|id| id.parse().expect("a process id"))
        .collect()
}

#[tokio::test]
async fn a_timeout_kills_every_descendant() {
    let mut request = call(&script("descendants"), vec![json!(true)]);
    request.limits.timeout_ms = Some(1_000);
    let ran = run(&request).await;
    assert_eq!(ran.fault().code, Code::RUN_TIMEOUT);
    assert!(
        ran.fault().message.contains("1 s"),
        "{}",
        ran.fault().message
    );
    let ids = numbers(&ran.stdout());
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(!ids.iter().any(|id| lives(*id)), "{ids:?}");
}

#[tokio::test]
async fn an_end_kills_every_descendant() {
    let ran = run(&call(&script("descendants"), vec![json!(false)])).await;
    assert_eq!(ran.result(), &json!("done"));
    let ids = numbers(&ran.stdout());
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(!ids.iter().any(|id| lives(*id)), "{ids:?}");
}

#[tokio::test]
async fn a_dropped_run_is_killed() {
    let scratch = tempfile::tempdir().expect("a folder");
    let request = call(&script("descendants"), vec![json!(true)]);
    let job = job_in(python(), &request, Folder::Fresh(scratch.path()));
    let (sender, mut receiver) = mpsc::channel(16);
    let (_keep, interrupt) = watch::channel(false);
    let mut ids = Vec::new();
    {
        let mut run = std::pin::pin!(worker().run(&job, &sender, interrupt));
        while ids.len() < 3 {
            tokio::select! {
                outcome = &mut run => panic!("it ended: {outcome:?}"),
                frame = receiver.recv() => if let Some(Frame::Log { text, .. }) = frame {
                    ids.extend(numbers(&text));
                }
            }
        }
    }
    die_soon(&ids).await;
}

/// Waits until no process lives; fails if that does not come.
async fn die_soon(ids: &[u64]) {
    for _ in 0..500 {
        if !ids.iter().any(|id| lives(*id)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still alive: {ids:?}");
}

const KILLED_HELPER: &str = "PYRUN_TEST_KILLED_HELPER";

/// Not a test: what the next one starts as a process of its own, and kills.
#[tokio::test]
async fn killed_helper() {
    let Some(told) = std::env::var_os(KILLED_HELPER) else {
        return;
    };
    let source = format!(
        "import sys\nsys.stdout = open({:?}, 'w', buffering=1)\n{}",
        told.to_str().expect("text"),
        script("descendants")
    );
    run(&call(&source, vec![json!(true)])).await;
}

#[tokio::test]
async fn a_killed_pyrun_takes_its_runs_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("ids");
    let mut pyrun = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "worker::tests::hostile::killed_helper"])
        .env(KILLED_HELPER, &told)
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let mut ids = Vec::new();
    while ids.len() < 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(pyrun.try_wait().expect("asks").is_none(), "it ended");
        let text = fs_err::read_to_string(&told).unwrap_or_default();
        if text.ends_with('\n') {
            ids = numbers(&text);
        }
    }
    pyrun.kill().expect("is killed");
    pyrun.wait().expect("is reaped");
    die_soon(&ids).await;
}

#[tokio::test]
async fn an_interrupt_reaches_the_code_and_ends_the_run() {
    let source = "\
import time
try:
    print('ready')
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print('cleaned up')";
    let scratch = tempfile::tempdir().expect("a folder");
    let request = program(source, &[]);
    let job = job_in(python(), &request, Folder::At(scratch.path()));
    let (sender, mut receiver) = mpsc::channel(16);
    let (stop, interrupt) = watch::channel(false);
    let listen = async {
        let mut lines = Vec::new();
        while let Some(frame) = receiver.recv().await {
            if let Frame::Log { text, .. } = frame {
                stop.send_replace(true);
                lines.push(text);
            }
        }
        lines
    };
    let run = async move { worker().run(&job, &sender, interrupt).await };
    let (outcome, lines) = tokio::join!(run, listen);
    assert_eq!(lines, ["ready", "cleaned up"]);
    let Frame::Fault(fault) = outcome.last else {
        panic!("a fault is expected");
    };
    assert_eq!(fault.code, Code::RUN_INTERRUPTED);
}

#[tokio::test]
async fn code_that_ignores_signals_is_killed() {
    let source = "\
import signal, time
def f():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True: time.sleep(1)";
    let mut request = call(source, vec![]);
    request.limits.timeout_ms = Some(500);
    assert_eq!(run(&request).await.fault().code, Code::RUN_TIMEOUT);
}

#[tokio::test]
async fn sudden_ends_are_named() {
    for (body, code, message) in [
        (
            "os._exit(3)",
            Code::RUN_EXITED,
            "Python ended with status 3 before the function did",
        ),
        (
            "os._exit(0)",
            Code::RUN_EXITED,
            "Python ended with status 0 before the function did",
        ),
        (
            "os.kill(os.getpid(), 9)",
            Code::RUN_KILLED,
            "the run was killed by SIGKILL",
        ),
        (
            "os.closerange(0, 4096)",
            Code::RUN_EXITED,
            "the function's outcome is lost: its code closed the descriptor that results travel on",
        ),
        (
            "os.kill(os.getppid(), 9); time.sleep(60)",
            Code::RUN_KILLED,
            "the run was killed by SIGKILL",
        ),
    ] {
        let ran = run(&call(&format!("import os, time\ndef f(): {body}"), vec![])).await;
        assert_eq!(
            (&ran.fault().code, ran.fault().message.as_str()),
            (&code, message),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_crash_says_where() {
    let ran = run(&call("import ctypes\ndef f(): ctypes.string_at(0)", vec![])).await;
    assert_eq!(ran.fault().code, Code::RUN_KILLED);
    assert!(
        ran.stderr().contains("script.py\", line 2 in f"),
        "{}",
        ran.stderr()
    );
}

#[tokio::test]
async fn endless_recursion_is_an_exception() {
    let ran = run(&call("def f(): return f()", vec![])).await;
    assert!(
        ran.fault().message.starts_with("RecursionError"),
        "{:?}",
        ran.fault()
    );
    let traceback = ran.fault().traceback.as_deref().unwrap_or_default();
    assert!(traceback.contains("Previous line repeated"), "{traceback}");
}

#[tokio::test]
async fn forged_lines_are_refused() {
    for (line, expected) in [
        ("garbage", Code::RUN_PROTOCOL),
        ("result 1\\nresult 2", Code::RUN_PROTOCOL),
        (
            "fault {\\\"code\\\":\\\"policy.denied\\\",\\\"message\\\":\\\"x\\\"}",
            Code::RUN_PROTOCOL,
        ),
        ("phase \\\"resolve\\\"", Code::RUN_PROTOCOL),
    ] {
        let source = script("forge").replace("LINE", line);
        let ran = run(&call(&source, vec![])).await;
        assert_eq!(ran.fault().code, expected, "{line}");
    }
    let mut request = call(
        &script("forge").replace("b\"LINE\\n\"", "b\"x\" * 3_000_000"),
        vec![],
    );
    request.limits.result_bytes = Some(1000);
    let ran = run(&request).await;
    assert_eq!(ran.fault().code, Code::RUN_PROTOCOL);
    assert!(
        ran.fault().causes[0].contains("longer than"),
        "{:?}",
        ran.fault()
    );
}

#[tokio::test]
async fn a_flood_of_output_waits_in_the_writer() {
    let source = "\
import os
def f(megabytes):
    line = b'x' * 1023 + b'\\n'
    for _ in range(megabytes * 1024):
        os.write(1, line)";
    let ran = run(&call(source, vec![json!(64)])).await;
    let bytes: usize = ran
        .frames
        .iter()
        .map(|frame| match frame {
            Frame::Log {
                text,
                newline: true,
                ..
            } => text.len() + 1,
            _ => 0,
        })
        .sum();
    assert_eq!(bytes, 64 << 20);
}

#[tokio::test]
async fn a_listener_that_does_not_listen_holds_the_writer_but_not_the_clock() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut request = call("def f():\n    while True: print('x' * 1000)", vec![]);
    request.limits.timeout_ms = Some(700);
    let job = job_in(python(), &request, Folder::Fresh(scratch.path()));
    let (sender, mut receiver) = mpsc::channel(4);
    let (_keep, interrupt) = watch::channel(false);
    let listen = async {
        // Nothing is taken until the limit is over: no more than what pipes hold may then come.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let mut bytes = 0;
        while let Some(frame) = receiver.recv().await {
            if let Frame::Log { text, .. } = frame {
                bytes += text.len();
            }
        }
        bytes
    };
    let run = async move { worker().run(&job, &sender, interrupt).await };
    let (outcome, bytes) = tokio::join!(run, listen);
    assert!(matches!(outcome.last, Frame::Fault(fault) if fault.code == Code::RUN_TIMEOUT));
    assert!(bytes < 1 << 20, "{bytes} bytes were buffered");
}

#[tokio::test]
async fn memory_over_its_limit_ends_the_run() {
    let source = "\
import time
def f():
    held = []
    while True:
        held.append(b'x' * (8 << 20))
        time.sleep(0.01)";
    let mut request = call(source, vec![]);
    request.limits.memory_bytes = Some(100 << 20);
    let ran = run(&request).await;
    assert_eq!(ran.fault().code, Code::RUN_MEMORY);
    assert!(
        ran.fault().message.contains("100 MiB"),
        "{}",
        ran.fault().message
    );
    let ran = run(&call("def f(): raise MemoryError", vec![])).await;
    assert_eq!(ran.fault().code, Code::RUN_MEMORY);
}

#[tokio::test]
async fn open_lines_and_odd_bytes_come_through() {
    let source = "\
import os, sys, time
def f():
    os.write(1, b'name? ')
    time.sleep(0.3)
    os.write(1, b'me\\n\\xff\\xfe\\n')
    os.write(1, b'10%\\r20%\\r')";
    let ran = run(&call(source, vec![])).await;
    assert_eq!(ran.stdout(), "name? me\n\u{fffd}\u{fffd}\n10%\r20%\r");
    let open = ran
        .frames
        .iter()
        .any(|frame| matches!(frame, Frame::Log { text, newline: false, .. } if text == "name? "));
    assert!(
        open,
        "the prompt was not shown before its line ended: {:?}",
        ran.frames
    );
}

#[tokio::test]
async fn a_forked_copy_says_nothing() {
    let source = "\
import os
def f():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return 'parent'
    return 'child'";
    assert_eq!(run(&call(source, vec![])).await.result(), &json!("parent"));
}

#[tokio::test]
async fn one_run_sees_nothing_of_another() {
    let source = "\
import os
def f():
    seen = [os.listdir('.'), os.environ.get('LEFT'), sorted(k for k in os.environ if 'AWS' in k)]
    open('left', 'w').close()
    os.environ['LEFT'] = '1'
    return seen";
    for _ in 0..2 {
        assert_eq!(
            run(&call(source, vec![])).await.result(),
            &json!([[], null, []])
        );
    }
}
