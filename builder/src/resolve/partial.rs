//! The partial solution: what has been decided and derived so far, in order.

use super::choices::Choices;
use super::incompatibility::{Incompatibility, IncompatibilityId};
use super::packages::PackageId;

/// What one assignment made of a package.
#[derive(Debug)]
struct Assignment {
    /// Its place among all assignments.
    order: u32,
    /// The number of decisions before or with it.
    level: u32,
    /// What it was derived from; `None` for a decision.
    cause: Option<IncompatibilityId>,
    /// What the package may be after it.
    choices: Choices,
}

/// Decisions and derivations, in order.
#[derive(Debug, Default)]
pub(super) struct PartialSolution {
    packages: Vec<History>,
    trail: Vec<PackageId>,
    level: u32,
}

#[derive(Debug, Default)]
struct History {
    assignments: Vec<Assignment>,
    decided: Option<usize>,
}

/// How an incompatibility stands to the partial solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// All terms hold: a conflict.
    Satisfied,
    /// All terms hold but the one at this place, which is open.
    AlmostSatisfied(usize),
    /// Some term can't hold any more.
    Contradicted,
    /// Several terms are open.
    Open,
}

/// Where and why an incompatibility came to be satisfied.
#[derive(Debug)]
pub(super) struct Satisfier {
    /// The package of the assignment that satisfied it.
    pub(super) package: PackageId,
    /// What the assignment was derived from; `None` for a decision.
    pub(super) cause: Option<IncompatibilityId>,
    /// The assignment's level.
    pub(super) level: u32,
    /// The level at which everything else that satisfies it was there.
    pub(super) previous_level: u32,
    place: usize,
}

impl PartialSolution {
    /// How many decisions stand.
    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// What the package may be; `None` while nothing is known of it.
    pub(super) fn choices(&self, package: PackageId) -> Option<&Choices> {
        let history = self.packages.get(package.index())?;
        history.assignments.last().map(|last| &last.choices)
    }

    /// The candidate that was decided for the package.
    pub(super) fn decided(&self, package: PackageId) -> Option<usize> {
        self.packages.get(package.index())?.decided
    }

    /// Decides a package.
    pub(super) fn decide(&mut self, package: PackageId, candidate: usize, candidates: usize) {
        self.level += 1;
        self.push(package, None, Choices::one(candidates, candidate));
        self.packages[package.index()].decided = Some(candidate);
    }

    /// Notes that a term of an incompatibility must not hold.
    pub(super) fn derive(&mut self, package: PackageId, term: &Choices, cause: IncompatibilityId) {
        let opposite = term.complement();
        let choices = match self.choices(package) {
            Some(known) => known.intersection(&opposite),
            None => opposite,
        };
        debug_assert!(!choices.is_empty(), "only an open term is derived from");
        self.push(package, Some(cause), choices);
    }

    fn push(&mut self, package: PackageId, cause: Option<IncompatibilityId>, choices: Choices) {
        if self.packages.len() <= package.index() {
            self.packages
                .resize_with(package.index() + 1, History::default);
        }
        let order = u32::try_from(self.trail.len()).expect("fewer assignments than 2^32");
        self.trail.push(package);
        self.packages[package.index()].assignments.push(Assignment {
            order,
            level: self.level,
            cause,
            choices,
        });
    }

    /// Takes back everything above a level.
    pub(super) fn backtrack(&mut self, level: u32) {
        while let Some(package) = self.trail.last() {
            let history = &mut self.packages[package.index()];
            let last = history
                .assignments
                .last()
                .expect("the trail lists every assignment");
            if last.level <= level {
                break;
            }
            if last.cause.is_none() {
                history.decided = None;
            }
            history.assignments.pop();
            self.trail.pop();
        }
        self.level = level;
    }

    /// How an incompatibility stands.
    pub(super) fn relation(&self, incompatibility: &Incompatibility) -> Relation {
        let mut open = None;
        for (place, (package, term)) in incompatibility.terms.iter().enumerate() {
            match self.choices(*package) {
                Some(choices) if choices.is_subset(term) => {}
                Some(choices) if choices.is_disjoint(term) => return Relation::Contradicted,
                _ if open.is_some() => return Relation::Open,
                _ => open = Some(place),
            }
        }
        open.map_or(Relation::Satisfied, Relation::AlmostSatisfied)
    }

    /// Whether all terms but the one of `package` hold.
    pub(super) fn holds_without(
        &self,
        incompatibility: &Incompatibility,
        package: PackageId,
    ) -> bool {
        incompatibility.terms.iter().all(|(other, term)| {
            *other == package
                || self
                    .choices(*other)
                    .is_some_and(|choices| choices.is_subset(term))
        })
    }

    /// The assignment that made a satisfied incompatibility satisfied. `causes` gives the term of
    /// a package in the incompatibility that an assignment was derived from.
    ///
    /// `None` when it has no terms.
    pub(super) fn satisfier<'a>(
        &self,
        incompatibility: &Incompatibility,
        causes: impl Fn(IncompatibilityId, PackageId) -> &'a Choices,
    ) -> Option<Satisfier> {
        let mut found: Option<Satisfier> = None;
        let mut latest = 0;
        for (package, term) in &incompatibility.terms {
            let assignments = &self.packages[package.index()].assignments;
            let place = assignments.partition_point(|step| !step.choices.is_subset(term));
            let step = &assignments[place];
            let (cause, level, package) = (step.cause, step.level, *package);
            match &mut found {
                Some(known) if latest > step.order => {
                    known.previous_level = known.previous_level.max(level);
                }
                _ => {
                    let previous_level = found.map_or(0, |known| known.level);
                    latest = step.order;
                    found = Some(Satisfier {
                        package,
                        cause,
                        level,
                        previous_level,
                        place,
                    });
                }
            }
        }
        let mut found = found?;
        if let Some(cause) = found.cause {
            let term = incompatibility
                .term(found.package)
                .expect("its package has a term");
            let alone = causes(cause, found.package).complement();
            if !alone.is_subset(term) {
                // The assignment needs help from earlier ones of its own package.
                let earlier = &self.packages[found.package.index()].assignments[..found.place];
                let place = earlier
                    .partition_point(|step| !step.choices.intersection(&alone).is_subset(term));
                found.previous_level = found.previous_level.max(earlier[place].level);
            }
        }
        Some(found)
    }
}
