//! The solver: `PubGrub` as a machine that is fed facts and says what it needs next.
//!
//! In: requirements, pages and metadata. Out: one exact version for each package that is needed,
//! or the incompatibility that shows there is none. Never: I/O, a clock, recursion, or an answer
//! that depends on the order in which facts arrive: they are taken up in the order in which the
//! solver itself comes to need them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pep440_rs::Version;
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName};
use pyrun_core::Request;
use pyrun_core::request::{Prerelease, Resolution};

use super::amendments::Amendments;
use super::candidates::Candidates;
use super::choices::Choices;
use super::dependencies::Dependency;
use super::error::Limit;
use super::incompatibility::{Cause, IncompatibilityId, Need, Store};
use super::packages::{Package, PackageId, Packages};
use super::partial::PartialSolution;
use crate::index::Metadata;

/// The bound on decisions and conflicts together. Real sets of requirements stay below a
/// thousand; the bound ends those that are made to be hard.
const MAX_STEPS: u64 = 200_000;
/// The bound on incompatibilities, which bounds memory.
const MAX_INCOMPATIBILITIES: usize = 3_000_000;
/// The bound on the bytes that they take.
const MAX_BYTES: usize = 768 << 20;
/// A package that stood in this many conflicts is decided before those that did not.
const CONFLICTS_UNTIL_FIRST: u32 = 5;

/// What the solver wants next.
#[derive(Debug)]
pub(super) enum Step {
    /// The pages of these projects.
    Projects(Vec<PackageName>),
    /// The metadata of a candidate. The others are likely to be next.
    Metadata {
        /// Of which project.
        name: PackageName,
        /// Of which candidate.
        candidate: usize,
        /// Candidates that will be asked for if this one is of no use.
        likely: Vec<usize>,
    },
    /// Nothing: here is the answer.
    Solved(Vec<Chosen>),
    /// Nothing: there is no answer, because of this.
    Failed(IncompatibilityId),
    /// Nothing: it has gone on for too long, or has learned more than fits.
    TooHard(Limit),
}

/// A package of the answer.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its name.
    pub(super) name: PackageName,
    /// Which candidate.
    pub(super) candidate: usize,
    /// All candidates.
    pub(super) candidates: Arc<Candidates>,
    /// Its metadata.
    pub(super) metadata: Arc<Metadata>,
    /// The extras that something needs of it.
    pub(super) extras: Vec<ExtraName>,
    /// Whether something names a pre-release of it.
    pub(super) prerelease_named: bool,
}

/// What a search is told once.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The target's marker environment.
    pub(super) markers: MarkerEnvironment,
    /// The target's Python.
    pub(super) python: Version,
    prerelease: Prerelease,
    resolution: Resolution,
    preferences: BTreeMap<PackageName, Version>,
    /// What stands beside the requirements.
    pub(super) amendments: Arc<Amendments>,
}

/// One search for exact versions.
#[derive(Debug)]
pub(super) struct Solver {
    pub(super) settings: Settings,
    pub(super) packages: Packages,
    pub(super) store: Store,
    pub(super) partial: PartialSolution,
    /// The incompatibilities that speak of each package, by package.
    pub(super) index: Vec<Vec<IncompatibilityId>>,
    /// Incompatibilities that can't be satisfied before the level at their side is taken back.
    pub(super) contradicted: Vec<bool>,
    pub(super) contradictions: Vec<(u32, IncompatibilityId)>,
    /// Packages of which something changed since their incompatibilities were looked at.
    pub(super) changed: Vec<PackageId>,
    pub(super) needs: HashMap<Need, IncompatibilityId>,
    /// Which extras are tied to which candidate of their project.
    pub(super) bound: HashSet<(PackageId, usize)>,
    pub(super) allowed: HashMap<(PackageId, String), Choices>,
    pub(super) pages: HashMap<PackageName, Arc<Candidates>>,
    pub(super) metadata: HashMap<(PackageName, usize), Result<Arc<Metadata>, Arc<str>>>,
    /// What the user asks for, each with its place in the request.
    pub(super) asked: Vec<(usize, Dependency)>,
    pub(super) conflicts: u64,
    pub(super) decisions: u64,
    /// The bound on decisions and conflicts together.
    pub(super) max_steps: u64,
}

