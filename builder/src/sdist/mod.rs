//! Source distributions: what they need, and the wheels that they become.
//!
//! In: a project's file that is no wheel. Out: its metadata (PEP 643, else PEP 517), and a wheel that is
//! built from it, checked, normalised and kept in the store. Never: runs a package's code without
//! saying so, with a network, or outside of its own folder; takes an archive before its digest is
//! proven; lets a wheel in that an index's wheel would be refused for.
//!
//! `unpack` reads archives, `pkg_info` and `project` what they say; `environment` installs what a
//! build needs; `backend` calls hooks in a confined and watched process (`warden.py`, `confine.py`,
//! `watch.py`, `hook.py`); `folder` is where it may write; `work` is the course of one build;
//! `normalise` and `kept` are about its wheel.

mod backend;
mod environment;
mod error;
mod folder;
mod kept;
mod normalise;
mod output;
mod pkg_info;
mod project;
pub(crate) mod strange;
mod tar;
#[cfg(test)]
mod tests;
mod unpack;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::{Events, Fault, LockedSdist, LockedWheel, Policy, ResolveOptions, Sha256, Target};
use pyrun_store::Store;
use tempfile::TempPath;
use tokio::sync::Mutex;
use url::Url;

pub use backend::Bounds;
pub use error::{Invalid, Problem, SdistError};
pub use folder::remove;
pub use kept::wheel_of_record;
pub use output::Said;

use crate::index::{
    Announced, Client, File, FileKind, IndexError, Metadata, Project, Source, parse_metadata,
};
use kept::Kept;
use work::{Notes, Work};

/// How often what a build needs may itself be built from source.
const MAX_DEPTH: usize = 5;

/// What builds: an interpreter, and how far a build may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bench {
    /// The interpreter's path.
    pub python: PathBuf,
    /// What it is: native code that it builds is for this.
    pub target: Target,
    /// What a build may take.
    pub bounds: Bounds,
}

impl Bench {
    /// A bench with the usual bounds.
    pub fn new(python: impl Into<PathBuf>, target: Target) -> Self {
        Self {
            python: python.into(),
            target,
            bounds: Bounds::default(),
        }
    }
}

/// An index whose source distributions are built.
pub struct Sdists<'a> {
    index: &'a Client,
    store: &'a dyn Store,
    scratch: &'a Path,
    bench: Option<&'a Bench>,
    policy: Option<&'a Policy>,
    target: &'a Target,
    options: &'a ResolveOptions,
    events: Events<'a>,
    /// Who is being built, outermost first, while this serves the needs of a build.
    chain: Vec<(PackageName, Version)>,
    /// What is remembered of those that were unpacked. Their trees are gone: a search may look at many.
    notes: StdMutex<BTreeMap<Sha256, Arc<Mutex<Notes>>>>,
    /// Builds take all cores, so they come one after the other.
    turn: Mutex<()>,
    gap_said: Arc<AtomicBool>,
}

/// What tells of a source distribution's metadata.
enum Told {
    Metadata(Metadata),
    /// The wheel, where nothing else can.
    Wheel((TempPath, Kept)),
}

/// What [`Sdists`] stands on.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) index: &'a Client,
    pub(crate) store: &'a dyn Store,
    pub(crate) scratch: &'a Path,
    /// Nothing is built without one.
    pub(crate) bench: Option<&'a Bench>,
    pub(crate) policy: Option<&'a Policy>,
    /// What wheels are for.
    pub(crate) target: &'a Target,
    /// Of these, what is about the index holds for what a build needs too.
    pub(crate) options: &'a ResolveOptions,
}

impl<'a> Sdists<'a> {
    /// An index with a bench behind it.
    pub(crate) fn new(ground: Ground<'a>, events: Events<'a>) -> Self {
        Self {
            index: ground.index,
            store: ground.store,
            scratch: ground.scratch,
            bench: ground.bench,
            policy: ground.policy,
            target: ground.target,
            options: ground.options,
            events,
            chain: Vec::new(),
            notes: StdMutex::default(),
            turn: Mutex::new(()),
            gap_said: Arc::default(),
        }
    }

