//! Unit propagation and conflict resolution.

use super::choices::Choices;
use super::incompatibility::IncompatibilityId;
use super::packages::PackageId;
use super::partial::Relation;
use super::solver::Solver;

impl Solver {
    /// Derives all that follows. `Some` is an incompatibility that can't be avoided.
    pub(super) fn propagate(&mut self) -> Option<IncompatibilityId> {
        while let Some(package) = self.changed.pop() {
            // The newest first: what was learned last cuts most.
            for place in (0..self.index[package.index()].len()).rev() {
                let id = self.index[package.index()][place];
                if self.is_contradicted(id) {
                    continue;
                }
                match self.partial.relation(self.store.get(id)) {
                    Relation::Open => {}
                    Relation::Contradicted => self.mark_contradicted(id),
                    Relation::AlmostSatisfied(term) => self.derive_opposite(id, term),
                    Relation::Satisfied => {
                        if let Some(failure) = self.resolve_conflict(id) {
                            return Some(failure);
                        }
                        break;
                    }
                }
            }
        }
        None
    }

    /// All terms of `id` hold but one, so that one must not.
    fn derive_opposite(&mut self, id: IncompatibilityId, place: usize) {
        let (package, term) = &self.store.get(id).terms[place];
        let package = *package;
        self.partial.derive(package, term, id);
        self.mark_contradicted(id);
        if !self.changed.contains(&package) {
            self.changed.push(package);
        }
    }

    /// Finds out what led to a conflict, takes back what must be, and learns from it. `Some` when
    /// there is nothing to take back.
    fn resolve_conflict(&mut self, conflict: IncompatibilityId) -> Option<IncompatibilityId> {
        self.conflicts += 1;
        let mut current = conflict;
        loop {
            let incompatibility = self.store.get(current);
            if incompatibility.is_terminal() {
                return Some(current);
            }
            let found = self.partial.satisfier(incompatibility, |cause, package| {
                self.cause_term(cause, package)
            });
            let Some(found) = found else {
                return Some(current);
            };
            match found.cause {
                Some(cause) if found.previous_level == found.level => {
                    current = self.store.derive(current, cause, found.package);
                }
                _ => {
                    self.take_back(found.previous_level);
                    if current != conflict {
                        self.file(current);
                    }
                    self.count_conflict(current);
                    self.changed.clear();
                    let terms = &self.store.get(current).terms;
                    let place = terms
                        .iter()
                        .position(|(package, _)| *package == found.package);
                    self.derive_opposite(
                        current,
                        place.expect("the satisfier's package has a term"),
                    );
                    return None;
                }
            }
        }
    }

    fn cause_term(&self, cause: IncompatibilityId, package: PackageId) -> &Choices {
        let incompatibility = self.store.get(cause);
        incompatibility
            .term(package)
            .expect("what a package was derived from speaks of it")
    }

    fn count_conflict(&mut self, learned: IncompatibilityId) {
        for (package, _) in &self.store.get(learned).terms {
            self.packages.get_mut(*package).conflicts += 1;
        }
    }

    fn take_back(&mut self, level: u32) {
        self.partial.backtrack(level);
        while let Some((_, id)) = self.contradictions.pop_if(|(at, _)| *at > level) {
            self.contradicted[id.index()] = false;
        }
    }

    fn is_contradicted(&self, id: IncompatibilityId) -> bool {
        self.contradicted
            .get(id.index())
            .is_some_and(|known| *known)
    }

    fn mark_contradicted(&mut self, id: IncompatibilityId) {
        if self.contradicted.len() <= id.index() {
            self.contradicted.resize(self.store.len(), false);
        }
        self.contradicted[id.index()] = true;
        self.contradictions.push((self.partial.level(), id));
    }
}