impl Solver {
    /// A search that has not begun.
    pub(super) fn new(
        request: &Request,
        amendments: Arc<Amendments>,
        preferences: BTreeMap<PackageName, Version>,
    ) -> Self {
        let asked = amendments.asked(request);
        let mut solver = Self::empty(Settings {
            markers: request.target.markers(),
            python: request.target.python.full().clone(),
            prerelease: request.options.prerelease,
            resolution: request.options.resolution,
            preferences,
            amendments,
        });
        solver.asked = asked;
        solver.add([(PackageId::ROOT, Choices::absent(1))], Cause::Root);
        solver
    }

    /// A search in which nothing is known and nothing is asked.
    pub(super) fn empty(settings: Settings) -> Self {
        Self {
            settings,
            packages: Packages::new(),
            store: Store::default(),
            partial: PartialSolution::default(),
            index: vec![Vec::new()],
            contradicted: Vec::new(),
            contradictions: Vec::new(),
            changed: vec![PackageId::ROOT],
            needs: HashMap::new(),
            bound: HashSet::new(),
            allowed: HashMap::new(),
            pages: HashMap::new(),
            metadata: HashMap::new(),
            asked: Vec::new(),
            conflicts: 0,
            decisions: 0,
            max_steps: MAX_STEPS,
        }
    }

    /// Feeds a page.
    pub(super) fn add_project(&mut self, name: PackageName, candidates: Arc<Candidates>) {
        self.pages.insert(name, candidates);
    }

    /// Feeds metadata, or why a candidate's metadata can't be used.
    pub(super) fn add_metadata(
        &mut self,
        name: PackageName,
        candidate: usize,
        metadata: Result<Arc<Metadata>, Arc<str>>,
    ) {
        self.metadata.insert((name, candidate), metadata);
    }

    /// Goes on until something is needed or nothing is left to do.
    pub(super) fn step(&mut self) -> Step {
        loop {
            if let Some(failure) = self.propagate() {
                return Step::Failed(failure);
            }
            if let Some(limit) = self.limit() {
                return Step::TooHard(limit);
            }
            let Some(package) = self.next_package() else {
                return Step::Solved(self.solution());
            };
            let candidate = self.best_candidate(package);
            let added = if self.packages.get(package).expanded.contains(candidate) {
                Vec::new()
            } else {
                match self.expand(package, candidate) {
                    Ok(added) => added,
                    Err(wanted) => return wanted,
                }
            };
            // What can't be decided is better learned from its own dependencies than from a
            // decision that is taken back at once.
            let clashes = added
                .iter()
                .any(|id| self.partial.holds_without(self.store.get(*id), package));
            if clashes {
                self.changed.push(package);
            } else {
                self.decisions += 1;
                self.decide(package, candidate);
            }
        }
    }

    /// How many steps are left.
    pub(super) fn steps_left(&self) -> u64 {
        self.max_steps
            .saturating_sub(self.conflicts + self.decisions)
    }

    /// The bound that the search has reached.
    fn limit(&self) -> Option<Limit> {
        if self.conflicts + self.decisions > self.max_steps {
            Some(Limit::Steps)
        } else if self.store.len() > MAX_INCOMPATIBILITIES || self.store.bytes() > MAX_BYTES {
            Some(Limit::Learned)
        } else {
            None
        }
    }

    /// Decides for a candidate of a package.
    pub(super) fn decide(&mut self, package: PackageId, candidate: usize) {
        let candidates = self.packages.get(package).len();
        self.partial.decide(package, candidate, candidates);
        self.bind_extras(package, candidate);
        self.changed.push(package);
    }

    /// The undecided package that is decided next: first those that conflict often, then those of
    /// which nothing has to be built, then those with one choice, then in the order in which they
    /// were met. A project comes before its extras, which follow its version.
    pub(super) fn next_package(&self) -> Option<PackageId> {
        let open = self.packages.iter().filter_map(|(id, package)| {
            let choices = self.partial.choices(id)?;
            (self.partial.decided(id).is_none() && choices.requires_presence()).then(|| {
                let often = package.conflicts >= CONFLICTS_UNTIL_FIRST;
                let single = choices.count() == 1;
                (!often, self.is_built_next(id, choices), !single, id)
            })
        });
        let (.., id) = open.min()?;
        let base = self.packages.get(id).base;
        Some(match self.partial.decided(base) {
            None => base,
            Some(_) => id,
        })
    }

