//! One source distribution on the bench: unpacked, furnished with what its build needs, built.
//!
//! In: its archive. Out: its metadata, and the wheel that it builds into. Never: runs anything before
//! that was said; runs anything at all where its own words are certain.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pep440_rs::Version;
use pep508_rs::{PackageName, Requirement as Spec};
use pyrun_core::tags::Tags;
use pyrun_core::{Event, Fault, Sha256, WheelFilename};
use pyrun_store::{Body, catalog};
use tempfile::TempPath;

use super::backend::{Answer, Hook, Layers, Place, lacking};
use super::error::{Invalid, Problem, SdistError};
use super::folder::{Folder, read_regular};
use super::kept::{self, Kept};
use super::normalise::normalise;
use super::project::{self, BuildSystem};
use super::unpack::{self, unpack};
use super::{Bench, Sdists, environment, pkg_info};
use crate::index::{self, File, Metadata, Project, parse_metadata};
use crate::wheel;

/// The largest `pyproject.toml`, PKG-INFO or METADATA that is read.
const MAX_DOCUMENT: u64 = 16 << 20;

/// A source distribution on the bench.
#[derive(Debug)]
pub(super) struct Work {
    name: PackageName,
    version: Version,
    root: Folder,
    /// The source's folder, relative to the root.
    source: String,
    /// What its PKG-INFO is certain of.
    certain: Option<Metadata>,
    system: Option<BuildSystem>,
    /// What its environment was furnished with.
    furnished: Option<Vec<Spec>>,
    /// The folder of metadata that its backend has prepared, below `out`.
    prepared: Option<String>,
    notes: Notes,
}

/// What is remembered of a source distribution when it is on the bench no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    /// Whether it was said that its code runs.
    announced: bool,
    /// The metadata that was given out, which its wheel must have too.
    promised: Option<Metadata>,
}

impl Work {
    /// Unpacks an archive whose digest is proven. `notes` are those of when it was here before.
    pub(super) async fn unpack(
        sdists: &Sdists<'_>,
        project: &Project,
        file: &File,
        archive: PathBuf,
        notes: Notes,
    ) -> Result<Self, SdistError> {
        let invalid = |problem| SdistError::Invalid {
            filename: file.filename.clone(),
            problem,
        };
        let start = |source| {
            invalid(Invalid::Write {
                path: sdists.scratch.to_owned(),
                source,
            })
        };
        let root = Folder::new_in(sdists.scratch).map_err(start)?;
        for folder in ["home", "out", "tmp", "src"] {
            fs_err::create_dir(root.path().join(folder)).map_err(start)?;
        }
        let (into, filename) = (root.path().join("src"), file.filename.clone());
        let work = move || unpack(&archive, &filename, &into, &unpack::Limits::default());
        let top = tokio::task::spawn_blocking(work).await;
        let top = top.map_err(|error| Fault::new(pyrun_core::Code::INTERNAL, error.to_string()))?;
        let top = top.map_err(invalid)?;
        let certain = read_regular(&top.join("PKG-INFO"), MAX_DOCUMENT)
            .ok()
            .and_then(|bytes| pkg_info::certain(&bytes));
        if let Some(other) = &certain
            && (other.name != project.name || other.version != file.version)
        {
            let other = format!("{} {}", other.name, other.version);
            return Err(invalid(Invalid::Other(other)));
        }
        let source = top.strip_prefix(root.path()).unwrap_or(&top);
        Ok(Self {
            name: project.name.clone(),
            version: file.version.clone(),
            source: source.to_string_lossy().into_owned(),
            root,
            certain,
            system: None,
            furnished: None,
            prepared: None,
            notes,
        })
    }

    fn wrong(&self, problem: Problem) -> SdistError {
        SdistError::Build {
            name: self.name.clone(),
            version: self.version.clone(),
            problem,
        }
    }

    fn environment(&self) -> PathBuf {
        self.root.path().join("env")
    }

    /// Takes its folder away, and gives what is to be remembered.
    pub(super) async fn put_away(self) -> Notes {
        let (root, notes) = (self.root, self.notes);
        // What can't be removed is left to `pyrun cache gc`.
        let _ = tokio::task::spawn_blocking(move || drop(root)).await;
        notes
    }

    /// The metadata that its wheel will have, as far as nothing has to run for it: what was promised
    /// before, or what it is certain of itself.
    pub(super) fn known(&mut self) -> Option<Metadata> {
        if self.notes.promised.is_none() {
            self.notes.promised.clone_from(&self.certain);
        }
        self.notes.promised.clone()
    }

