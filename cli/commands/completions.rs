//! `pyrun completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::console::Console;

/// Prints a completion script.
pub fn run(args: &CompletionsArgs, console: &Console) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pyrun", &mut script);
    console.out(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}