    /// Whether the version that is likely to be tried first has to be built to learn what it needs.
    /// An exact answer would cost more than it is worth at every step.
    fn is_built_next(&self, package: PackageId, choices: &Choices) -> bool {
        let known = self.packages.get(package);
        if known.name().is_none() {
            return false;
        }
        let mut open = choices.candidates();
        let likely = if self.takes_lowest(self.packages.get(known.base)) {
            open.next()
        } else {
            open.next_back()
        };
        likely.is_some_and(|place| {
            known.candidates.is_built(place) && !known.expanded.contains(place)
        })
    }

    /// Whether the lowest version of a project is preferred.
    fn takes_lowest(&self, project: &Package) -> bool {
        match self.settings.resolution {
            Resolution::Highest => false,
            Resolution::Lowest => true,
            Resolution::LowestDirect => project.direct,
        }
    }

    /// The candidate to try first.
    pub(super) fn best_candidate(&self, package: PackageId) -> usize {
        *self
            .ranked(package, 1)
            .first()
            .expect("propagation leaves no package without a choice")
    }

    /// The candidates to try first, at most so many.
    pub(super) fn ranked(&self, package: PackageId, limit: usize) -> Vec<usize> {
        let choices = self
            .partial
            .choices(package)
            .expect("an undecided package is known");
        let Some(name) = self.packages.get(package).name() else {
            return vec![0];
        };
        let base = self.packages.get(package).base;
        let base = self.packages.get(base);
        let versions = &base.candidates.versions;
        let preferred = self
            .settings
            .preferences
            .get(name)
            .and_then(|version| base.candidates.position(version))
            .filter(|candidate| choices.contains(*candidate));
        let lowest = self.takes_lowest(base);
        let mut ordered: Vec<usize> = choices.candidates().collect();
        if !lowest {
            ordered.reverse();
        }
        if self.settings.prerelease != Prerelease::Allow
            && !self.names_prerelease(self.packages.get(package).base)
        {
            // A stable sort: pre-releases go last and keep their order.
            ordered.sort_by_key(|candidate| versions[*candidate].version.any_prerelease());
        }
        let rest = ordered
            .into_iter()
            .filter(|candidate| Some(*candidate) != preferred);
        preferred.into_iter().chain(rest).take(limit).collect()
    }

    /// Whether something that is decided names a pre-release of the project.
    fn names_prerelease(&self, project: PackageId) -> bool {
        let name = self.packages.get(project).name();
        if name.is_some_and(|name| self.settings.amendments.names_prerelease(name)) {
            return true;
        }
        self.index[project.index()].iter().any(|id| {
            let incompatibility = self.store.get(*id);
            let Cause::Needs(need) = &incompatibility.cause else {
                return false;
            };
            need.names_prerelease
                && need.target == project
                && need.dependent != project
                && self.partial.holds_without(incompatibility, project)
        })
    }

    fn solution(&self) -> Vec<Chosen> {
        let mut chosen = Vec::new();
        for (id, package) in self.packages.iter() {
            let (Some(name), Some(candidate)) = (package.name(), self.partial.decided(id)) else {
                continue;
            };
            if package.base != id {
                continue;
            }
            let metadata = self.metadata.get(&(name.clone(), candidate));
            let Some(Ok(metadata)) = metadata else {
                unreachable!("a version is decided when its metadata is known and good");
            };
            let extras = package
                .extras
                .iter()
                .filter(|extra| self.partial.decided(**extra).is_some());
            let mut extras: Vec<ExtraName> = extras
                .filter_map(|extra| self.packages.get(*extra).extra().cloned())
                .collect();
            extras.sort();
            chosen.push(Chosen {
                name: name.clone(),
                candidate,
                candidates: Arc::clone(&package.candidates),
                metadata: Arc::clone(metadata),
                extras,
                prerelease_named: self.names_prerelease(id),
            });
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_ends_a_search() {
        let request = Request {
            requirements: Vec::new(),
            requires_python: None,
            target: pyrun_core::Target {
                python: "3.12.1".parse().expect("a version"),
                free_threaded: false,
                os: pyrun_core::Os::Musl { major: 1, minor: 2 },
                arch: pyrun_core::Arch::X86_64,
            },
            options: pyrun_core::ResolveOptions::default(),
        };
        let fresh = || {
            let amendments = Amendments::of(&request).expect("nothing is amended");
            Solver::new(&request, Arc::new(amendments), BTreeMap::new())
        };
        let mut solver = fresh();
        solver.max_steps = 0;
        assert!(matches!(solver.step(), Step::TooHard(Limit::Steps)));
        assert!(matches!(fresh().step(), Step::Solved(chosen) if chosen.is_empty()));
    }
}
