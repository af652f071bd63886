//! Lock files, whoever wrote them: `pylock.toml` (PEP 751) and `uv.lock`.
//!
//! In: a file's path. Out: its lock for a target, with every wheel at an address of its own: what
//! the file names by a path is meant from where the file lies.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use pyrun_core::lock::{Draft, Kept};
use pyrun_core::{Code, Fault, Lock, Target};

use super::choice::Choice;
use super::read_text;
use super::uv_lock::UvLock;

/// A lock file.
#[derive(Debug, Clone)]
pub struct Pylock {
    content: Content,
    folder: PathBuf,
}

/// What stands in a lock file.
#[derive(Debug, Clone)]
enum Content {
    /// The text of a `pylock.toml`.
    Pylock(String),
    /// A `uv.lock`, and what is wanted of its project.
    Uv(Box<UvLock>, Choice),
}

impl Pylock {
    /// Reads a lock file; of a `uv.lock` the project's dependencies are wanted.
    pub fn read(path: &str) -> Result<Self, Fault> {
        Self::read_chosen(path, &Choice::default())
    }

    /// Reads a lock file; of a `uv.lock`, what is chosen is wanted.
    pub fn read_chosen(path: &str, choice: &Choice) -> Result<Self, Fault> {
        let text = read_text(path)?;
        let content = if is_uv_lock(Path::new(path)) {
            Content::Uv(UvLock::parse(path, &text)?.into(), choice.clone())
        } else {
            Content::Pylock(text)
        };
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        });
        let folder = folder.map_err(|error| Fault::new(Code::LOCK_INVALID, error.to_string()))?;
        Ok(Self { content, folder })
    }

    /// What it is for, where it says so itself.
    pub fn target(&self) -> Result<Option<Target>, Fault> {
        match &self.content {
            Content::Pylock(text) => Ok(Lock::target_in(text)?),
            Content::Uv(..) => Ok(None),
        }
    }

    /// What there is for a target, as a `pylock.toml`.
    fn text(&self, target: &Target) -> Result<Cow<'_, str>, Fault> {
        Ok(match &self.content {
            Content::Pylock(text) => text.into(),
            Content::Uv(file, choice) => file.to_pylock(target, choice)?.into(),
        })
    }

    /// What stands in the file and has no place in the lock that was read from it.
    pub fn kept(&self, lock: &Lock) -> Result<Kept, Fault> {
        match &self.content {
            Content::Pylock(text) => Ok(Kept::read(text, lock)?),
            Content::Uv(..) => Ok(Kept::default()),
        }
    }

    /// The lock for a target, where nothing of it is still to be built.
    pub fn lock(&self, target: &Target) -> Result<Lock, Fault> {
        Ok(self.draft(target)?.finish()?)
    }

    /// The lock for a target, finished or not.
    pub fn draft(&self, target: &Target) -> Result<Draft, Fault> {
        let draft = Lock::draft(&self.text(target)?, Some(target))?;
        Ok(self.at_home(draft))
    }

    /// The lock with every path as it is meant: from where the file lies.
    fn at_home(&self, mut draft: Draft) -> Draft {
        let packages = draft.lock.packages.values_mut().flat_map(|package| {
            let sdist = package.sdist.as_mut().map(|sdist| &mut sdist.url);
            [Some(&mut package.wheel.url), sdist]
        });
        let unbuilt = draft.unbuilt.values_mut();
        let unbuilt = unbuilt.map(|package| &mut package.sdist.url);
        for url in packages.flatten().chain(unbuilt) {
            if !url.is_empty() && !url.contains("://") {
                *url = self.folder.join(&*url).to_string_lossy().into_owned();
            }
        }
        draft
    }
}

/// uv names its lock so; `script.py.lock` is one for a script, which has no root.
pub fn is_uv_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "uv.lock")
}
