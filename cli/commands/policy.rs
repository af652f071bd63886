//! `pyrun policy`: what a policy means, and what it would refuse.

use std::process::ExitCode;

use jiff::Timestamp;
use pyrun_core::policy::{Part, Refusal};
use pyrun_core::protocol::Goal;
use pyrun_core::{Exit, Fault, Lock, Policy};
use pyrun_runner::Surroundings;
use serde_json::json;

use crate::args::look::{PolicyCheckArgs, PolicyCommand};
use crate::console::{Console, Tone, words};
use crate::inputs::{self, Choice, Input, Wanted};
use crate::session::Session;
use crate::settings::{FileSettings, Held, held};

/// Looks at a policy.
pub async fn run(command: PolicyCommand, console: &Console) -> Result<ExitCode, Fault> {
    match command {
        PolicyCommand::Check(args) => check(*args, console).await,
    }
}

/// What came of a source.
struct Verdict {
    packages: usize,
    refusals: Vec<Refusal>,
    /// Why there is no lock at all.
    fault: Option<Fault>,
}

async fn check(args: PolicyCheckArgs, console: &Console) -> Result<ExitCode, Fault> {
    let (_, policy) = held::read(&args.file)?;
    say(&policy, &args.file.display().to_string(), console);
    if args.sources.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let file = FileSettings::find(&super::here()?)?;
    let mut is_refused = false;
    for input in inputs::read(&args.sources, &Choice::read(&args.choice)?)? {
        input.remarks().for_each(|remark| console.remark(remark));
        let held = Held {
            policy: Some(policy.clone()),
            is_advice: true,
            osv: Held::dump(&args.resolve.held, &file),
            bounds: held::bounds(&file)?,
        };
        let verdict = judge(&input, &policy, held, &args, &file, console).await?;
        is_refused |= verdict.fault.is_some() || !verdict.refusals.is_empty();
        show(&input.name, &verdict, console);
    }
    if is_refused {
        return Ok(ExitCode::from(Exit::Invalid.status()));
    }
    Ok(ExitCode::SUCCESS)
}

fn say(policy: &Policy, name: &str, console: &Console) {
    let sentences = policy.words();
    if console.is_json() {
        let row = json!({ "policy": name, "sha256": policy.digest(), "words": sentences });
        console.out_line(&row.to_string());
        return;
    }
    console.out_line(&console.paint_out().tone(Tone::Bold, name));
    for sentence in sentences {
        console.out_line(&format!("  {}", words::plain(&sentence)));
    }
}

/// Locks a source as the policy guides it, and collects all that it refuses.
async fn judge(
    input: &Input,
    policy: &Policy,
    held: Held,
    args: &PolicyCheckArgs,
    file: &FileSettings,
    console: &Console,
) -> Result<Verdict, Fault> {
    // What a remote would refuse is told by its policy, not by its store.
    let (wanted, surroundings) = (&input.wanted, Surroundings::function());
    let session = Session::open_held(
        &args.place,
        &args.resolve,
        file,
        wanted,
        &args.target,
        surroundings,
        held,
    )
    .await?;
    // Licences are known from the wheels alone.
    let goal = if policy.wants_licences() {
        Goal::Bundle
    } else {
        Goal::Lock
    };
    let request = session.build_request(wanted, goal)?;
    let mut refusals = match wanted {
        Wanted::Requirements(_) => policy.refusals_of_request(&request.request),
        Wanted::Lock(_) => Vec::new(),
    };
    let built = match session.client(console).build(request).await {
        Ok(built) => built,
        Err(fault) if fault.exit() == Exit::Invalid => {
            return Ok(Verdict {
                packages: 0,
                refusals,
                fault: Some(fault),
            });
        }
        Err(fault) => return Err(fault),
    };
    let lock = Lock::from_toml(&built.pylock, None)?;
    let now = Timestamp::now();
    refusals.extend(policy.refusals_of_lock(&lock, now));
    if let Some(record) = &built.record {
        let of_wheels = policy.refusals_of_record(record, now);
        let of_wheels = of_wheels
            .into_iter()
            .filter(|refusal| matches!(refusal.part, Part::Licences | Part::Limits));
        refusals.extend(of_wheels);
    }
    refusals.extend(vulnerable(policy, &session, &lock, console).await?);
    let mut told: Vec<Refusal> = Vec::new();
    for refusal in refusals {
        let same = |known: &Refusal| known.what == refusal.what && known.part == refusal.part;
        if !told.iter().any(same) || refusal.part == Part::Vulnerabilities {
            told.push(refusal);
        }
    }
    Ok(Verdict {
        packages: lock.packages.len(),
        refusals: told,
        fault: None,
    })
}

async fn vulnerable(
    policy: &Policy,
    session: &Session,
    lock: &Lock,
    console: &Console,
) -> Result<Vec<Refusal>, Fault> {
    let Some(dump) = &session.held().osv else {
        if policy.wants_vulnerabilities() {
            console.warn("the policy refuses known vulnerabilities, and no dump of them is named: see `--osv`");
        }
        return Ok(Vec::new());
    };
    let found = dump.find_in(lock).await?;
    crate::vulnerable::warn(&found, console);
    Ok(policy.refusals_of_vulnerabilities(&found.vulnerabilities))
}

fn show(name: &str, verdict: &Verdict, console: &Console) {
    let is_refused = verdict.fault.is_some() || !verdict.refusals.is_empty();
    if console.is_json() {
        let row = json!({
            "source": name, "packages": verdict.packages, "refused": is_refused,
            "refusals": verdict.refusals, "fault": verdict.fault,
        });
        console.out_line(&row.to_string());
        return;
    }
    let paint = console.paint_out();
    let name = paint.tone(Tone::Bold, &words::plain(name));
    if !is_refused {
        let count = words::count(verdict.packages as u64, "package");
        console.out_line(&format!(
            "{name}  {}, {count}",
            paint.tone(Tone::Good, "let in")
        ));
        return;
    }
    console.out_line(&format!("{name}  {}", paint.tone(Tone::Bad, "refused")));
    for refusal in &verdict.refusals {
        let not = match refusal.not.as_str() {
            "in" => String::new(),
            not => format!(" must not {not}"),
        };
        let line = format!("  {}{not}: {}", refusal.what, refusal.reason);
        console.out_line(&words::plain(&line));
        if let Some(asked) = &refusal.asked {
            let line = format!("    {}", words::plain(asked));
            console.out_line(&paint.tone(Tone::Dim, &line));
        }
    }
    if let Some(fault) = &verdict.fault {
        console.out_line(&format!("  {}", words::plain(&fault.message)));
        for more in fault.causes.iter().chain(&fault.hints) {
            let line = format!("    {}", words::plain(more));
            console.out_line(&paint.tone(Tone::Dim, &line));
        }
    }
}
