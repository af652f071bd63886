//! The deployed builder's program, against a Runtime API of its own, a store in a folder and an
//! index on the loopback.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pyrun_core::protocol::{Description, Frame};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_kit::{FunctionProcess, FunctionSetup, IndexServer, Packages, WheelBuilder};
use pyrun_store::{DirStore, Key, Store, catalog};
use serde_json::{Value, json};
use tempfile::TempDir;

const BUILDER: &str = env!("CARGO_BIN_EXE_pyrun-builder");

struct World {
    folder: TempDir,
    index: IndexServer,
    python: String,
}

impl World {
    fn new() -> Self {
        let small = WheelBuilder::new("small", "1.0").file("small.py", "VALUE = 41\n");
        let large = WheelBuilder::new("large", "1.0").file("large.dat", noise(400_000));
        let packages = Packages::new().with(small.build()).with(large.build());
        // The program behind what may be a shim.
        let python = Command::new(pyrun_kit::python())
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .expect("tests need a Python");
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            index: IndexServer::start(packages),
            python: String::from_utf8_lossy(&python.stdout).trim().to_owned(),
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    fn setup(&self) -> FunctionSetup {
        FunctionSetup::new(BUILDER)
            .env("PYRUN_STORE", format!("file://{}", self.path("store")))
            .env("PYRUN_PYTHON", self.python.as_str())
            .env("PYRUN_CACHE_DIR", self.path("cache"))
    }

    fn build(&self, description: &Description, package: &str, goal: &str) -> Value {
        json!({
            "ask": "build",
            "protocol": 1,
            "request": {
                "requirements": [{ "spec": package }],
                "target": description.target,
                "options": { "indexes": [self.index.url()] },
            },
            "goal": goal,
        })
    }

    /// Puts an object into the store.
    fn put(&self, key: &Key, text: &str) {
        let store = DirStore::open(self.path("store")).expect("a store");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let put = store.put(key, text.to_owned().into());
        runtime.block_on(put).expect("writable");
    }

    /// Whether the store has an object.
    fn has(&self, key: &Key) -> bool {
        let store = DirStore::open(self.path("store")).expect("a store");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime
            .block_on(store.head(key))
            .expect("readable")
            .is_some()
    }
}

/// Bytes that no compression makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let blocks = (0..length.div_ceil(32)).flat_map(|at| *Sha256::of(at.to_le_bytes()).as_bytes());
    blocks.take(length).collect()
}

fn ask(function: &mut FunctionProcess, question: &Value) -> Vec<Frame> {
    let mut answer = function.call(question.to_string(), Duration::from_mins(2));
    let frame = |line: String| Frame::from_line(&line).expect("a frame");
    let mut frames: Vec<Frame> = answer.rest().into_iter().map(frame).collect();
    assert!(
        matches!(frames.first(), Some(Frame::Hello { .. })),
        "{frames:?}"
    );
    frames.remove(0);
    frames
}

fn describe(function: &mut FunctionProcess) -> Description {
    let mut frames = ask(function, &json!({ "ask": "describe" }));
    match frames.pop() {
        Some(Frame::Described(description)) if frames.is_empty() => description,
        other => panic!("a description is expected, not {other:?}"),
    }
}

fn fault(frames: &[Frame]) -> &Fault {
    match frames {
        [.., Frame::Fault(fault)] => fault,
        other => panic!("a fault is expected, not {other:?}"),
    }
}

#[test]
fn a_bundle_and_its_bytecode_are_built_once() {
    let world = World::new();
    let mut function = FunctionProcess::start(&world.setup());
    let description = describe(&mut function);
    let question = world.build(&description, "small", "bytecode");
    let frames = ask(&mut function, &question);
    let Some(Frame::Built {
        lock,
        record,
        remembered,
        ..
    }) = frames.last()
    else {
        panic!("a bundle is expected: {frames:?}");
    };
    assert!(record.is_some());
    assert!(!remembered);
    assert!(world.has(&catalog::bundle(lock)));
    let companions = fs_err::read_dir(world.path("store/v1/bundles")).expect("a folder");
    let is_companion = |path: &Path| path.to_string_lossy().ends_with(".pyc.zip");
    assert_eq!(
        companions
            .filter(|entry| is_companion(&entry.as_ref().expect("an entry").path()))
            .count(),
        1
    );
    assert!(
        !Path::new(&world.path("cache/scratch")).exists(),
        "files were left behind"
    );
    world.index.clear();
    let frames = ask(&mut function, &question);
    assert!(matches!(
        frames.last(),
        Some(Frame::Built {
            remembered: true,
            ..
        })
    ));
    assert_eq!(world.index.requests(), [], "it asked the index again");
}

