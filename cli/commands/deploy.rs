//! `pyrun deploy`.

use std::process::ExitCode;

use pyrun_core::Fault;

use crate::args::PlaceArgs;
use crate::args::deploy::{DeployArgs, DeployCommand};
use crate::cloud;
use crate::console::Console;
use crate::settings::{FileSettings, Place};

/// Makes or changes a stack, or shows it.
pub async fn run(args: DeployArgs, console: &Console) -> Result<ExitCode, Fault> {
    match &args.command {
        Some(DeployCommand::Status(account)) => cloud::status(account, console).await?,
        None => {
            let file = FileSettings::find(&super::here()?)?;
            let place = Place::resolve(&PlaceArgs::default(), &file)?;
            cloud::deploy(&args, &place.cache, console).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
