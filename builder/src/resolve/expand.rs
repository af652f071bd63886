//! Taking up facts: what a version needs becomes incompatibilities.

use std::sync::Arc;

use pep508_rs::PackageName;

use super::amendments::{ByAddress, version_control};
use super::choices::Choices;
use super::dependencies::Dependency;
use super::incompatibility::{Cause, IncompatibilityId, Need};
use super::packages::{Identity, PackageId};
use super::solver::{Solver, Step};
use super::specifiers::{admit, names_prerelease, python_fits, show};

impl Solver {
    /// Adds an incompatibility and files it under its packages.
    pub(super) fn add(
        &mut self,
        terms: impl IntoIterator<Item = (PackageId, Choices)>,
        cause: Cause,
    ) -> Option<IncompatibilityId> {
        let id = self.store.add(terms, cause)?;
        self.file(id);
        Some(id)
    }

    /// Files an incompatibility under its packages, so that propagation finds it.
    pub(super) fn file(&mut self, id: IncompatibilityId) {
        for (package, _) in &self.store.get(id).terms {
            self.index[package.index()].push(id);
        }
    }

    /// Adds what a candidate needs; what it added. `Err` is what must be known first.
    pub(super) fn expand(
        &mut self,
        package: PackageId,
        candidate: usize,
    ) -> Result<Vec<IncompatibilityId>, Step> {
        let needs = match self.needs_of(package, candidate)? {
            Ok(needs) => needs,
            Err(cause) => {
                self.mark_expanded(package, candidate);
                let term = Choices::one(self.packages.get(package).len(), candidate);
                return Ok(self.add([(package, term)], cause).into_iter().collect());
            }
        };
        let mut missing: Vec<PackageName> = needs
            .iter()
            .map(|(_, need)| need.name.clone())
            .filter(|name| !self.pages.contains_key(name))
            .collect();
        missing.dedup();
        if !missing.is_empty() {
            return Err(Step::Projects(missing));
        }
        self.mark_expanded(package, candidate);
        let mut added = Vec::new();
        for (asked, need) in needs {
            self.add_dependency(package, candidate, asked, &need, &mut added);
        }
        Ok(added)
    }

    fn mark_expanded(&mut self, package: PackageId, candidate: usize) {
        self.packages.get_mut(package).expanded.insert(candidate);
    }

    /// What a candidate needs, or why it can't be used. The outer `Err` is what must be known
    /// first.
    #[expect(clippy::type_complexity, reason = "named once, used once")]
    fn needs_of(
        &self,
        package: PackageId,
        candidate: usize,
    ) -> Result<Result<Vec<(Option<usize>, Dependency)>, Cause>, Step> {
        let known = self.packages.get(package);
        let Some(name) = known.name() else {
            let asked = self.asked.iter();
            return Ok(Ok(asked
                .map(|(place, need)| (Some(*place), need.clone()))
                .collect()));
        };
        let Some(metadata) = self.metadata.get(&(name.clone(), candidate)) else {
            // The more versions were tried in vain, the more are likely to be.
            let tried = known.expanded.count();
            let likely = if tried < 3 { 1 } else { (2 * tried).min(50) };
            return Err(Step::Metadata {
                name: name.clone(),
                candidate,
                likely: self.ranked(package, likely).split_off(1),
            });
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(problem) => return Ok(Err(Cause::Unusable(Arc::clone(problem)))),
        };
        if let Some(bound) = &metadata.requires_python
            && !python_fits(bound, &self.settings.python)
        {
            return Ok(Err(Cause::Python(bound.clone())));
        }
        let amendments = &self.settings.amendments;
        let needs = amendments.needs(metadata, known.extra(), &self.settings.markers);
        Ok(match needs {
            Ok(needs) => Ok(needs.into_iter().map(|need| (None, need)).collect()),
            Err(strange) => Err(Cause::Unusable(by_address(&strange).into())),
        })
    }

    /// Adds one dependency: on the project, and on each extra that is asked of it.
    fn add_dependency(
        &mut self,
        dependent: PackageId,
        candidate: usize,
        asked: Option<usize>,
        dependency: &Dependency,
        added: &mut Vec<IncompatibilityId>,
    ) {
        let project = self.project(&dependency.name);
        if asked.is_some() {
            self.packages.get_mut(project).direct = true;
        }
        let allowed = self.allowed(project, dependency);
        let extras: Vec<PackageId> = dependency
            .extras
            .iter()
            .map(|extra| self.extra(project, extra))
            .collect();
        for target in std::iter::once(project).chain(extras) {
            let need = Need {
                dependent,
                target,
                specifiers: show(&dependency.specifiers),
                names_prerelease: names_prerelease(&dependency.specifiers),
                asked,
                by: dependency.by,
            };
            added.extend(self.add_need(need, candidate, &allowed));
        }
    }

