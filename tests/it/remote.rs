//! Remotes: the real program, and an endpoint that answers as deployed functions would.

mod cloud;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use pyrun_core::protocol::{Ask, Entry, Frame, Goal, PROTOCOL, Report, Stream};
use pyrun_core::{Code, Fault};
use pyrun_kit::calls::{End, Reply};
use serde_json::{Value, json};

use cloud::{Cloud, LOG, answer, described, hello, lock, question};

#[test]
fn a_first_run_builds_and_every_later_one_is_a_single_call() {
    let cloud = Cloud::new();
    let first = cloud.run(&[]);
    assert!(first.success(), "{first:?}");
    assert_eq!(first.stdout, "5\n");
    assert!(first.stderr.contains("printed"), "{first:?}");
    assert!(first.stderr.contains("GB-s, about $0.0"), "{first:?}");
    assert_eq!(
        cloud.asked(),
        ["describe r313", "build b313", "run r313", "build b313"]
    );
    // The last one is for the bytecode, and nobody waits for it.
    let calls = cloud.server.calls();
    assert_eq!(calls[3].headers["x-amz-invocation-type"], "Event");
    let Ask::Build(aside) = question(&calls[3]) else {
        panic!("a build")
    };
    assert_eq!(aside.goal, Goal::Bytecode);
    assert!(aside.pylock.is_some(), "the very lock that was built");
    for _ in 0..2 {
        assert_eq!(cloud.run(&[]).stdout, "5\n");
    }
    assert_eq!(cloud.asked()[4..], ["run r313", "run r313"]);
    assert!(cloud.runs().iter().all(|run| run.lock == lock()));
}

#[test]
fn json_carries_what_it_cost() {
    let cloud = Cloud::new();
    let output = cloud.run(&["--format", "json"]);
    let frames: Vec<Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a frame"))
        .collect();
    assert_eq!(frames[0]["type"], "hello");
    let report = frames.last().expect("frames");
    assert_eq!(report["type"], "report");
    // Who it is, the build, the run.
    assert_eq!(report["cost"]["requests"], 3);
    assert_eq!(report["cost"]["billed_ms"], 300);
    assert_eq!(report["cost"]["memory_mb"], 1024);
    let gb_seconds = report["cost"]["gb_seconds"].as_f64().expect("a number");
    assert!((gb_seconds - 0.3).abs() < 1e-9, "{report}");
    assert!(report["cost"]["usd"].as_f64().expect("a number") > 0.0);
}

#[test]
fn the_python_is_one_that_the_remote_has() {
    let cloud = Cloud::with("", |ask, number| {
        let python = if number == 0 { "3.13.2" } else { "3.12.8" };
        matches!(ask, Ask::Describe).then(|| answer(&[described(python)]))
    });
    let missing = cloud.run(&["--python-version", "3.11"]);
    assert_eq!(missing.status, Some(3), "{missing:?}");
    assert!(missing.stderr.contains("it has 3.12, 3.13"), "{missing:?}");
    assert!(cloud.asked().is_empty(), "no function could fit");
    // 3.13 may fit, and does not: 3.12 is asked next.
    cloud.context.write(
        "script.py",
        "# /// script\n# requires-python = '>=3.12.7,!=3.13.2'\n# dependencies = []\n# ///\ndef f(a):\n    return a\n",
    );
    let output = cloud.pyrun(&["run", "--on", "test", "script.py:f", "-a", "5"]);
    assert!(output.success(), "{output:?}");
    assert_eq!(
        cloud.asked()[..3],
        ["describe r313", "describe r312", "build b312"]
    );
}

#[test]
fn a_bundle_that_is_gone_is_built_again() {
    let cloud = Cloud::with("", |ask, number| {
        let gone = Fault::new(Code::BUNDLE_MISSING, "the bundle is gone");
        (matches!(ask, Ask::Run(_)) && number == 4)
            .then(|| answer(&[Frame::Fault(gone), Frame::Report(Report::default())]))
    });
    cloud.run(&[]);
    let output = cloud.run(&[]);
    assert_eq!(output.stdout, "5\n", "{output:?}");
    assert_eq!(cloud.asked()[4..], ["run r313", "build b313", "run r313"]);
}

#[test]
fn a_run_is_never_repeated_and_says_why() {
    let cloud = Cloud::with("", |ask, _| {
        matches!(ask, Ask::Run(_)).then(|| Reply::answer(hello(PROTOCOL).into(), End::Cut, ""))
    });
    let output = cloud.run(&[]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("remote.cut"), "{output:?}");
    assert_eq!(cloud.runs().len(), 1);
}

