//! Text to a lock: what pyrun wrote, and what other tools write (PEP 751).

use std::borrow::Cow;
use std::collections::BTreeMap;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;

use crate::pep508::parse_marker;
use serde::Deserialize;

use crate::digest::Sha256;
use crate::fault::{Code, Fault};
use crate::lock::{Lock, LockedPackage, LockedWheel, groups};
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
struct Own {
    #[serde(default)]
    resolved: Option<String>,
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
    /// the lock must say its own, as those that pyrun wrote do.
    pub fn from_toml(text: &str, target: Option<&Target>) -> Result<Self, LockError> {
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
        let packages = packages(file.packages, &file.default_groups, &target)?;
        let resolved = file.tool.pyrun.and_then(|own| own.resolved);
        Ok(Self {
            target,
            packages,
            resolved,
        })
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

fn packages(
    entries: Vec<Package>,
    groups: &[String],
    target: &Target,
) -> Result<BTreeMap<PackageName, LockedPackage>, LockError> {
    let markers = target.markers();
    let tags = Tags::of(target);
    let mut packages = BTreeMap::new();
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
        if packages.insert(name.clone(), package).is_some() {
            return Err(LockError::Twice(name, target.to_string()));
        }
    }
    Ok(packages)
}

fn package(entry: Package, target: &Target, tags: &Tags) -> Result<LockedPackage, LockError> {
    let mut best: Option<((u32, WheelFilename), Wheel)> = None;
    for wheel in entry.wheels {
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
    let Some(((_, filename), wheel)) = best else {
        return Err(LockError::NoWheel(entry.name, target.to_string()));
    };
    let wrong = |problem: String| LockError::Entry {
        package: entry.name.clone(),
        problem,
    };
    let sha256: Sha256 = wheel
        .hashes
        .get("sha256")
        .ok_or_else(|| wrong(format!("has no sha256 for `{filename}`")))?
        .parse()
        .map_err(|error| wrong(format!("has a wrong hash: {error}")))?;
    if filename.name() != &entry.name {
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
    let mut dependencies: Vec<PackageName> = entry
        .dependencies
        .iter()
        .filter_map(|table| table.get("name")?.as_str()?.parse().ok())
        .collect();
    dependencies.sort();
    dependencies.dedup();
    Ok(LockedPackage {
        version,
        wheel: LockedWheel {
            filename,
            url: wheel.url.or(wheel.path).unwrap_or_default(),
            sha256,
            size: wheel.size,
            upload_time: wheel.upload_time.map(|time| time.to_string()),
        },
        index: entry.index.unwrap_or_default(),
        requires_python: entry.requires_python,
        sdist: None,
        dependencies,
    })
}

fn wheel_name(wheel: &Wheel) -> Option<Cow<'_, str>> {
    filename_in(
        wheel.name.as_deref(),
        wheel.url.as_deref(),
        wheel.path.as_deref(),
    )
}

/// PEP 751: a file's name is `name`, else the last part of its address.
pub(super) fn filename_in<'a>(
    name: Option<&'a str>,
    url: Option<&'a str>,
    path: Option<&'a str>,
) -> Option<Cow<'a, str>> {
    if let Some(name) = name {
        return Some(name.into());
    }
    if let Some(url) = url {
        let path = url.split(['?', '#']).next()?;
        return percent_decoded(path.rsplit('/').next()?);
    }
    path?.rsplit(['/', '\\']).next().map(Cow::Borrowed)
}

/// A part of an address as plain text (RFC 3986, section 2.1); `None` where it is no UTF-8.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let digit = |at: usize| char::from(*others.get(at)?).to_digit(16);
        let code = match (digit(0), digit(1)) {
            (Some(high), Some(low)) if *first == b'%' => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = &others[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
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