    /// The same index for what a build needs.
    fn inside(&self, name: &PackageName, version: &Version) -> Self {
        let mut chain = self.chain.clone();
        chain.push((name.clone(), version.clone()));
        let bench = self.bench.map_or(self.target, |bench| &bench.target);
        Self {
            index: self.index,
            store: self.store,
            scratch: self.scratch,
            bench: self.bench,
            policy: self.policy,
            target: bench,
            options: self.options,
            events: self.events,
            chain,
            notes: StdMutex::default(),
            turn: Mutex::new(()),
            gap_said: Arc::clone(&self.gap_said),
        }
    }

    /// For whom it is built, or how not to, for the end of a sentence.
    fn reason(&self) -> String {
        match self.chain.last() {
            Some((name, version)) => format!(": the build of `{name}` {version} needs it"),
            None => " and may take long; `--no-build` keeps to wheels".to_owned(),
        }
    }

    /// Whether nobody has heard yet that the confinement has gaps.
    fn is_first_gap(&self) -> bool {
        !self.gap_said.swap(true, Ordering::Relaxed)
    }

    /// Refuses what must not be built: by the policy, or because it would never end.
    fn admit(&self, project: &Project, file: &File) -> Result<(), SdistError> {
        let (name, version) = (&project.name, &file.version);
        if let Some(policy) = self.policy {
            policy.check_build(name, version, &project.index, &file.url)?;
        }
        let wrong = |problem| SdistError::Build {
            name: name.clone(),
            version: version.clone(),
            problem,
        };
        if self.chain.iter().any(|(other, _)| other == name) {
            let names = self.chain.iter().map(|(name, _)| name).chain([name]);
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            return Err(wrong(Problem::Cycle(names.join(" needs "))));
        }
        if self.chain.len() >= MAX_DEPTH {
            return Err(wrong(Problem::TooDeep(MAX_DEPTH)));
        }
        Ok(())
    }

    /// The digest of a file, which is downloaded where the index does not say it.
    async fn digest_of(&self, file: &File) -> Result<Sha256, SdistError> {
        Ok(self.index.digest(file).await.map_err(Fault::from)?)
    }

    /// What is asked of a source distribution, which is unpacked for it and taken away again.
    async fn at_work<T>(
        &self,
        project: &Project,
        file: &File,
        sha256: &Sha256,
        ask: impl AsyncFnOnce(&mut Work) -> Result<T, SdistError>,
    ) -> Result<T, SdistError> {
        self.admit(project, file)?;
        let slot = {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(notes.entry(*sha256).or_default())
        };
        let mut notes = slot.lock().await;
        let archive = self.index.whole_file(file).await.map_err(Fault::from)?;
        let mut work = Work::unpack(self, project, file, archive, notes.clone()).await?;
        let answer = ask(&mut work).await;
        *notes = work.put_away().await;
        answer
    }

    async fn metadata_of(&self, project: &Project, file: &File) -> Result<Metadata, SdistError> {
        let sha256 = self.digest_of(file).await?;
        if let Some(kept) = kept::find(self.store, &sha256, self.target).await?
            && let Ok(metadata) = parse_metadata(kept.metadata.as_bytes())
        {
            return Ok(metadata);
        }
        let ask = async |work: &mut Work| {
            // What needs nothing to run waits for no build.
            if let Some(known) = work.known() {
                return Ok(Told::Metadata(known));
            }
            let _turn = self.turn.lock().await;
            match work.metadata(self).await? {
                Some(metadata) => Ok(Told::Metadata(metadata)),
                None => work.build(self).await.map(Told::Wheel),
            }
        };
        let (part, kept) = match self.at_work(project, file, &sha256, ask).await? {
            Told::Metadata(metadata) => return Ok(metadata),
            Told::Wheel(built) => built,
        };
        work::publish(self, &sha256, &part, &kept).await?;
        let metadata = parse_metadata(kept.metadata.as_bytes());
        metadata.map_err(|error| SdistError::Build {
            name: project.name.clone(),
            version: file.version.clone(),
            problem: Problem::Answer {
                backend: project.name.to_string(),
                problem: format!("builds a wheel that {error}"),
            },
        })
    }

