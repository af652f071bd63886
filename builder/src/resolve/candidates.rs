//! From a project's page to its candidates: the versions with a wheel that fits, or with a source
//! distribution where those can be built, each with its best file, and why the others are out.
//!
//! In: a page, a target, options. Out: [`Candidates`], versions ascending. Never: a decision
//! between versions.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::request::Prerelease;
use pyrun_core::tags::Tags;
use pyrun_core::wheel::BuildTag;
use pyrun_core::{Request, ResolveOptions, WheelFilename};

use super::amendments::Amendments;
use super::specifiers::python_fits;
use crate::index::{File, FileKind, Project};

/// What of a request decides which files can be used.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    tags: Tags,
    python: Version,
    exclude_newer: Option<Timestamp>,
    options: ResolveOptions,
    builds: bool,
    amendments: Arc<Amendments>,
    /// Whether pre-releases that nobody asks for are out where there is a release.
    withholds: bool,
}

/// The versions of a package that can be used, and those that can't.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The page; `None` when no index knows the package.
    pub(super) project: Option<Arc<Project>>,
    /// Whether the page is the one file of an address.
    pub(super) by_address: bool,
    /// Whether pre-releases are out that could be used if nothing else fits.
    pub(super) withheld: bool,
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
    /// The best file's place among the page's files.
    pub(super) file: usize,
    /// What the best file is.
    pub(super) artifact: Artifact,
    /// Why it is yanked, if it is and was let in by a pin.
    pub(super) yanked: Option<String>,
}

/// What a version is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Artifact {
    /// A wheel, by its name.
    Wheel(WheelFilename),
    /// A source distribution, which has to be built.
    Sdist,
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
    /// It has no wheel at all, and nothing is built here.
    SourceOnly,
    /// It has no wheel at all, and the package must not be built.
    OnlyBinary,
    /// It has wheels alone, and the package is to be built.
    NoBinary,
    /// Its wheels are for other Pythons or platforms.
    Tags,
    /// Its files exclude the target's Python; what they say.
    Python(String),
    /// None of its files has a digest that is asked for.
    Digest,
    /// It was uploaded at or after the time that bounds the search, or nothing says when.
    TooNew(Option<String>),
    /// It is a pre-release and none is allowed.
    Prerelease,
    /// It is yanked and not pinned; why it is.
    Yanked(String),
}

/// What a file is good for, and what makes one of a version better than another: a wheel is better
/// than its source, a better tag than a worse one, a higher build than a lower one.
type Usable = (Artifact, Option<(Reverse<u32>, Option<BuildTag>)>);

/// A time bound that is no RFC 3339 time.
#[derive(Debug)]
pub(super) struct BadTime(pub(super) String);

impl Rules {
    /// The rules of a request.
    pub(super) fn of(
        request: &Request,
        amendments: Arc<Amendments>,
        builds: bool,
    ) -> Result<Self, BadTime> {
        let exclude_newer = match &request.options.exclude_newer {
            Some(text) => Some(text.parse().map_err(|_| BadTime(text.clone()))?),
            None => None,
        };
        Ok(Self {
            tags: Tags::of(&request.target),
            python: request.target.python.full().clone(),
            exclude_newer,
            options: request.options.clone(),
            builds,
            amendments,
            withholds: request.options.prerelease == Prerelease::IfNecessaryOrExplicit,
        })
    }

    /// From now on every pre-release is let in: for when nothing else fits.
    pub(super) fn let_prereleases_in(&mut self) {
        self.withholds = false;
    }

    fn withholds(&self, name: &PackageName) -> bool {
        self.withholds && !self.amendments.names_prerelease(name)
    }

    /// The candidates of a page.
    pub(super) fn candidates(&self, project: Option<Arc<Project>>) -> Candidates {
        let Some(project) = project else {
            return Candidates::default();
        };
        // What is in quarantine has nothing that could be chosen: its status alone is told.
        if project.is_quarantined() {
            return Candidates {
                project: Some(project),
                ..Candidates::default()
            };
        }
        let mut by_version: BTreeMap<&Version, Vec<usize>> = BTreeMap::new();
        for (index, file) in project.files.iter().enumerate() {
            by_version.entry(&file.version).or_default().push(index);
        }
        let mut found = Candidates {
            by_address: self.amendments.address(&project.name).is_some(),
            ..Candidates::default()
        };
        for (version, files) in by_version {
            match self.best(&project, version, &files) {
                Ok(candidate) => found.versions.push(candidate),
                Err(reason) => found.rejected.push(Rejected {
                    version: version.clone(),
                    reason,
                }),
            }
        }
        if !found.by_address && self.withholds(&project.name) {
            found.withhold_prereleases();
        }
        found.project = Some(project);
        found
    }

