//! Source distributions, from a lock to a run.

use pyrun_core::Sha256;
use pyrun_kit::{IndexFile, Packages, SdistBuilder, TestContext};

use crate::processes::{self, start, until, wait_for};
use crate::support::{PYRUN, World};

const SCRIPT: &str =
    "@requirements({'app': ''})\ndef f():\n    import app\n    return app.VERSION\n";

fn app() -> SdistBuilder {
    SdistBuilder::new("app", "1.0")
}

/// A world with one source distribution, and a lock of another tool that names it.
fn world(sdist: &SdistBuilder) -> World {
    let file = sdist.build();
    let (name, sha256) = (file.filename.clone(), file.sha256);
    let world = World::with(Packages::new().with(file));
    world.context.write("script.py", SCRIPT);
    let lock = lock(&world, &name, &sha256);
    world.context.write("pylock.toml", &lock);
    world
}

fn lock(world: &World, filename: &str, sha256: &Sha256) -> String {
    format!(
        "lock-version = \"1.0\"\ncreated-by = \"another\"\n\n[[packages]]\nname = \"app\"\nversion = \"1.0\"\n\
         sdist = {{ name = \"{filename}\", url = \"{}\", hashes = {{ sha256 = \"{sha256}\" }} }}\n",
        world.index.file_url(filename)
    )
}

const RUN: [&str; 4] = ["run", "--lock", "pylock.toml", "script.py"];

#[test]
fn what_has_no_wheel_is_built_once_and_said_so() {
    let world = world(&app());
    let output = world.pyrun(&RUN);
    assert_eq!(output.stdout, "1.0\n", "{output:?}");
    assert!(
        output
            .stderr
            .contains("warning: `app` 1.0 is built from source, which runs its code"),
        "{output:?}"
    );
    let again = world.pyrun(&RUN);
    assert_eq!(again.stdout, "1.0\n");
    assert!(!again.stderr.contains("built from source"), "{again:?}");
    assert_eq!(world.bundles().len(), 1);

    // Its record stays as long as its wheel does.
    assert!(world.pyrun(&["cache", "gc"]).success());
    world.index.remove("app-1.0.tar.gz");
    assert_eq!(world.pyrun(&RUN).stdout, "1.0\n");
    assert!(world.pyrun(&["cache", "rm", "--all"]).success());
    // Nothing is known of it any more.
    world.index.add(app().build());
    let anew = world.pyrun(&RUN);
    assert!(anew.stderr.contains("built from source"), "{anew:?}");
}

#[test]
fn a_completed_lock_gives_the_same_bundle_elsewhere() {
    let world = world(&app());
    let output = world.pyrun(&["lock", "pylock.toml", "-o", "pylock.whole.toml"]);
    assert!(output.success(), "{output:?}");
    let whole =
        fs_err::read_to_string(world.context.work().join("pylock.whole.toml")).expect("a lock");
    assert!(
        whole.contains("[packages.tool.pyrun]\nbuilt = { name = \"app-1.0-py3-none-any.whl\""),
        "{whole}"
    );
    assert!(
        world
            .pyrun(&["prewarm", "--no-bytecode", "pylock.whole.toml"])
            .success()
    );

    let elsewhere = TestContext::new(PYRUN).index(&world.index);
    elsewhere.write("pylock.whole.toml", &whole);
    let output = elsewhere.run(["prewarm", "--no-bytecode", "pylock.whole.toml"]);
    assert!(
        output.success() && output.stderr.contains("built from source"),
        "{output:?}"
    );
    let hash = |output: pyrun_kit::Output| output.json()["hash"].clone();
    let there = elsewhere.run(["cache", "ls", "--format", "json"]);
    assert_eq!(hash(there), world.bundles()[0]["hash"]);

    // Another wheel than the lock names is not taken for it.
    let wrong = TestContext::new(PYRUN).index(&world.index);
    let start = whole.find("built = ").expect("the wheel");
    let at = whole[start..].find("sha256 = \"").expect("its digest") + start + 10;
    let mut other = whole.clone();
    other.replace_range(at..at + 64, &Sha256::of("other").to_string());
    wrong.write("pylock.whole.toml", &other);
    let output = wrong.run(["prewarm", "pylock.whole.toml"]);
    assert_eq!(output.status, Some(3), "{output:?}");
    assert!(output.stderr.contains("(sdist.differs)"), "{output:?}");
}

