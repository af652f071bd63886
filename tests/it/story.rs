//! The same thing on AWS: the real program, the real functions, a real S3 server, a Lambda on the
//! loopback.

use std::collections::BTreeMap;
use std::time::Duration;

use pyrun_kit::lambda::{Function, LambdaServer, Mode, Role};
use pyrun_kit::seaweed::{Bucket, Seaweed};
use pyrun_kit::{Output, Programs, python};
use serde_json::Value;

use crate::support::{GREET, World};

/// A bucket, the two functions of one Python, and a command that knows them as `test`.
struct Cloud {
    world: World,
    lambda: LambdaServer,
    bucket: Bucket,
    minor: String,
}

impl Cloud {
    fn new() -> Self {
        Self::with(World::new(), |function| function)
    }

    /// A cloud whose functions are changed by `change` before they are there.
    fn with(world: World, change: impl Fn(Function) -> Function) -> Self {
        let seaweed = Seaweed::shared();
        let bucket = seaweed.bucket();
        let lambda = LambdaServer::start();
        lambda.allow_key(&bucket.admin.id);
        let programs = Programs::build();
        let minor = minor();
        for (name, program, keys) in [
            ("builder", &programs.builder, &bucket.admin),
            ("runner", &programs.runner, &bucket.runner),
        ] {
            let function = Function {
                memory_mb: 1024,
                timeout: Duration::from_mins(1),
                mode: Mode::ExecWrapper {
                    runtime: format!("python{minor}"),
                    command: vec![
                        "/var/lang/bin/python3".to_owned(),
                        "bootstrap.py".to_owned(),
                    ],
                },
                role: Role {
                    access_key: keys.id.clone(),
                    secret_key: keys.secret.clone(),
                    session_token: None,
                },
                ..Function::new(name, program)
            };
            let function = function
                .env("PYRUN_STORE", format!("s3://{}/", bucket.name))
                .env("PYRUN_POLICY", "")
                .env("PYRUN_PYTHON", python().to_string_lossy())
                .env("AWS_ENDPOINT_URL_S3", seaweed.endpoint());
            lambda.function(change(function));
        }
        world.context.write(
            "pyrun.toml",
            format!(
                "[on.test]\nstore = \"s3://{}/\"\nregion = \"{}\"\nbuilder = {{ \"{minor}\" = \"builder\" }}\nrunner = {{ \"{minor}\" = \"runner\" }}\n",
                bucket.name,
                LambdaServer::REGION
            ),
        );
        let context = world
            .context
            .env("AWS_ACCESS_KEY_ID", &bucket.admin.id)
            .env("AWS_SECRET_ACCESS_KEY", &bucket.admin.secret)
            .env("AWS_ENDPOINT_URL_S3", seaweed.endpoint())
            .env("AWS_ENDPOINT_URL_LAMBDA", lambda.endpoint())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .without_env("PYRUN_STORE");
        let world = World { context, ..world };
        Self {
            world,
            lambda,
            bucket,
            minor,
        }
    }

    fn pyrun(&self, arguments: &[&str]) -> Output {
        self.world.context.run(arguments)
    }

    fn run(&self, script: &str, words: &[&str]) -> Output {
        self.world.context.write("script.py", script);
        let mut arguments = vec!["run", "--on", "test", "script.py"];
        arguments.extend(words);
        self.pyrun(&arguments)
    }

    /// How often the functions were called, by name.
    fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for call in self.lambda.calls() {
            *calls.entry(call.function).or_default() += 1;
        }
        calls
    }
}