#[test]
fn another_protocol_is_answered_with_what_to_do() {
    let cloud = Cloud::with("", |_, _| Some(Reply::lines(&[hello(PROTOCOL + 1)])));
    let output = cloud.run(&[]);
    assert_eq!(output.status, Some(4));
    assert!(output.stderr.contains("remote.version-skew"), "{output:?}");
    assert!(output.stderr.contains("update pyrun"), "{output:?}");
}

#[test]
fn functions_that_were_deployed_anew_are_asked_again_who_they_are() {
    let other = Frame::Hello {
        protocol: PROTOCOL,
        version: "99.0.0".to_owned(),
    };
    let cloud = Cloud::with("", move |ask, number| {
        (matches!(ask, Ask::Run(_)) && number == 4).then(|| {
            let result = Frame::Result { value: json!(7) };
            let report = Frame::Report(Report::default());
            Reply::lines(&[other.to_line(), result.to_line(), report.to_line()])
        })
    });
    cloud.run(&[]);
    let told = cloud.run(&["-v"]);
    assert_eq!(told.stdout, "7\n");
    assert!(told.stderr.contains("pyrun 99.0.0 answers"), "{told:?}");
    cloud.run(&[]);
    assert_eq!(cloud.asked()[4..6], ["run r313", "describe r313"]);
}

#[test]
fn money_limits_a_run() {
    let cloud = Cloud::new();
    // One second of a gigabyte is 0.0000167 dollars.
    let too_little = cloud.run(&["--max-cost", "0.0000001"]);
    assert_eq!(too_little.status, Some(3), "{too_little:?}");
    assert!(too_little.stderr.contains("run.cost"), "{too_little:?}");
    assert!(cloud.runs().is_empty());
    let enough = cloud.run(&["--max-cost", "$0.0001"]);
    assert!(enough.success(), "{enough:?}");
    assert!(
        enough.stderr.contains("the run is stopped then"),
        "{enough:?}"
    );
    let limits = &cloud.runs()[0].limits;
    let whole = limits.whole_ms.expect("a limit");
    assert!((4_000..6_000).contains(&whole), "{whole}");
    assert_eq!(limits.timeout_ms, Some(whole));
    let plenty = cloud.run(&["--max-cost", "5"]);
    assert!(plenty.success());
    assert_eq!(cloud.runs()[1].limits.whole_ms, None);
}

#[test]
fn a_run_that_money_ended_says_so() {
    let cloud = Cloud::with("", |ask, _| {
        let late = Fault::new(Code::RUN_TIMEOUT, "it took too long");
        matches!(ask, Ask::Run(_))
            .then(|| answer(&[Frame::Fault(late), Frame::Report(Report::default())]))
    });
    let output = cloud.run(&["--max-cost", "0.0001"]);
    assert_eq!(output.status, Some(3), "{output:?}");
    assert!(output.stderr.contains("run.cost"), "{output:?}");
    let own = cloud.run(&["--max-cost", "0.0001", "--timeout", "10ms"]);
    assert_eq!(own.status, Some(124), "{own:?}");
}

#[test]
fn a_program_runs_too_and_is_told_what_it_lacks() {
    let cloud = Cloud::new();
    cloud.context.write(
        "program.py",
        "# /// script\n# dependencies = []\n# ///\nprint('x')\n",
    );
    let output = cloud.pyrun(&["run", "--on", "test", "program.py", "--word", "5"]);
    assert!(output.success(), "{output:?}");
    assert_eq!(output.stdout, "printed\n");
    assert!(output.stderr.contains("no standard input"), "{output:?}");
    let Entry::Program { argv } = &cloud.runs()[0].entry else {
        panic!("a program")
    };
    assert_eq!(argv, &["--word", "5"]);
}

#[test]
fn ctrl_c_says_that_the_run_goes_on() {
    let cloud = Cloud::with("", |ask, _| {
        let log = Frame::Log {
            stream: Stream::Stdout,
            micros: 0,
            text: "begun".to_owned(),
            newline: true,
        };
        let lines = hello(PROTOCOL) + &log.to_line();
        matches!(ask, Ask::Run(_)).then(|| Reply::answer(lines.into_bytes(), End::Silence, ""))
    });
    let mut child = cloud
        .context
        .command([
            "run",
            "--on",
            "test",
            "--timeout",
            "90s",
            "script.py",
            "-a",
            "5",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("begun") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).expect("text"), 0, "it ended");
    }
    let id = child.id().to_string();
    let killed = Command::new("/bin/kill").args(["-INT", &id]).status();
    assert!(killed.expect("kill runs").success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest}");
    assert!(rest.contains("goes on in the cloud"), "{rest}");
    assert!(rest.contains("1m 30s at most"), "{rest}");
}

