//! `pyrun why`.

use std::fmt::Write as _;
use std::process::ExitCode;

use pyrun_core::Fault;
use serde_json::json;

use super::{seen, tree};
use crate::args::look::WhyArgs;
use crate::console::{Console, Paint, Tone, words};
use crate::graph::why::{Chain, chains};

/// Shows the ways on which a package came in.
pub async fn run(args: WhyArgs, console: &Console) -> Result<ExitCode, Fault> {
    let seen = seen::look(
        &args.sources,
        &args.choice,
        &args.target,
        &args.resolve,
        &args.place,
        console,
    )
    .await?;
    let package = tree::package(&args.package, &seen.graph)?;
    let Some(why) = chains(&seen.graph, &package) else {
        return Ok(ExitCode::SUCCESS);
    };
    if console.is_json() {
        console.out_line(&json!(why).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let paint = console.paint_out();
    let name = paint.tone(Tone::Name, why.package.as_ref());
    let mut text = format!("{name} {}\n", why.version);
    for chain in &why.chains {
        text.push_str(&told(chain, package.as_ref(), &seen.name, paint));
    }
    if why.chains.is_empty() {
        let _ = writeln!(text, "  nothing asks for it");
    }
    if why.more > 0 {
        let _ = writeln!(text, "  and {} more", words::count(why.more, "way"));
    }
    console.out(&text);
    Ok(ExitCode::SUCCESS)
}

/// A chain, each step a line below the one before.
fn told(chain: &Chain, package: &str, source: &str, paint: Paint) -> String {
    let first = chain.steps.first().map(|step| step.package.to_string());
    let place = if chain.place.is_empty() {
        source
    } else {
        &chain.place
    };
    let demand = match chain.demand.as_str() {
        "" => first.as_deref().unwrap_or(package),
        demand => demand,
    };
    let place = words::plain(place);
    let mut text = format!(
        "  {} asks for {}\n",
        paint.tone(Tone::Bold, &place),
        words::plain(demand)
    );
    for (at, step) in chain.steps.iter().enumerate() {
        let margin = "  ".repeat(at + 2);
        let name = paint.tone(Tone::Name, step.package.as_ref());
        let _ = writeln!(
            text,
            "{margin}{name} {} needs {}",
            step.version,
            words::plain(&step.needs)
        );
    }
    text
}
