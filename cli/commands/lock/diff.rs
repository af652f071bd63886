//! `pyrun lock --diff`: what would change against a lock.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use pyrun_core::protocol::Goal;
use pyrun_core::{Fault, Lock};
use pyrun_runner::Surroundings;
use serde_json::json;

use crate::args::LockArgs;
use crate::console::{Console, Paint, Tone, words};
use crate::inputs::{Input, Pylock, Wanted};
use crate::locks::diff::{Change, Kind, changes};
use crate::locks::outside;
use crate::session::Session;
use crate::settings::FileSettings;

/// Says what changes from a lock to an input.
pub async fn run(
    path: &Path,
    input: &Input,
    args: &LockArgs,
    file: &FileSettings,
    console: &Console,
) -> Result<ExitCode, Fault> {
    let old = Pylock::read(&path.display().to_string())?;
    let surroundings = Surroundings::function();
    let session = Session::open(
        &args.place,
        &args.resolve,
        file,
        &input.wanted,
        &args.target,
        surroundings,
    )
    .await?;
    let target = session.target();
    let new = match &input.wanted {
        Wanted::Lock(pylock) => pylock.lock(target)?,
        Wanted::Requirements(_) => {
            let request = session.build_request(&input.wanted, Goal::Lock)?;
            let built = session.client(console).build(request).await?;
            Lock::from_toml(&built.pylock, None)?
        }
    };
    let old = old.lock(target)?;
    let (outside, failed) = outside::learn(&old, &new, &session.index(false)?).await;
    if let Some(failed) = failed {
        console.remark(&failed);
    }
    let changes = changes(&old, &new, Timestamp::now(), &outside);
    if console.is_json() {
        let row = json!({ "old": old.hash(), "new": new.hash(), "changes": changes });
        console.out_line(&row.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let paint = console.paint_out();
    for change in &changes {
        console.out(&told(change, paint));
    }
    console.say(&summary(&changes));
    Ok(ExitCode::SUCCESS)
}

fn told(change: &Change, paint: Paint) -> String {
    let versions: Vec<&str> = [&change.old, &change.new]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let (sign, tone) = match change.kind {
        Kind::New => ("+", Tone::Good),
        Kind::Changed => ("~", Tone::Warn),
        Kind::Removed => ("-", Tone::Bad),
    };
    let versions = match versions.as_slice() {
        [old, new] if old == new => (*old).to_owned(),
        versions => versions.join(" → "),
    };
    let name = paint.tone(Tone::Name, change.package.as_ref());
    let mut text = format!("{} {name} {versions}\n", paint.tone(tone, sign));
    for note in &change.notes {
        let _ = writeln!(text, "    {}", words::plain(&note.text));
    }
    text
}

fn summary(changes: &[Change]) -> String {
    let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
    if changes.is_empty() {
        return "Nothing changes".to_owned();
    }
    format!(
        "{} changed, {} new, {} removed",
        count(Kind::Changed),
        count(Kind::New),
        count(Kind::Removed)
    )
}
