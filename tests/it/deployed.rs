//! The whole story with `MiniStack` in AWS's place: the real programs, packed, deployed as a stack,
//! asked, used and removed. Bucket, functions and stack are all the server's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use pyrun_aws::names::PYTHONS;
use pyrun_core::Sha256;
use pyrun_core::protocol::PROTOCOL;
use pyrun_kit::archive::{Archive, Member};
use pyrun_kit::{MiniStack, Output, Programs, python};
use serde_json::{Value, json};

use crate::support::{GREET, World};

/// The stack as `test`, whose answers come at once: `MiniStack` does not stream.
const STACK: &str = "[on.test]\nstack = \"pyrun\"\ninvoke = \"buffered\"\n";

/// A server, a command that knows its stack as `test`, and packed programs.
struct Cloud {
    world: World,
    server: MiniStack,
    python: Python,
    artifacts: PathBuf,
}

/// The Python that functions get.
struct Python {
    path: PathBuf,
    /// Such as `3.12`.
    minor: String,
}

impl Python {
    /// One that a stack has functions for, else the tests' own.
    fn find() -> Self {
        let named = PYTHONS
            .iter()
            .map(|minor| PathBuf::from(format!("python{minor}")));
        let found = std::iter::once(python())
            .chain(named)
            .filter_map(|program| Self::ask(&program));
        let mut found: Vec<Self> = found.collect();
        let fitting = found.iter().position(Self::is_deployable);
        found.swap_remove(fitting.unwrap_or(0))
    }

    fn ask(program: &Path) -> Option<Self> {
        let script = "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])";
        let output = Command::new(program).args(["-c", script]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (path, minor) = text.trim().split_once('\n')?;
        Some(Self {
            path: path.into(),
            minor: minor.to_owned(),
        })
    }

    /// Whether a stack has functions of that name.
    fn is_deployable(&self) -> bool {
        PYTHONS.contains(&self.minor.as_str())
    }

    /// The functions that it is deployed as.
    fn slot(&self) -> &str {
        if self.is_deployable() {
            &self.minor
        } else {
            PYTHONS[0]
        }
    }
}

impl Cloud {
    fn new() -> Self {
        let server = MiniStack::start();
        let mut world = World::new();
        for (name, value) in server.variables() {
            world.context = world.context.env(name, value);
        }
        world.context = world.context.without_env("PYRUN_STORE");
        world.context.write("pyrun.toml", STACK);
        let artifacts = artifacts(&world);
        Self {
            world,
            server,
            python: Python::find(),
            artifacts,
        }
    }

    fn pyrun(&self, words: &[&str]) -> Output {
        self.world.context.run(words)
    }

    fn run(&self, script: &str, words: &[&str]) -> Output {
        self.world.context.write("script.py", script);
        let mut all = vec!["run", "--on", "test", "script.py"];
        all.extend(words);
        self.pyrun(&all)
    }

    /// Deploys functions that `MiniStack` can start: it knows nothing of the managed runtimes'
    /// wrapper.
    fn deploy(&self) -> Output {
        let path = format!("PythonPath={}", self.python.path.display());
        let artifacts = self.artifacts.to_string_lossy();
        let mut words = vec!["deploy", "--on", "test", "--yes", "--format", "json"];
        words.extend(["--artifacts", &artifacts, "--pythons", self.python.slot()]);
        words.extend(["--parameter", "Base=provided", "--parameter", &path]);
        words.extend(["--parameter", "Alarms=no"]);
        self.pyrun(&words)
    }

    /// Whether the account has any bucket.
    fn has_a_bucket(&self) -> bool {
        let listed = self.server.get("/").expect("the server answers");
        assert!(listed.contains("ListAllMyBucketsResult"), "{listed}");
        listed.contains("<Bucket>")
    }

    /// Whether a part of any answer went through the store.
    fn has_replies(&self, deployed: &Value) -> bool {
        let store = deployed["store"].as_str().expect("a store");
        let bucket = store.trim_start_matches("s3://").trim_end_matches('/');
        let path = format!("/{bucket}?prefix=v1/replies/");
        let listed = self.server.get(&path).expect("the server answers");
        assert!(listed.contains("ListBucketResult"), "{listed}");
        listed.contains("<Key>")
    }

    /// Makes `test` the functions by their names, where the stack calls them by another Python than
    /// the one that this machine has.
    fn name_functions(&self, deployed: &Value) {
        let (slot, minor) = (self.python.slot(), &self.python.minor);
        let (builder, runner) = (&deployed["builders"][slot], &deployed["runners"][slot]);
        let store = &deployed["store"];
        self.world.context.write(
            "pyrun.toml",
            format!(
                "[on.test]\nstore = {store}\ninvoke = \"buffered\"\nbuilder = {{ \"{minor}\" = {builder} }}\nrunner = {{ \"{minor}\" = {runner} }}\n"
            ),
        );
    }
}

/// The folder of the packed programs: what `cargo xtask package` made, where `PYRUN_TEST_PACKAGE`
/// names it, else this build's own programs in the same shape.
fn artifacts(world: &World) -> PathBuf {
    if let Some(folder) = std::env::var_os("PYRUN_TEST_PACKAGE") {
        return folder.into();
    }
    let programs = Programs::build();
    let mut listed = serde_json::Map::new();
    for program in [&programs.builder, &programs.runner] {
        let name = program.file_name().expect("a program has a name");
        let file = format!(
            "{}-{}.zip",
            name.to_string_lossy(),
            std::env::consts::ARCH.replace("aarch64", "arm64")
        );
        let member = Member::deflated("bootstrap", &stripped(program), 0o755);
        let zip = Archive::of(vec![member]).to_bytes();
        listed.insert(file.clone(), json!({ "sha256": Sha256::of(&zip) }));
        world.context.write(format!("artifacts/{file}"), zip);
    }
    let about = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": PROTOCOL,
        "programs": listed,
    });
    let about = world
        .context
        .write("artifacts/package.json", about.to_string());
    about.parent().expect("a file is in a folder").to_owned()
}

