//! One entry of a lock's `packages`, for a target (PEP 751, "The format").
//!
//! In: an entry, as TOML has it. Out: the package with the wheel that fits best, or what it is still
//! to be built from. Never: decides whether the entry applies (its marker is read before).

use std::borrow::Cow;
use std::collections::BTreeMap;

use pep440_rs::Version;
use pep508_rs::PackageName;
use serde::Deserialize;

use super::filename::filename_in;
use super::read::LockError;
use super::{LockedPackage, LockedSdist, LockedWheel, Unbuilt};
use crate::digest::Sha256;
use crate::tags::Tags;
use crate::target::Target;
use crate::wheel::WheelFilename;

/// One of `packages`, as it stands there.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Package {
    pub(super) name: PackageName,
    version: Option<Version>,
    pub(super) marker: Option<String>,
    requires_python: Option<String>,
    index: Option<String>,
    #[serde(default)]
    dependencies: Vec<toml::Table>,
    #[serde(default)]
    wheels: Vec<Wheel>,
    sdist: Option<Wheel>,
    #[serde(default)]
    tool: PackageTool,
}

#[derive(Deserialize, Default)]
struct PackageTool {
    /// Another tool, or a later pyrun, may keep anything here.
    #[serde(default)]
    pyrun: Option<toml::Value>,
}

impl PackageTool {
    fn metadata(&self) -> Option<Sha256> {
        self.pyrun.as_ref()?.get("metadata")?.as_str()?.parse().ok()
    }

    fn built(self) -> Option<Wheel> {
        self.pyrun?.get("built")?.clone().try_into().ok()
    }
}

/// A wheel or a source distribution, as it stands in an entry.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Wheel {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    upload_time: Option<toml::value::Datetime>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// What an entry is.
pub(super) enum Read {
    /// Locked, with its wheel.
    Whole(Box<LockedPackage>),
    /// Its source distribution alone.
    Unbuilt(Unbuilt),
}

/// The wheel that fits best, with its name.
fn best_wheel(wheels: Vec<Wheel>, tags: &Tags) -> Option<(WheelFilename, Wheel)> {
    let mut best: Option<((u32, WheelFilename), Wheel)> = None;
    for wheel in wheels {
        let name = wheel_name(&wheel);
        let Some(filename) = name.and_then(|name| name.parse::<WheelFilename>().ok()) else {
            continue;
        };
        let Some(rank) = tags.rank(&filename) else {
            continue;
        };
        let better = match &best {
            None => true,
            Some(((known, other), _)) => {
                rank < *known || (rank == *known && filename.build() > other.build())
            }
        };
        if better {
            best = Some(((rank, filename), wheel));
        }
    }
    best.map(|((_, filename), wheel)| (filename, wheel))
}

/// What an entry holds for a target.
pub(super) fn package(mut entry: Package, target: &Target, tags: &Tags) -> Result<Read, LockError> {
    let name = entry.name.clone();
    let wrong = |problem: String| LockError::Entry {
        package: name.clone(),
        problem,
    };
    let mut dependencies: Vec<PackageName> = entry
        .dependencies
        .iter()
        .filter_map(|table| table.get("name")?.as_str()?.parse().ok())
        .collect();
    dependencies.sort();
    dependencies.dedup();
    let index = entry.index.take().unwrap_or_default();
    let requires_python = entry.requires_python.take();
    // A wheel that was built is one among those of the sdist; it was made for a target.
    let metadata = entry.tool.metadata();
    let built = std::mem::take(&mut entry.tool).built();
    let built = built.filter(|_| entry.sdist.is_some());
    let built = best_wheel(built.into_iter().collect(), tags);
    let sdist = match &built {
        Some(_) => entry.sdist.take(),
        None => None,
    };
    let wheels = std::mem::take(&mut entry.wheels);
    let Some((filename, wheel)) = built.or_else(|| best_wheel(wheels, tags)) else {
        let Some(sdist) = entry.sdist else {
            return Err(LockError::NoWheel(name, target.to_string()));
        };
        let version = entry.version.ok_or_else(|| {
            wrong("has a source distribution alone, and does not say its version".to_owned())
        })?;
        return Ok(Read::Unbuilt(Unbuilt {
            version,
            sdist: locked_sdist(sdist).map_err(wrong)?,
            index,
            requires_python,
            dependencies,
        }));
    };
    if filename.name() != &name {
        return Err(wrong(format!(
            "lists `{filename}`, which is another package's"
        )));
    }
    let version = entry.version.unwrap_or_else(|| filename.version().clone());
    if version != *filename.version() {
        return Err(wrong(format!(
            "says version {version} and lists `{filename}`"
        )));
    }
    let sha256 = sha256(&wheel, filename.as_str()).map_err(wrong)?;
    let package = LockedPackage {
        version,
        wheel: LockedWheel {
            filename,
            url: wheel.url.or(wheel.path).unwrap_or_default(),
            sha256,
            size: wheel.size,
            upload_time: wheel.upload_time.map(|time| time.to_string()),
        },
        sdist: sdist.map(locked_sdist).transpose().map_err(wrong)?,
        index,
        requires_python,
        dependencies,
        metadata,
    };
    Ok(Read::Whole(Box::new(package)))
}

/// A file's sha256, which every file of a lock must have here. The error says what is wrong.
fn sha256(file: &Wheel, name: &str) -> Result<Sha256, String> {
    let text = file.hashes.get("sha256");
    let text = text.ok_or_else(|| format!("has no sha256 for `{name}`"))?;
    text.parse()
        .map_err(|error| format!("has a wrong hash: {error}"))
}

fn locked_sdist(file: Wheel) -> Result<LockedSdist, String> {
    let name = wheel_name(&file).map(Cow::into_owned);
    let filename = name.ok_or("has a source distribution without a name")?;
    let sha256 = sha256(&file, &filename)?;
    Ok(LockedSdist {
        filename,
        url: file.url.or(file.path).unwrap_or_default(),
        sha256,
        size: file.size,
        upload_time: file.upload_time.map(|time| time.to_string()),
    })
}

fn wheel_name(wheel: &Wheel) -> Option<Cow<'_, str>> {
    filename_in(
        wheel.name.as_deref(),
        wheel.url.as_deref(),
        wheel.path.as_deref(),
    )
}
