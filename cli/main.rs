//! The `pyrun` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    pyrun::main(&words)
}
