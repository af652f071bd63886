//! From a project's page to its candidates: the versions with a wheel that fits, each with the
//! best wheel, and why the others are out.
//!
//! In: a page, a target, options. Out: [`Candidates`], versions ascending. Never: a decision
//! between versions.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use pep440_rs::{Version, VersionSpecifiers};
use pyrun_core::request::Prerelease;
use pyrun_core::tags::Tags;
use pyrun_core::{Request, WheelFilename};

use super::specifiers::{pin, python_fits};
use crate::index::{File, FileKind, Project};

/// What of a request decides which files can be used.
#[derive(Debug)]
pub(super) struct Rules {
    tags: Tags,
    python: Version,
    exclude_newer: Option<Timestamp>,
    prerelease: Prerelease,
    pins: BTreeMap<pep508_rs::PackageName, Vec<VersionSpecifiers>>,
}

/// The versions of a package that can be used, and those that can't.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The page; `None` when no index knows the package.
    pub(super) project: Option<Arc<Project>>,
    /// Ascending.
    pub(super) versions: Vec<Candidate>,
    /// Ascending.
    pub(super) rejected: Vec<Rejected>,
}

/// A version that can be used.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its version.
    pub(super) version: Version,
    /// The best wheel's place among the page's files.
    pub(super) file: usize,
    /// The best wheel's name.
    pub(super) wheel: WheelFilename,
    /// Why it is yanked, if it is and was let in by a pin.
    pub(super) yanked: Option<String>,
}

/// A version that can't be used.
#[derive(Debug)]
pub(super) struct Rejected {
    /// Its version.
    pub(super) version: Version,
    /// Why.
    pub(super) reason: Reason,
}

/// Why a version can't be used, from the farthest to the nearest to being usable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// It has no wheel at all.
    SourceOnly,
    /// Its wheels are for other Pythons or platforms.
    Tags,
    /// Its files exclude the target's Python; what they say.
    Python(String),
    /// It was uploaded at or after the time that bounds the search, or nothing says when.
    TooNew(Option<String>),
    /// The index gives no sha256 for it.
    NoDigest,
    /// It is a pre-release and none is allowed.
    Prerelease,
    /// It is yanked and not pinned; why it is.
    Yanked(String),
}

/// A time bound that is no RFC 3339 time.
#[derive(Debug)]
pub(super) struct BadTime(pub(super) String);

impl Rules {
    /// The rules of a request.
    pub(super) fn of(request: &Request) -> Result<Self, BadTime> {
        let exclude_newer = match &request.options.exclude_newer {
            Some(text) => Some(text.parse().map_err(|_| BadTime(text.clone()))?),
            None => None,
        };
        let mut pins: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let markers = request.target.markers();
        for requirement in &request.requirements {
            if !requirement.spec.evaluate_markers(&markers, &[]) {
                continue;
            }
            if let Some(pep508_rs::VersionOrUrl::VersionSpecifier(specifiers)) =
                &requirement.spec.version_or_url
            {
                let name = requirement.spec.name.clone();
                pins.entry(name).or_default().push(specifiers.clone());
            }
        }
        Ok(Self {
            tags: Tags::of(&request.target),
            python: request.target.python.full().clone(),
            exclude_newer,
            prerelease: request.options.prerelease,
            pins,
        })
    }

    /// The candidates of a page.
    pub(super) fn candidates(&self, project: Option<Arc<Project>>) -> Candidates {
        let Some(project) = project else {
            return Candidates::default();
        };
        let mut by_version: BTreeMap<&Version, Vec<usize>> = BTreeMap::new();
        for (index, file) in project.files.iter().enumerate() {
            by_version.entry(&file.version).or_default().push(index);
        }
        let mut found = Candidates::default();
        for (version, files) in by_version {
            match self.best(&project, version, &files) {
                Ok(candidate) => found.versions.push(candidate),
                Err(reason) => found.rejected.push(Rejected {
                    version: version.clone(),
                    reason,
                }),
            }
        }
        found.project = Some(project);
        found
    }

    /// The best wheel of a version, or what keeps the version out.
    fn best(
        &self,
        project: &Project,
        version: &Version,
        files: &[usize],
    ) -> Result<Candidate, Reason> {
        let mut best: Option<(_, Candidate)> = None;
        let mut nearest = Reason::SourceOnly;
        for &index in files {
            let file = &project.files[index];
            let (rank, wheel) = match self.usable(project, file) {
                Ok(usable) => usable,
                Err(reason) => {
                    nearest = nearest.max(reason);
                    continue;
                }
            };
            // PEP 592: a yanked file only when there is no other.
            let order = (
                file.yanked.is_none(),
                Reverse(rank),
                wheel.build().cloned(),
                Reverse(wheel.clone()),
            );
            if best.as_ref().is_none_or(|(known, _)| *known < order) {
                let candidate = Candidate {
                    version: version.clone(),
                    file: index,
                    wheel,
                    yanked: file.yanked.clone(),
                };
                best = Some((order, candidate));
            }
        }
        let (_, candidate) = best.ok_or(nearest)?;
        if version.any_prerelease() && self.prerelease == Prerelease::Disallow {
            return Err(Reason::Prerelease);
        }
        match &candidate.yanked {
            Some(reason) if !self.is_pinned(project, version) => {
                Err(Reason::Yanked(reason.clone()))
            }
            _ => Ok(candidate),
        }
    }

    fn usable(&self, project: &Project, file: &File) -> Result<(u32, WheelFilename), Reason> {
        if file.kind == FileKind::Sdist {
            return Err(Reason::SourceOnly);
        }
        let wheel: WheelFilename = file.filename.parse().map_err(|_| Reason::SourceOnly)?;
        if wheel.name() != &project.name {
            return Err(Reason::SourceOnly);
        }
        let rank = self.tags.rank(&wheel).ok_or(Reason::Tags)?;
        if let Some(bound) = &file.requires_python
            && !python_fits(bound, &self.python)
        {
            return Err(Reason::Python(super::specifiers::show(bound)));
        }
        if let Some(limit) = self.exclude_newer {
            let time: Option<Timestamp> =
                file.upload_time.as_ref().and_then(|text| text.parse().ok());
            if time.is_none_or(|time| time >= limit) {
                return Err(Reason::TooNew(time.and(file.upload_time.clone())));
            }
        }
        if file.sha256.is_none() {
            return Err(Reason::NoDigest);
        }
        Ok((rank, wheel))
    }

    fn is_pinned(&self, project: &Project, version: &Version) -> bool {
        self.pins
            .get(&project.name)
            .is_some_and(|pins| pins.iter().any(|specifiers| pin(specifiers, version)))
    }
}

impl Candidates {
    /// The page, which every candidate has come from.
    pub(super) fn project(&self) -> &Arc<Project> {
        self.project.as_ref().expect("only a page has candidates")
    }

    /// The file of a candidate.
    pub(super) fn file(&self, candidate: usize) -> &File {
        &self.project().files[self.versions[candidate].file]
    }

    /// The place of a version among the candidates.
    pub(super) fn position(&self, version: &Version) -> Option<usize> {
        self.versions
            .binary_search_by(|candidate| candidate.version.cmp(version))
            .ok()
    }
}
