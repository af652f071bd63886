//! `uv.lock` (version 1): the packages that the project's root reaches on one target.
//!
//! In: the file's text, a target, the extras and groups that are wanted. Out: the text of a
//! `pylock.toml` (PEP 751) with just those packages, which is read as any other. Never: chooses a
//! version: what the file leaves open for the target is a fault.

mod graph;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use pyrun_core::{Code, Fault, PackageName, Target};
use toml::{Table, Value};

use super::choice::Choice;
use graph::{Graph, Reached};
use read::{Artifact, File, Package};

pub use read::UvLock;

/// Why a uv.lock can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UvLockError {
    /// Not TOML, or a field of another shape.
    #[error("`{path}` is not a uv.lock as it is known here: {problem}")]
    Syntax {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Another version or a newer revision of the format.
    #[error("`{path}` is a uv.lock of {found}, and {known} is read here")]
    Version {
        /// The file.
        path: String,
        /// What it is.
        found: String,
        /// What is read.
        known: String,
    },
    /// No package of the file is the project.
    #[error("`{0}` does not say which of its packages is the project")]
    NoRoot(String),
    /// Something names a package that is not there, or that stands there several times.
    #[error("`{path}` has {count} entries for `{package}` that hold for {target}")]
    Ambiguous {
        /// The file.
        path: String,
        /// The package.
        package: PackageName,
        /// How many.
        count: usize,
        /// For what.
        target: String,
    },
    /// A package that no bundle is made of.
    #[error(
        "`{package}` comes from {what}, and a bundle is made of what an index or an address has"
    )]
    Unusable {
        /// The package.
        package: PackageName,
        /// From what.
        what: String,
    },
    /// Text that is no marker.
    #[error("`{path}` has the marker `{marker}`, which is not valid (PEP 508)")]
    Marker {
        /// The file.
        path: String,
        /// The text.
        marker: String,
    },
    /// Made for other machines.
    #[error("`{path}` is for `{environments}`, not for {target}")]
    Elsewhere {
        /// The file.
        path: String,
        /// What it says of itself.
        environments: String,
        /// What it is wanted for.
        target: String,
    },
}

impl From<UvLockError> for Fault {
    fn from(error: UvLockError) -> Self {
        let fault = Self::from_error(Code::LOCK_INVALID, &error);
        match error {
            UvLockError::Version { .. } => fault.hint(
                "have uv write it as a pylock.toml, which is read here: `uv export --format pylock.toml -o pylock.toml`",
            ),
            UvLockError::Unusable { package, .. } => fault.hint(format!(
                "build a wheel of `{package}`, and name its path or address in the project"
            )),
            UvLockError::Ambiguous { .. } | UvLockError::Syntax { .. } => {
                fault.hint("make it anew with `uv lock`")
            }
            _ => fault,
        }
    }
}

impl UvLock {
    /// The packages for a target, as a `pylock.toml`.
    pub fn to_pylock(&self, target: &Target, choice: &Choice) -> Result<String, Fault> {
        let file = &self.file;
        let graph = Graph::new(file, &self.path, target)?;
        let root = graph.root()?;
        let reached = graph.reach(root, choice)?;
        let mut packages = Vec::new();
        for each in &reached {
            let package = &file.packages[each.package];
            if let Some(entry) = entry(package, each, file)? {
                packages.push(Value::Table(entry));
            }
        }
        let mut lock = Table::new();
        lock.insert("lock-version".to_owned(), "1.0".into());
        lock.insert("created-by".to_owned(), "uv".into());
        if let Some(bound) = &file.requires_python {
            lock.insert("requires-python".to_owned(), bound.clone().into());
        }
        lock.insert("packages".to_owned(), packages.into());
        Ok(lock.to_string())
    }
}

/// The entry of one package; `None` where it has no files of its own.
fn entry(package: &Package, reached: &Reached, file: &File) -> Result<Option<Table>, UvLockError> {
    let source = &package.source;
    let unusable = |what: &str| UvLockError::Unusable {
        package: package.name.clone(),
        what: what.to_owned(),
    };
    if source.is_virtual.is_some() || reached.is_root {
        return Ok(None);
    }
    if source.git.is_some() {
        return Err(unusable("a git repository"));
    }
    if let Some(folder) = source.editable.as_ref().or(source.directory.as_ref()) {
        return Err(unusable(&format!("the folder `{folder}`")));
    }
    let mut entry = Table::new();
    entry.insert("name".to_owned(), package.name.to_string().into());
    if let Some(version) = &package.version {
        entry.insert("version".to_owned(), version.clone().into());
    }
    let registry = source.registry.as_deref();
    if let Some(index) = registry.filter(|index| index.contains("://")) {
        entry.insert("index".to_owned(), index.into());
    }
    let needs: BTreeSet<&PackageName> = reached
        .needs
        .iter()
        .map(|index| &file.packages[*index].name)
        .collect();
    let needs = needs.into_iter().map(|name| {
        Value::Table(Table::from_iter([(
            "name".to_owned(),
            name.to_string().into(),
        )]))
    });
    entry.insert("dependencies".to_owned(), Value::Array(needs.collect()));
    let wheels = package.wheels.iter().map(|wheel| artifact(wheel, package));
    entry.insert("wheels".to_owned(), Value::Array(wheels.collect()));
    if let Some(sdist) = &package.sdist {
        entry.insert("sdist".to_owned(), artifact(sdist, package));
    }
    Ok(Some(entry))
}

/// A file as PEP 751 has it. A path is meant from where the lock lies.
fn artifact(file: &Artifact, package: &Package) -> Value {
    let mut table = Table::new();
    let own = package.source.url.as_ref();
    let beside = package.source.registry.as_deref().unwrap_or_default();
    let path = match (&file.path, &package.source.path) {
        (Some(path), _) if beside.is_empty() => Some(path.clone()),
        (Some(path), _) => Some(format!("{beside}/{path}")),
        (None, path) => path.clone(),
    };
    let name = file.filename.clone().or_else(|| {
        let place = file.url.as_ref().or(own).or(path.as_ref())?;
        let place = place.split(['?', '#']).next()?;
        Some(
            place
                .rsplit('/')
                .next()?
                .replace("%2B", "+")
                .replace("%2b", "+"),
        )
    });
    if let Some(name) = name {
        table.insert("name".to_owned(), name.into());
    }
    if let Some(url) = file.url.as_ref().or(own) {
        table.insert("url".to_owned(), url.clone().into());
    } else if let Some(path) = path {
        table.insert("path".to_owned(), path.into());
    }
    if let Some(size) = file.size.and_then(|size| i64::try_from(size).ok()) {
        table.insert("size".to_owned(), size.into());
    }
    let time = file.upload_time.as_ref().and_then(|time| match time {
        Value::String(text) => text.parse::<toml::value::Datetime>().ok(),
        Value::Datetime(time) => Some(*time),
        _ => None,
    });
    if let Some(time) = time {
        table.insert("upload-time".to_owned(), time.into());
    }
    let mut hashes = Table::new();
    if let Some((algorithm, digits)) = file.hash.as_deref().and_then(|hash| hash.split_once(':')) {
        hashes.insert(algorithm.to_owned(), digits.into());
    }
    table.insert("hashes".to_owned(), hashes.into());
    Value::Table(table)
}
