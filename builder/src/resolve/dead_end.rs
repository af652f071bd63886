//! Why nothing of a package can be used: it is unknown, or has no such version, or none that fits.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, Request};

use super::candidates::{Candidates, Reason, Rejected};
use super::phrases::{list, versions, why_not};
use super::specifiers::admit;
use super::suggest::did_you_mean;

/// How many lines tell why versions are out.
const MAX_REASONS: usize = 3;

/// The fault for a need that no candidate satisfies; `None` when some candidate does.
pub(super) fn describe(
    name: &PackageName,
    candidates: &Candidates,
    specifiers: &str,
    request: &Request,
) -> Option<Fault> {
    let Some(project) = &candidates.project else {
        return Some(unknown(name, request));
    };
    let parsed = parse(specifiers);
    if candidates
        .versions
        .iter()
        .any(|candidate| admit(&parsed, &candidate.version))
    {
        return None;
    }
    if project.files.is_empty() {
        let message = format!("`{name}` has no files on {}", project.index);
        return Some(Fault::new(Code::PACKAGE_NO_VERSION, message));
    }
    let rejected = matching(candidates, &parsed);
    if rejected.is_empty() {
        return Some(no_such_version(name, candidates, &parsed, specifiers));
    }
    Some(shut_out(name, candidates, &rejected, specifiers, request))
}

/// The same as the end of a sentence that names the need.
pub(super) fn in_short(
    name: &PackageName,
    candidates: &Candidates,
    specifiers: &str,
    request: &Request,
) -> String {
    if candidates.project.is_none() {
        return ", which no index knows".to_owned();
    }
    let rejected = matching(candidates, &parse(specifiers));
    match lines(name, candidates, &rejected, request).first() {
        None => ", and there is no such version".to_owned(),
        Some(line) => format!(", but {line}"),
    }
}

/// "has no wheel" as said of several.
pub(super) fn plural(problem: &str) -> String {
    let (verb, rest) = problem.split_once(' ').unwrap_or((problem, ""));
    let verb = match verb {
        "has" => "have",
        "is" => "are",
        "needs" => "need",
        "was" => "were",
        other => other,
    };
    format!("{verb} {rest}")
}

fn parse(specifiers: &str) -> VersionSpecifiers {
    VersionSpecifiers::from_str(specifiers).expect("what specifiers are shown as parses back")
}

fn matching<'a>(candidates: &'a Candidates, specifiers: &VersionSpecifiers) -> Vec<&'a Rejected> {
    let rejected = candidates.rejected.iter();
    rejected
        .filter(|rejected| admit(specifiers, &rejected.version))
        .collect()
}

fn unknown(name: &PackageName, request: &Request) -> Fault {
    let place = match request.options.indexes.as_slice() {
        [only] => format!("on {only}"),
        _ => "on any of the indexes".to_owned(),
    };
    let fault = Fault::new(
        Code::PACKAGE_UNKNOWN,
        format!("there is no package `{name}` {place}"),
    );
    match did_you_mean(name.as_ref()) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault.hint("check its name, or add the index that has it with `--extra-index-url`"),
    }
}

/// Nothing on the page satisfies the specifiers, usable or not.
fn no_such_version(
    name: &PackageName,
    candidates: &Candidates,
    parsed: &VersionSpecifiers,
    specifiers: &str,
) -> Fault {
    let mut all: Vec<&Version> = candidates.versions.iter().map(|one| &one.version).collect();
    all.extend(candidates.rejected.iter().map(|one| &one.version));
    all.sort();
    let fault = Fault::new(
        Code::PACKAGE_NO_VERSION,
        format!("`{name}` has no version that satisfies `{specifiers}`"),
    );
    let newest = all[all.len() - 1];
    let fault = if all.len() == 1 {
        fault.cause(format!("its only version is {newest}"))
    } else {
        let near = nearest(&all, parsed);
        let near = list(near.iter().map(ToString::to_string));
        fault.cause(format!(
            "the versions nearest to that are {near}; the newest is {newest}"
        ))
    };
    let usable: Vec<&Version> = candidates.versions.iter().map(|one| &one.version).collect();
    if usable.is_empty() {
        return fault;
    }
    fault.hint(format!("`{name}` {} can be used", versions(usable)))
}

