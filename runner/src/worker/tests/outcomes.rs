//! Functions: how they are loaded, called, and how they end.

use pyrun_core::protocol::{Frame, StartKind, Stream};
use pyrun_core::{Code, Phase};
use serde_json::{Value, json};

use super::support::{call, python, pythons, run, run_job, run_with};
use crate::worker::{Folder, Job, Output, Stdin};

#[tokio::test]
async fn a_function_returns_its_value() {
    let ran = run(&call("def f(a, b=2):\n    return [a, b]", vec![json!("x")])).await;
    assert_eq!(ran.result(), &json!(["x", 2]));
    let report = &ran.outcome.report;
    let phases: Vec<Phase> = report.phases.iter().map(|cost| cost.phase).collect();
    assert_eq!(phases, [Phase::Start, Phase::Import, Phase::Call]);
    assert_eq!(report.start, StartKind::Fresh);
    assert!(report.peak_memory_bytes > 1 << 20);
    assert!(report.micros > 0);
}

#[tokio::test]
async fn every_supported_python_runs_it() {
    let source = "\
from __future__ import annotations
import dataclasses, typing
@dataclasses.dataclass
class Point:
    x: int
    y: typing.Optional[Point] = None
@requirements({'nothing': ''})
def f():
    hints = typing.get_type_hints(Point)
    assert f.__pyrun_requirements__ == (({'nothing': ''},), {})
    print('seen')
    return [Point(1, Point(2)), sorted(hints)]
def g():
    raise ValueError('no')
";
    let pythons = pythons();
    assert!(!pythons.is_empty());
    for python in pythons {
        let ran = run_with(&python, &call(source, vec![])).await;
        let expected = json!([{"x": 1, "y": {"x": 2, "y": null}}, ["x", "y"]]);
        assert_eq!(ran.result(), &expected, "{}", python.display());
        assert_eq!(ran.stdout(), "seen\n", "{}", python.display());
        let ran = run_with(
            &python,
            &call(
                &source.replace("def f", "def h").replace("def g", "def f"),
                vec![],
            ),
        )
        .await;
        assert_eq!(
            ran.fault().message,
            "ValueError: no",
            "{}",
            python.display()
        );
        let tail = "in f\n    raise ValueError('no')\nValueError: no\n";
        let traceback = ran.fault().traceback.clone().unwrap_or_default();
        assert!(traceback.ends_with(tail), "{traceback}");
    }
}

#[tokio::test]
async fn an_exception_shows_the_users_frames_alone() {
    let source = "\
def inner(x):
    return 1 / x

def f():
    try:
        inner(0)
    except ZeroDivisionError as error:
        raise RuntimeError('broken') from error
";
    let ran = run(&call(source, vec![])).await;
    let fault = ran.fault();
    assert_eq!(fault.code, Code::RUN_RAISED);
    assert_eq!(fault.message, "RuntimeError: broken");
    // Carets differ between versions of Python.
    let traceback: String = fault
        .traceback
        .as_deref()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_matches(['^', '~', ' ']).is_empty() || line.is_empty())
        .fold(String::new(), |all, line| all + line + "\n");
    assert_eq!(
        traceback,
        "Traceback (most recent call last):
  File \"folder/script.py\", line 6, in f
    inner(0)
  File \"folder/script.py\", line 2, in inner
    return 1 / x
ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"folder/script.py\", line 8, in f
    raise RuntimeError('broken') from error
RuntimeError: broken
"
    );
    let span = &fault.spans[0];
    assert_eq!((span.line, span.column), (8, 9));
    assert_eq!(span.text, "        raise RuntimeError('broken') from error");
}

#[tokio::test]
async fn a_missing_module_names_its_project() {
    let ran = run(&call("def f():\n    import cv2", vec![])).await;
    assert_eq!(
        ran.fault().hints,
        ["add 'opencv-python-headless' to the requirements"]
    );
    let ran = run(&call("import no_such_thing\ndef f(): pass", vec![])).await;
    assert_eq!(
        ran.fault().hints[0],
        "add 'no_such_thing' to the requirements"
    );
}

#[tokio::test]
async fn coroutines_and_generators_are_run() {
    let ran = run(&call(
        "async def f():\n    import asyncio\n    await asyncio.sleep(0)\n    return 1",
        vec![],
    ))
    .await;
    assert_eq!(ran.result(), &json!(1));
    let ran = run(&call(
        "def f():\n    print('one')\n    yield 1\n    yield {2}\n    return 3",
        vec![],
    ))
    .await;
    assert_eq!(ran.yields(), [&json!(1), &json!([2])]);
    assert_eq!(ran.result(), &json!(3));
    let printed = ran
        .frames
        .iter()
        .position(|frame| matches!(frame, Frame::Log { .. }));
    let yielded = ran
        .frames
        .iter()
        .position(|frame| matches!(frame, Frame::Yield { .. }));
    assert!(
        printed < yielded,
        "what is printed before a yield comes before it"
    );
    let ran = run(&call(
        "async def f():\n    yield 1\n    raise OSError('late')",
        vec![],
    ))
    .await;
    assert_eq!(ran.yields(), [&json!(1)]);
    assert_eq!(ran.fault().message, "OSError: late");
}

