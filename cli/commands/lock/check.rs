//! `pyrun lock --check`: whether a lock still satisfies its requirements.

use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use pyrun_builder::resolve::objections;
use pyrun_core::{Code, Fault, Lock, Request};
use pyrun_runner::Surroundings;
use serde_json::json;

use crate::args::LockArgs;
use crate::commands::seen;
use crate::console::Console;
use crate::graph::known::{self, Known};
use crate::inputs::{Input, Pylock, Requirements, Wanted};
use crate::session::Session;
use crate::settings::{FileSettings, Place, Resolving};

/// Says whether a lock satisfies an input.
pub async fn run(
    path: &Path,
    input: &Input,
    args: &LockArgs,
    file: &FileSettings,
    console: &Console,
) -> Result<ExitCode, Fault> {
    let Wanted::Requirements(found) = &input.wanted else {
        return Err(Fault::new(
            Code::USAGE,
            format!(
                "`{}` is a lock, and a lock is checked against requirements",
                input.name
            ),
        )
        .hint("name the file that the lock was made from"));
    };
    let shown = path.display().to_string();
    let lock = match read(&shown, input, args, file).await? {
        Ok(lock) => lock,
        // It may well be a good lock, for another Python or machine.
        Err(fault) => return Err(outdated(&shown, &input.name, vec![fault.message])),
    };
    let resolving = Resolving::resolve(&args.resolve, &found.settings, file)?;
    let cache = Place::cache(&args.place, file)?;
    let known = known(&lock, found, &resolving, &cache).await?;
    let request = Request {
        requirements: found.list.clone(),
        requires_python: found.requires_python.clone(),
        target: lock.target.clone(),
        options: resolving.options_for(&lock.target),
    };
    let reasons = objections(&request, &lock, &known, Timestamp::now())?;
    if !reasons.is_empty() {
        return Err(outdated(&shown, &input.name, reasons));
    }
    if console.is_json() {
        let row = json!({ "lock": lock.hash(), "source": input.name, "satisfied": true });
        console.out_line(&row.to_string());
    } else {
        console.say(&format!("{shown} satisfies {}", input.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// The lock for what it says itself that it is for, else for the target of a session.
async fn read(
    path: &str,
    input: &Input,
    args: &LockArgs,
    file: &FileSettings,
) -> Result<Result<Lock, Fault>, Fault> {
    let pylock = Pylock::read(path)?;
    if let Some(target) = seen::own_target(&pylock, &args.resolve, &args.target, file)? {
        return Ok(pylock.lock(&target));
    }
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
    Ok(pylock.lock(session.target()))
}

/// The metadata that is kept; the index is asked only for what extras of a package need, which no
/// lock says.
async fn known(
    lock: &Lock,
    found: &Requirements,
    resolving: &Resolving,
    cache: &Path,
) -> Result<Known, Fault> {
    let kept = resolving.index(&lock.target, cache, true)?;
    let mut known = known::metadata(lock, &kept, |_| true).await;
    let with_extras = |name: &pyrun_core::PackageName| {
        let mut asked = found.list.iter();
        asked.any(|asked| asked.spec.name == *name && !asked.spec.extras.is_empty())
    };
    let is_missing =
        |name: &pyrun_core::PackageName| with_extras(name) && !known.contains_key(name);
    if lock.packages.keys().any(is_missing) {
        let index = resolving.index(&lock.target, cache, false)?;
        let more = known::metadata(lock, &index, is_missing).await;
        known.extend(more);
    }
    Ok(known)
}

fn outdated(lock: &str, source: &str, reasons: Vec<String>) -> Fault {
    let mut fault = Fault::new(
        Code::LOCK_OUTDATED,
        format!("`{lock}` does not satisfy {source} any more"),
    );
    fault.causes = reasons;
    fault.hint(format!("lock again with `pyrun lock -o {lock} {source}`"))
}
