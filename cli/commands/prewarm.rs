//! `pyrun prewarm`.

use std::process::ExitCode;

use pyrun_core::Fault;
use pyrun_core::protocol::Goal;
use pyrun_runner::Surroundings;
use serde_json::json;

use crate::args::PrewarmArgs;
use crate::console::{Console, words};
use crate::inputs;
use crate::session::Session;
use crate::settings::FileSettings;

/// Builds the bundle and the bytecode of every input, one after the other.
pub async fn run(args: PrewarmArgs, console: &Console) -> Result<ExitCode, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    for input in inputs::read(&args.sources.sources)? {
        let session = Session::open(
            &args.place,
            &args.resolve,
            &file,
            &input.wanted,
            Surroundings::function(),
        )?;
        let client = session.client(console);
        let goal = if args.no_bytecode {
            Goal::Bundle
        } else {
            Goal::Bytecode
        };
        let built = client
            .build(session.build_request(&input.wanted, goal)?)
            .await?;
        if !args.build_only {
            client.prepare(built.lock).await?;
        }
        let record = built.record.as_deref();
        let size = record.map_or(0, |record| record.size);
        let packages = record.map_or(0, |record| record.manifest.segments.len() as u64);
        if console.is_json() {
            console.out_line(&json!({ "name": input.name, "lock": built.lock, "size": size, "packages": packages }).to_string());
        } else {
            console.out_line(&format!(
                "{}  {}, {}  {}",
                built.lock.0.short(),
                words::count(packages, "package"),
                words::bytes(size),
                input.name
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
