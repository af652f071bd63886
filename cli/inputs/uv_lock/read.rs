//! The file as it stands.

use std::collections::BTreeMap;

use pyrun_core::{ExtraName, PackageName};
use serde::Deserialize;

use super::UvLockError;

/// The version of the format that is read.
const VERSION: u32 = 1;
/// The newest of its revisions that is known. Older ones lack fields.
const REVISION: u32 = 5;

/// A uv.lock.
#[derive(Debug, Clone)]
pub struct UvLock {
    pub(super) path: String,
    pub(super) file: File,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct File {
    pub requires_python: Option<String>,
    #[serde(default)]
    pub supported_markers: Vec<String>,
    #[serde(default, rename = "package")]
    pub packages: Vec<Package>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Package {
    pub name: PackageName,
    pub version: Option<String>,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub resolution_markers: Vec<String>,
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    #[serde(default)]
    pub optional_dependencies: BTreeMap<ExtraName, Vec<Dependency>>,
    #[serde(default)]
    pub dev_dependencies: BTreeMap<ExtraName, Vec<Dependency>>,
    #[serde(default)]
    pub metadata: Metadata,
    pub sdist: Option<Artifact>,
    #[serde(default)]
    pub wheels: Vec<Artifact>,
}

/// What names extras and groups that hold nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Metadata {
    #[serde(default)]
    pub provides_extras: Vec<ExtraName>,
    #[serde(default)]
    pub requires_dev: BTreeMap<ExtraName, toml::Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Source {
    pub registry: Option<String>,
    pub git: Option<String>,
    pub url: Option<String>,
    pub path: Option<String>,
    pub editable: Option<String>,
    pub directory: Option<String>,
    #[serde(rename = "virtual")]
    pub is_virtual: Option<String>,
}

impl Source {
    /// The folder, where it is one of this project.
    pub fn folder(&self) -> Option<&str> {
        let folder = self.is_virtual.as_ref().or(self.editable.as_ref());
        folder.or(self.directory.as_ref()).map(String::as_str)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dependency {
    pub name: PackageName,
    pub version: Option<String>,
    pub source: Option<Source>,
    #[serde(default)]
    pub extra: Vec<ExtraName>,
    pub marker: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Artifact {
    pub url: Option<String>,
    pub path: Option<String>,
    pub filename: Option<String>,
    pub hash: Option<String>,
    pub size: Option<u64>,
    pub upload_time: Option<toml::Value>,
}

#[derive(Deserialize)]
struct Versions {
    version: Option<u32>,
    revision: Option<u32>,
}

impl UvLock {
    /// Reads the text of a file.
    pub fn parse(path: &str, text: &str) -> Result<Self, UvLockError> {
        let syntax = |error: toml::de::Error| UvLockError::Syntax {
            path: path.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        };
        let other = |found: String| UvLockError::Version {
            path: path.to_owned(),
            found,
            known: format!("version {VERSION} up to revision {REVISION}"),
        };
        let versions: Versions = toml::from_str(text).map_err(syntax)?;
        match (versions.version, versions.revision.unwrap_or(0)) {
            (Some(VERSION), 0..=REVISION) => {}
            (Some(VERSION), newer) => {
                return Err(other(format!("version {VERSION}, revision {newer}")));
            }
            (Some(version), _) => return Err(other(format!("version {version}"))),
            (None, _) => return Err(other("no version".to_owned())),
        }
        Ok(Self {
            path: path.to_owned(),
            file: toml::from_str(text).map_err(syntax)?,
        })
    }
}
