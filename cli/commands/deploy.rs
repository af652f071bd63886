//! `pyrun deploy`.

use std::process::ExitCode;

use pyrun_core::Fault;

use crate::args::deploy::{DeployArgs, DeployCommand};
use crate::cloud;
use crate::console::Console;

/// Makes or changes a stack, or shows it.
pub async fn run(args: DeployArgs, console: &Console) -> Result<ExitCode, Fault> {
    match &args.command {
        Some(DeployCommand::Status(account)) => cloud::status(account, console).await?,
        None => {
            let cache = super::cache(args.cache_dir.as_ref())?;
            cloud::deploy(&args, &cache, console).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
