//! Text to a lock: what pyrun wrote, and what other tools write (PEP 751).

use std::borrow::Cow;
use std::collections::BTreeMap;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;

use crate::pep508::parse_marker;
use serde::Deserialize;

use crate::digest::Sha256;
use crate::fault::{Code, Fault};
use crate::lock::filename::filename_in;
use crate::lock::{Draft, Lock, LockedPackage, LockedSdist, LockedWheel, Unbuilt, groups};
use crate::tags::Tags;
use crate::target::Target;
use crate::wheel::WheelFilename;

/// Why a lock can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not TOML, or a field of another shape than PEP 751 says.
    #[error("the lock is not TOML as PEP 751 describes it: {0}")]
    Syntax(String),
    /// A version that this pyrun does not read.
    #[error("the lock's `lock-version` is `{0}`; this pyrun reads 1.x")]
    Version(String),
    /// Two entries for one package apply to the target.
    #[error("the lock names `{0}` twice for {1}")]
    Twice(PackageName, String),
    /// Nothing to install for the target.
    #[error("the lock has no wheel of `{0}` for {1}")]
    NoWheel(PackageName, String),
    /// A source distribution alone, which only a builder can make a wheel of.
    #[error(
        "the lock has a source distribution of `{0}` and no wheel for {1}: it is still to be built"
    )]
    Unbuilt(PackageName, String),
    /// A field that PEP 751 requires is missing or wrong.
    #[error("the lock's entry for `{package}` {problem}")]
    Entry {
        /// Whose.
        package: PackageName,
        /// What is wrong.
        problem: String,
    },
    /// Made for another Python or another machine.
    #[error("the lock is for {made_for}, not for {target}")]
    Elsewhere {
        /// What it says of itself.
        made_for: String,
        /// What it is wanted for.
        target: String,
    },
    /// The lock was made by another tool and no target was given.
    #[error("the lock does not say what it is for")]
    NoTarget,
}

