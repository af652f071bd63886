//! The solver: PubGrub as a machine that is fed facts and says what it needs next.
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

use super::candidates::Candidates;
use super::choices::Choices;
use super::dependencies::{self, Dependency};
use super::incompatibility::{Cause, IncompatibilityId, Need, Store};
use super::packages::{PackageId, Packages};
use super::partial::PartialSolution;
use crate::index::Metadata;

/// The bound on decisions and conflicts together. Real sets of requirements stay below a
/// thousand; the bound ends those that are made to be hard.
pub(super) const MAX_STEPS: u64 = 200_000;
/// The bound on incompatibilities, which bounds memory.
const MAX_INCOMPATIBILITIES: usize = 3_000_000;
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
    /// Nothing: it has gone on for too long.
    TooHard,
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

/// One search for exact versions.
#[derive(Debug)]
pub(super) struct Solver {
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
    pub(super) markers: MarkerEnvironment,
    pub(super) python: Version,
    /// What the user asks for, each with its place in the request.
    pub(super) asked: Vec<(usize, Dependency)>,
    pub(super) conflicts: u64,
    pub(super) decisions: u64,
    preferences: BTreeMap<PackageName, Version>,
    prerelease: Prerelease,
    resolution: Resolution,
}

impl Solver {
    /// A search that has not begun. Requirements by address are left out.
    pub(super) fn new(request: &Request, preferences: BTreeMap<PackageName, Version>) -> Self {
        let markers = request.target.markers();
        let mut asked: Vec<(usize, Dependency)> = request
            .requirements
            .iter()
            .enumerate()
            .filter(|(_, requirement)| requirement.spec.evaluate_markers(&markers, &[]))
            .filter_map(|(place, requirement)| {
                Some((place, dependencies::read(&requirement.spec)?))
            })
            .collect();
        asked.sort_by_cached_key(|(_, one)| {
            let specifiers = super::specifiers::show(&one.specifiers);
            (one.name.clone(), specifiers, one.extras.clone())
        });
        let mut solver = Self {
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
            python: request.target.python.full().clone(),
            markers,
            asked,
            conflicts: 0,
            decisions: 0,
            preferences,
            prerelease: request.options.prerelease,
            resolution: request.options.resolution,
        };
        solver.add([(PackageId::ROOT, Choices::absent(1))], Cause::Root);
        solver
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
            if self.conflicts + self.decisions > MAX_STEPS
                || self.store.len() > MAX_INCOMPATIBILITIES
            {
                return Step::TooHard;
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
            self.changed.push(package);
            // What can't be decided is better learned from its own dependencies than from a
            // decision that is taken back at once.
            let clashes = added
                .iter()
                .any(|id| self.partial.holds_without(self.store.get(*id), package));
            if !clashes {
                self.decisions += 1;
                let candidates = self.packages.get(package).len();
                self.partial.decide(package, candidate, candidates);
                self.bind_extras(package, candidate);
            }
        }
    }

    /// The undecided package that is decided next: first those that conflict often, then those
    /// with one choice, then in the order in which they were met. A project comes before its
    /// extras, which follow its version.
    fn next_package(&self) -> Option<PackageId> {
        let open = self.packages.iter().filter_map(|(id, package)| {
            let choices = self.partial.choices(id)?;
            (self.partial.decided(id).is_none() && choices.requires_presence()).then(|| {
                let often = package.conflicts >= CONFLICTS_UNTIL_FIRST;
                let single = choices.count() == 1;
                (!often, !single, id)
            })
        });
        let (.., id) = open.min()?;
        let base = self.packages.get(id).base;
        Some(match self.partial.decided(base) {
            None => base,
            Some(_) => id,
        })
    }

    /// The candidate to try first.
    fn best_candidate(&self, package: PackageId) -> usize {
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
            .preferences
            .get(name)
            .and_then(|version| base.candidates.position(version))
            .filter(|candidate| choices.contains(*candidate));
        let lowest = match self.resolution {
            Resolution::Highest => false,
            Resolution::Lowest => true,
            Resolution::LowestDirect => base.direct,
        };
        let mut ordered: Vec<usize> = choices.candidates().collect();
        if !lowest {
            ordered.reverse();
        }
        if self.prerelease != Prerelease::Allow
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
        self.index[project.index()].iter().any(|id| {
            let incompatibility = self.store.get(*id);
            let Cause::Needs(need) = &incompatibility.cause else {
                return false;
            };
            need.names_prerelease
                && need.target == project
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
