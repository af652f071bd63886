//! The `pyrun` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pyrun::main(std::env::args_os())
}