    /// The metadata that its wheel will have: what is known, else what its backend prepares. `None`
    /// where only the wheel can tell.
    pub(super) async fn metadata(
        &mut self,
        sdists: &Sdists<'_>,
    ) -> Result<Option<Metadata>, SdistError> {
        if let Some(known) = self.known() {
            return Ok(Some(known));
        }
        self.furnish(sdists).await?;
        let Answer::Name(folder) = self.call(sdists, &Hook::Metadata).await? else {
            return Ok(None);
        };
        let path = Path::new("out").join(&folder).join("METADATA");
        let bytes = self.root.own(&path);
        let bytes = bytes.and_then(|path| read_regular(&path, MAX_DOCUMENT).ok());
        let metadata = bytes.and_then(|bytes| parse_metadata(&bytes).ok());
        let Some(metadata) = metadata else {
            return Err(self.odd(format!(
                "prepares `{folder}`, which has no METADATA that can be read"
            )));
        };
        self.prepared = Some(folder);
        self.notes.promised = Some(metadata.clone());
        Ok(Some(metadata))
    }

    /// Whether the wheel needs what was promised, and nothing else.
    fn keeps_promise(&self, metadata: &str) -> Result<(), SdistError> {
        let Some(promised) = &self.notes.promised else {
            return Ok(());
        };
        let needs = |metadata: &Metadata| {
            let listed = metadata.requires_dist.iter().map(ToString::to_string);
            let listed: BTreeSet<String> = listed.collect();
            (listed, metadata.requires_python.clone())
        };
        match parse_metadata(metadata.as_bytes()) {
            Ok(found) if needs(&found) == needs(promised) => Ok(()),
            _ => {
                Err(self
                    .odd("builds a wheel with other requirements than it said before".to_owned()))
            }
        }
    }

    fn odd(&self, problem: String) -> SdistError {
        let backend = self
            .system
            .as_ref()
            .map_or_else(String::new, |system| system.backend.clone());
        self.wrong(Problem::Answer { backend, problem })
    }

    /// Installs what the project and then its backend say that the build needs.
    async fn furnish(&mut self, sdists: &Sdists<'_>) -> Result<(), SdistError> {
        if self.furnished.is_some() {
            return Ok(());
        }
        let bench = self.bench(sdists)?;
        let system = self.read_system().map_err(|problem| self.wrong(problem))?;
        let mut requires = system.requires.clone();
        self.system = Some(system);
        self.say(sdists);
        let inner = sdists.inside(&self.name, &self.version);
        let environment = self.environment();
        let target = &bench.target;
        let furnished = environment::furnish(&inner, target, &requires, &environment).await;
        furnished.map_err(|error| self.lacks(error))?;
        if let Answer::Texts(more) = self.call(sdists, &Hook::Requires).await? {
            let more = project::requirements(&more).map_err(|problem| self.wrong(problem))?;
            if !more.is_empty() {
                requires.extend(more);
                // From nothing, so that no older version of anything stays.
                fs_err::remove_dir_all(&environment)
                    .map_err(|error| self.wrong(Problem::Start(error)))?;
                let furnished = environment::furnish(&inner, target, &requires, &environment).await;
                furnished.map_err(|error| self.lacks(error))?;
            }
        }
        self.furnished = Some(requires);
        Ok(())
    }

    /// The fault of what the build needs, as this build's.
    fn lacks(&self, error: SdistError) -> SdistError {
        match error {
            SdistError::Fault(fault) => self.wrong(Problem::Requirements(fault)),
            other => self.wrong(Problem::Requirements(Box::new(other.into()))),
        }
    }

