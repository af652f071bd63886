//! `pyrun destroy`.

use std::process::ExitCode;

use pyrun_core::Fault;

use crate::args::deploy::DestroyArgs;
use crate::cloud;
use crate::console::Console;

/// Removes a stack.
pub async fn run(args: DestroyArgs, console: &Console) -> Result<ExitCode, Fault> {
    let cache = super::cache(args.cache_dir.as_ref())?;
    cloud::destroy(&args, &cache, console).await?;
    Ok(ExitCode::SUCCESS)
}
