//! Leaves out of an explanation what it does not need.
//!
//! A proof may lean on facts that another of its facts makes idle. Each fact is left out in turn;
//! if the rest still contradict each other, which a search over them alone tells, it stays out.

use super::choices::Choices;
use super::explain::{Fact, Why};
use super::incompatibility::Cause;
use super::packages::PackageId;
use super::solver::Solver;

/// Above this many facts nobody reads them all, and trying each would take long.
const MAX_FACTS: usize = 64;
/// The bound on each search.
const MAX_DECISIONS: usize = 2_000;

/// The facts without those that are not needed, in the order in which they came.
pub(super) fn minimal(solver: &Solver, mut facts: Vec<Fact>) -> Vec<Fact> {
    if facts.len() > MAX_FACTS {
        return facts;
    }
    debug_assert_ne!(
        contradict(solver, &facts),
        Some(false),
        "an explanation proves what it explains"
    );
    // The farthest from the user go first: what they wrote themselves they know best.
    for place in (0..facts.len()).rev() {
        let fact = facts.remove(place);
        if contradict(solver, &facts) != Some(true) {
            facts.insert(place, fact);
        }
    }
    facts
}

/// Whether no choice of versions satisfies all facts; `None` when that takes too long to tell.
fn contradict(solver: &Solver, facts: &[Fact]) -> Option<bool> {
    let mut search = solver.without_facts();
    for fact in facts {
        match fact {
            Fact::Need(fact) => {
                let unmet = fact.allowed.complement();
                let project = search.packages.get(fact.need.target).base;
                let cause = || Cause::Needs(fact.need.clone());
                for target in [fact.need.target, project] {
                    let dependent = (fact.need.dependent, fact.versions.clone());
                    search.add([dependent, (target, unmet.clone())], cause());
                }
            }
            Fact::Out {
                package,
                versions,
                why,
            } => {
                let cause = match why {
                    Why::Constraint(place) => Cause::Constraint(*place),
                    Why::Python(problem) => Cause::Unusable(problem.as_str().into()),
                    Why::Unusable(problem) => Cause::Unusable(problem.clone()),
                };
                search.add([(*package, versions.clone())], cause);
            }
        }
    }
    for _ in 0..MAX_DECISIONS {
        if search.propagate().is_some() {
            return Some(true);
        }
        let Some(package) = search.next_package() else {
            return Some(false);
        };
        search.decide(package, search.best_candidate(package));
    }
    None
}

impl Solver {
    /// A search over the same packages in which nothing is known yet, and nothing is asked.
    fn without_facts(&self) -> Self {
        let mut search = Self::empty(self.settings.clone());
        search.packages = self.packages.clone();
        search.index = search.packages.iter().map(|_| Vec::new()).collect();
        let extras: Vec<(PackageId, PackageId, usize)> = search
            .packages
            .iter()
            .filter(|(id, package)| package.base != *id)
            .map(|(id, package)| (id, package.base, package.len()))
            .collect();
        search.add([(PackageId::ROOT, Choices::absent(1))], Cause::Root);
        for (extra, project, count) in extras {
            search.tie(extra, project, count);
        }
        search
    }
}