    /// The best file of a version, or what keeps the version out.
    fn best(
        &self,
        project: &Project,
        version: &Version,
        files: &[usize],
    ) -> Result<Candidate, Reason> {
        let mut best: Option<(_, Candidate)> = None;
        let mut nearest = Reason::SourceOnly;
        for &place in files {
            let file = &project.files[place];
            let (artifact, preference) = match self.usable(project, place) {
                Ok(usable) => usable,
                Err(reason) => {
                    nearest = nearest.max(reason);
                    continue;
                }
            };
            // PEP 592: a yanked file only when there is no other.
            let order = (
                file.yanked.is_none(),
                preference,
                Reverse(&file.filename),
                file.linked,
                Reverse(&file.url),
            );
            if best.as_ref().is_none_or(|(known, _)| *known < order) {
                let candidate = Candidate {
                    version: version.clone(),
                    file: place,
                    artifact,
                    yanked: file.yanked.clone(),
                };
                best = Some((order, candidate));
            }
        }
        let (_, candidate) = best.ok_or(nearest)?;
        let by_address = self.amendments.address(&project.name).is_some();
        if version.any_prerelease()
            && self.options.prerelease == Prerelease::Disallow
            && !by_address
        {
            return Err(Reason::Prerelease);
        }
        match &candidate.yanked {
            Some(reason) if !self.amendments.is_pinned(&project.name, version) => {
                Err(Reason::Yanked(reason.clone()))
            }
            _ => Ok(candidate),
        }
    }

    /// What a file is good for, or why it is not.
    fn usable(&self, project: &Project, place: usize) -> Result<Usable, Reason> {
        let (name, file) = (&project.name, &project.files[place]);
        let usable = match file.kind {
            FileKind::Wheel => self.wheel(project, file)?,
            FileKind::Sdist if !self.options.takes_sdists(name) => return Err(Reason::OnlyBinary),
            FileKind::Sdist if !self.builds => return Err(Reason::SourceOnly),
            FileKind::Sdist => (Artifact::Sdist, None),
        };
        if let Some(bound) = &file.requires_python
            && !python_fits(bound, &self.python)
        {
            return Err(Reason::Python(super::specifiers::show(bound)));
        }
        if !self.amendments.takes(name, file.sha256.as_ref()) {
            return Err(Reason::Digest);
        }
        // What the user points at themselves has no time, and is there.
        if let Some(limit) = self.exclude_newer
            && !file.linked
        {
            let time: Option<Timestamp> =
                file.upload_time.as_ref().and_then(|text| text.parse().ok());
            if time.is_none_or(|time| time >= limit) {
                return Err(Reason::TooNew(time.and(file.upload_time.clone())));
            }
        }
        Ok(usable)
    }

    fn wheel(&self, project: &Project, file: &File) -> Result<Usable, Reason> {
        let wheel: WheelFilename = file.filename.parse().map_err(|_| Reason::SourceOnly)?;
        if wheel.name() != &project.name {
            return Err(Reason::SourceOnly);
        }
        if !self.options.takes_wheels(&project.name) {
            return Err(Reason::NoBinary);
        }
        let rank = self.tags.rank(&wheel).ok_or(Reason::Tags)?;
        let preference = Some((Reverse(rank), wheel.build().cloned()));
        Ok((Artifact::Wheel(wheel), preference))
    }
}

impl Candidates {
    /// Puts pre-releases out, as long as there is a release.
    fn withhold_prereleases(&mut self) {
        if self.versions.iter().all(|one| one.version.any_prerelease()) {
            return;
        }
        let all = std::mem::take(&mut self.versions).into_iter();
        let (out, kept): (Vec<_>, Vec<_>) = all.partition(|one| one.version.any_prerelease());
        self.withheld = !out.is_empty();
        self.versions = kept;
        self.rejected.extend(out.into_iter().map(|one| Rejected {
            version: one.version,
            reason: Reason::Prerelease,
        }));
        self.rejected
            .sort_by(|one, two| one.version.cmp(&two.version));
    }

    /// The page, which every candidate has come from.
    pub(super) fn project(&self) -> &Arc<Project> {
        self.project.as_ref().expect("only a page has candidates")
    }

    /// The file of a candidate.
    pub(super) fn file(&self, candidate: usize) -> &File {
        &self.project().files[self.versions[candidate].file]
    }

    /// Whether a candidate has to be built.
    pub(super) fn is_built(&self, candidate: usize) -> bool {
        self.versions[candidate].artifact == Artifact::Sdist
    }

    /// The place of a version among the candidates.
    pub(super) fn position(&self, version: &Version) -> Option<usize> {
        self.versions
            .binary_search_by(|candidate| candidate.version.cmp(version))
            .ok()
    }
}
