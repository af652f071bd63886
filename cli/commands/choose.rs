//! `pyrun use`: which remote commands happen on.

use std::fmt::Write as _;
use std::process::ExitCode;

use pyrun_core::{Code, Fault};
use serde_json::json;

use crate::args::UseArgs;
use crate::console::{Align, Console, Table};
use crate::settings::remote::{InUse, LOCAL, Site, Why, names};
use crate::settings::{FileSettings, Remote, set_use, user_path};

/// Shows the remotes, or writes which one is used from now on.
pub fn run(args: &UseArgs, console: &Console) -> Result<ExitCode, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    match &args.name {
        Some(name) => choose(name, &file, console)?,
        None => list(&file, console)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn choose(name: &str, file: &FileSettings, console: &Console) -> Result<(), Fault> {
    Remote::named(name, file)?;
    let path = user_path().ok_or_else(|| {
        Fault::new(
            Code::CONFIG_INVALID,
            "there is no home folder to keep it in",
        )
        .hint("set HOME, or name the remote with `--on` or PYRUN_ON")
    })?;
    set_use(&path, name)?;
    console.say(&format!("Commands happen on `{name}` from now on"));
    // What wins over the user's own file is said, or it would be a riddle.
    let now = InUse::choose(asked().as_deref(), &FileSettings::find(&super::here()?)?);
    if now.name != name {
        console.warn(&format!(
            "here they happen on `{}`: {}",
            now.name,
            now.why.words()
        ));
    }
    Ok(())
}

fn list(file: &FileSettings, console: &Console) -> Result<(), Fault> {
    let in_use = InUse::choose(asked().as_deref(), file);
    Remote::named(&in_use.name, file)?;
    let mut table = Table::new(&[
        ("", Align::Left),
        ("REMOTE", Align::Left),
        ("WHAT IT IS", Align::Left),
    ]);
    for name in names(file) {
        let is_used = name == in_use.name;
        let what = Remote::named(name, file).map_or_else(|fault| fault.message, describe);
        if console.is_json() {
            let why = is_used.then(|| in_use.why.words());
            let row = json!({ "remote": name, "what": what, "used": is_used, "why": why });
            console.out_line(&row.to_string());
        } else {
            let mark = if is_used { "*" } else { "" };
            table.row(vec![mark.to_owned(), name.to_owned(), what]);
        }
    }
    if !console.is_json() {
        console.table(&table);
        let way = match in_use.why {
            Why::Default => "; `pyrun use NAME` changes that",
            _ => "",
        };
        console.say(&format!(
            "`{}` is used: {}{way}",
            in_use.name,
            in_use.why.words()
        ));
    }
    Ok(())
}

/// What the environment asks for.
fn asked() -> Option<String> {
    std::env::var("PYRUN_ON")
        .ok()
        .filter(|name| !name.is_empty())
}

fn describe(remote: Option<Remote>) -> String {
    let Some(remote) = remote else {
        return "this machine".to_owned();
    };
    debug_assert_ne!(remote.name, LOCAL);
    let mut text = match &remote.site {
        Site::Stack(name) => format!("the stack `{name}`"),
        Site::Given { store, runners, .. } => {
            let versions: Vec<&str> = runners.keys().map(String::as_str).collect();
            format!("{store}, Python {}", versions.join(", "))
        }
    };
    for (word, value) in [
        ("region", &remote.account.region),
        ("profile", &remote.account.profile),
        ("at", &remote.account.endpoint_url),
    ] {
        if let Some(value) = value {
            let _ = write!(text, ", {word} {value}");
        }
    }
    text
}
