//! `pyrun finish`: what a run left to be done behind it.

use std::process::ExitCode;

use pyrun_core::{Code, Fault, LockHash};

use crate::args::FinishArgs;
use crate::background;
use crate::settings::{FileSettings, Place};

/// Compiles the bytecode of one bundle.
pub async fn run(args: FinishArgs) -> Result<ExitCode, Fault> {
    let place = Place::resolve(&args.place, &FileSettings::default())?;
    let lock: LockHash = args
        .lock
        .parse()
        .map_err(|error: pyrun_core::digest::DigestError| {
            Fault::new(Code::USAGE, error.to_string())
        })?;
    background::compile(&place, &lock, &args.python).await?;
    Ok(ExitCode::SUCCESS)
}
