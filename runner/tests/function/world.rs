//! What a deployed runner finds: a store with bundles, a Python, and a disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pyrun_builder::Builder;
use pyrun_builder::index::{Client, ClientOptions};
use pyrun_core::protocol::{Frame, Freshness, Report};
use pyrun_core::{Fault, LockHash, Origin, Request, Requirement, ResolveOptions};
use pyrun_kit::{Answer, FunctionProcess, FunctionSetup, IndexServer, Packages, WheelBuilder};
use pyrun_runner::interpreter::{self, Environment, Interpreter, PythonRequest, Wanted};
use pyrun_store::{DirStore, Key, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The program under test.
pub const RUNNER: &str = env!("CARGO_BIN_EXE_pyrun-runner");

/// How long a call may take where that does not matter.
pub const AMPLE: Duration = Duration::from_mins(2);

/// A place for one function.
pub struct World {
    pub folder: TempDir,
    pub python: Interpreter,
    index: IndexServer,
    runtime: tokio::runtime::Runtime,
}

impl World {
    /// The packages `small`, `first`, `second` and `third`, the last three of 300 kB each.
    pub fn new() -> Self {
        let mut packages = Packages::new().with(
            WheelBuilder::new("small", "1.0")
                .file("small.py", "VALUE = 41\n")
                .build(),
        );
        for name in ["first", "second", "third"] {
            let wheel = WheelBuilder::new(name, "1.0")
                .file(format!("{name}.py"), "VALUE = 1\n")
                .file(format!("{name}.dat"), vec![b'x'; 300_000]);
            packages = packages.with(wheel.build());
        }
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::create_dir(folder.path().join("tmp")).expect("writable");
        let request: PythonRequest = pyrun_kit::python()
            .to_string_lossy()
            .parse()
            .expect("a path");
        let wanted = Wanted {
            request: Some(&request),
            requires_python: None,
        };
        let python = interpreter::find(&wanted, &Environment::of_process(), folder.path());
        Self {
            python: python.expect("tests need a Python"),
            index: IndexServer::start(packages),
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
            folder,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> DirStore {
        DirStore::open(self.path("store")).expect("a store")
    }

    /// An object of the store.
    pub fn object(&self, key: &Key) -> Option<String> {
        let bytes = self.runtime.block_on(self.store().get(key, None));
        let bytes = bytes.expect("it can be read")?;
        Some(String::from_utf8(bytes.into()).expect("text"))
    }

    /// Puts an object there.
    pub fn put(&self, key: &Key, text: &str) {
        let put = self.store();
        self.runtime
            .block_on(put.put(key, text.to_owned().into()))
            .expect("it can be written");
    }

    /// Builds the bundle of one package.
    pub fn bundle(&self, package: &str) -> LockHash {
        let request = Request {
            requirements: vec![Requirement::new(
                pyrun_core::parse_requirement(package).expect("a requirement"),
                Origin::default(),
            )],
            requires_python: None,
            target: self.python.target.clone(),
            options: ResolveOptions {
                indexes: vec![self.index.url()],
                ..ResolveOptions::default()
            },
        };
        let index = ClientOptions::new(vec![self.index.url()], self.path("index"));
        let index = Client::new(index).expect("an index");
        let builder = Builder::new(Arc::new(self.store()), index, self.path("scratch"));
        self.runtime.block_on(async {
            let locked = builder.lock(&request, Freshness::Remembered, &|_| {});
            let lock = locked.await.expect("a lock").lock;
            builder.bundle(&lock, &|_| {}).await.expect("a bundle");
            lock.hash()
        })
    }

    /// The function as it is deployed here.
    pub fn setup(&self) -> FunctionSetup {
        let tmp = self.path("tmp");
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        FunctionSetup::new(RUNNER)
            .env(
                "PYRUN_STORE",
                format!("file://{}", text(&self.path("store"))),
            )
            .env("PYRUN_PYTHON", text(&self.python.executable))
            .env("PYRUN_CACHE_DIR", text(&tmp.join("pyrun")))
            .env("TMPDIR", text(&tmp))
    }

    /// Starts it.
    pub fn start(&self) -> FunctionProcess {
        FunctionProcess::start(&self.setup())
    }

    /// The names of the bundles that are unpacked on the function's disk.
    pub fn unpacked(&self) -> Vec<String> {
        let sites = self.path("tmp/pyrun/runner/v1/sites");
        let entries = fs_err::read_dir(sites).into_iter().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

/// The question to run `f` of a script.
pub fn run(lock: &LockHash, source: &str, args: &[Value]) -> Value {
    json!({
        "ask": "run",
        "protocol": 1,
        "lock": lock.to_string(),
        "script": { "path": "script.py", "source": source },
        "entry": { "kind": "function", "name": "f", "args": args },
    })
}

/// The frames of an answer, of which `hello` is the first.
pub fn frames(mut answer: Answer) -> Vec<Frame> {
    let frame = |line: String| Frame::from_line(&line).expect("a frame");
    let mut frames: Vec<Frame> = answer.rest().into_iter().map(frame).collect();
    assert!(!frames.is_empty(), "there is no answer");
    let hello = frames.remove(0);
    assert!(
        matches!(hello, Frame::Hello { protocol: 1, .. }),
        "{hello:?}"
    );
    frames
}

/// Asks and waits for all of the answer.
pub fn ask(function: &mut FunctionProcess, question: &Value) -> Vec<Frame> {
    frames(function.call(question.to_string(), AMPLE))
}

/// The result and the report of a run that must have them.
pub fn result(frames: &[Frame]) -> (&Value, &Report) {
    match frames {
        [.., Frame::Result { value }, Frame::Report(report)] => (value, report),
        other => panic!("a result is expected, not {other:?}"),
    }
}

/// The fault of an answer that must end with one, and a report where it is a run's.
pub fn fault(frames: &[Frame]) -> &Fault {
    match frames {
        [.., Frame::Fault(fault), Frame::Report(_)] | [.., Frame::Fault(fault)] => fault,
        other => panic!("a fault is expected, not {other:?}"),
    }
}
