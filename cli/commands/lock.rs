//! `pyrun lock`.

use std::process::ExitCode;

use pyrun_core::protocol::Goal;
use pyrun_core::{Code, Fault};
use pyrun_runner::Surroundings;

use crate::args::LockArgs;
use crate::console::Console;
use crate::destination::Destination;
use crate::inputs::{self, Choice};
use crate::session::Session;
use crate::settings::FileSettings;

/// Resolves one set of requirements and writes its lock.
pub async fn run(args: LockArgs, console: &Console) -> Result<ExitCode, Fault> {
    let choice = Choice::read(&args.choice)?;
    let inputs = inputs::read(&args.sources.sources, &choice)?;
    let [input] = inputs.as_slice() else {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        return Err(Fault::new(
            Code::USAGE,
            format!(
                "a lock is for one set of requirements; these are {}",
                names.len()
            ),
        )
        .cause(names.join(", "))
        .hint("name one source, and one function of a script as `FILE:FUNCTION`"));
    };
    input.remarks().for_each(|remark| console.remark(remark));
    let file = FileSettings::find(&super::here()?)?;
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
    match (written_to, args.output) {
        (Some(file), Some(path)) => {
            file.write(built.pylock.as_bytes())?;
            console.say(&format!("Wrote {}", path.display()));
        }
        _ => console.out(&built.pylock),
    }
    Ok(ExitCode::SUCCESS)
}
