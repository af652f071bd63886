//! `pyrun lock`.

mod check;
mod diff;

use std::process::ExitCode;

use pyrun_core::Fault;
use pyrun_core::Lock;
use pyrun_core::protocol::Goal;
use pyrun_runner::Surroundings;

use super::seen;
use crate::args::LockArgs;
use crate::console::Console;
use crate::destination::Destination;
use crate::inputs::{Choice, Wanted};
use crate::session::Session;
use crate::settings::FileSettings;
use crate::vulnerable;

/// Resolves one set of requirements and writes its lock, or compares it with one that is there.
pub async fn run(args: LockArgs, console: &Console) -> Result<ExitCode, Fault> {
    let choice = Choice::read(&args.choice)?;
    let input = seen::one_input(&args.sources.sources, &choice, "a lock")?;
    input.remarks().for_each(|remark| console.remark(remark));
    let file = FileSettings::find(&super::here()?)?;
    if let Some(path) = &args.check {
        return check::run(path, &input, &args, &file, console).await;
    }
    if let Some(path) = &args.diff {
        return diff::run(path, &input, &args, &file, console).await;
    }
    let written_to = args.output.as_deref().map(Destination::check).transpose()?;
    let session = Session::open(
        &args.place,
        &args.resolve,
        &file,
        &input.wanted,
        &args.target,
        Surroundings::function(),
    )
    .await?;
    let built = session
        .client(console)
        .build(session.build_request(&input.wanted, Goal::Lock)?)
        .await?;
    let mut pylock = built.pylock;
    if let Wanted::Lock(file) = &input.wanted {
        // What others wrote into the lock is theirs.
        let lock = Lock::from_toml(&pylock, None)?;
        pylock = lock.to_toml_keeping(&file.kept(&lock)?);
    }
    if let Some(dump) = &session.held().osv {
        let found = dump.find_in(&Lock::from_toml(&pylock, None)?).await?;
        vulnerable::warn(&found, console);
    }
    match (written_to, args.output) {
        (Some(file), Some(path)) => {
            file.write(pylock.as_bytes())?;
            console.say(&format!("Wrote {}", path.display()));
        }
        _ => console.out(&pylock),
    }
    Ok(ExitCode::SUCCESS)
}