impl From<LockError> for Fault {
    fn from(error: LockError) -> Self {
        let fault = Self::from_error(Code::LOCK_INVALID, &error);
        match error {
            LockError::NoWheel(..) | LockError::Elsewhere { .. } => {
                fault.hint("lock again for this target with `pyrun lock`")
            }
            LockError::Unbuilt(..) => fault.hint("`pyrun lock` builds it and completes the lock"),
            LockError::Version(_) => {
                fault.hint("upgrade pyrun, or make the lock anew with `pyrun lock`")
            }
            _ => fault,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    lock_version: String,
    requires_python: Option<String>,
    #[serde(default)]
    environments: Vec<String>,
    #[serde(default)]
    default_groups: Vec<String>,
    #[serde(default)]
    packages: Vec<Package>,
    #[serde(default)]
    tool: Tool,
}

#[derive(Deserialize, Default)]
struct Tool {
    #[serde(default)]
    pyrun: Option<Own>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Own {
    #[serde(default)]
    resolved: Option<String>,
    #[serde(default)]
    exclude_newer: Option<String>,
    target: toml::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: PackageName,
    version: Option<Version>,
    marker: Option<String>,
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

impl Lock {
    /// Reads a lock.
    ///
    /// `target` chooses among the packages and wheels of a lock that holds several; without it
    /// the lock must say its own, as those that pyrun wrote do. A package that is still to be built
    /// is refused: see [`Lock::draft`].
    pub fn from_toml(text: &str, target: Option<&Target>) -> Result<Self, LockError> {
        Self::draft(text, target)?.finish()
    }

    /// Reads a lock that may have packages with a source distribution alone.
    pub fn draft(text: &str, target: Option<&Target>) -> Result<Draft, LockError> {
        let version: VersionOnly = parse(text)?;
        match version.lock_version {
            Some(number) if number.starts_with("1.") => {}
            Some(number) => return Err(LockError::Version(number)),
            None => return Err(LockError::Syntax("`lock-version` is missing".to_owned())),
        }
        let file: File = parse(text)?;
        debug_assert!(file.lock_version.starts_with("1."));
        let own_target = file
            .tool
            .pyrun
            .as_ref()
            .and_then(|own| own.target.clone().try_into::<Target>().ok());
        let target = target.cloned().or(own_target).ok_or(LockError::NoTarget)?;
        check_made_for(&file, &target)?;
        let (packages, unbuilt) = packages(file.packages, &file.default_groups, &target)?;
        let (resolved, exclude_newer) = match file.tool.pyrun {
            Some(own) => (own.resolved, own.exclude_newer),
            None => (None, None),
        };
        let lock = Self {
            target,
            packages,
            resolved,
            exclude_newer,
        };
        Ok(Draft { lock, unbuilt })
    }
}

/// PEP 751: a lock whose `requires-python` or `environments` shut the target out is refused.
fn check_made_for(file: &File, target: &Target) -> Result<(), LockError> {
    let elsewhere = |made_for: String| LockError::Elsewhere {
        made_for,
        target: target.to_string(),
    };
    if let Some(bound) = &file.requires_python {
        let specifiers: VersionSpecifiers = bound.parse().map_err(|_| {
            LockError::Syntax(format!(
                "`requires-python` is `{bound}`, which is no specifier"
            ))
        })?;
        // A pre-release of a Python is that Python here.
        if !specifiers.contains(&target.python.full().only_release()) {
            return Err(elsewhere(format!("Python {bound}")));
        }
    }
    let markers = target.markers();
    let is_named =
        |marker: &String| parse_marker(marker).is_some_and(|marker| marker.evaluate(&markers, &[]));
    if !file.environments.is_empty() && !file.environments.iter().any(is_named) {
        return Err(elsewhere(format!("`{}`", file.environments.join("` or `"))));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct VersionOnly {
    lock_version: Option<String>,
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LockError> {
    toml::from_str(text)
        .map_err(|error| LockError::Syntax(format!("TOML: {}", error.to_string().trim_end())))
}

/// What has a wheel, and what is still to be built.
type Packages = (
    BTreeMap<PackageName, LockedPackage>,
    BTreeMap<PackageName, Unbuilt>,
);

fn packages(
    entries: Vec<Package>,
    groups: &[String],
    target: &Target,
) -> Result<Packages, LockError> {
    let markers = target.markers();
    let tags = Tags::of(target);
    let (mut packages, mut unbuilt) = Packages::default();
    for entry in entries {
        if let Some(marker) = &entry.marker {
            let plain = groups::decided(marker, groups);
            let marker = parse_marker(&plain).ok_or_else(|| LockError::Entry {
                package: entry.name.clone(),
                problem: format!("has the marker `{marker}`, which is not valid (PEP 508)"),
            })?;
            if !marker.evaluate(&markers, &[]) {
                continue;
            }
        }
        let name = entry.name.clone();
        let package = package(entry, target, &tags)?;
        if packages.contains_key(&name) || unbuilt.contains_key(&name) {
            return Err(LockError::Twice(name, target.to_string()));
        }
        match package {
            Read::Whole(package) => drop(packages.insert(name, *package)),
            Read::Unbuilt(package) => drop(unbuilt.insert(name, package)),
        }
    }
    Ok((packages, unbuilt))
}

/// What an entry is.
enum Read {
    Whole(Box<LockedPackage>),
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

fn package(mut entry: Package, target: &Target, tags: &Tags) -> Result<Read, LockError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::target;

    fn read(wheel: &str) -> Result<Lock, LockError> {
        let sha256 = Sha256::of("");
        let text = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"torch\"\n\
             wheels = [{{ {wheel}, hashes = {{ sha256 = \"{sha256}\" }} }}]\n"
        );
        Lock::from_toml(&text, Some(&target()))
    }

    #[test]
    fn a_source_distribution_alone_is_a_draft_until_it_is_built() {
        let (source, wheel) = (Sha256::of("source"), Sha256::of("wheel"));
        let entry = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"docopt\"\nversion = \"0.6.2\"\n\
             sdist = {{ url = \"https://h/docopt-0.6.2.tar.gz\", hashes = {{ sha256 = \"{source}\" }} }}\n"
        );
        let error = Lock::from_toml(&entry, Some(&target())).expect_err("no wheel");
        assert!(matches!(error, LockError::Unbuilt(..)), "{error}");
        let mut draft = Lock::draft(&entry, Some(&target())).expect("a draft");
        let again = Lock::draft(&draft.to_toml(), None).expect("its own text");
        assert_eq!(again, draft);

        let (name, unbuilt) = draft.unbuilt.first_key_value().expect("one");
        assert_eq!(unbuilt.sdist.filename, "docopt-0.6.2.tar.gz");
        let filename: WheelFilename = "docopt-0.6.2-py3-none-any.whl".parse().expect("a wheel");
        let built = LockedWheel {
            filename,
            url: String::new(),
            sha256: wheel,
            size: Some(7),
            upload_time: None,
        };
        draft.add(&name.clone(), built);
        let lock = draft.finish().expect("nothing is left");
        let text = lock.to_toml();
        assert!(!text.contains("wheels ="), "{text}");
        assert_eq!(Lock::from_toml(&text, None).expect(&text), lock);
        assert!(lock.canonical().contains(&wheel.to_string()));
        assert!(!lock.canonical().contains(&source.to_string()));

        let foreign = text.replace("py3-none-any", "cp38-cp38-win_amd64");
        let draft = Lock::draft(&foreign, None).expect("it is built anew for another target");
        assert_eq!(draft.unbuilt.len(), 1);
    }

    #[test]
    fn a_wheel_without_a_name_is_known_by_its_address() {
        for wheel in [
            "url = \"https://h/a%20b/torch-2.1%2Bcpu-py3-none-any.whl?x=%2F#y\"",
            "url = \"https://h/torch-2.1%2bcpu-py3-none-any.whl\"",
            "url = \"https://h/torch-2.1+cpu-py3-none-any.whl\"",
            "path = \"a#b/torch-2.1+cpu-py3-none-any.whl\"",
        ] {
            let lock = read(wheel).expect(wheel);
            let package = lock.packages.values().next().expect("one package");
            assert_eq!(package.version.to_string(), "2.1+cpu", "{wheel}");
        }
        for wheel in [
            "url = \"https://h/torch-2.1%2\"",
            "url = \"https://h/torch-2.1%FF-py3-none-any.whl\"",
            "url = \"https://h/%\"",
        ] {
            let error = read(wheel).expect_err(wheel);
            assert!(matches!(error, LockError::NoWheel(..)), "{error}");
        }
    }
}