#[test]
fn prewarm_reaches_as_many_environments_as_are_asked_for() {
    let cloud = Cloud::with("", |ask, _| {
        let result = Frame::Result { value: Value::Null };
        matches!(ask, Ask::Prepare(_)).then(|| Reply::Answer {
            parts: vec![hello(PROTOCOL).into(), result.to_line().into()],
            pause: Duration::from_millis(500),
            end: End::Complete,
            log: LOG.to_owned(),
        })
    });
    let words = [
        "prewarm",
        "--on",
        "test",
        "--instances",
        "3",
        "--format",
        "json",
        "requests",
    ];
    let output = cloud.pyrun(&words);
    assert!(output.success(), "{output:?}");
    let row: Value = output
        .stdout
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("a row");
    assert_eq!(row["environments"]["warm"], 3, "{row}");
    assert_eq!(row["environments"]["distinct"], 3, "{row}");
    let asked = cloud.asked();
    assert_eq!(asked[..2], ["describe r313", "build b313"]);
    assert_eq!(asked[2..], ["prepare r313", "prepare r313", "prepare r313"]);
    let here = cloud.pyrun(&["prewarm", "--instances", "3", "requests"]);
    assert_ne!(here.status, Some(0));
}

#[test]
fn an_unknown_remote_is_named_with_its_neighbour() {
    let cloud = Cloud::new();
    let output = cloud.pyrun(&["run", "--on", "tset", "script.py", "-a", "5"]);
    assert_eq!(output.status, Some(2));
    assert!(output.stderr.contains("did you mean `test`?"), "{output:?}");
}

#[test]
fn use_chooses_where_commands_happen() {
    let cloud = Cloud::new();
    let list = cloud.pyrun(&["use"]);
    assert!(list.stdout.contains("*  local"), "{list:?}");
    assert!(cloud.pyrun(&["use", "test"]).success());
    let kept = fs_err::read_to_string(cloud.context.home().join(".config/pyrun/pyrun.toml"));
    assert_eq!(kept.expect("a file"), "use = \"test\"\n");
    let output = cloud.pyrun(&["run", "script.py", "-a", "5"]);
    assert_eq!(output.stdout, "5\n", "{output:?}");
    assert!(!cloud.runs().is_empty());
    let list = cloud.pyrun(&["use"]);
    assert!(list.stdout.contains("*  test"), "{list:?}");
    assert!(
        list.stderr.contains(".config/pyrun/pyrun.toml says so"),
        "{list:?}"
    );
    let unknown = cloud.pyrun(&["use", "nowhere"]);
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
    assert!(cloud.pyrun(&["use", "local"]).success());
    assert!(cloud.pyrun(&["use"]).stdout.contains("*  local"));
}

#[test]
fn a_buffered_remote_answers_at_once() {
    let cloud = Cloud::with("invoke = \"buffered\"\n", |_, _| None);
    let output = cloud.run(&[]);
    assert_eq!(output.stdout, "5\n", "{output:?}");
    assert!(cloud.server.calls().iter().all(|call| !call.streamed));
}

#[test]
fn a_store_of_ones_own_does_not_go_with_a_remote() {
    let cloud = Cloud::new();
    let output = cloud.run(&["--store", "elsewhere"]);
    assert_eq!(output.status, Some(2), "{output:?}");
    assert!(output.stderr.contains("has its own"), "{output:?}");
}

#[test]
fn a_policy_of_this_machine_has_no_say_on_a_remote() {
    let cloud = Cloud::new();
    let settings = cloud.context.read("pyrun.toml");
    cloud
        .context
        .write("pyrun.toml", format!("policy = 'p.toml'\n{settings}"));
    let pin = "[indexes.of]\nrequests = 'https://corp.example/simple'\n";
    for policy in [pin, "nonsense = ["] {
        cloud.context.write("p.toml", policy);
        let output = cloud.pyrun(&["prewarm", "--on", "test", "--build-only", "requests"]);
        assert!(output.success(), "{output:?}");
        let calls = cloud.server.calls();
        let Some(Ask::Build(asked)) = calls.last().map(question) else {
            panic!("a build")
        };
        let pins = asked.request.options.index_of;
        assert!(pins.is_empty(), "the remote has its own: {pins:?}");
    }
}