#[test]
fn what_can_t_be_built_or_unpacked_is_refused_with_its_reason() {
    let broken = world(&app().hooks("import sys; sys.exit('out of luck')"));
    let (status, said) = broken.fails(&RUN);
    assert_eq!(status, 3);
    for part in [
        "error: `app` 1.0 can't be built from source (sdist.build)",
        "out of luck",
        "--only-binary app",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let hostile = pyrun_kit::sdist::Tar::new().file("../app-1.0/x", "").gz();
    let file = IndexFile::sdist("app", "1.0", hostile);
    let (name, sha256) = (file.filename.clone(), file.sha256);
    let world = World::with(Packages::new().with(file));
    world.context.write("script.py", SCRIPT);
    world
        .context
        .write("pylock.toml", lock(&world, &name, &sha256));
    let (status, said) = world.fails(&RUN);
    assert_eq!(status, 3);
    assert!(
        said.contains("leaves its folder") && said.contains("(sdist.invalid)"),
        "{said}"
    );
    // Its digest is looked at before anything else of it.
    world
        .context
        .write("pylock.toml", lock(&world, &name, &Sha256::of("")));
    let (status, said) = world.fails(&RUN);
    assert_eq!(status, 3);
    assert!(said.contains("(wheel.hash)"), "{said}");
}

/// The processes of this test's builds.
fn sleepers() -> Vec<u32> {
    let entries = fs_err::read_dir("/proc")
        .expect("a listing")
        .filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let marked = |pid: &u32| {
        let line = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&marker())
    };
    pids.filter(marked).collect()
}

fn marker() -> String {
    format!("pyrun-sleeper-of-{}", std::process::id())
}

#[test]
fn ctrl_c_and_a_kill_end_a_build_and_all_that_it_started() {
    let code = format!(
        "import os, sys\n\
         line = [sys.executable, '-c', 'import time; time.sleep(600)', '{}']\n\
         if os.fork() == 0:\n    os.setsid()\n    os.execv(sys.executable, line)\n\
         os.execv(sys.executable, line)\n",
        marker()
    );
    for signal in ["-INT", "-KILL"] {
        let world = world(&app().hooks(&code));
        let mut child = start(&world, &RUN);
        wait_for(&mut child, "built from source");
        until(|| sleepers().len() == 2, "it does not build");
        processes::signal(&child, signal);
        let status = child.wait().expect("it ends");
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130));
        }
        until(
            || sleepers().is_empty(),
            &format!("{signal}: left behind: {:?}", sleepers()),
        );
    }
}

#[test]
fn a_home_that_stands_on_path_is_not_read_by_a_build() {
    let code = "import os\nopen('src/told.py', 'w').write('TOLD = 1')\n\
                for folder in os.environ['PATH'].split(':'):\n    \
                path = os.path.join(folder, 'secret')\n    \
                try:\n        raise SystemExit('it is ' + open(path).read())\n    \
                except OSError:\n        pass\n";
    let mut world = world(&app().hooks(code));
    let home = world.context.home();
    fs_err::write(home.join("secret"), "s3cret").expect("written");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{path}:{}", home.display());
    world.context = world.context.env("PATH", path);
    let output = world.pyrun(&RUN);
    if output.stderr.contains("landlock") {
        eprintln!("skipped: there is no Landlock here");
        return;
    }
    assert_eq!(output.stdout, "1.0\n", "{output:?}");
}

#[test]
fn what_a_build_may_take_is_a_setting() {
    let code = "import time\nheld = bytearray(200_000_000)\ntime.sleep(30)\n";
    let world = world(&app().hooks(code));
    world
        .context
        .write("pyrun.toml", "build-memory = \"100MB\"\n");
    let (status, said) = world.fails(&RUN);
    assert_eq!(status, 3);
    for part in ["takes more than 100 MB of memory", "raise `build-memory`"] {
        assert!(said.contains(part), "{said}");
    }
    world.context.write("pyrun.toml", "build-disk = \"much\"\n");
    let (_, said) = world.fails(&RUN);
    assert!(said.contains("`much` is not a size"), "{said}");
}
