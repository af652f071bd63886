//! The two deployed functions' programs, built from this workspace.
//!
//! In: nothing. Out: their paths, in the target folder of the test that asks. Never: builds twice
//! in one process; needs anything that `cargo test` did not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `pyrun-builder`.
    pub builder: PathBuf,
    /// `pyrun-runner`.
    pub runner: PathBuf,
}

impl Programs {
    /// Builds them, once in a process; `cargo test` builds programs of the tested package alone.
    pub fn build() -> &'static Self {
        static PROGRAMS: OnceLock<Programs> = OnceLock::new();
        PROGRAMS.get_or_init(|| {
            let profile = profile_folder();
            let mut cargo =
                Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo
                .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
                .args(["build", "--quiet", "--locked", "--bins"])
                .args(["--package", "pyrun-builder", "--package", "pyrun-runner"]);
            for (name, _) in std::env::vars_os() {
                if name.to_str().is_some_and(is_of_the_test) {
                    cargo.env_remove(name);
                }
            }
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            if let Some(target) = profile.parent() {
                cargo.arg("--target-dir").arg(target);
            }
            let status = cargo.status().expect("cargo runs, as it ran this test");
            assert!(status.success(), "the functions' programs can be built");
            Self {
                builder: profile.join("pyrun-builder"),
                runner: profile.join("pyrun-runner"),
            }
        })
    }
}

/// Whether cargo sets a variable for the test that it runs. Build scripts that look at those (that
/// of `ring` does) would be run again each time, and all that leans on them would be built anew.
fn is_of_the_test(variable: &str) -> bool {
    [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|prefix| variable.starts_with(prefix))
        || ["CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR"].contains(&variable)
}

/// `target/debug`, from `target/debug/deps/it-0123456789abcdef`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let deps = test.parent().expect("a file is in a folder");
    deps.parent().expect("`deps` is in a folder").to_owned()
}
