//! `pyrun run`.

use std::path::Path;
use std::process::ExitCode;

use pyrun_core::protocol::{Entry, Goal, Limits, PROTOCOL, RunRequest};
use pyrun_core::{Code, Exit, Fault};
use pyrun_runner::Surroundings;

use crate::args::RunArgs;
use crate::client::Outcome;
use crate::console::{Console, Output, value_text};
use crate::destination::Destination;
use crate::inputs::script::{self, Call};
use crate::inputs::{Pylock, Wanted};
use crate::session::Session;
use crate::settings::{FileSettings, units};

/// Runs a function or a program.
pub async fn run(args: RunArgs, console: &Console) -> Result<ExitCode, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    let call = script::call(&args.command, args.input.as_deref())?;
    let limits = limits(&args, &call, &file)?;
    let written_to = args.output.as_deref().map(Destination::check);
    let written_to = written_to.transpose()?;
    let wanted = match &args.lock {
        Some(path) => Wanted::Lock(Pylock::read(&path.to_string_lossy())?),
        None => Wanted::Requirements(call.requirements.clone()),
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
    let session = Session::open(&args.place, &args.resolve, &file, &wanted, surroundings)?;
    let build = session.build_request(&wanted, Goal::Bundle)?;
    let outcome = session
        .client(console)
        .run(build, output, |lock| RunRequest {
            protocol: PROTOCOL,
            lock,
            script: call.script.clone(),
            entry: call.entry.clone(),
            limits: limits.clone(),
            env: std::collections::BTreeMap::new(),
        })
        .await?;
    session.finish_behind(&outcome.lock).await;
    show(&outcome, written_to.as_ref(), output, console)
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
        result_bytes: None,
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
