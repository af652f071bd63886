//! How to resolve: where packages come from, and which of their versions and files may be taken.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};

use super::{Requirement, without_credentials};

/// How to resolve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolveOptions {
    /// Base addresses of PEP 503/691 indexes; the first that knows a package is the only one
    /// asked for it.
    pub indexes: Vec<String>,
    /// An RFC 3339 time, or how long before the resolution it was, as an ISO 8601 duration of
    /// days, hours or minutes (`P7D`): files uploaded at or after it do not exist.
    pub exclude_newer: Option<String>,
    /// Whether pre-releases may be chosen.
    pub prerelease: Prerelease,
    /// Which of the versions that fit is preferred.
    pub resolution: Resolution,
    /// The one index that a package may come from, by package; it is asked whether or not it
    /// stands among `indexes`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub index_of: BTreeMap<PackageName, String>,
    /// Folders and pages whose files stand beside those of every index (pip's `--find-links`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub find_links: Vec<String>,
    /// Bounds on packages that something else brings in (pip's `--constraint`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Requirement>,
    /// What stands in the place of every requirement of its package, whoever has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Requirement>,
    /// Whose wheels are passed over, so that they are built from source.
    #[serde(skip_serializing_if = "Selection::is_none")]
    pub no_binary: Selection,
    /// Who is never built from source.
    #[serde(skip_serializing_if = "Selection::is_none")]
    pub only_binary: Selection,
    /// Whether every package must have a digest among the requirements (pip's hash-checking mode).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_hashes: bool,
}

/// Some packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// None.
    #[default]
    None,
    /// All of them.
    All,
    /// These.
    Only(BTreeSet<PackageName>),
}

impl Selection {
    /// Whether it selects no package.
    pub fn is_none(&self) -> bool {
        match self {
            Self::None => true,
            Self::All => false,
            Self::Only(names) => names.is_empty(),
        }
    }

    /// Whether it selects a package.
    pub fn contains(&self, name: &PackageName) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl ResolveOptions {
    /// The index that is used when none is named.
    pub const DEFAULT_INDEX: &'static str = "https://pypi.org/simple";
}

impl ResolveOptions {
    /// Whether a package's wheels may be taken. One that is named counts before all of them.
    pub fn takes_wheels(&self, name: &PackageName) -> bool {
        named_before_all(&self.only_binary, &self.no_binary, name)
    }

    /// Whether a package may be built from source. One that is named counts before all of them.
    pub fn takes_sdists(&self, name: &PackageName) -> bool {
        named_before_all(&self.no_binary, &self.only_binary, name)
    }

    /// What of the options enters a key by itself: addresses without credentials, since a new
    /// password is no new index, and no requirement, whose places would come with it.
    pub(super) fn canonical(&self) -> Self {
        let shown = |addresses: &[String]| {
            let shown = addresses.iter().map(|address| without_credentials(address));
            shown.collect()
        };
        let index_of = self.index_of.iter();
        Self {
            indexes: shown(&self.indexes),
            find_links: shown(&self.find_links),
            index_of: index_of
                .map(|(name, index)| (name.clone(), without_credentials(index)))
                .collect(),
            constraints: Vec::new(),
            overrides: Vec::new(),
            ..self.clone()
        }
    }
}

/// Whether a package is let in by two selections that contradict each other.
fn named_before_all(letting: &Selection, refusing: &Selection, name: &PackageName) -> bool {
    match (letting, refusing) {
        (_, Selection::Only(names)) => !names.contains(name),
        (Selection::Only(names), Selection::All) => names.contains(name),
        (_, Selection::All) => false,
        (_, Selection::None) => true,
    }
}

impl Default for ResolveOptions {
    fn default() -> Self {
        Self {
            indexes: vec![Self::DEFAULT_INDEX.to_owned()],
            exclude_newer: None,
            prerelease: Prerelease::default(),
            resolution: Resolution::default(),
            index_of: BTreeMap::new(),
            find_links: Vec::new(),
            constraints: Vec::new(),
            overrides: Vec::new(),
            no_binary: Selection::None,
            only_binary: Selection::None,
            require_hashes: false,
        }
    }
}

/// Whether pre-releases may be chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prerelease {
    /// Never.
    Disallow,
    /// Always.
    Allow,
    /// When a specifier of the package names one, or when nothing else fits.
    #[default]
    IfNecessaryOrExplicit,
}

/// Which of the versions that fit is preferred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The highest.
    #[default]
    Highest,
    /// The lowest of everything.
    Lowest,
    /// The lowest of what is asked for directly, the highest of the rest.
    LowestDirect,
}
