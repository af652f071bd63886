//! Servers that tests run against, as PyPI has them.
//!
//! In: a package, its version and the program in it. Out: the program's path. Never: installs twice
//! what is there; trusts an installation that did not come to its end.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python;

/// A program from PyPI, in a virtual environment of its own below `~/.cache/pyrun-ci/tools`.
/// Processes that want it at once install it once.
pub(crate) fn tool(package: &str, version: &str, program: &str) -> PathBuf {
    let tools = tools();
    fs_err::create_dir_all(&tools).expect("the cache folder can be written to");
    let folder = tools.join(format!("{package}-{version}"));
    let path = folder.join("bin").join(program);
    let done = folder.join("installed");
    let lock = fs_err::File::create(tools.join(format!(".{package}.lock")))
        .expect("the cache folder can be written to");
    lock.lock().expect("the cache folder has file locks");
    if !done.is_file() {
        let _ = fs_err::remove_dir_all(&folder);
        install(&folder, &format!("{package}=={version}"));
        fs_err::write(&done, "").expect("the cache folder can be written to");
    }
    assert!(path.is_file(), "{package} {version} has no `{program}`");
    path
}

fn tools() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/pyrun-ci/tools")
}

fn install(folder: &Path, requirement: &str) {
    run(Command::new(python()).args(["-m", "venv"]).arg(folder));
    run(Command::new(folder.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .arg(requirement)
        // A mirror of some packages is none of this one.
        .env_remove("PIP_FIND_LINKS")
        .env_remove("PIP_NO_INDEX"));
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}
