//! The command line of pyrun.
//!
//! In: words typed. Out: a function's result on standard output, everything else on standard
//! error, an exit status (0 done, 1 the function failed, 2 usage, 3 requirements, 4
//! infrastructure, 124 timed out, 130 interrupted). Never: resolves, builds or runs anything
//! itself; it asks a `Transport`, which reaches the builder and the runner.

mod args;
mod background;
mod client;
#[cfg(feature = "aws")]
mod cloud;
mod commands;
mod console;
mod depot;
mod destination;
mod graph;
mod inputs;
mod interrupt;
mod inventory;
mod locks;
mod near;
mod remote;
mod report;
mod sbom;
mod session;
mod settings;
mod transport;
mod usage;
mod vulnerable;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use pyrun_core::{Code, Fault};

use args::{Command, OutputArgs};
use console::Console;

/// The longest that a command which failed takes to clean up.
const CLEANING_UP: Duration = Duration::from_millis(500);

/// Reads a file of requirements, whatever its kind: for the fuzz targets, and for the tests that
/// replay what they found.
#[doc(hidden)]
pub fn strange_input(path: &str) {
    // A fault is an answer like any other.
    let _ = inputs::read(&[path.to_owned()], &inputs::Choice::default());
}

/// Runs the command that `words` spell, the program's own name first.
pub fn main(words: &[OsString]) -> ExitCode {
    let cli = match usage::parse(words.iter().cloned()) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, usage::asks_for_json(words)),
    };
    let console = Console::new(&cli.output);
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli.command, &console));
        // Work that still waits on a file or a socket must not hold the exit up; but what failed
        // or was stopped half-way takes its unfinished files away.
        match outcome {
            Ok(_) => runtime.shutdown_background(),
            Err(_) => runtime.shutdown_timeout(CLEANING_UP),
        }
        outcome
    });
    let status = outcome.unwrap_or_else(|fault| {
        console.fault(&fault);
        ExitCode::from(fault.exit().status())
    });
    console.close();
    match console.write_fault() {
        Some(fault) => {
            console.fault(&fault);
            ExitCode::from(fault.exit().status())
        }
        None => status,
    }
}

/// Says what is wrong with the command line, or shows the help that was asked for.
fn misused(error: &clap::Error, json: bool) -> ExitCode {
    match usage::fault(error).filter(|_| json) {
        Some(fault) => Console::new(&OutputArgs::json()).fault(&fault),
        None => {
            let _ = error.print();
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Code::INTERNAL, "can't start").cause(error.to_string()))
}

async fn dispatch(command: Command, console: &Console) -> Result<ExitCode, Fault> {
    match command {
        Command::Run(args) => commands::run::run(args, console).await,
        Command::Lock(args) => commands::lock::run(*args, console).await,
        Command::Tree(args) => commands::tree::run(args, console).await,
        Command::Why(args) => commands::why::run(args, console).await,
        Command::Policy(command) => commands::policy::run(command, console).await,
        Command::Prewarm(args) => commands::prewarm::run(args, console).await,
        Command::Cache(args) => commands::cache::run(args, console).await,
        Command::Use(args) => commands::choose::run(&args, console),
        #[cfg(feature = "aws")]
        Command::Deploy(args) => commands::deploy::run(*args, console).await,
        #[cfg(feature = "aws")]
        Command::Destroy(args) => commands::destroy::run(args, console).await,
        #[cfg(feature = "aws")]
        Command::Doctor(args) => commands::doctor::run(args, console).await,
        Command::Completions(args) => Ok(commands::completions::run(&args, console)),
        Command::Finish(args) => commands::finish::run(args).await,
    }
}
