//! `pylock.toml` files (PEP 751), whoever wrote them.
//!
//! In: a file's path. Out: its lock for a target, with every wheel at an address of its own: what
//! the file names by a path is meant from where the file lies.

use std::path::{Path, PathBuf};

use pyrun_core::lock::Draft;
use pyrun_core::{Code, Fault, Lock, PythonVersion, Target};

use super::read_text;

/// A lock file.
#[derive(Debug, Clone)]
pub struct Pylock {
    text: String,
    folder: PathBuf,
}

impl Pylock {
    /// Reads a lock file.
    pub fn read(path: &str) -> Result<Self, Fault> {
        let text = read_text(path)?;
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        });
        let folder = folder.map_err(|error| Fault::new(Code::LOCK_INVALID, error.to_string()))?;
        Ok(Self { text, folder })
    }

    /// The Python that it was made for, where it says so itself.
    pub fn python(&self) -> Option<PythonVersion> {
        Lock::draft(&self.text, None)
            .ok()
            .map(|draft| draft.lock.target.python)
    }

    /// The lock for a target, where nothing of it is still to be built.
    pub fn lock(&self, target: &Target) -> Result<Lock, Fault> {
        Ok(self.draft(target)?.finish()?)
    }

    /// The lock for a target, finished or not.
    pub fn draft(&self, target: &Target) -> Result<Draft, Fault> {
        let mut draft = Lock::draft(&self.text, Some(target))?;
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
        Ok(draft)
    }
}
