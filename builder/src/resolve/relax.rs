//! What would help: each bound of the user that a conflict speaks of is left out in turn, and the
//! rest is solved.
//!
//! In: a request that has no answer, the bounds. Out: hints that say which versions would come out.
//! Never: a guess: a hint stands for an answer that was found. Builds nothing, and asks the index for
//! little more than it was asked already.

use std::sync::Arc;

use pep508_rs::PackageName;
use pyrun_core::{Lock, Request};

use super::amendments::Amendments;
use super::driver::preferred;
use super::explain::Explanation;
use super::phrases::list;
use super::prefetch::Prefetch;
use super::search::{Found, search};
use super::solver::{Chosen, Solver};
use super::spoken::bare;

/// So many bounds are tried.
const MAX_BOUNDS: usize = 4;
/// The bound on questions to the index of each try.
const MAX_QUESTIONS: usize = 100;
/// The bound on decisions and conflicts of each try.
const MAX_STEPS: u64 = 3_000;
/// So many packages of an answer are named.
const MAX_NAMED: usize = 4;

/// A bound of the user, by its place in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The specifiers of a requirement.
    Asked(usize),
    /// A constraint.
    Constraint(usize),
}

/// Hints for a conflict: for each bound without which there is an answer, the answer.
pub(super) async fn hints(
    request: &Request,
    explanation: &Explanation,
    prefetch: &mut Prefetch<'_>,
    preferences: Option<&Lock>,
) -> Vec<String> {
    let bounds = &explanation.bounds;
    if bounds.len() > MAX_BOUNDS {
        return Vec::new();
    }
    let mut hints = Vec::new();
    let mut all_are_told = true;
    for bound in bounds {
        let relaxed = without(request, *bound);
        prefetch.set_tries(Some(MAX_QUESTIONS));
        let found = attempt(&relaxed, prefetch, preferences).await;
        prefetch.set_tries(None);
        match found {
            Some(Found::Solved(chosen)) => {
                let name = &requirement(request, *bound).spec.name;
                let versions = versions(&chosen, name, &explanation.names);
                hints.push(format!("loosen {}: {versions}", shown(request, *bound)));
            }
            Some(Found::Failed(_)) => {}
            None => all_are_told = false,
        }
    }
    if hints.is_empty() && all_are_told && bounds.len() > 1 {
        hints.push("to loosen one of them alone is not enough".to_owned());
    }
    hints
}

/// `None` when that would take too long, or the index does not answer.
async fn attempt(
    request: &Request,
    prefetch: &mut Prefetch<'_>,
    preferences: Option<&Lock>,
) -> Option<Found> {
    let amendments = Arc::new(Amendments::of(request).ok()?);
    let mut solver = Solver::new(request, amendments, preferred(preferences));
    solver.max_steps = MAX_STEPS;
    search(&mut solver, prefetch, &|_| {}).await.ok()
}

fn without(request: &Request, bound: Bound) -> Request {
    let mut request = request.clone();
    match bound {
        Bound::Asked(place) => request.requirements[place].spec.version_or_url = None,
        Bound::Constraint(place) => drop(request.options.constraints.remove(place)),
    }
    request
}

fn requirement(request: &Request, bound: Bound) -> &pyrun_core::Requirement {
    match bound {
        Bound::Asked(place) => &request.requirements[place],
        Bound::Constraint(place) => &request.options.constraints[place],
    }
}

/// A bound as the user wrote it.
fn shown(request: &Request, bound: Bound) -> String {
    let text = bare(requirement(request, bound));
    match bound {
        Bound::Asked(_) => text,
        Bound::Constraint(_) => format!("the constraint {text}"),
    }
}

/// "`b` 2.0 goes with `a` 1.0": the package that was bound, and those that the conflict is about.
fn versions(chosen: &[Chosen], name: &PackageName, others: &[PackageName]) -> String {
    let version = |name: &PackageName| {
        let one = chosen.iter().find(|one| one.name == *name)?;
        let version = &one.candidates.versions[one.candidate].version;
        Some(format!("`{name}` {version}"))
    };
    let others = others.iter().filter(|other| *other != name);
    let others: Vec<String> = others.filter_map(version).take(MAX_NAMED - 1).collect();
    match (version(name), others.is_empty()) {
        (Some(own), true) => format!("{own} can be used"),
        (Some(own), false) => format!("{own} goes with {}", list(others)),
        // What had the bound is not needed any more.
        (None, true) => "then there is an answer".to_owned(),
        (None, false) => format!("{} can be used, without `{name}`", list(others)),
    }
}
