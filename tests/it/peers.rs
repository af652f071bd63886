//! Locks between pyrun and other tools: what theirs hold, and that each takes the other's.

use std::path::{Path, PathBuf};
use std::process::Command;

use pyrun_core::lock::Kept;
use pyrun_core::{Lock, Target};

use crate::support::{PYRUN, World};

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/pylock/{name}", env!("CARGO_MANIFEST_DIR"));
    fs_err::read_to_string(path).expect(name)
}

#[test]
fn locks_of_other_tools_are_read() {
    let linux = Target::from_family("cpython-3.12-linux-gnu-x86_64").expect("a family");
    for (name, packages) in [
        ("pylock.pip.toml", &["click 8.1.8"][..]),
        ("pylock.uv-compile.toml", &["click 8.1.8"]),
        ("pylock.uv-export.toml", &["click 8.1.8", "iniconfig 2.0.0"]),
    ] {
        let text = fixture(name);
        let lock = Lock::from_toml(&text, Some(&linux)).expect(name);
        let found: Vec<String> = lock
            .packages
            .iter()
            .map(|(name, package)| format!("{name} {}", package.version))
            .collect();
        assert_eq!(found, packages, "{name}");
        let kept = Kept::read(&text, &lock).expect(name);
        assert_eq!(kept, Kept::default(), "{name}: all of it has a place");
        let ours = Lock::from_toml(&lock.to_toml(), None).expect(name);
        assert_eq!(ours.hash(), lock.hash(), "{name}");
    }
}

#[test]
fn a_lock_of_another_tool_is_written_for_this_target() {
    let world = World::new();
    let text = fixture("pylock.uv-compile.toml");
    world.context.write("pylock.theirs.toml", text);
    let output = world.pyrun(&["lock", "pylock.theirs.toml"]);
    assert!(output.success(), "{output:?}");
    assert!(!output.stdout.contains("colorama"), "{output:?}");
    assert!(Lock::from_toml(&output.stdout, None).is_ok(), "{output:?}");
}

/// A fresh environment with pip and uv as they are today.
fn peers(folder: &Path) -> PathBuf {
    let home = folder.join("peers");
    run(Command::new(pyrun_kit::python())
        .args(["-m", "venv"])
        .arg(&home));
    let python = home.join("bin/python");
    run(Command::new(&python).args(["-m", "pip", "install", "-q", "-U", "pip>=25.1", "uv"]));
    home.join("bin")
}

fn run(command: &mut Command) {
    let output = command
        .env_remove("PIP_FIND_LINKS")
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn installed(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".dist-info"))
        .collect();
    names.sort();
    names
}

#[test]
#[ignore = "asks PyPI"]
fn pypi_pip_and_uv_install_what_pyrun_locks() {
    let context = pyrun_kit::TestContext::new(PYRUN);
    let bin = peers(context.root());
    let python = bin.join("python").display().to_string();
    let lock = [
        "lock",
        "-p",
        &python,
        "-o",
        "pylock.toml",
        "rich==13.9.4",
        "markupsafe==3.0.2",
    ];
    let output = context.run(lock);
    assert!(output.success(), "{output:?}");
    let lock = Lock::from_toml(&context.read("pylock.toml"), None).expect("a lock");
    let work = context.work();
    let here = |program: &str| {
        let mut command = Command::new(bin.join(program));
        command.current_dir(&work);
        command
    };
    let install = ["install", "-q", "-r", "pylock.toml", "--target"];
    run(here("pip").args(install).arg("by-pip"));
    let install = ["pip", "install", "-q", "-r", "pylock.toml", "--target"];
    run(here("uv")
        .args(install)
        .arg("by-uv")
        .args(["--python", &python]));
    let sync = ["pip", "sync", "-q", "pylock.toml", "--target"];
    run(here("uv")
        .args(sync)
        .arg("by-sync")
        .args(["--python", &python]));
    for folder in ["by-pip", "by-uv", "by-sync"] {
        let found = installed(&work.join(folder));
        assert_eq!(found.len(), lock.packages.len(), "{folder}: {found:?}");
    }
}

#[test]
#[ignore = "asks PyPI"]
fn pypi_pyrun_builds_what_pip_and_uv_lock() {
    let context = pyrun_kit::TestContext::new(PYRUN);
    let bin = peers(context.root());
    let python = bin.join("python").display().to_string();
    let work = context.work();
    context.write("r.in", "rich==13.9.4\nmarkupsafe==3.0.2\n");
    context.write(
        "pyproject.toml",
        "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.9'\ndependencies = ['rich==13.9.4']\n\
         [dependency-groups]\ndev = ['markupsafe==3.0.2']\n",
    );
    let here = |program: &str| {
        let mut command = Command::new(bin.join(program));
        command.current_dir(&work);
        command
    };
    run(here("pip").args(["lock", "-q", "-r", "r.in", "-o", "pylock.pip.toml"]));
    let compile = [
        "pip",
        "compile",
        "-q",
        "--universal",
        "r.in",
        "--format",
        "pylock.toml",
        "-o",
    ];
    run(here("uv").args(compile).arg("pylock.uv.toml"));
    let export = [
        "export",
        "-q",
        "--format",
        "pylock.toml",
        "-o",
        "pylock.export.toml",
    ];
    run(here("uv").args(export));
    for name in ["pylock.pip.toml", "pylock.uv.toml", "pylock.export.toml"] {
        let output = context.run(["prewarm", "--no-bytecode", "-p", &python, name]);
        assert!(output.success(), "{name}: {output:?}");
        assert!(
            output.stdout.contains("  5 packages, "),
            "{name}: {output:?}"
        );
    }
}