#[test]
fn a_builder_builds_for_its_own_python_alone() {
    let world = World::new();
    let mut function = FunctionProcess::start(&world.setup());
    let description = describe(&mut function);
    let mut question = world.build(&description, "small", "bundle");
    question["request"]["target"]["python"] = json!("3.9.1");
    let frames = ask(&mut function, &question);
    let fault = fault(&frames);
    assert_eq!(fault.code, Code::PYTHON_NOT_FOUND);
    assert!(fault.hints[0].contains("3.9"), "{fault:?}");
}

#[test]
fn a_run_is_not_its_work() {
    let world = World::new();
    let mut function = FunctionProcess::start(&world.setup());
    let prepare = json!({ "ask": "prepare", "protocol": 1, "lock": "0".repeat(64) });
    let frames = ask(&mut function, &prepare);
    assert_eq!(fault(&frames).code, Code::CONFIG_INVALID);
}

#[test]
fn what_is_wrong_with_a_request_is_said_as_it_is_said_locally() {
    let world = World::new();
    let mut function = FunctionProcess::start(&world.setup());
    let description = describe(&mut function);
    let frames = ask(&mut function, &world.build(&description, "smal", "bundle"));
    assert_eq!(fault(&frames).code, Code::PACKAGE_UNKNOWN);
    let line: Value = serde_json::from_str(&function.log_lines(2)[1]).expect("JSON");
    assert_eq!(line["call"]["outcome"], "package.unknown");
    assert!(!line.to_string().contains("smal"), "{line}");
}

#[test]
fn wheels_that_the_disk_can_not_hold_are_refused_before_they_are_fetched() {
    let world = World::new();
    let setup = world.setup().env("PYRUN_DISK_BYTES", "400000");
    let mut function = FunctionProcess::start(&setup);
    let description = describe(&mut function);
    let frames = ask(&mut function, &world.build(&description, "large", "bundle"));
    let fault = fault(&frames);
    assert_eq!(fault.code, Code::REMOTE_QUOTA);
    assert!(fault.hints[0].contains("--storage"), "{fault:?}");
    // A page is asked for, and the metadata beside the wheel; the wheel itself is not.
    let is_wheel = |path: &String| Path::new(path).extension() == Some("whl".as_ref());
    let files: Vec<String> = world.index.paths();
    assert!(!files.iter().any(is_wheel), "{files:?}");
}

#[test]
fn what_the_policy_denies_is_not_built() {
    let world = World::new();
    let text = "[packages]\ndeny = [\"small\"]\n";
    let digest = Sha256::of(text);
    world.put(&catalog::policy(&digest), text);
    let setup = world.setup().env("PYRUN_POLICY", digest.to_string());
    let mut function = FunctionProcess::start(&setup);
    let description = describe(&mut function);
    let frames = ask(&mut function, &world.build(&description, "small", "bundle"));
    let denied = fault(&frames);
    assert_eq!(denied.code, Code::POLICY_DENIED);
    assert!(denied.message.contains("small"), "{denied:?}");
    let frames = ask(&mut function, &world.build(&description, "large", "bundle"));
    assert!(
        matches!(frames.last(), Some(Frame::Built { .. })),
        "{frames:?}"
    );
}

#[test]
fn a_policy_that_is_not_what_was_deployed_stops_everything() {
    let world = World::new();
    let setup = world
        .setup()
        .env("PYRUN_POLICY", Sha256::of("policy").to_string());
    let mut function = FunctionProcess::start(&setup);
    let description = describe(&mut function);
    let frames = ask(&mut function, &world.build(&description, "small", "bundle"));
    assert_eq!(fault(&frames).code, Code::POLICY_DENIED);
}

#[test]
fn what_lambda_did_not_start_says_so_and_ends() {
    for (address, part) in [
        (None, "AWS Lambda starts it"),
        (Some(""), "AWS Lambda starts it"),
        (Some("127.0.0.1:9001/.rt/builder"), "no address"),
        (Some("http://"), "no address"),
    ] {
        let mut program = Command::new(BUILDER);
        program.env_remove("AWS_LAMBDA_RUNTIME_API");
        program.envs(address.map(|address| ("AWS_LAMBDA_RUNTIME_API", address)));
        let ended = program.output().expect("the program starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{address:?}");
        assert!(said.contains(part) && !said.contains("panic"), "{said}");
    }
}
