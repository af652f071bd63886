//! Runs the solver against an index.
//!
//! In: a request, a source of pages and metadata, perhaps an older lock. Out: a lock, or why there
//! is none. Never: reads the clock (the lock's `resolved` is left for the caller).

use std::collections::BTreeMap;

use futures::future::try_join_all;
use pep508_rs::{PackageName, VersionOrUrl};
use pyrun_core::request::Prerelease;
use pyrun_core::{Event, Events, Lock, LockedPackage, LockedWheel, Phase, Request, Sha256};

use super::candidates::{BadTime, Rules};
use super::dependencies;
use super::error::ResolveError;
use super::explain::explain;
use super::prefetch::{Prefetch, Question};
use super::solver::{Chosen, Solver, Step};
use super::specifiers::{python_fits, show};
use crate::index::Source;

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
    let rules = Rules::of(request).map_err(|BadTime(text)| ResolveError::ExcludeNewer(text))?;
    let mut solver = Solver::new(request, preferred(preferences));
    let mut prefetch = Prefetch::new(request, rules, source, preferences);
    prefetch.begin(solver.asked.iter().map(|(_, need)| need.clone()));
    loop {
        match solver.step() {
            Step::Projects(names) => {
                for name in &names {
                    prefetch.ask_first(Question::Project(name.clone()));
                }
                for name in names {
                    let page = prefetch.project(&name).await?;
                    solver.add_project(name, page);
                }
            }
            Step::Metadata {
                name,
                candidate,
                likely,
            } => {
                for other in likely {
                    prefetch.ask(Question::Metadata(name.clone(), other));
                }
                let metadata = prefetch.metadata(&name, candidate).await?;
                events(Event::Progress {
                    phase: Phase::Resolve,
                    done: prefetch.visited(),
                    total: 0,
                    item: name.to_string(),
                });
                solver.add_metadata(name, candidate, metadata);
            }
            Step::Solved(chosen) => {
                for message in warnings(&chosen, request.options.prerelease) {
                    events(Event::Warning { message });
                }
                let digests = digests(source, &chosen).await?;
                return Ok(lock(request, &chosen, digests));
            }
            Step::Failed(failure) => {
                let fault = explain(&solver, failure, request);
                return Err(ResolveError::Unsatisfiable(Box::new(fault)));
            }
            Step::TooHard => return Err(too_hard(&solver)),
        }
    }
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
    let markers = request.target.markers();
    let by_address = request.requirements.iter().find(|requirement| {
        matches!(requirement.spec.version_or_url, Some(VersionOrUrl::Url(_)))
            && requirement.spec.evaluate_markers(&markers, &[])
    });
    match by_address {
        None => Ok(()),
        Some(requirement) => Err(ResolveError::ByAddress {
            name: requirement.spec.name.clone(),
            origin: Box::new(requirement.origin.clone()),
        }),
    }
}

fn preferred(lock: Option<&Lock>) -> BTreeMap<PackageName, pep440_rs::Version> {
    let packages = lock.into_iter().flat_map(|lock| &lock.packages);
    packages
        .map(|(name, package)| (name.clone(), package.version.clone()))
        .collect()
}

fn too_hard(solver: &Solver) -> ResolveError {
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
        packages: solver.packages.iter().count() - 1,
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

/// The digests of what was chosen, in its order; the source finds out those that the index does
/// not say.
async fn digests(source: &dyn Source, chosen: &[Chosen]) -> Result<Vec<Sha256>, ResolveError> {
    let digests = chosen.iter().map(async |one| {
        let file = one.candidates.file(one.candidate);
        match file.sha256 {
            Some(digest) => Ok(digest),
            None => source.digest(file).await,
        }
    });
    Ok(try_join_all(digests).await?)
}

fn lock(request: &Request, chosen: &[Chosen], digests: Vec<Sha256>) -> Lock {
    let packages = chosen
        .iter()
        .zip(digests)
        .map(|(one, sha256)| (one.name.clone(), locked(request, one, sha256)));
    Lock {
        target: request.target.clone(),
        packages: packages.collect(),
        resolved: None,
    }
}

fn locked(request: &Request, one: &Chosen, sha256: Sha256) -> LockedPackage {
    let candidate = &one.candidates.versions[one.candidate];
    let file = one.candidates.file(one.candidate);
    let markers = request.target.markers();
    let mut dependencies: Vec<PackageName> = std::iter::once(None)
        .chain(one.extras.iter().map(Some))
        .filter_map(|extra| dependencies::of(&one.metadata, extra, &markers).ok())
        .flatten()
        .map(|need| need.name)
        .filter(|name| *name != one.name)
        .collect();
    dependencies.sort();
    dependencies.dedup();
    LockedPackage {
        version: candidate.version.clone(),
        wheel: LockedWheel {
            filename: candidate.wheel.clone(),
            url: file.url.clone(),
            sha256,
            size: file.size,
            upload_time: file.upload_time.clone(),
        },
        index: one.candidates.project().index.clone(),
        requires_python: one.metadata.requires_python.as_ref().map(show),
        sdist: None,
        dependencies,
    }
}