#[tokio::test]
async fn what_is_printed_before_a_yield_comes_before_it() {
    let source = "\
import sys
def f(n):
    for i in range(n):
        print('out', i, end='\\n' if i % 3 else '')
        print('error', i, file=sys.stderr)
        yield i
";
    let count = 3_000;
    let ran = run(&call(source, vec![json!(count)])).await;
    let (mut out, mut error, mut yielded) = (String::new(), String::new(), 0);
    for frame in &ran.frames {
        match frame {
            Frame::Log {
                stream,
                text,
                newline,
                ..
            } => {
                let written = match stream {
                    Stream::Stdout => &mut out,
                    Stream::Stderr => &mut error,
                };
                written.push_str(text);
                written.push_str(if *newline { "\n" } else { "" });
            }
            Frame::Yield { value } => {
                assert_eq!(value, &json!(yielded));
                // The text may go on with what came later, never end before.
                let line = format!("out {yielded}");
                assert!(out.contains(&line), "{line} is not there yet");
                let line = format!("error {yielded}\n");
                assert!(error.contains(&line), "{line} is not there yet");
                yielded += 1;
            }
            _ => {}
        }
    }
    assert_eq!(yielded, count);
}

#[tokio::test]
async fn sys_exit_ends_a_function() {
    for (source, expected) in [("0", true), ("None", true), ("3", false), ("'why'", false)] {
        let ran = run(&call(
            &format!("import sys\ndef f(): sys.exit({source})"),
            vec![],
        ))
        .await;
        if expected {
            assert_eq!(ran.result(), &Value::Null);
        } else {
            assert_eq!(ran.fault().code, Code::RUN_EXITED);
            assert!(ran.fault().message.contains(source.trim_matches('\'')));
        }
    }
}

#[tokio::test]
async fn the_main_block_is_not_run_for_a_function() {
    let source = "def f(): return __name__\nif __name__ == '__main__': raise SystemExit(9)";
    assert_eq!(run(&call(source, vec![])).await.result(), &json!("script"));
}

#[tokio::test]
async fn what_is_not_there_or_not_python_is_named() {
    let ran = run(&call("def g(): pass", vec![])).await;
    assert_eq!(ran.fault().code, Code::SCRIPT_FUNCTION);
    let ran = run(&call("x = 1\ndef f(:\n", vec![])).await;
    assert_eq!(ran.fault().code, Code::SCRIPT_SYNTAX);
    assert_eq!(ran.fault().spans[0].line, 2);
}

#[tokio::test]
async fn a_result_over_its_limit_is_refused() {
    let mut request = call("def f(n): return 'x' * n", vec![json!(1000)]);
    request.limits.result_bytes = Some(1002);
    assert!(run(&request).await.result().is_string());
    request.limits.result_bytes = Some(1001);
    let ran = run(&request).await;
    assert_eq!(ran.fault().code, Code::RUN_OUTPUT);
    let mut request = call(
        "import itertools\ndef f(): return [itertools.count()]",
        vec![],
    );
    request.limits.result_bytes = Some(1000);
    assert_eq!(run(&request).await.fault().code, Code::RUN_OUTPUT);
}

#[tokio::test]
async fn the_users_module_is_as_python_would_make_it() {
    let source = "\
import inspect, os, pickle, sys
from pyrun import requirements as named
class Thing: pass
@named('x', python='3.12')
def f():
    assert pickle.loads(pickle.dumps(Thing())).__class__ is Thing
    assert f.__pyrun_requirements__ == (('x',), {'python': '3.12'})
    assert callable(exit) and callable(quit)
    return [inspect.getsource(f).splitlines()[1], __file__, sys.argv, os.listdir('.'),
            os.getcwd() == os.environ['HOME'] == os.environ['TMPDIR'], sys.stdin.read()]";
    let ran = run(&call(source, vec![])).await;
    assert_eq!(
        ran.result(),
        &json!([
            "def f():",
            "folder/script.py",
            ["folder/script.py"],
            [],
            true,
            ""
        ])
    );
}

#[tokio::test]
async fn an_interpreter_that_is_none_is_a_fault() {
    let ran = run_with(&python().with_file_name("no-python"), &call("", vec![])).await;
    assert_eq!(ran.fault().code, Code::PYTHON_BROKEN);
}

#[tokio::test]
async fn the_bundle_and_the_requests_variables_are_there() {
    let scratch = tempfile::tempdir().expect("a folder");
    let site = scratch.path().join("site");
    fs_err::create_dir_all(site.join("more")).expect("a folder");
    fs_err::write(site.join("one.py"), "name = 'one'").expect("writes");
    fs_err::write(site.join("more/two.py"), "name = 'two'").expect("writes");
    fs_err::write(site.join("more.pth"), "more\n").expect("writes");
    // The worker's own start must not meet what a package calls as the standard library does.
    fs_err::write(site.join("_json.py"), "raise SystemExit(3)").expect("writes");
    let source = "\
import os, subprocess, sys
def f():
    import one
    try:
        import two
    except ImportError:
        two = None
    names = []
    # As a script starts one, and as `multiprocessing` and joblib do.
    for flags in ([], subprocess._args_from_interpreter_flags()):
        command = [sys.executable, *flags, '-c', 'import one; print(one.name)']
        child = subprocess.run(command, capture_output=True, text=True)
        names.append(child.stdout.strip())
    return [one.name, two and two.name, names, os.environ['GREETING']]";
    let mut request = call(source, vec![]);
    request.env.insert("GREETING".into(), "hello".into());
    for (pth, two) in [(false, Value::Null), (true, json!("two"))] {
        let ran = run_job(&Job {
            python: python(),
            site: Some(&site),
            pth,
            request: &request,
            folder: Folder::Fresh(scratch.path()),
            stdin: Stdin::Null,
            output: Output::Frames,
            import_from: None,
        })
        .await;
        assert_eq!(ran.result(), &json!(["one", two, ["one", "one"], "hello"]));
    }
    let written = fs_err::read_dir(&site).expect("lists").count();
    assert_eq!(written, 4, "a run wrote bytecode into the bundle");
}
