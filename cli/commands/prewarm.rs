//! `pyrun prewarm`.

use std::process::ExitCode;

use pyrun_core::protocol::Goal;
use pyrun_core::{Code, Fault, LockHash};
use pyrun_runner::Surroundings;
use serde::Serialize;
use serde_json::json;

use crate::args::PrewarmArgs;
use crate::client::Client;
use crate::console::{Console, words};
use crate::inputs::{self, Choice};
use crate::remote::Lambda;
use crate::session::Session;
use crate::settings::FileSettings;

/// What came of warming the environments of a remote.
#[derive(Debug, Serialize)]
struct Warmed {
    /// That many were asked.
    asked: u32,
    /// That many have the bundle now.
    warm: u32,
    /// That many of them are known to be different ones: they worked at the same moment.
    distinct: u64,
    /// That many were started for it.
    started: u64,
    /// What it cost, in US dollars.
    usd: f64,
}

impl Warmed {
    fn words(&self) -> String {
        format!(
            "Warmed {}, {} of them at the same moment, {} started for it, about {}",
            words::count(u64::from(self.warm), "environment"),
            self.distinct,
            self.started,
            words::money(self.usd)
        )
    }
}

/// Has the bundle unpacked in so many environments.
async fn warm(
    client: &Client<'_>,
    lambda: &Lambda,
    lock: LockHash,
    asked: u32,
    console: &Console,
) -> Result<Warmed, Fault> {
    let answers = client.prepare_many(lock, asked).await;
    let mut failed: Vec<Fault> = answers.into_iter().filter_map(Result::err).collect();
    let lost = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    if let Some(one) = failed.pop() {
        if lost == asked {
            return Err(one);
        }
        console.warn(&format!(
            "{lost} of {asked} environments were not warmed: {}",
            one.message
        ));
    }
    let (distinct, started) = lambda.environments();
    Ok(Warmed {
        asked,
        warm: asked.saturating_sub(lost),
        distinct,
        started,
        usd: lambda.spent(),
    })
}

fn one_machine() -> Fault {
    Fault::new(
        Code::USAGE,
        "`--instances` is for a remote: this machine is one environment",
    )
    .hint("name the remote with `--on NAME`")
}

/// Builds the bundle and the bytecode of every input, one after the other.
pub async fn run(args: PrewarmArgs, console: &Console) -> Result<ExitCode, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    let choice = Choice::read(&args.choice)?;
    for input in inputs::read(&args.sources.sources, &choice)? {
        input.remarks().for_each(|remark| console.remark(remark));
        let session = Session::open(
            &args.place,
            &args.resolve,
            &file,
            &input.wanted,
            &args.target,
            Surroundings::function(),
        )
        .await?;
        let client = session.client(console);
        let goal = if args.no_bytecode {
            Goal::Bundle
        } else if !session.compiles() {
            console.remark(&format!(
                "the bytecode is left out: no Python {} is here to compile it",
                session.target().python.minor_text()
            ));
            Goal::Bundle
        } else {
            Goal::Bytecode
        };
        let request = session.build_request(&input.wanted, goal)?;
        let built = client.build(request.clone()).await?;
        session.remember(&request, built.lock, goal == Goal::Bytecode);
        let warmed = match session.lambda() {
            _ if args.build_only => None,
            Some(lambda) => Some(warm(&client, lambda, built.lock, args.instances, console).await?),
            None if args.instances > 1 => return Err(one_machine()),
            None if session.is_elsewhere() => None,
            None => {
                client.prepare(built.lock).await?;
                None
            }
        };
        let record = built.record.as_deref();
        let size = record.map_or(0, |record| record.size);
        let packages = record.map_or(0, |record| record.manifest.segments.len() as u64);
        if console.is_json() {
            let mut row = json!({ "name": input.name, "lock": built.lock, "size": size, "packages": packages });
            if let Some(warmed) = &warmed {
                row["environments"] = json!(warmed);
            }
            console.out_line(&row.to_string());
        } else {
            if let Some(warmed) = &warmed {
                console.say(&warmed.words());
            }
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
