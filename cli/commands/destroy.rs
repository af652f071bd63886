//! `pyrun destroy`.

use std::process::ExitCode;

use pyrun_core::Fault;

use crate::args::PlaceArgs;
use crate::args::deploy::DestroyArgs;
use crate::cloud;
use crate::console::Console;
use crate::settings::{FileSettings, Place};

/// Removes a stack.
pub async fn run(args: DestroyArgs, console: &Console) -> Result<ExitCode, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    let place = Place::resolve(&PlaceArgs::default(), &file)?;
    cloud::destroy(&args, &place.cache, console).await?;
    Ok(ExitCode::SUCCESS)
}