    fn bench<'a>(&self, sdists: &Sdists<'a>) -> Result<&'a Bench, SdistError> {
        sdists.bench.ok_or_else(|| self.wrong(Problem::NoPython))
    }

    fn read_system(&self) -> Result<BuildSystem, Problem> {
        let source = self.root.path().join(&self.source);
        let path = source.join("pyproject.toml");
        let pyproject = if path.exists() {
            let bytes = read_regular(&path, MAX_DOCUMENT).map_err(Problem::Start)?;
            let text = String::from_utf8(bytes);
            Some(text.map_err(|_| Problem::Project("is not UTF-8".to_owned()))?)
        } else {
            None
        };
        BuildSystem::read(pyproject.as_deref(), source.join("setup.py").is_file())
    }

    /// Says once that code of this package is run.
    fn say(&mut self, sdists: &Sdists<'_>) {
        if !std::mem::replace(&mut self.notes.announced, true) {
            let message = format!(
                "`{}` {} is built from source, which runs its code{}",
                self.name,
                self.version,
                sdists.reason()
            );
            (sdists.events)(Event::Warning { message });
        }
    }

    async fn call(&self, sdists: &Sdists<'_>, hook: &Hook) -> Result<Answer, SdistError> {
        let bench = self.bench(sdists)?;
        let system = self
            .system
            .as_ref()
            .expect("it is read before anything is called");
        let layers = |layers: &Layers| {
            let lacking = lacking(layers);
            if !lacking.is_empty() && sdists.is_first_gap() {
                let message =
                    format!("a build here is not confined by all that there is: {lacking}");
                (sdists.events)(Event::Warning { message });
            }
        };
        let place = Place {
            python: &bench.python,
            root: self.root.path(),
            source: &self.source,
            system,
            bounds: &bench.bounds,
            layers: &layers,
        };
        place
            .call(hook)
            .await
            .map_err(|problem| self.wrong(problem))
    }

    /// Builds the wheel, checks and normalises it, and gives it with its record.
    pub(super) async fn build(
        &mut self,
        sdists: &Sdists<'_>,
    ) -> Result<(TempPath, Kept), SdistError> {
        self.furnish(sdists).await?;
        let hook = Hook::Wheel(self.prepared.clone());
        let Answer::Name(name) = self.call(sdists, &hook).await? else {
            return Err(self.odd("answers `build_wheel` with no file".to_owned()));
        };
        let bench = self.bench(sdists)?;
        let filename = self.admit(sdists, bench, &name)?;
        let path = self.root.own(&Path::new("out").join(&name));
        let is_file =
            |path: &PathBuf| fs_err::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
        let Some(path) = path.filter(is_file) else {
            return Err(self.odd(format!("answers with `{name}`, which it has not written")));
        };
        let part = tempfile::Builder::new()
            .prefix("wheel-")
            .tempfile_in(sdists.scratch)
            .map_err(|error| self.wrong(Problem::Start(error)))?
            .into_temp_path();
        let finish = {
            let filename = filename.clone();
            move || finished(&path, &filename, &part).map(|found| (part, found))
        };
        let done = tokio::task::spawn_blocking(finish).await;
        let done = done
            .unwrap_or_else(|error| Err(Fault::new(pyrun_core::Code::INTERNAL, error.to_string())));
        let (part, found) = done.map_err(|fault| self.wrong(Problem::Wheel(Box::new(fault))))?;
        self.keeps_promise(&found.metadata)?;
        let kept = Kept {
            wheel: filename,
            sha256: found.sha256,
            size: found.size,
            metadata: found.metadata,
            built_on: bench.target.clone(),
        };
        Ok((part, kept))
    }

    /// Whether the wheel is this package's, and one that the target takes.
    fn admit(
        &self,
        sdists: &Sdists<'_>,
        bench: &Bench,
        name: &str,
    ) -> Result<WheelFilename, SdistError> {
        let other = |native: bool, problem: String| {
            self.wrong(Problem::OtherWheel {
                filename: name.to_owned(),
                problem,
                native,
            })
        };
        let filename: WheelFilename = name
            .parse()
            .map_err(|_| other(false, "is no name of a wheel".to_owned()))?;
        if filename.name() != &self.name || filename.version() != &self.version {
            return Err(other(
                false,
                "is another package's, or of another version".to_owned(),
            ));
        }
        let native = kept::is_native(&filename);
        let fits = Tags::of(sdists.target).rank(&filename).is_some()
            && kept::fits(&filename, &bench.target, sdists.target);
        if fits {
            return Ok(filename);
        }
        let problem = format!(
            "is for {}, where it was built, and {} is asked for",
            bench.target, sdists.target
        );
        Err(other(native, problem))
    }
}

/// What a finished wheel is.
struct Found {
    sha256: Sha256,
    size: u64,
    metadata: String,
}

/// Checks a wheel, and writes its normal form. Blocks for as long as that takes.
fn finished(path: &Path, filename: &WheelFilename, to: &Path) -> Result<Found, Fault> {
    let limits = wheel::Limits::default();
    let contents = wheel::check(path, filename, &limits)?;
    normalise(path, &contents, to)
        .map_err(|error| Fault::from_error(pyrun_core::Code::WHEEL_INVALID, &error))?;
    let contents = wheel::check(to, filename, &limits)?;
    let unreadable =
        |error: std::io::Error| Fault::from_error(pyrun_core::Code::STORE_UNREADABLE, &error);
    let file = fs_err::File::open(to).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let sha256 = wheel::digest_of(&file, 0..size).map_err(unreadable)?;
    let described = format!("{}/METADATA", contents.dist_info);
    let metadata = contents
        .files
        .iter()
        .find(|member| member.path == described);
    let metadata = metadata.map_or(Ok(Vec::new()), |member| {
        // It is stored as it is, and was bounded by the check.
        let mut bytes = vec![0; usize::try_from(member.size).unwrap_or(0)];
        crate::zip::Source::read_exact_at(&file, &mut bytes, member.data_offset)?;
        Ok(bytes)
    });
    let metadata = metadata.map_err(unreadable)?;
    Ok(Found {
        sha256,
        size,
        metadata: String::from_utf8_lossy(index::head(&metadata)).into_owned(),
    })
}

/// Puts a finished wheel and its record into the store.
pub(super) async fn publish(
    sdists: &Sdists<'_>,
    sdist: &Sha256,
    part: &TempPath,
    kept: &Kept,
) -> Result<(), SdistError> {
    let key = catalog::wheel(&kept.sha256);
    // The same bytes may be there already, which is just as well.
    sdists.store.put_new(&key, Body::file(part)).await?;
    kept::keep(sdists.store, sdist, sdists.target, kept).await?;
    Ok(())
}