    async fn wheel_of(&self, project: &Project, file: &File) -> Result<Kept, SdistError> {
        let sha256 = self.digest_of(file).await?;
        // What was built before is as foreign as what is built now.
        self.admit(project, file)?;
        if let Some(kept) = kept::find(self.store, &sha256, self.target).await? {
            return Ok(kept);
        }
        self.built_anew(project, file, &sha256, None).await
    }

    /// Builds, whatever was built before. A wheel that is not the `expected` one is not stored.
    async fn built_anew(
        &self,
        project: &Project,
        file: &File,
        sha256: &Sha256,
        expected: Option<Sha256>,
    ) -> Result<Kept, SdistError> {
        let ask = async |work: &mut Work| {
            let _turn = self.turn.lock().await;
            work.build(self).await
        };
        let (part, kept) = self.at_work(project, file, sha256, ask).await?;
        if let Some(expected) = expected.filter(|expected| *expected != kept.sha256) {
            return Err(SdistError::Differs {
                name: project.name.clone(),
                version: file.version.clone(),
                expected,
                found: kept.sha256,
            });
        }
        work::publish(self, sha256, &part, &kept).await?;
        Ok(kept)
    }

    /// The wheel of a lock's source distribution.
    pub(crate) async fn complete(
        &self,
        name: &PackageName,
        version: &Version,
        index: &str,
        sdist: &LockedSdist,
    ) -> Result<LockedWheel, SdistError> {
        let (project, file) = listed(name, version, index, sdist);
        Ok(self.wheel_of(&project, &file).await?.locked())
    }

    /// Brings the wheel of a lock's source distribution into the store, which has lost it: it must
    /// come out as the lock says.
    pub(crate) async fn restore(
        &self,
        name: &PackageName,
        version: &Version,
        index: &str,
        sdist: &LockedSdist,
        expected: Sha256,
    ) -> Result<(), SdistError> {
        let (project, file) = listed(name, version, index, sdist);
        self.built_anew(&project, &file, &sdist.sha256, Some(expected))
            .await?;
        Ok(())
    }
}

/// A lock's source distribution, as an index would list it.
fn listed(
    name: &PackageName,
    version: &Version,
    index: &str,
    sdist: &LockedSdist,
) -> (Project, File) {
    let file = File {
        kind: FileKind::Sdist,
        filename: sdist.filename.clone(),
        version: version.clone(),
        url: address(&sdist.url),
        sha256: Some(sdist.sha256),
        size: sdist.size,
        requires_python: None,
        yanked: None,
        upload_time: sdist.upload_time.clone(),
        metadata: Announced::Silent,
        linked: false,
    };
    let project = Project {
        name: name.clone(),
        index: index.to_owned(),
        files: Vec::new(),
        status: None,
    };
    (project, file)
}

/// A lock may name a file of this machine by its path.
fn address(url: &str) -> String {
    match Url::from_file_path(url) {
        Ok(address) => address.into(),
        Err(()) => url.to_owned(),
    }
}

#[async_trait]
impl Source for Sdists<'_> {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        self.index.project(name).await
    }

    async fn address(&self, name: &PackageName, url: &str) -> Result<Arc<Project>, IndexError> {
        self.index.address(name, url).await
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        if file.kind == FileKind::Wheel {
            return self.index.metadata(project, file).await;
        }
        let found = self.metadata_of(project, file).await;
        let fault = |error| IndexError::Refused(Box::new(Fault::from(error)));
        found.map(Arc::new).map_err(fault)
    }

    async fn digest(&self, file: &File) -> Result<Sha256, IndexError> {
        self.index.digest(file).await
    }

    fn builds(&self) -> bool {
        self.bench.is_some()
    }

    async fn build(&self, project: &Project, file: &File) -> Result<LockedWheel, Box<Fault>> {
        let built = self.wheel_of(project, file).await;
        let built = built.map_err(|error| Box::new(Fault::from(error)))?;
        Ok(built.locked())
    }
}
