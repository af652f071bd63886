//! The programs as they are deployed: how long each takes from its start to its first question.
//!
//! `cargo xtask package` makes what is started here; `PYRUN_ARTIFACTS` names its folder if that is not
//! `target/package`. `--ignored --nocapture` shows the times.

use std::env::consts::ARCH;
use std::path::PathBuf;
use std::time::Duration;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use pyrun_kit::{FunctionProcess, FunctionSetup};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

const PROGRAMS: [&str; 2] = ["pyrun-builder", "pyrun-runner"];
/// A start is quick, and a machine is never quite idle.
const STARTS: usize = 20;

/// A program out of its zip, with room for its files.
struct Deployed {
    folder: TempDir,
    program: PathBuf,
}

impl Deployed {
    fn new(name: &str, architecture: &str) -> Self {
        let artifacts = std::env::var_os("PYRUN_ARTIFACTS").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/package")),
            PathBuf::from,
        );
        let zip = artifacts.join(format!("{name}-{architecture}.zip"));
        let zip = fs_err::File::open(zip).expect("`cargo xtask package` makes it");
        let mut archive = ZipArchive::new(zip).expect("a zip");
        let mut member = archive.by_name("bootstrap").expect("what Lambda starts");
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("bootstrap");
        let mut file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&program)
            .expect("writable");
        std::io::copy(&mut member, &mut file).expect("written");
        drop(file);
        Self { folder, program }
    }

    /// As in a managed runtime, with a bucket that nobody asks for anything.
    fn setup(&self) -> FunctionSetup {
        let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
        FunctionSetup::new(&self.program)
            .env("AWS_REGION", "us-east-1")
            .env("PYRUN_STORE", "s3://a-bucket/a/prefix/")
            .env("PYRUN_POLICY", "")
            .env("PYRUN_PYTHON", text(pyrun_kit::python()))
            .env("PYRUN_CACHE_DIR", text(self.folder.path().join("cache")))
            .env("TMPDIR", text(self.folder.path().to_owned()))
    }
}

/// From the start of the process to its first question.
fn start(setup: &FunctionSetup) -> Duration {
    let function = FunctionProcess::start(setup);
    let (asked, _) = function.event("invocation/next");
    asked.duration_since(function.began)
}

#[test]
#[ignore = "it measures what `cargo xtask package` made"]
fn the_time_of_a_packed_start_is_told() {
    for name in PROGRAMS {
        let deployed = Deployed::new(name, ARCH);
        let setup = deployed.setup();
        // The first start reads the program from the disk, as Lambda does before it counts.
        let first = start(&setup);
        let mut times: Vec<Duration> = (0..STARTS).map(|_| start(&setup)).collect();
        times.sort_unstable();
        let (least, median, most) = (times[0], times[STARTS / 2], times[STARTS - 1]);
        println!("{name}: median {median:.1?}, {least:.1?} to {most:.1?}; the first {first:.1?}");
    }
}

/// `apt-get install qemu-user-static libc6-arm64-cross` brings what it needs.
#[test]
#[ignore = "it needs `cargo xtask package --arch arm64`, and qemu where this machine is another"]
fn programs_for_arm64_start_and_answer() {
    for name in PROGRAMS {
        let deployed = Deployed::new(name, "arm64");
        let mut setup = deployed.setup();
        if ARCH != "aarch64" {
            let program = deployed.program.to_str().expect("UTF-8").to_owned();
            setup.arguments.insert(0, program);
            setup.program = "qemu-aarch64-static".into();
            setup = setup.env("QEMU_LD_PREFIX", "/usr/aarch64-linux-gnu");
        }
        let mut function = FunctionProcess::start(&setup);
        function.event("invocation/next");
        let question = json!({ "ask": "describe" }).to_string();
        let lines = function.call(question, Duration::from_mins(1)).rest();
        let frame = |line: &String| serde_json::from_str::<Value>(line).expect("a frame");
        let kinds: Vec<Value> = lines
            .iter()
            .map(|line| frame(line)["type"].clone())
            .collect();
        assert_eq!(kinds, ["hello", "described"], "{lines:?}");
        println!("{name}: {}", lines.join("\n"));
    }
}