/// Up to two versions on each side of what was asked for.
fn nearest<'a>(all: &[&'a Version], specifiers: &VersionSpecifiers) -> Vec<&'a Version> {
    let Some(asked) = specifiers
        .iter()
        .map(pep440_rs::VersionSpecifier::version)
        .max()
    else {
        return all.to_vec();
    };
    let place = all.partition_point(|version| *version < asked);
    all[place.saturating_sub(2)..(place + 2).min(all.len())].to_vec()
}

/// Versions are there, but none of them can be used here.
fn shut_out(
    name: &PackageName,
    candidates: &Candidates,
    rejected: &[&Rejected],
    specifiers: &str,
    request: &Request,
) -> Fault {
    let what = format!("`{name}{specifiers}`");
    let nearest = rejected
        .iter()
        .map(|one| &one.reason)
        .max()
        .expect("some are rejected");
    let (code, message) = match nearest {
        Reason::SourceOnly | Reason::Tags => (
            Code::PACKAGE_NO_WHEEL,
            format!("no wheel of {what} fits {}", request.target),
        ),
        Reason::Python(_) => {
            let python = &request.target.python;
            (
                Code::PACKAGE_NO_VERSION,
                format!("no version of {what} runs on Python {python}"),
            )
        }
        _ => (
            Code::PACKAGE_NO_VERSION,
            format!("no version of {what} can be used"),
        ),
    };
    let mut fault = Fault::new(code, message);
    fault.causes = lines(name, candidates, rejected, request);
    let usable: Vec<&Version> = candidates.versions.iter().map(|one| &one.version).collect();
    if !usable.is_empty() {
        fault = fault.hint(format!("`{name}` {} can be used", versions(usable)));
    }
    match nearest {
        Reason::Yanked(_) => {
            let newest = rejected
                .iter()
                .rev()
                .find(|one| matches!(one.reason, Reason::Yanked(_)));
            let version = &newest.expect("one of them is yanked").version;
            fault.hint(format!(
                "to take it all the same, ask for `{name}=={version}`"
            ))
        }
        Reason::Python(_) => fault.hint("choose another Python with `--python-version`"),
        Reason::TooNew(_) => fault.hint("set `--exclude-newer` to a later time"),
        Reason::Prerelease => fault.hint("let pre-releases in with `--prerelease allow`"),
        Reason::Tags => {
            fault.hint("choose a Python that it has wheels for with `--python-version`")
        }
        Reason::SourceOnly | Reason::NoDigest => fault,
    }
}

/// One line for each reason, the newest versions first.
fn lines(
    name: &PackageName,
    candidates: &Candidates,
    rejected: &[&Rejected],
    request: &Request,
) -> Vec<String> {
    let (target, python) = (
        request.target.to_string(),
        request.target.python.to_string(),
    );
    let mut groups: Vec<(String, Vec<&Version>)> = Vec::new();
    for one in rejected.iter().rev() {
        let why = why_not(candidates, &one.version, &one.reason, &target, &python);
        match groups.iter_mut().find(|(known, _)| *known == why) {
            Some((_, versions)) => versions.insert(0, &one.version),
            None => groups.push((why, vec![&one.version])),
        }
    }
    let more = groups.len().saturating_sub(MAX_REASONS);
    let mut lines: Vec<String> = groups
        .into_iter()
        .take(MAX_REASONS)
        .map(|(why, all)| {
            let why = if all.len() > 1 { plural(&why) } else { why };
            format!("`{name}` {} {why}", versions(all))
        })
        .collect();
    if more > 0 {
        lines.push("older versions are out for other reasons".to_owned());
    }
    lines
}
