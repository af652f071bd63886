//! From a failure to the facts that it follows from, in the order of a story.
//!
//! In: the incompatibility that can't be avoided. Out: what the user asked for and what versions
//! need, each fact once, each after what brought it. The steps of the proof are left out: people
//! follow facts more easily than clauses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pep508_rs::PackageName;
use pyrun_core::{Fault, Request};

use super::choices::Choices;
use super::incompatibility::{Cause, IncompatibilityId, Need};
use super::minimal::minimal;
use super::packages::PackageId;
use super::relax::Bound;
use super::solver::Solver;
use super::specifiers::show;
use super::verdict::verdict;

/// A failure in words.
#[derive(Debug)]
pub(super) struct Explanation {
    /// The fault, without what could be done about a conflict.
    pub(super) fault: Fault,
    /// The user's own bounds that have a part in a conflict.
    pub(super) bounds: Vec<Bound>,
    /// The packages that it is about, those that the user asks for first.
    pub(super) names: Vec<PackageName>,
}

/// A failure as a fault.
pub(super) fn explain(
    solver: &Solver,
    failure: IncompatibilityId,
    request: &Request,
) -> Explanation {
    let facts = story(solver, facts(solver, failure));
    // What led to a fact that was left out has no place in the story any more.
    let facts = story(solver, minimal(solver, facts));
    verdict(solver, &facts, request)
}

/// Something that the failure follows from.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    /// Versions of a package need something.
    Need(NeedFact),
    /// Versions of a package can't be used.
    Out {
        /// Which package.
        package: PackageId,
        /// Which versions.
        versions: Choices,
        /// Why.
        why: Why,
    },
}

/// Versions of a package need something.
#[derive(Debug, Clone)]
pub(super) struct NeedFact {
    /// Which versions of the dependent.
    pub(super) versions: Choices,
    /// What.
    pub(super) need: Arc<Need>,
    /// The candidates that satisfy it.
    pub(super) allowed: Choices,
}

/// Why versions can't be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// A constraint shuts them out; its place in the request.
    Constraint(usize),
    /// Their metadata excludes the target's Python.
    Python(String),
    /// The end of a sentence about them.
    Unusable(Arc<str>),
}

impl Fact {
    /// The package that it speaks about.
    pub(super) fn subject(&self) -> PackageId {
        match self {
            Self::Need(fact) => fact.need.dependent,
            Self::Out { package, .. } => *package,
        }
    }
}

/// The facts at the leaves of the derivation, those about the same thing merged.
fn facts(solver: &Solver, failure: IncompatibilityId) -> Vec<Fact> {
    let mut needs: Vec<NeedFact> = Vec::new();
    let mut outs: BTreeMap<(PackageId, Why), Choices> = BTreeMap::new();
    for id in leaves(solver, failure) {
        let incompatibility = solver.store.get(id);
        let (only, term) = match incompatibility.terms.first() {
            Some((package, term)) => (*package, term),
            None => continue,
        };
        let why = match &incompatibility.cause {
            Cause::Root | Cause::SameVersion | Cause::Derived(..) => continue,
            Cause::Constraint(place) => Why::Constraint(*place),
            Cause::Python(bound) => Why::Python(show(bound)),
            Cause::Unusable(problem) => Why::Unusable(Arc::clone(problem)),
            Cause::Needs(need) => {
                let versions = incompatibility
                    .term(need.dependent)
                    .expect("its subject has a term");
                add_need(solver, &mut needs, need, versions);
                continue;
            }
        };
        let known = outs.entry((only, why)).or_insert_with(|| term.clone());
        *known = known.union(term);
    }
    drop_implied(solver, &mut needs);
    let outs = outs
        .into_iter()
        .map(|((package, why), versions)| Fact::Out {
            package,
            versions,
            why,
        });
    needs.into_iter().map(Fact::Need).chain(outs).collect()
}

fn add_need(solver: &Solver, needs: &mut Vec<NeedFact>, need: &Arc<Need>, versions: &Choices) {
    if let Some(known) = needs.iter_mut().find(|known| known.need == *need) {
        known.versions = known.versions.union(versions);
        return;
    }
    let base = solver.packages.get(need.target).base;
    let allowed = &solver.allowed[&(base, need.specifiers.clone())];
    needs.push(NeedFact {
        versions: versions.clone(),
        need: Arc::clone(need),
        allowed: allowed.clone(),
    });
}

/// `b[x]` says more than the `b` that stands beside it: of the versions that need both, only the
/// first is told.
fn drop_implied(solver: &Solver, needs: &mut Vec<NeedFact>) {
    let base = |package: PackageId| solver.packages.get(package).base;
    let with_extras: Vec<(Need, Choices)> = needs
        .iter()
        .filter(|fact| base(fact.need.target) != fact.need.target)
        .map(|fact| {
            let target = base(fact.need.target);
            (
                Need {
                    target,
                    ..Need::clone(&fact.need)
                },
                fact.versions.clone(),
            )
        })
        .collect();
    for fact in &mut *needs {
        for (need, versions) in &with_extras {
            if *need == *fact.need {
                fact.versions = fact.versions.intersection(&versions.complement());
            }
        }
    }
    needs.retain(|fact| !fact.versions.is_empty());
}

/// The incompatibilities from outside that a failure was derived from, each once.
fn leaves(solver: &Solver, failure: IncompatibilityId) -> BTreeSet<IncompatibilityId> {
    let mut seen = BTreeSet::from([failure]);
    let mut leaves = BTreeSet::new();
    let mut open = vec![failure];
    while let Some(id) = open.pop() {
        if let Cause::Derived(one, two) = solver.store.get(id).cause {
            open.extend([one, two].into_iter().filter(|id| seen.insert(*id)));
        } else {
            leaves.insert(id);
        }
    }
    leaves
}

/// Facts in the order in which one leads to the next, from what the user asks for.
fn story(solver: &Solver, facts: Vec<Fact>) -> Vec<Fact> {
    let base = |package: PackageId| solver.packages.get(package).base;
    let mut about: BTreeMap<PackageId, Vec<Fact>> = BTreeMap::new();
    for fact in facts {
        about.entry(base(fact.subject())).or_default().push(fact);
    }
    for facts in about.values_mut() {
        facts.sort_by_cached_key(|fact| order(solver, fact));
        // Popped from the end.
        facts.reverse();
    }
    let mut told = Vec::new();
    let mut open = vec![PackageId::ROOT];
    while let Some(package) = open.last().copied() {
        let Some(fact) = about.get_mut(&package).and_then(Vec::pop) else {
            open.pop();
            continue;
        };
        if let Fact::Need(fact) = &fact {
            let target = base(fact.need.target);
            if target != package {
                open.push(target);
            }
        }
        told.push(fact);
    }
    told
}

/// What the user asks for as it stands in the request; the rest by what it is about.
fn order(solver: &Solver, fact: &Fact) -> (usize, String, String) {
    match fact {
        Fact::Need(fact) => (
            fact.need.asked.unwrap_or(0),
            solver.packages.get(fact.need.target).identity.to_string(),
            fact.need.specifiers.clone(),
        ),
        Fact::Out { why, .. } => (usize::MAX, format!("{why:?}"), String::new()),
    }
}
