//! Which version of a project the solver will probably take first, and what that one needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use pep440_rs::Version;
use pep508_rs::{ExtraName, PackageName};
use pyrun_core::request::{Prerelease, Resolution};

use super::{Prefetch, Question};
use crate::index::Metadata;
use crate::resolve::dependencies::Dependency;
use crate::resolve::specifiers::{admit, names_prerelease, python_fits};

/// How often news about one project make it worth a look. A walk down thousands of versions is the
/// solver's own business.
const LOOKS: usize = 100;

/// How many versions of one project are guessed; what the solver asks for does not count.
const GUESSES: usize = 3;
/// What is known of how a project will be used.
#[derive(Debug, Default)]
pub(super) struct Hint {
    pub(super) needs: Vec<Dependency>,
    /// How many of them, at the front, are the user's own and never given up.
    pub(super) firm: usize,
    extras: BTreeSet<ExtraName>,
    guesses: usize,
    looks: usize,
}

impl Prefetch<'_> {
    /// Notes how a project will be used. `Some` when that is news about a known project.
    pub(super) fn hint(&mut self, need: Dependency) -> Option<PackageName> {
        let name = need.name.clone();
        let hint = self.hints.entry(name.clone()).or_default();
        if hint.needs.contains(&need) {
            return None;
        }
        hint.extras.extend(need.extras.iter().cloned());
        hint.needs.push(need);
        self.ask(Question::Project(name.clone()));
        self.pages.contains_key(&name).then_some(name)
    }

    /// Guesses the version of a known project and asks for what comes after it. Out: known
    /// projects of which that is news.
    pub(super) fn guess(&mut self, name: &PackageName) -> Vec<PackageName> {
        let hint = self.hints.entry(name.clone()).or_default();
        hint.looks += 1;
        if hint.looks > LOOKS {
            return Vec::new();
        }
        let Some(candidate) = self.likely(name) else {
            return Vec::new();
        };
        match self.metadata.get(&(name.clone(), candidate)) {
            Some(Ok(metadata)) => {
                let metadata = Arc::clone(metadata);
                let needs = self.needs(name, &metadata);
                needs
                    .into_iter()
                    .filter_map(|need| self.hint(need))
                    .collect()
            }
            Some(Err(_)) => Vec::new(),
            None => {
                let question = Question::Metadata(name.clone(), candidate);
                let hint = self.hints.entry(name.clone()).or_default();
                if hint.guesses < GUESSES && !self.asked.contains(&question) {
                    hint.guesses += 1;
                    self.ask(question);
                }
                Vec::new()
            }
        }
    }

    /// What a version and the extras that are asked of it need.
    pub(super) fn needs(&self, name: &PackageName, metadata: &Metadata) -> Vec<Dependency> {
        if metadata
            .requires_python
            .as_ref()
            .is_some_and(|bound| !python_fits(bound, &self.python))
        {
            return Vec::new();
        }
        let extras = self
            .hints
            .get(name)
            .into_iter()
            .flat_map(|hint| hint.extras.iter().map(Some));
        std::iter::once(None)
            .chain(extras)
            .filter_map(|extra| self.amendments.needs(metadata, extra, &self.markers).ok())
            .flatten()
            .collect()
    }

    /// The version that the solver will probably take first.
    fn likely(&self, name: &PackageName) -> Option<usize> {
        let candidates = self.pages.get(name)?;
        let versions = &candidates.versions;
        let hint = self.hints.get(name);
        let mut needs: Vec<&Dependency> = hint.iter().flat_map(|hint| &hint.needs).collect();
        let bounded = |version: &Version| self.amendments.admit(name, version);
        let all = |version: &Version| {
            bounded(version) && needs.iter().all(|need| admit(&need.specifiers, version))
        };
        if !versions.iter().any(|candidate| all(&candidate.version)) {
            // Some of them come from versions that were given up. The last one is of now, and the
            // user's own stay.
            let firm = hint.map_or(0, |hint| hint.firm);
            let last = needs.len().saturating_sub(1).max(firm);
            needs.drain(firm..last);
        }
        let fits = |place: &usize| {
            let version = &versions[*place].version;
            bounded(version) && needs.iter().all(|need| admit(&need.specifiers, version))
        };
        let locked = self.preferences.and_then(|lock| lock.packages.get(name));
        if let Some(place) = locked.and_then(|package| candidates.position(&package.version))
            && fits(&place)
        {
            return Some(place);
        }
        let lowest = match self.resolution {
            Resolution::Highest => false,
            Resolution::Lowest => true,
            Resolution::LowestDirect => self.direct.contains(name),
        };
        let any = self.prerelease == Prerelease::Allow
            || self.amendments.names_prerelease(name)
            || needs.iter().any(|need| names_prerelease(&need.specifiers));
        let stable = |place: &usize| any || !versions[*place].version.any_prerelease();
        let mut places: Vec<usize> = (0..versions.len()).collect();
        if !lowest {
            places.reverse();
        }
        let places = places.into_iter();
        places
            .clone()
            .filter(fits)
            .find(stable)
            .or_else(|| places.clone().find(fits))
    }
}
