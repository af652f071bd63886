//! `pyrun doctor`.

use std::process::ExitCode;

use pyrun_core::{Exit, Fault};
use serde_json::json;

use crate::args::deploy::DoctorArgs;
use crate::cloud::{self, Check};
use crate::console::{Console, Tone};
use crate::settings::FileSettings;

/// Shows what is well and what is not.
pub async fn run(args: DoctorArgs, console: &Console) -> Result<ExitCode, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    console.working("Looking");
    let checks = cloud::diagnose(&args, &file).await;
    console.idle();
    for check in &checks {
        show(check, console);
    }
    if checks.iter().all(|check| check.ok) {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(Exit::Infrastructure.status()))
}

fn show(check: &Check, console: &Console) {
    if console.is_json() {
        console.out_line(&json!(check).to_string());
        return;
    }
    let paint = console.paint_out();
    let mark = if check.ok {
        paint.tone(Tone::Good, "✓")
    } else {
        paint.tone(Tone::Bad, "✗")
    };
    console.out_line(&format!("{mark} {:<13} {}", check.name, check.says));
    for next in &check.next {
        console.out_line(&paint.tone(Tone::Dim, &format!("                {next}")));
    }
}
