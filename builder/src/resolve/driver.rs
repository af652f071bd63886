//! Runs the solver against an index.
//!
//! In: a request, a source of pages and metadata, perhaps an older lock. Out: a lock, or why there
//! is none. Never: reads the clock (the lock's `resolved` is left for the caller).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use pep508_rs::PackageName;
use pyrun_core::request::Prerelease;
use pyrun_core::tags::Tags;
use pyrun_core::{
    Code, Event, Events, Fault, Lock, LockedPackage, LockedSdist, LockedWheel, Request, Sha256,
    WheelFilename,
};

use super::amendments::Amendments;
use super::candidates::{Artifact, BadTime, Rules};
use super::error::{Limit, ResolveError};
use super::explain::explain;
use super::prefetch::{Halt, Prefetch, Question};
use super::search::{Found, search};
use super::solver::{Chosen, Solver};
use super::specifiers::{python_fits, show};
use super::{hashes, relax};
use crate::index::{File, IndexError, Source, Standing};

/// Finds exact versions for a request.
///
/// Versions that `preferences` locks are taken where they fit. `events` hears of progress and of
/// warnings (yanked versions, unknown extras, pre-releases that nothing names).
pub async fn resolve(
    request: &Request,
    source: &dyn Source,
    preferences: Option<&Lock>,
    events: Events<'_>,
) -> Result<Lock, ResolveError> {
    check(request)?;
    let amendments = Arc::new(Amendments::of(request)?);
    let rules = Rules::of(request, Arc::clone(&amendments), source.builds())
        .map_err(|BadTime(text)| ResolveError::ExcludeNewer(text))?;
    let begin = || Solver::new(request, Arc::clone(&amendments), preferred(preferences));
    let known = Arc::clone(&amendments);
    let mut prefetch = Prefetch::new(request, rules, known, source, preferences);
    let mut solver = begin();
    let found = loop {
        prefetch.begin(solver.asked.iter().map(|(_, need)| need.clone()));
        let found = search(&mut solver, &mut prefetch, events).await;
        if !matches!(found, Ok(Found::Failed(_))) || !prefetch.withheld() {
            break found;
        }
        // Nothing fits but what nobody asked for; both searches together have the steps of one.
        prefetch.let_prereleases_in();
        let max_steps = solver.steps_left();
        solver = begin();
        solver.max_steps = max_steps;
    };
    let chosen = match found {
        Ok(Found::Solved(chosen)) => chosen,
        Ok(Found::Failed(failure)) => {
            let explanation = explain(&solver, failure, request);
            let hints = relax::hints(request, &explanation, &mut prefetch, preferences).await;
            let mut fault = explanation.fault;
            fault.hints.extend(hints);
            return Err(ResolveError::Unsatisfiable(Box::new(fault)));
        }
        Err(Halt::Limit(limit)) => return Err(too_hard(&solver, &prefetch, limit)),
        Err(Halt::Index(question, error)) => {
            return Err(unanswered(&amendments, &question, error));
        }
    };
    drop(prefetch);
    let needs = chosen.iter().map(|one| needs(request, &amendments, one));
    let needs: Vec<Vec<PackageName>> = needs.collect();
    // Before anything is downloaded or built to be refused.
    if let Some(fault) = hashes::check(request, &amendments, &chosen, &needs) {
        return Err(ResolveError::Unsatisfiable(Box::new(fault)));
    }
    for message in warnings(&chosen, request.options.prerelease) {
        events(Event::Warning { message });
    }
    let taken = take(request, source, &chosen).await?;
    Ok(lock(request, &chosen, needs, taken))
}

/// What no index is needed to refuse.
fn check(request: &Request) -> Result<(), ResolveError> {
    if let Some(bound) = &request.requires_python
        && !python_fits(bound, request.target.python.full())
    {
        return Err(ResolveError::Python {
            bound: show(bound),
            python: request.target.python.to_string(),
        });
    }
    Ok(())
}

/// Which versions a lock would rather keep.
pub(super) fn preferred(lock: Option<&Lock>) -> BTreeMap<PackageName, pep440_rs::Version> {
    let packages = lock.into_iter().flat_map(|lock| &lock.packages);
    packages
        .map(|(name, package)| (name.clone(), package.version.clone()))
        .collect()
}

/// What the index did wrong, with who named the address if one did.
fn unanswered(amendments: &Amendments, question: &Question, error: IndexError) -> ResolveError {
    let name = question.name();
    match amendments.origin_of_address(name) {
        None => ResolveError::Index(error),
        Some(origin) => ResolveError::Address {
            name: name.clone(),
            origin: Box::new(origin.clone()),
            source: error,
        },
    }
}

fn too_hard(solver: &Solver, prefetch: &Prefetch<'_>, limit: Limit) -> ResolveError {
    let mut hot: Vec<(u32, &PackageName)> = solver
        .packages
        .iter()
        .filter_map(|(id, package)| {
            Some((
                package.conflicts,
                package.name().filter(|_| package.base == id)?,
            ))
        })
        .filter(|(conflicts, _)| *conflicts > 0)
        .collect();
    hot.sort_by(|one, two| two.0.cmp(&one.0).then(one.1.cmp(two.1)));
    ResolveError::TooHard {
        limit,
        packages: prefetch.known(),
        versions: prefetch.visited(),
        decisions: solver.decisions,
        conflicts: solver.conflicts,
        hot: hot
            .into_iter()
            .take(3)
            .map(|(_, name)| name.clone())
            .collect(),
    }
}

