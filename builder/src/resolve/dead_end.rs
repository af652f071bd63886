//! Why nothing of a package can be used: it is unknown, or has no such version, or none that fits.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;
use pyrun_core::request::without_credentials;
use pyrun_core::tags::Tags;
use pyrun_core::{Code, Fault, PythonVersion, Request, Target, WheelFilename};

use super::absent::{first_that_knows, is_asked, quarantined, unknown};
use super::candidates::{Candidates, Reason, Rejected};
use super::phrases::{list, runs, versions, why_not};
use super::specifiers::{admit, python_fits};
use super::spoken::spelled;
use super::suggest::project_of_module;
use crate::index::{File, Standing};

/// The minor versions of Python 3 that are worth a hint: those that pyrun runs.
const PYTHONS: std::ops::RangeInclusive<u8> = 9..=14;
/// How many lines tell why versions are out.
const MAX_REASONS: usize = 3;
/// How many runs of versions that can be used are named.
const MAX_RUNS: usize = 3;

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
    if let Some(status) = &project.status
        && status.standing == Standing::Quarantined
    {
        return Some(quarantined(name, &project.index, &status.reason));
    }
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
        let fault = Fault::new(Code::PACKAGE_NO_VERSION, message);
        return Some(first_that_knows(fault, name, request));
    }
    let rejected = matching(candidates, &parsed);
    if rejected.is_empty() {
        if let ([only], true) = (&candidates.versions[..], candidates.by_address) {
            return Some(address_has(name, &only.version, specifiers, request));
        }
        let fault = no_such_version(name, candidates, &parsed, specifiers);
        return Some(first_that_knows(fault, name, request));
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
    let Some(project) = &candidates.project else {
        return match request.options.index_of.get(name) {
            Some(pin) => format!(", which {} does not know", without_credentials(pin)),
            None => ", which no index knows".to_owned(),
        };
    };
    if let Some(status) = &project.status
        && status.standing == Standing::Quarantined
    {
        return ", which is in quarantine".to_owned();
    }
    if let ([only], true) = (&candidates.versions[..], candidates.by_address) {
        return format!(", and the address that is asked for has {}", only.version);
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

/// The one version that there is comes from an address of the user.
fn address_has(
    name: &PackageName,
    version: &Version,
    specifiers: &str,
    request: &Request,
) -> Fault {
    let fault = Fault::new(
        Code::RESOLVE_CONFLICT,
        format!(
            "`{name}` {version}, which is asked for by its address, does not satisfy `{specifiers}`"
        ),
    );
    let options = &request.options;
    let all = request.requirements.iter().chain(&options.overrides);
    let named = all.chain(&options.constraints).find(|one| {
        one.spec.name == *name
            && matches!(
                one.spec.version_or_url,
                Some(pep508_rs::VersionOrUrl::Url(_))
            )
    });
    match named {
        Some(one) => fault.cause(format!("the address stands in {}", spelled(one))),
        None => fault,
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
    match usable(candidates) {
        Some(some) if !candidates.rejected.is_empty() => {
            fault.hint(format!("`{name}` {some} can be used"))
        }
        _ => fault,
    }
}

/// The versions that can be used, without pre-releases where there are others; of many runs the
/// newest.
fn usable(candidates: &Candidates) -> Option<String> {
    let good = candidates.versions.iter().map(|one| (&one.version, true));
    let bad = candidates.rejected.iter().map(|one| (&one.version, false));
    let mut all: Vec<(&Version, bool)> = good.chain(bad).collect();
    let is_stable = |(version, _): &(&Version, bool)| !version.any_prerelease();
    if all.iter().any(|one| one.1 && is_stable(one)) {
        all.retain(is_stable);
    }
    all.sort();
    let begins = |at: &usize| all[*at].1 && (*at == 0 || !all[*at - 1].1);
    let starts: Vec<usize> = (0..all.len()).filter(begins).collect();
    let newest = starts[starts.len().saturating_sub(MAX_RUNS)..].first()?;
    Some(runs(&all[*newest..]))
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
        Reason::NoBinary => (
            Code::PACKAGE_NO_VERSION,
            format!("no version of {what} has sources to build"),
        ),
        Reason::Digest => (
            Code::PACKAGE_HASH,
            format!("no file of {what} has a digest that is asked for"),
        ),
        Reason::SourceOnly | Reason::OnlyBinary | Reason::Tags => (
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
    // Names of modules are often taken by projects that only say so.
    if let Some(meant) = project_of_module(name.as_ref()).filter(|_| is_asked(name, request)) {
        fault = fault.hint(format!("did you mean `{meant}`?"));
    }
    if let Some(some) = usable(candidates) {
        fault = fault.hint(format!("`{name}` {some} can be used"));
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
        Reason::TooNew(Some(_)) => fault.hint("set `--exclude-newer` to a later time"),
        Reason::Prerelease => fault.hint("let pre-releases in with `--prerelease allow`"),
        Reason::Tags | Reason::Python(_) => match other_python(candidates, rejected, request) {
            Some(python) => fault.hint(format!(
                "there is a wheel for Python {python}: choose it with `--python-version {python}`"
            )),
            None => fault,
        },
        Reason::SourceOnly => fault.hint(format!(
            "nothing is built from sources here: take another package that does the same, or make a \
             wheel with `pip wheel {name}` and name the folder that has it with `--find-links`"
        )),
        Reason::OnlyBinary => fault.hint(format!(
            "let it be built from its sources: leave `{name}` out of `--only-binary`"
        )),
        Reason::NoBinary => fault.hint(format!(
            "let its wheels be used: leave `{name}` out of `--no-binary`"
        )),
        Reason::Digest => fault.hint(
            "add the digests of the version that you want, or lock the digests again",
        ),
        Reason::TooNew(None) => fault,
    }
}

/// The minor version of Python, the nearest to the target's, for which a rejected version has a
/// wheel on this machine.
fn other_python(
    candidates: &Candidates,
    rejected: &[&Rejected],
    request: &Request,
) -> Option<String> {
    let wanted = |file: &&File| {
        let version = &file.version;
        rejected.iter().any(|one| {
            one.version == *version && matches!(one.reason, Reason::Tags | Reason::Python(_))
        })
    };
    let files = candidates.project().files.iter().filter(wanted);
    let wheels: Vec<(WheelFilename, &File)> = files
        .filter_map(|file| Some((file.filename.parse().ok()?, file)))
        .collect();
    let fits = |minor: &u8| {
        let Ok(python) = PythonVersion::from_str(&format!("3.{minor}")) else {
            return false;
        };
        let runs_on = |file: &File| {
            let bound = file.requires_python.as_ref();
            bound.is_none_or(|bound| python_fits(bound, python.full()))
        };
        let tags = Tags::of(&Target {
            python: python.clone(),
            ..request.target.clone()
        });
        wheels
            .iter()
            .any(|(wheel, file)| tags.rank(wheel).is_some() && runs_on(file))
    };
    let (_, own) = request.target.python.minor();
    PYTHONS
        .filter(fits)
        .min_by_key(|minor| (minor.abs_diff(own), *minor))
        .map(|minor| format!("3.{minor}"))
}

/// One line for each reason, the newest versions first.
fn lines(
    name: &PackageName,
    candidates: &Candidates,
    rejected: &[&Rejected],
    request: &Request,
) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&Version>)> = Vec::new();
    for one in rejected.iter().rev() {
        let why = why_not(candidates, one, request);
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