/// A program without what only a debugger reads, where there is a `strip`.
fn stripped(program: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
    let out = folder.path().join("program");
    let status = Command::new("strip")
        .arg("-o")
        .args([&out, program])
        .status();
    let read = match status {
        Ok(status) if status.success() => fs_err::read(&out),
        _ => fs_err::read(program),
    };
    read.expect("it was built")
}

#[test]
fn a_stack_of_the_packed_programs_builds_runs_and_is_removed() {
    let cloud = Cloud::new();
    let (server, context) = (&cloud.server, &cloud.world.context);

    let output = cloud.deploy();
    assert!(output.success(), "{output:?}\n{}", server.log());
    let last = output.stdout.lines().last().expect("a last line");
    let deployed: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(deployed["type"], "deployed");
    assert!(cloud.has_a_bucket());

    // Both functions start and say who they are.
    let output = cloud.pyrun(&["doctor", "--on", "test"]);
    for kind in ["builder", "runner"] {
        let slot = cloud.python.slot();
        let line = if cloud.python.is_deployable() {
            format!("✓ {kind} {slot}")
        } else {
            // That it is another Python than its name says is told, and is right.
            cloud.name_functions(&deployed);
            format!(
                "the {kind} for Python {slot} is one for Python {}",
                cloud.python.minor
            )
        };
        assert!(
            output.stdout.contains(&line),
            "no `{line}` in {output:?}\n{}",
            server.log()
        );
    }
    assert!(output.stdout.contains("✓ store"), "{output:?}");
    assert_eq!(output.success(), cloud.python.is_deployable(), "{output:?}");

    // Cold: the builder's work, then the runner's. Warm: nobody asks the index for anything.
    let cold = cloud.run(GREET, &["-a", "you"]);
    assert_eq!(
        cold.stdout,
        "hello 2.0, you\n",
        "{cold:?}\n{}",
        server.log()
    );
    let wheels = cloud.world.index.count("/greet-2.0-py3-none-any.whl");
    assert!(wheels >= 1, "the builder fetched it");
    cloud.world.index.clear();
    let warm = cloud.run(GREET, &["-a", "me"]);
    assert_eq!(warm.stdout, "hello 2.0, me\n", "{warm:?}\n{}", server.log());
    assert_eq!(cloud.world.index.requests().len(), 0);
    let warmed = cloud.pyrun(&["prewarm", "--on", "test", "script.py"]);
    assert!(warmed.success(), "{warmed:?}\n{}", server.log());

    // What was built lies in the stack's bucket, and nothing here.
    let cached = cloud.pyrun(&["cache", "ls", "--on", "test", "--format", "json"]);
    let row: Value = serde_json::from_str(cached.stdout.trim()).expect("one row");
    assert_eq!(row["packages"][0], "greet 2.0", "{cached:?}");
    let local = cloud.pyrun(&["cache", "ls", "--format", "json"]);
    assert_eq!(local.stdout, "", "{local:?}");

    // An answer that is too large to come at once comes by the store; a failure is the function's own.
    let script = "@requirements({})\ndef f(size: int):\n    return 'x' * size\n";
    let large = cloud.run(script, &["-a", "7000000"]);
    assert!(large.success(), "{}\n{}", large.stderr, server.log());
    assert_eq!(large.stdout.trim_end().len(), 7_000_000);
    assert!(cloud.has_replies(&deployed));
    let raising = "@requirements({})\ndef f():\n    raise ValueError('no')\n";
    let raised = cloud.run(raising, &[]);
    assert_eq!(raised.status, Some(1), "{raised:?}");
    assert!(raised.stderr.contains("ValueError: no"), "{raised:?}");

    // The same again changes nothing.
    context.write("pyrun.toml", STACK);
    let output = cloud.deploy();
    assert!(output.success(), "{output:?}");
    assert!(
        !output.stdout.contains("\"type\":\"deployed\""),
        "{output:?}"
    );

    let output = cloud.pyrun(&["destroy", "--on", "test", "--yes", "--purge"]);
    assert!(output.success(), "{output:?}\n{}", server.log());
    assert!(output.stdout.contains("Removed the bucket"), "{output:?}");
    assert!(!cloud.has_a_bucket());
    let output = cloud.run(GREET, &[]);
    assert!(output.stderr.contains("(remote.no-stack)"), "{output:?}");
}