/// What the user should know of an answer.
fn warnings(chosen: &[Chosen], prerelease: Prerelease) -> Vec<String> {
    let mut messages = Vec::new();
    for one in chosen {
        let (name, candidate) = (&one.name, &one.candidates.versions[one.candidate]);
        let version = &candidate.version;
        match candidate.yanked.as_deref().map(str::trim) {
            Some("") => messages.push(format!("`{name}` {version} is yanked; no reason is given")),
            Some(reason) => messages.push(format!("`{name}` {version} is yanked: {reason}")),
            None => {}
        }
        for extra in &one.extras {
            if !one.metadata.provides_extra.contains(extra) {
                messages.push(format!("`{name}` {version} has no extra `{extra}`"));
            }
        }
        messages.extend(standing(one));
        let others = &one.candidates.versions;
        let has_stable = others.iter().any(|other| !other.version.any_prerelease());
        let by_need = prerelease == Prerelease::IfNecessaryOrExplicit && !one.prerelease_named;
        if version.any_prerelease() && by_need && has_stable {
            messages.push(format!(
                "`{name}` {version} is a pre-release: no release fits"
            ));
        }
    }
    messages.sort();
    messages
}

/// What the index says of a project that is no longer active (PEP 792).
fn standing(one: &Chosen) -> Option<String> {
    let status = one.candidates.project().status.as_ref()?;
    let what = match status.standing {
        Standing::Archived => "is archived: no more releases are to be expected",
        Standing::Deprecated => "is deprecated: another project should take its place",
        Standing::Quarantined => return None,
    };
    let reason = status.reason.trim();
    Some(if reason.is_empty() {
        format!("`{}` {what}", one.name)
    } else {
        format!("`{}` {what} ({reason})", one.name)
    })
}

/// What stands in the lock for a version: its wheel, and what that was built from.
type Taken = (LockedWheel, Option<LockedSdist>);

/// The files of what was chosen, in its order; the source finds out the digests that the index does
/// not say, and builds what has no wheel.
async fn take(
    request: &Request,
    source: &dyn Source,
    chosen: &[Chosen],
) -> Result<Vec<Taken>, ResolveError> {
    let taken = chosen.iter().map(async |one| {
        let file = one.candidates.file(one.candidate);
        let sha256 = match file.sha256 {
            Some(digest) => digest,
            None => source.digest(file).await?,
        };
        match &one.candidates.versions[one.candidate].artifact {
            Artifact::Wheel(filename) => Ok((published(filename, file, sha256), None)),
            Artifact::Sdist => {
                let project = one.candidates.project();
                let built = source.build(project, file).await;
                let wheel = built.map_err(ResolveError::Build)?;
                check_built(request, one, &wheel)?;
                Ok((wheel, Some(source_of(file, sha256))))
            }
        }
    });
    try_join_all(taken).await
}

fn published(filename: &WheelFilename, file: &File, sha256: Sha256) -> LockedWheel {
    LockedWheel {
        filename: filename.clone(),
        url: file.url.clone(),
        sha256,
        size: file.size,
        upload_time: file.upload_time.clone(),
    }
}

fn source_of(file: &File, sha256: Sha256) -> LockedSdist {
    LockedSdist {
        filename: file.filename.clone(),
        url: file.url.clone(),
        sha256,
        size: file.size,
        upload_time: file.upload_time.clone(),
    }
}

/// A build may give anything.
fn check_built(request: &Request, one: &Chosen, wheel: &LockedWheel) -> Result<(), ResolveError> {
    let (name, filename) = (&one.name, &wheel.filename);
    let version = &one.candidates.versions[one.candidate].version;
    let problem = if filename.name() != name || filename.version() != version {
        format!("is that of `{}` {}", filename.name(), filename.version())
    } else if Tags::of(&request.target).rank(filename).is_none() {
        format!("does not fit {}", request.target)
    } else {
        return Ok(());
    };
    let message = format!("the wheel that `{name}` {version} is built into {problem}");
    let fault = Fault::new(Code::SDIST_BUILD, message).cause(format!("it is `{filename}`"));
    Err(ResolveError::Build(Box::new(fault)))
}

/// The packages that a version needs with the extras that are asked of it, sorted.
fn needs(request: &Request, amendments: &Amendments, one: &Chosen) -> Vec<PackageName> {
    let markers = request.target.markers();
    let mut needs: Vec<PackageName> = std::iter::once(None)
        .chain(one.extras.iter().map(Some))
        .filter_map(|extra| amendments.needs(&one.metadata, extra, &markers).ok())
        .flatten()
        .map(|need| need.name)
        .filter(|name| *name != one.name)
        .collect();
    needs.sort();
    needs.dedup();
    needs
}

fn lock(
    request: &Request,
    chosen: &[Chosen],
    needs: Vec<Vec<PackageName>>,
    taken: Vec<Taken>,
) -> Lock {
    let packages = chosen.iter().zip(needs).zip(taken);
    let packages =
        packages.map(|((one, needs), taken)| (one.name.clone(), locked(one, needs, taken)));
    Lock {
        target: request.target.clone(),
        packages: packages.collect(),
        resolved: None,
        exclude_newer: request.options.exclude_newer.clone(),
    }
}

fn locked(one: &Chosen, dependencies: Vec<PackageName>, (wheel, sdist): Taken) -> LockedPackage {
    let index = if one.candidates.file(one.candidate).linked {
        String::new()
    } else {
        one.candidates.project().index.clone()
    };
    LockedPackage {
        version: one.candidates.versions[one.candidate].version.clone(),
        // The wheel that is built says itself what it says.
        metadata: sdist.is_none().then(|| one.metadata.digest()),
        wheel,
        sdist,
        index,
        requires_python: one.metadata.requires_python.as_ref().map(show),
        dependencies,
    }
}
