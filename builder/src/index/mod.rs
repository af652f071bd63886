//! What an index knows: projects, their files, and their metadata.
//!
//! In: the name of a project, or one of its files. Out: the files, and a wheel's core metadata.
//! Never: runs or unpacks a package; asks a second index for a project that the first one knows;
//! shows a credential.

mod address;
mod cache;
mod cause;
mod client;
mod directory;
mod download;
mod error;
mod filename;
mod hosts;
mod html;
mod http;
mod lenient;
mod links;
mod metadata;
mod once;
mod packed;
mod page;
mod remote;
mod said;
pub(crate) mod strange;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use client::Seen;
pub use client::{Client, ClientOptions, Publisher};
pub(crate) use download::{DownloadError, Downloaded, Expected, Hashing, MAX_FILE, open_anew};
pub use http::Limits;
pub(crate) use metadata::{MAX_WEIGHT, head, headers};
pub use metadata::{MetadataError, parse_metadata};
pub(crate) use said::{differences, read_wheel};

use async_trait::async_trait;
use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{ExtraName, PackageName};
use pyrun_core::request::without_credentials;
use pyrun_core::{Code, Fault, LockedWheel, Sha256};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the resolver asks of the world. The network's implementation is `index::Client`; tests
/// answer from memory.
#[async_trait]
pub trait Source: Send + Sync {
    /// The files of a project; `None` when no index knows it.
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError>;

    /// The project that consists of the one file at an address (PEP 508 `name @ url`), which may
    /// be of a wheel or of a source distribution. The file's digest is known, and a wheel has been
    /// checked as one is before it is installed.
    async fn address(&self, name: &PackageName, url: &str) -> Result<Arc<Project>, IndexError> {
        let problem = format!("can't be asked for `{name}` here");
        let url = without_credentials(url);
        Err(IndexError::Broken { url, problem })
    }

    /// The metadata of one file: of a source distribution only where [`Source::builds`].
    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError>;

    /// The digest of a wheel, for a lock. Where the index does not say it, the network's
    /// implementation downloads the wheel.
    async fn digest(&self, file: &File) -> Result<Sha256, IndexError> {
        file.sha256.ok_or_else(|| IndexError::Broken {
            url: file.url.clone(),
            problem: "comes without a sha256 digest".to_owned(),
        })
    }

    /// Whether [`Source::build`] builds: only then is a version with a source distribution alone one
    /// that can be chosen.
    fn builds(&self) -> bool {
        false
    }

    /// The wheel that a source distribution becomes (PEP 517), for a lock. Its metadata is asked
    /// for with [`Source::metadata`] as a wheel's is. What can't build answers so.
    async fn build(&self, project: &Project, file: &File) -> Result<LockedWheel, Box<Fault>> {
        let name = &project.name;
        let message = format!(
            "`{name}` {} has no wheel that fits, and nothing here builds source distributions",
            file.version
        );
        Err(Box::new(Fault::new(Code::PACKAGE_NO_WHEEL, message)))
    }
}

/// A project's page on an index (PEP 503, PEP 691).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its normalised name.
    pub name: PackageName,
    /// The base address of the index that it comes from; empty when none knows it.
    pub index: String,
    /// Its wheels and sdists, in the page's order. Files that are neither are left out.
    pub files: Vec<File>,
    /// What the index says of the whole project (PEP 792); `None` while it is active.
    pub status: Option<ProjectStatus>,
}

impl Project {
    /// Whether none of its files is to be used.
    pub fn is_quarantined(&self) -> bool {
        let status = self.status.as_ref();
        status.is_some_and(|status| status.standing == Standing::Quarantined)
    }
}

/// That a project is no longer active (PEP 792).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// What it is.
    pub standing: Standing,
    /// Why; may be empty.
    pub reason: String,
}

/// What a project can be instead of active (PEP 792). Statuses that are not known count as active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// No more releases are expected.
    Archived,
    /// Its files are not to be used.
    Quarantined,
    /// Another project has taken its place.
    Deprecated,
}

/// One file of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// What kind of file, parsed from its name.
    pub kind: FileKind,
    /// Its name.
    pub filename: String,
    /// The version that its name says.
    pub version: Version,
    /// Where it is: an absolute address.
    pub url: String,
    /// Its digest, if the index says it.
    pub sha256: Option<Sha256>,
    /// Its size in bytes, if the index says it.
    pub size: Option<u64>,
    /// PEP 503 `data-requires-python`; what can't be parsed is `None`.
    pub requires_python: Option<VersionSpecifiers>,
    /// PEP 592: the reason, which may be empty.
    pub yanked: Option<String>,
    /// When it was uploaded, as an RFC 3339 time, if the index says it.
    pub upload_time: Option<String>,
    /// PEP 658/714: whether the index announces a `.metadata` file, and its digest if it says it.
    pub metadata: Announced,
    /// Whether it is not the index's: one of find-links, or the one at an address of its own.
    pub linked: bool,
}

/// Whether a `.metadata` file is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Announced {
    /// The index says nothing: it may be there all the same.
    Silent,
    /// It is there.
    Yes,
    /// It is there, with this digest.
    Digest(Sha256),
}

/// A wheel or an sdist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A wheel.
    Wheel,
    /// A source distribution.
    Sdist,
}

/// What of a wheel's METADATA matters to the resolver (core metadata specification).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `Name`, normalised.
    pub name: PackageName,
    /// `Version`.
    pub version: Version,
    /// `Requires-Dist`.
    pub requires_dist: Vec<pep508_rs::Requirement>,
    /// `Requires-Python`; what can't be parsed is `None`.
    pub requires_python: Option<VersionSpecifiers>,
    /// `Provides-Extra`.
    pub provides_extra: Vec<ExtraName>,
}

/// What an index did wrong.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It does not answer.
    #[error("can't reach `{url}`")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answers with an error status.
    #[error("`{url}` answers with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// It answers with nonsense.
    #[error("`{url}` {problem}")]
    Broken {
        /// What was asked for.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// Its bytes are not those that the index promised: somebody changed one of the two.
    #[error("`{url}` has the sha256 {found}, and the index promises {promised}")]
    Altered {
        /// What was asked for.
        url: String,
        /// What came.
        found: Sha256,
        /// What the index's page says.
        promised: Sha256,
    },
    /// It answers, and what it says can't be written on this machine.
    #[error("can't write `{}`", path.display())]
    Unwritable {
        /// The file or folder.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It answers, and what it gives is refused for a reason of its own: a wheel that is not sound, a
    /// source distribution that can't be unpacked or built.
    #[error("{}", .0.message)]
    Refused(Box<Fault>),
    /// `--offline`, and it is not cached.
    #[error("`{url}` is not cached, and `--offline` forbids asking for it")]
    Offline {
        /// What would have been asked for.
        url: String,
    },
}
