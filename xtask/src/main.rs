//! What is done with this repository beside building and testing it.
//!
//! In: `cargo xtask package`. Out: the two deployed programs as zips, with what is said of them.
//! Never: downloads a toolchain; uploads anything.

mod build;
mod elf;
mod listing;
mod package;
mod zips;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::build::Architecture;

/// What is done with this repository beside building and testing it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the builder and the runner for AWS Lambda and pack each into a zip.
    ///
    /// They stand in `target/package` then, where `pyrun deploy` finds them, beside SHA256SUMS and
    /// package.json. The same sources and toolchain give the same bytes.
    Package {
        /// For which machine; may be given twice.
        #[arg(long = "arch", value_enum, default_values = ["x86_64"])]
        architectures: Vec<Architecture>,
        /// Where the zips go.
        #[arg(long, value_name = "DIR", default_value = "target/package")]
        out: PathBuf,
        /// Build nothing; check what stands there against its listing and against what AWS Lambda takes.
        #[arg(long)]
        check: bool,
    },
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task's output is for people"
)]
fn main() -> ExitCode {
    let Arguments { task } = Arguments::parse();
    let done = match task {
        Task::Package {
            out, check: true, ..
        } => package::check(&out),
        Task::Package {
            architectures, out, ..
        } => package::package(&architectures, &out),
    };
    match done {
        Ok(listing) => {
            print!("{listing}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
