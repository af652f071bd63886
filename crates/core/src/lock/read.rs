//! Text to a lock: what pyrun wrote, and what other tools write (PEP 751).

use std::collections::BTreeMap;

use pep440_rs::VersionSpecifiers;
use pep508_rs::PackageName;
use serde::Deserialize;

use super::entry::{Package, Read, package};
use super::{Draft, Lock, LockedPackage, Unbuilt, groups};
use crate::fault::{Code, Fault};
use crate::pep508::parse_marker;
use crate::tags::Tags;
use crate::target::Target;

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

/// What every version of the format says.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct VersionOnly {
    lock_version: Option<String>,
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
        let file = file(text)?;
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

/// The text as a file of a version that is read here. It is parsed once: every warm run does it.
fn file(text: &str) -> Result<File, LockError> {
    match parse::<File>(text) {
        Ok(file) => of_known_version(&file.lock_version).map(|()| file),
        // A version to come may have other fields, which is the better reason.
        Err(error) => match parse::<VersionOnly>(text)?.lock_version {
            Some(number) => of_known_version(&number).and(Err(error)),
            None => Err(LockError::Syntax("`lock-version` is missing".to_owned())),
        },
    }
}

fn of_known_version(number: &str) -> Result<(), LockError> {
    if number.starts_with("1.") {
        Ok(())
    } else {
        Err(LockError::Version(number.to_owned()))
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

pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LockError> {
    #[cfg(test)]
    tests::PARSES.with(|parses| parses.set(parses.get() + 1));
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::digest::Sha256;
    use crate::lock::LockedWheel;
    use crate::target::tests::target;
    use crate::wheel::WheelFilename;

    thread_local! {
        /// How many texts this thread has parsed.
        pub(super) static PARSES: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn a_lock_is_parsed_once_and_its_version_is_the_better_reason() {
        let before = PARSES.get();
        Lock::from_toml("lock-version = \"1.0\"\n", Some(&target())).expect("empty");
        assert_eq!(PARSES.get(), before + 1);
        for text in [
            "lock-version = \"2.0\"\n",
            "lock-version = \"2.0\"\npackages = 3\n",
        ] {
            let error = Lock::from_toml(text, Some(&target())).expect_err(text);
            assert!(matches!(error, LockError::Version(_)), "{error}");
        }
        for (text, problem) in [
            ("packages = 3\n", "`lock-version` is missing"),
            ("lock-version = \"1.0\"\npackages = 3\n", "packages = 3"),
        ] {
            let error = Lock::from_toml(text, Some(&target())).expect_err(text);
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

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