    /// Versions that need the same are kept in one incompatibility: it says more with one look.
    fn add_need(
        &mut self,
        need: Need,
        candidate: usize,
        allowed: &Choices,
    ) -> Option<IncompatibilityId> {
        let (dependent, target) = (need.dependent, need.target);
        let mut versions = Choices::one(self.packages.get(dependent).len(), candidate);
        if dependent == target {
            let terms = [(dependent, versions), (target, allowed.complement())];
            return self.add(terms, Cause::Needs(Arc::new(need)));
        }
        if let Some(narrower) = self.needs.remove(&need) {
            let known = self.store.get(narrower);
            versions = versions.union(known.term(dependent).expect("it speaks of the dependent"));
            for (package, _) in &known.terms {
                let filed = &mut self.index[package.index()];
                let place = filed.iter().position(|id| *id == narrower);
                filed.remove(place.expect("what is added is filed"));
            }
        }
        let terms = [(dependent, versions), (target, allowed.complement())];
        let id = self.add(terms, Cause::Needs(Arc::new(need.clone())))?;
        self.needs.insert(need, id);
        Some(id)
    }

    /// The package of a project whose page is known.
    fn project(&mut self, name: &PackageName) -> PackageId {
        let identity = Identity::Project(name.clone());
        if let Some(id) = self.packages.find(&identity) {
            return id;
        }
        let candidates = Arc::clone(&self.pages[name]);
        self.index.push(Vec::new());
        let id = self.packages.add(identity, None, candidates);
        self.constrain(id, name);
        id
    }

    /// Notes the user's bounds on a package, which hold once something brings it in.
    fn constrain(&mut self, project: PackageId, name: &PackageName) {
        let settings = Arc::clone(&self.settings.amendments);
        for (place, bound) in settings.bounds(name) {
            let versions = &self.packages.get(project).candidates.versions;
            let mut outside = Choices::none(versions.len());
            for (candidate, known) in versions.iter().enumerate() {
                if !admit(bound, &known.version) {
                    outside.insert(candidate);
                }
            }
            self.add([(project, outside)], Cause::Constraint(*place));
        }
    }

    /// The package of an extra.
    fn extra(&mut self, project: PackageId, extra: &pep508_rs::ExtraName) -> PackageId {
        let base = self.packages.get(project);
        let name = base.name().expect("the root has no extras").clone();
        let (candidates, count) = (Arc::clone(&base.candidates), base.len());
        let identity = Identity::Extra(name, extra.clone());
        if let Some(id) = self.packages.find(&identity) {
            return id;
        }
        self.index.push(Vec::new());
        let id = self.packages.add(identity, Some(project), candidates);
        self.tie(id, project, count);
        if let Some(candidate) = self.partial.decided(project) {
            self.bind(project, id, candidate);
        }
        id
    }

    /// An extra is there only with its project.
    pub(super) fn tie(&mut self, extra: PackageId, project: PackageId, count: usize) {
        let terms = [
            (extra, Choices::any(count)),
            (project, Choices::absent(count)),
        ];
        self.add(terms, Cause::SameVersion);
    }

    /// Notes for a decided project that its extras stand at the same version.
    pub(super) fn bind_extras(&mut self, project: PackageId, candidate: usize) {
        for extra in self.packages.get(project).extras.clone() {
            self.bind(project, extra, candidate);
        }
    }

    fn bind(&mut self, project: PackageId, extra: PackageId, candidate: usize) {
        if !self.bound.insert((extra, candidate)) {
            return;
        }
        let count = self.packages.get(project).len();
        let here = Choices::one(count, candidate);
        let elsewhere = Choices::any(count).intersection(&here.complement());
        self.add([(project, here), (extra, elsewhere)], Cause::SameVersion);
    }

    /// The candidates that a dependency allows.
    fn allowed(&mut self, project: PackageId, dependency: &Dependency) -> Choices {
        let key = (project, show(&dependency.specifiers));
        if let Some(allowed) = self.allowed.get(&key) {
            return allowed.clone();
        }
        let versions = &self.packages.get(project).candidates.versions;
        let mut allowed = Choices::none(versions.len());
        for (place, candidate) in versions.iter().enumerate() {
            if admit(&dependency.specifiers, &candidate.version) {
                allowed.insert(place);
            }
        }
        self.allowed.insert(key, allowed.clone());
        allowed
    }
}

/// Why a version that names an address can't be used, as the end of a sentence about it.
fn by_address(strange: &ByAddress) -> String {
    let ByAddress { name, url } = strange;
    match version_control(url) {
        Some(system) => {
            format!("needs `{name}` from {system} (`{url}`), and nothing is taken from there")
        }
        None => format!(
            "needs `{name}` from `{url}`, and an address is followed only when you name it yourself"
        ),
    }
}
