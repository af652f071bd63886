//! `pyrun cache`.

mod info;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use pyrun_core::{Code, Fault, LockHash};
use serde_json::json;

use crate::args::{
    CacheCommand, CacheGcArgs, CacheLsArgs, CacheRmArgs, CacheVerifyArgs, PlaceArgs, SortColumn,
};
use crate::console::{Align, Console, Table, Tone, words};
use crate::depot::Depot;
use crate::inventory::{Inventory, Limits, Row, Swept, Verdict};
use crate::remote;
use crate::settings::{FileSettings, Place, Remote, refuse_store, units};

/// Looks at what is kept, or cleans it up.
pub async fn run(command: CacheCommand, console: &Console) -> Result<ExitCode, Fault> {
    match command {
        CacheCommand::Ls(args) => ls(&args, console).await,
        CacheCommand::Info(args) => info::run(&args, console).await,
        CacheCommand::Rm(args) => rm(&args, console).await,
        CacheCommand::Gc(args) => gc(&args, console).await,
        CacheCommand::Verify(args) => verify(&args, console).await,
        CacheCommand::Dir(args) => {
            console.out_line(&depot(&args).await?.shown);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is looked at: this machine's store, or the remote's that is in use.
async fn depot(args: &PlaceArgs) -> Result<Depot, Fault> {
    let file = FileSettings::find(&super::here()?)?;
    match Remote::choose(args.on.as_deref(), &file)? {
        Some(remote) => {
            refuse_store(args, &remote.name)?;
            remote::depot(&remote, &Place::cache(args, &file)?).await
        }
        None => Depot::here(&Place::resolve(args, &file)?).await,
    }
}

async fn inventory(args: &PlaceArgs) -> Result<Inventory, Fault> {
    Ok(Inventory::of(depot(args).await?))
}

async fn ls(args: &CacheLsArgs, console: &Console) -> Result<ExitCode, Fault> {
    let mut rows = inventory(&args.place).await?.rows().await?;
    sort(&mut rows, args.sort);
    if args.reverse {
        rows.reverse();
    }
    if console.is_json() {
        for row in &rows {
            console.out_line(&json!(row).to_string());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        console.say("No bundles yet. `pyrun run` or `pyrun prewarm` builds one.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        ("HASH", Align::Left),
        ("PYTHON", Align::Left),
        ("PACKAGES", Align::Left),
        ("SIZE", Align::Right),
        ("BUILT", Align::Left),
        ("LAST USED", Align::Left),
        ("RUNS", Align::Right),
    ]);
    let now = now();
    for row in &rows {
        table.row(vec![
            row.hash.0.short(),
            row.python.clone(),
            summary(&row.packages),
            words::bytes(row.size),
            words::ago(now.saturating_sub(row.built)),
            row.used.map_or_else(
                || "never".to_owned(),
                |used| words::ago(now.saturating_sub(used)),
            ),
            words::grouped(row.runs),
        ]);
    }
    console.table(&table);
    let total = rows.iter().map(|row| row.size).sum();
    console.say(&format!(
        "{}, {}",
        words::count(rows.len() as u64, "bundle"),
        words::bytes(total)
    ));
    Ok(ExitCode::SUCCESS)
}

fn sort(rows: &mut [Row], column: SortColumn) {
    use std::cmp::Reverse;

    match column {
        SortColumn::Hash => rows.sort_by_key(|row| row.hash),
        SortColumn::Python => {
            rows.sort_by_cached_key(|row| row.python.parse::<pep440_rs::Version>().ok());
        }
        SortColumn::Packages => rows.sort_by_key(|row| Reverse(row.packages.len())),
        SortColumn::Size => rows.sort_by_key(|row| Reverse(row.size)),
        SortColumn::Built => rows.sort_by_key(|row| Reverse(row.built)),
        SortColumn::Used => rows.sort_by_key(|row| Reverse((row.used, row.built))),
        SortColumn::Runs => rows.sort_by_key(|row| Reverse(row.runs)),
    }
}

/// How many packages, and the first few of them.
fn summary(packages: &[String]) -> String {
    const WIDTH: usize = 44;
    let mut text = format!("{}", packages.len());
    let mut shown = 0;
    for package in packages {
        let next = format!("{}{package}", if shown == 0 { ": " } else { ", " });
        if text.len() + next.len() > WIDTH {
            break;
        }
        text.push_str(&next);
        shown += 1;
    }
    if shown < packages.len() {
        text.push_str(if shown == 0 { "" } else { ", …" });
    }
    text
}

async fn rm(args: &CacheRmArgs, console: &Console) -> Result<ExitCode, Fault> {
    let inventory = inventory(&args.place).await?;
    let swept = if args.all {
        inventory.remove_all().await?
    } else {
        let mut hashes = Vec::new();
        for prefix in &args.hashes {
            hashes.push(inventory.find(prefix).await?);
        }
        inventory.remove(&hashes).await?
    };
    show_swept(&swept, "Removed", console);
    match swept.busy.as_slice() {
        [] => Ok(ExitCode::SUCCESS),
        busy => Err(in_use(busy)),
    }
}

/// What was to go, and could not.
fn in_use(busy: &[LockHash]) -> Fault {
    let names: Vec<String> = busy
        .iter()
        .map(|hash| format!("`{}`", hash.0.short()))
        .collect();
    let (verb, stay) = match busy.len() {
        1 => ("is", "stays"),
        _ => ("are", "stay"),
    };
    Fault::new(
        Code::BUNDLE_BUSY,
        format!("{} {verb} in use and {stay}", names.join(", ")),
    )
    .hint("wait for the runs that use it to end, and try again")
}

async fn gc(args: &CacheGcArgs, console: &Console) -> Result<ExitCode, Fault> {
    let limits = Limits {
        older_than: units::duration(&args.older_than)?,
        max_size: args.max_size.as_deref().map(units::size).transpose()?,
        dry_run: args.dry_run,
    };
    let depot = depot(&args.place).await?;
    if depot.is_shared {
        console.remark(
            "of uses, only those from this machine are known; what others need is built again",
        );
    }
    let swept = Inventory::of(depot).sweep(limits).await?;
    let verb = if args.dry_run {
        "Would remove"
    } else {
        "Removed"
    };
    show_swept(&swept, verb, console);
    for hash in &swept.busy {
        console.say(&format!("{} is in use and stays", hash.0.short()));
    }
    Ok(ExitCode::SUCCESS)
}

fn show_swept(swept: &Swept, verb: &str, console: &Console) {
    if console.is_json() {
        console.out_line(&json!(swept).to_string());
        return;
    }
    console.say(&format!(
        "{verb} {} and {} in all, {}",
        words::count(swept.bundles.len() as u64, "bundle"),
        words::count(swept.objects, "object"),
        words::bytes(swept.bytes)
    ));
    if !swept.unpacked.is_empty() {
        let unpacked = swept.unpacked.len() as u64;
        console.say(&format!(
            "Among them {} that only lay unpacked",
            words::count(unpacked, "bundle")
        ));
    }
}

async fn verify(args: &CacheVerifyArgs, console: &Console) -> Result<ExitCode, Fault> {
    let inventory = inventory(&args.place).await?;
    let mut hashes = Vec::new();
    for prefix in &args.hashes {
        hashes.push(inventory.find(prefix).await?);
    }
    if hashes.is_empty() {
        hashes = inventory.hashes().await?;
    }
    let (mut set_aside, mut is_well) = (0u64, true);
    for hash in &hashes {
        let verdict = inventory.verify(hash, args.rebuild).await?;
        set_aside += u64::from(matches!(verdict, Verdict::Wrong(_)));
        is_well &= matches!(verdict, Verdict::Good | Verdict::Unknown(_));
        show_verdict(hash.0.short().as_str(), &verdict, console);
    }
    if set_aside > 0 {
        console.say(&format!(
            "{} set aside: the next run builds anew",
            words::count(set_aside, "bundle")
        ));
    }
    if !is_well {
        return Ok(ExitCode::from(pyrun_core::Exit::Infrastructure.status()));
    }
    Ok(ExitCode::SUCCESS)
}

fn show_verdict(hash: &str, verdict: &Verdict, console: &Console) {
    let paint = console.paint_out();
    let (tone, word, why) = match verdict {
        Verdict::Good => (Tone::Good, "good", None),
        Verdict::Wrong(why) => (Tone::Bad, "wrong", Some(why)),
        Verdict::Busy(why) => (Tone::Bad, "wrong, in use and stays", Some(why)),
        Verdict::Bytecode(why) => (Tone::Bad, "bytecode set aside", Some(why)),
        Verdict::Unknown(why) => (Tone::Warn, "unknown", Some(why)),
    };
    if console.is_json() {
        console.out_line(&json!({ "hash": hash, "verdict": word, "why": why }).to_string());
        return;
    }
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    console.out_line(&format!("{hash}  {}{why}", paint.tone(tone, word)));
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_fits_its_column() {
        let names = |count: usize| {
            (0..count)
                .map(|n| format!("package{n} 1.0"))
                .collect::<Vec<_>>()
        };
        assert_eq!(summary(&names(0)), "0");
        assert_eq!(summary(&names(2)), "2: package0 1.0, package1 1.0");
        assert!(summary(&names(30)).ends_with(", …"));
    }
}
