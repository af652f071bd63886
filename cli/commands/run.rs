//! `pyrun run`.

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;

use pyrun_core::protocol::{Entry, Goal, Limits, PROTOCOL, RunRequest};
use pyrun_core::{Code, Exit, Fault};
use pyrun_runner::Surroundings;

use crate::args::{RunArgs, TargetArgs};
use crate::client::Outcome;
use crate::console::{Console, Output, value_text};
use crate::destination::Destination;
use crate::inputs::script::{self, Call};
use crate::inputs::{Pylock, Wanted};
use crate::remote::budget::Budget;
use crate::session::Session;
use crate::settings::{FileSettings, units};

/// Runs a function or a program.
pub async fn run(args: RunArgs, console: &Console) -> Result<ExitCode, Fault> {
    if args.platform.is_some() {
        return Err(no_platform());
    }
    let file = FileSettings::find(&super::here()?)?;
    let call = script::call(&args.command, args.input.as_deref())?;
    let limits = limits(&args, &call, &file)?;
    let written_to = args.output.as_deref().map(Destination::check);
    let written_to = written_to.transpose()?;
    let budget = args
        .max_cost
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(Budget::parse)
        .transpose()?;
    let wanted = match &args.lock {
        Some(path) => Wanted::Lock(Pylock::read(&path.to_string_lossy())?),
        None => Wanted::Requirements(call.requirements.clone().into()),
    };
    let (output, surroundings) = match call.entry {
        Entry::Function { .. } => (Output::Function, Surroundings::function()),
        Entry::Program { .. } => (
            Output::Program,
            Surroundings::program(
                &super::here()?,
                Path::new(&call.script.path),
                streams(console),
            ),
        ),
    };
    let session = Session::open(
        &args.place,
        &args.resolve,
        &file,
        &wanted,
        &TargetArgs::default(),
        surroundings,
    )
    .await?;
    if output == Output::Program && session.lambda().is_some() {
        warn_of_stdin(console);
    }
    let build = session.build_request(&wanted, Goal::Bundle)?;
    let known = session.known_lock(&wanted, &build);
    let shortened = Cell::new(None);
    let mut outcome = session
        .client(console)
        .run(build.clone(), known, output, |lock| {
            let affordable = session.afford(budget, limits.clone())?;
            shortened.set(affordable.shortened);
            if let (Some(budget), Some(run_ms)) = (budget, affordable.shortened) {
                console.say(&budget.words(run_ms));
            }
            Ok(RunRequest {
                protocol: PROTOCOL,
                lock,
                script: call.script.clone(),
                entry: call.entry.clone(),
                limits: affordable.limits,
                env: std::collections::BTreeMap::new(),
            })
        })
        .await?;
    if let (Some(budget), Some(run_ms), Err(fault)) = (budget, shortened.get(), &outcome.result)
        && fault.code == Code::RUN_TIMEOUT
    {
        outcome.result = Err(budget.ended(run_ms));
    }
    let status = show(&outcome, written_to.as_ref(), output, console)?;
    session.finish_behind(&build, &outcome).await;
    Ok(status)
}

fn no_platform() -> Fault {
    Fault::new(
        Code::USAGE,
        "`--platform` is not for runs: a function runs where its Python is, and that has a platform",
    )
    .hint("`pyrun lock` and `pyrun prewarm` take it; `--on NAME` runs on another machine")
}

/// A program's standard input stays where it is.
fn warn_of_stdin(console: &Console) {
    use std::io::IsTerminal as _;
    use std::os::unix::fs::FileTypeExt as _;

    let stdin = std::io::stdin();
    let is_null = fs_err::metadata("/dev/stdin")
        .is_ok_and(|meta| meta.file_type().is_char_device() && !stdin.is_terminal());
    if !is_null {
        console
            .remark("a program on a remote has no standard input, and none of this folder's files");
    }
}

/// A program's streams are pyrun's own, bytes and terminal, unless frames are asked for.
fn streams(console: &Console) -> pyrun_runner::worker::Output {
    if console.is_json() {
        pyrun_runner::worker::Output::Frames
    } else {
        pyrun_runner::worker::Output::Inherit
    }
}

/// Flags and environment win over the script's own options, those over `pyrun.toml`.
fn limits(args: &RunArgs, call: &Call, file: &FileSettings) -> Result<Limits, Fault> {
    let timeout = |text: &String| {
        units::duration(text).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1))
    };
    let memory = |text: &String| units::size(text);
    let own = |text: &Option<String>, read: &dyn Fn(&String) -> Result<u64, Fault>| {
        text.as_ref().map(read).transpose()
    };
    Ok(Limits {
        timeout_ms: own(&args.timeout, &timeout)?
            .or(call.timeout_ms)
            .or(own(&file.timeout, &timeout)?),
        memory_bytes: own(&args.memory, &memory)?
            .or(call.memory_bytes)
            .or(own(&file.memory, &memory)?),
        ..Limits::default()
    })
}

/// Hands the outcome to the console, and gives the exit status.
fn show(
    outcome: &Outcome,
    file: Option<&Destination>,
    output: Output,
    console: &Console,
) -> Result<ExitCode, Fault> {
    let status = match &outcome.result {
        Ok(value) => {
            match file {
                Some(file) => {
                    file.write(written(value).as_bytes())?;
                    console.result_frame(value);
                }
                None => console.result(value),
            }
            0
        }
        Err(fault) => {
            let is_programs_own = output == Output::Program
                && (fault.code == Code::RUN_EXITED || fault.code == Code::RUN_RAISED);
            // A program has said itself what it had to say.
            if console.is_json() || !is_programs_own {
                console.fault(fault);
            }
            exit_status(fault, output)
        }
    };
    if let Some(report) = &outcome.report {
        console.report(report);
    }
    Ok(ExitCode::from(status))
}

/// What standard output would show: nothing for `None`.
fn written(value: &serde_json::Value) -> String {
    if value.is_null() {
        return String::new();
    }
    format!("{}\n", value_text(value))
}

/// A program's own status is pyrun's; a function's failure is 1 whatever it exits with.
fn exit_status(fault: &Fault, output: Output) -> u8 {
    match fault.status {
        Some(status) if output == Output::Program && fault.exit() == Exit::Failed => {
            // As a shell sees it: the low eight bits.
            status.to_le_bytes()[0]
        }
        _ => fault.exit().status(),
    }
}
