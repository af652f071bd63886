//! The two programs, compiled for a machine of AWS Lambda.
//!
//! In: an architecture. Out: the paths of two executables. Never: installs what it needs; it says
//! how that is had.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::elf::NEWEST_GLIBC;

/// The profile in the workspace's manifest.
const PROFILE: &str = "lambda";

/// A machine that AWS Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Architecture {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
    /// Graviton.
    #[value(name = "arm64", alias = "aarch64")]
    Arm64,
}

impl Architecture {
    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Rust spells it.
    fn rust(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.rust())
    }

    /// Whether this machine's own linker will do.
    fn native(self) -> bool {
        env::consts::OS == "linux" && env::consts::ARCH == self.rust()
    }
}

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// Builds bundles.
    Builder,
    /// Runs functions.
    Runner,
}

impl Program {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Builder, Self::Runner];

    /// The binary's name.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Builder => "pyrun-builder",
            Self::Runner => "pyrun-runner",
        }
    }

    /// The name of its zip.
    pub fn zip(self, architecture: Architecture) -> String {
        format!("{}-{}.zip", self.binary(), architecture.name())
    }
}

/// Why there are no programs.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A tool is not there.
    #[error("{architecture} is built with `{tool}`, which is not there\n  hint: {hint}")]
    Tool {
        /// For which machine.
        architecture: &'static str,
        /// What is missing.
        tool: &'static str,
        /// How to get it.
        hint: String,
    },
    /// The build did not succeed; it has said why.
    #[error("`{command}` failed")]
    Failed {
        /// The whole command line.
        command: String,
    },
    /// The build could not be started.
    #[error("`{command}` can't be started: {source}")]
    Start {
        /// The whole command line.
        command: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Builds both programs and says where they are.
pub fn build(root: &Path, architecture: Architecture) -> Result<[PathBuf; 2], BuildError> {
    let (command, folder) = if architecture.native() {
        native(root)
    } else {
        crossed(root, architecture)?
    };
    run(command)?;
    Ok(Program::ALL.map(|program| folder.join(program.binary())))
}

/// For this kind of machine: cargo alone.
fn native(root: &Path) -> (Command, PathBuf) {
    (cargo(root, "build"), target_folder(root).join(PROFILE))
}

/// For another kind of machine: zig links, and brings the C library to link against.
fn crossed(root: &Path, architecture: Architecture) -> Result<(Command, PathBuf), BuildError> {
    let missing = |tool, hint: String| BuildError::Tool {
        architecture: architecture.name(),
        tool,
        hint,
    };
    if !answers("cargo-zigbuild", &["--version"]) {
        let hint = "pip install cargo-zigbuild ziglang".to_owned();
        return Err(missing("cargo-zigbuild", hint));
    }
    let target = architecture.target();
    if !standard_library(root, &target) {
        let hint = format!("rustup target add {target}");
        return Err(missing("the target's standard library", hint));
    }
    let mut command = cargo(root, "zigbuild");
    let (major, minor) = NEWEST_GLIBC;
    command.args(["--target", &format!("{target}.{major}.{minor}")]);
    Ok((command, target_folder(root).join(target).join(PROFILE)))
}

fn cargo(root: &Path, verb: &str) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args([verb, "--locked", "--profile", PROFILE]);
    // What `cargo run` says of this task is not for the build: some build scripts look at it, and
    // would build everything anew each time.
    let inherited = env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| names_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    for program in Program::ALL {
        command.args(["--package", program.binary(), "--bin", program.binary()]);
    }
    command
}

/// Whether a variable tells of the package that cargo runs.
fn names_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

fn target_folder(root: &Path) -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

/// Whether rustc has the standard library of a target at hand.
fn standard_library(root: &Path, target: &str) -> bool {
    let mut command = Command::new("rustc");
    command.current_dir(root);
    command.args(["--print", "target-libdir", "--target", target]);
    let Ok(output) = command.stderr(Stdio::null()).output() else {
        return false;
    };
    let folder = String::from_utf8_lossy(&output.stdout);
    output.status.success() && Path::new(folder.trim()).is_dir()
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn run(mut command: Command) -> Result<(), BuildError> {
    let line = || {
        let words: Vec<_> = command
            .get_args()
            .map(std::ffi::OsStr::to_string_lossy)
            .collect();
        format!("cargo {}", words.join(" "))
    };
    let line = line();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(BuildError::Failed { command: line }),
        Err(source) => Err(BuildError::Start {
            command: line,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zips_are_named_as_aws_names_machines() {
        assert_eq!(
            Program::Builder.zip(Architecture::X86_64),
            "pyrun-builder-x86_64.zip"
        );
        assert_eq!(
            Program::Runner.zip(Architecture::Arm64),
            "pyrun-runner-arm64.zip"
        );
        assert_eq!(Architecture::Arm64.target(), "aarch64-unknown-linux-gnu");
    }

    #[test]
    fn a_build_does_not_see_that_it_is_started_by_a_task() {
        let command = cargo(Path::new("/"), "build");
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        // Cargo sets both for this very test.
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(removed.iter().any(|other| other == name), "{removed:?}");
        }
        assert!(!names_a_package("CARGO_TARGET_DIR") && !names_a_package("CARGO_HOME"));
    }

    #[test]
    fn what_is_missing_is_said_with_how_to_get_it() {
        let error = BuildError::Tool {
            architecture: "arm64",
            tool: "cargo-zigbuild",
            hint: "pip install cargo-zigbuild ziglang".to_owned(),
        };
        let text = error.to_string();
        assert!(
            text.contains("arm64") && text.contains("pip install"),
            "{text}"
        );
    }
}