/// The tests' Python as major and minor number.
fn minor() -> String {
    let output = std::process::Command::new(python())
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .output()
        .expect("Python runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Frames without what differs from run to run: times, sizes of memory, ids, money. What the
/// function says and what is said of it come by two ways, each in its own order.
fn shape(stdout: &str) -> (Vec<Value>, Vec<Value>) {
    let frames: Vec<Value> = stdout
        .lines()
        .filter_map(|line| {
            let mut frame: Value = serde_json::from_str(line).expect("a frame");
            let object = frame.as_object_mut().expect("an object");
            for name in ["micros", "peak_memory_bytes", "cost", "notes"] {
                object.remove(name);
            }
            if object.get("state").is_some_and(|state| state == "progress") {
                return None;
            }
            if let Some(phases) = object.get_mut("phases").and_then(Value::as_array_mut) {
                for phase in phases {
                    phase.as_object_mut().expect("a phase").remove("micros");
                }
            }
            Some(frame)
        })
        .collect();
    let is_phase = |frame: &Value| frame["type"] == "phase";
    frames.into_iter().partition(is_phase)
}

#[test]
fn the_whole_story_on_a_remote() {
    let cloud = Cloud::new();
    cloud.world.context.write("script.py", GREET);
    let warmed = cloud.pyrun(&["prewarm", "--on", "test", "script.py"]);
    assert!(warmed.success(), "{warmed:?}");
    let output = cloud.run(GREET, &["-a", "you"]);
    assert_eq!(output.stdout, "hello 2.0, you\n", "{output:?}");
    let cached = cloud.pyrun(&["cache", "ls", "--on", "test", "--format", "json"]);
    let row: Value = serde_json::from_str(cached.stdout.trim()).expect("one row");
    assert_eq!(row["packages"][0], "greet 2.0", "{cached:?}");
    assert_eq!(row["bytecode"], true, "{cached:?}");
    let local = cloud.pyrun(&["cache", "ls", "--format", "json"]);
    assert_eq!(local.stdout, "", "nothing was built here: {local:?}");
    let doctor = cloud.pyrun(&["doctor", "--on", "test"]);
    assert!(doctor.success(), "{doctor:?}");
    for check in ["store", "builder", "runner"] {
        assert!(doctor.stdout.contains(&format!("✓ {check}")), "{doctor:?}");
    }
}

#[test]
fn the_second_run_is_one_call_with_the_code_and_a_hash() {
    let cloud = Cloud::new();
    let cold = cloud.run(GREET, &[]);
    assert_eq!(cold.stdout, "hello 2.0, world\n", "{cold:?}");
    cloud.lambda.clear();
    cloud.world.index.clear();
    let warm = cloud.run(GREET, &[]);
    assert_eq!(warm.stdout, "hello 2.0, world\n", "{warm:?}");
    let calls = cloud.lambda.calls();
    let runs: Vec<_> = calls
        .iter()
        .filter(|call| call.function == "runner")
        .collect();
    assert_eq!(runs.len(), 1, "{calls:?}");
    assert!(!runs[0].cold, "the environment was warm: {calls:?}");
    assert!(runs[0].request_bytes < 2_000, "{calls:?}");
    assert_eq!(cloud.world.index.requests().len(), 0);
}

#[test]
fn frames_are_those_of_a_local_run() {
    let cloud = Cloud::new();
    let script = "\
@requirements({'greet': ''})
def f(name: str):
    import sys
    import greet
    print('on its way')
    print('aside', file=sys.stderr)
    yield greet.greet(name)
";
    cloud.world.context.write("script.py", script);
    let frames = |on: &str| {
        let output = cloud.pyrun(&["run", "--format", "json", "--on", on, "script.py", "you"]);
        assert!(output.success(), "{output:?}");
        shape(&output.stdout)
    };
    frames("test");
    frames("local");
    // Both are warm now.
    let (remote, local) = (frames("test"), frames("local"));
    assert_eq!(remote, local);
}

#[test]
fn a_failure_reads_the_same_from_afar() {
    let cloud = Cloud::new();
    let script = "\
@requirements({})
def f(kind: str):
    if kind == 'raise':
        raise ValueError('no')
    import os, time
    if kind == 'die':
        os.kill(os.getpid(), 9)
    time.sleep(60)
";
    cloud.world.context.write("script.py", script);
    for (kind, status) in [("raise", 1), ("die", 1), ("sleep", 124)] {
        let said = |on: &str| {
            let output = cloud.pyrun(&[
                "run",
                "-q",
                "--timeout",
                "2s",
                "--on",
                on,
                "script.py",
                kind,
            ]);
            assert_eq!(output.status, Some(status), "{kind}: {output:?}");
            assert_eq!(output.stdout, "");
            cloud.world.context.filter(&output.stderr)
        };
        let (remote, local) = (said("test"), said("local"));
        assert_eq!(remote, local, "{kind}");
    }
    // The environment that ran them serves the next.
    assert_eq!(cloud.run(GREET, &[]).stdout, "hello 2.0, world\n");
}

#[test]
fn output_is_heard_while_the_function_runs() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let cloud = Cloud::new();
    let script = "\
@requirements({})
def f():
    import time
    print('first', flush=True)
    time.sleep(20)
";
    cloud.world.context.write("script.py", script);
    let mut child = cloud
        .world
        .context
        .command(["run", "--on", "test", "script.py"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let began = std::time::Instant::now();
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let heard = lines.map_while(Result::ok).any(|line| line == "first");
    assert!(heard, "the line came");
    assert!(
        child.try_wait().expect("a child").is_none(),
        "it came before the end: {:?}",
        began.elapsed()
    );
    child.kill().expect("it is there");
    child.wait().expect("it ends");
}

#[test]
fn a_machine_without_python_runs_remotely() {
    let cloud = Cloud::new();
    let context = cloud.world.context.env("PATH", "/nonexistent");
    context.write("script.py", GREET);
    let output = context.run(["run", "--on", "test", "script.py"]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
}

#[test]
fn a_bundle_that_is_gone_is_built_again_and_a_damaged_one_too() {
    let cloud = Cloud::new();
    cloud.run(GREET, &[]);
    let removed = cloud.pyrun(&["cache", "rm", "--all", "--on", "test"]);
    assert!(removed.success(), "{removed:?}");
    cloud.lambda.retire_idle();
    let output = cloud.run(GREET, &[]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
    let calls = cloud.calls();
    assert!(calls["builder"] >= 2, "{calls:?}");
}

#[test]
fn a_question_and_an_answer_of_many_megabytes_go_through_the_store() {
    let cloud = Cloud::new();
    let script = "\
@requirements({})
def f(text: str):
    return text[::-1]
";
    cloud.world.context.write("script.py", script);
    let text = "ab".repeat(4 << 20);
    cloud.world.context.write(
        "call.json",
        serde_json::json!({ "args": [text] }).to_string(),
    );
    let output = cloud.pyrun(&["run", "--on", "test", "--input", "@call.json", "script.py"]);
    let logs = cloud.lambda.logs("runner");
    assert!(output.success(), "{} {logs:?}", output.stderr);
    assert_eq!(output.stdout.trim_end(), "ba".repeat(4 << 20));
}

#[test]
fn functions_of_another_protocol_say_what_to_do() {
    let cloud = Cloud::new();
    let stranger = cloud.world.context.write(
        "bootstrap",
        "#!/bin/sh\nexec python3 \"$(dirname \"$0\")/stranger.py\"\n",
    );
    cloud.world.context.write("stranger.py", STRANGER);
    make_executable(&stranger);
    for name in ["builder", "runner"] {
        cloud.lambda.function(
            Function::new(name, &stranger).env("PATH", std::env::var("PATH").unwrap_or_default()),
        );
    }
    let output = cloud.run(GREET, &[]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("remote.version-skew"), "{output:?}");
    assert!(output.stderr.contains("hint: update pyrun"), "{output:?}");
}

/// A function whose first frame is of protocol 99.
const STRANGER: &str = r#"
import http.client, os
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    link = http.client.HTTPConnection(api)
    link.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = link.getresponse()
    answer.read()
    call = answer.getheader("Lambda-Runtime-Aws-Request-Id")
    link = http.client.HTTPConnection(api)
    link.request("POST", f"/2018-06-01/runtime/invocation/{call}/response",
                 '{"type":"hello","protocol":99,"version":"9.9.9"}\n')
    link.getresponse().read()
"#;

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn many_environments_are_warmed_and_the_bundle_is_built_once() {
    let cloud = Cloud::new();
    cloud.world.context.write("script.py", GREET);
    let output = cloud.pyrun(&["prewarm", "--on", "test", "--instances", "4", "script.py"]);
    assert!(output.success(), "{output:?}");
    let calls = cloud.lambda.calls();
    let warmed: std::collections::BTreeSet<u64> = calls
        .iter()
        .filter(|call| call.function == "runner")
        .map(|call| call.environment)
        .collect();
    assert!(warmed.len() >= 4, "{calls:?}");
    let wheels = cloud.world.index.count("/greet-2.0-py3-none-any.whl");
    assert!(wheels <= 2, "its metadata and the wheel: {wheels}");
}

#[test]
fn the_runner_cannot_write_what_it_runs() {
    let cloud = Cloud::new();
    let store = format!("s3://{}/", cloud.bucket.name);
    let context = cloud
        .world
        .context
        .env("AWS_ACCESS_KEY_ID", &cloud.bucket.runner.id)
        .env("AWS_SECRET_ACCESS_KEY", &cloud.bucket.runner.secret)
        .env("AWS_REGION", LambdaServer::REGION);
    context.write("script.py", GREET);
    let output = context.run(["prewarm", "--store", &store, "--build-only", "script.py"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("remote.denied"), "{output:?}");
    assert!(!cloud.minor.is_empty());
}
