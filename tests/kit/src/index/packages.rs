//! What a test's index holds.
//!
//! In: wheels, and files that only look like something. Out: the listing that pages are made from.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyrun_core::Sha256;

use crate::wheel::{Wheel, normalise};

/// When files were uploaded, unless a test says otherwise.
pub const UPLOAD_TIME: &str = "2024-01-01T00:00:00Z";

/// A file of a project, and how the index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// The project's normalised name.
    pub project: String,
    /// The version.
    pub version: String,
    /// The file's name.
    pub filename: String,
    /// The file.
    pub bytes: Bytes,
    /// The digest that the page says.
    pub sha256: Sha256,
    /// Whether the page says the digest.
    pub says_hash: bool,
    /// Whether the page says the size (PEP 700).
    pub says_size: bool,
    /// `requires-python` of the page.
    pub requires_python: Option<String>,
    /// PEP 592: the reason, which may be empty.
    pub yanked: Option<String>,
    /// PEP 700: an RFC 3339 time.
    pub upload_time: Option<String>,
    /// The `.metadata` file (PEP 658, PEP 714).
    pub metadata: MetadataFile,
    /// The provenance object (PEP 740), which is announced and served.
    pub provenance: Option<String>,
}

/// How a `.metadata` file is announced and served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataFile {
    /// Announced with its digest, and served. A text that is not the wheel's makes it a lie.
    Announced(String),
    /// Announced without a digest, and served.
    WithoutDigest(String),
    /// Announced with another text's digest, and served.
    WrongDigest(String),
    /// Served, and not announced.
    Silent(String),
    /// Announced, and 404.
    Missing,
    /// Not announced, and 404.
    Absent,
}

impl MetadataFile {
    /// The text that is served.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Announced(text)
            | Self::WithoutDigest(text)
            | Self::WrongDigest(text)
            | Self::Silent(text) => Some(text),
            Self::Missing | Self::Absent => None,
        }
    }
}

impl From<Wheel> for IndexFile {
    fn from(wheel: Wheel) -> Self {
        Self {
            project: wheel.project,
            version: wheel.version,
            filename: wheel.filename,
            bytes: wheel.bytes,
            sha256: wheel.sha256,
            says_hash: true,
            says_size: true,
            requires_python: wheel.requires_python,
            yanked: None,
            upload_time: Some(UPLOAD_TIME.to_owned()),
            metadata: MetadataFile::Announced(wheel.metadata),
            provenance: None,
        }
    }
}

impl From<&Wheel> for IndexFile {
    fn from(wheel: &Wheel) -> Self {
        wheel.clone().into()
    }
}

impl IndexFile {
    /// An sdist's name with any bytes.
    pub fn sdist(name: &str, version: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let filename = format!("{}-{version}.tar.gz", normalise(name).replace('-', "_"));
        Self::any(name, version, filename, bytes)
    }

    /// A file of any name with any bytes.
    pub fn any(
        project: &str,
        version: &str,
        filename: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        let bytes = Bytes::from(bytes.into());
        Self {
            project: normalise(project),
            version: version.to_owned(),
            filename: filename.into(),
            sha256: Sha256::of(&bytes),
            bytes,
            says_hash: true,
            says_size: true,
            requires_python: None,
            yanked: None,
            upload_time: Some(UPLOAD_TIME.to_owned()),
            metadata: MetadataFile::Absent,
            provenance: None,
        }
    }

    /// Yanks the file for a reason, which may be empty.
    #[must_use]
    pub fn yanked(mut self, reason: impl Into<String>) -> Self {
        self.yanked = Some(reason.into());
        self
    }

    /// Sets the upload time, in RFC 3339.
    #[must_use]
    pub fn uploaded(mut self, time: impl Into<String>) -> Self {
        self.upload_time = Some(time.into());
        self
    }

    /// The page does not say when the file was uploaded.
    #[must_use]
    pub fn no_upload_time(mut self) -> Self {
        self.upload_time = None;
        self
    }

    /// The page says this `requires-python`, whatever the wheel says.
    #[must_use]
    pub fn requires_python(mut self, specifiers: impl Into<String>) -> Self {
        self.requires_python = Some(specifiers.into());
        self
    }

    /// The page does not say the size.
    #[must_use]
    pub fn no_size(mut self) -> Self {
        self.says_size = false;
        self
    }

    /// The page says no digest.
    #[must_use]
    pub fn no_hash(mut self) -> Self {
        self.says_hash = false;
        self
    }

    /// The page says this digest, whatever the file's is.
    #[must_use]
    pub fn wrong_hash(mut self, digest: Sha256) -> Self {
        self.sha256 = digest;
        self
    }

    /// Gives the file a provenance object (PEP 740).
    #[must_use]
    pub fn provenance(mut self, json: impl Into<String>) -> Self {
        self.provenance = Some(json.into());
        self
    }

    /// Sets how the `.metadata` file is announced and served.
    #[must_use]
    pub fn metadata(mut self, metadata: MetadataFile) -> Self {
        self.metadata = metadata;
        self
    }
}

/// A project's page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, in the page's order.
    pub files: Vec<IndexFile>,
    /// PEP 792: the status, such as `archived`, and a reason.
    pub status: Option<(String, Option<String>)>,
}

/// Every project of an index, by its normalised name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// The projects.
    pub projects: BTreeMap<String, Listing>,
}

impl Packages {
    /// An index without projects.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, file: impl Into<IndexFile>) -> Self {
        self.add(file);
        self
    }

    /// Adds a project that has no files.
    #[must_use]
    pub fn with_empty(mut self, project: &str) -> Self {
        self.projects.entry(normalise(project)).or_default();
        self
    }

    /// Gives a project a status (PEP 792).
    #[must_use]
    pub fn with_status(mut self, project: &str, status: &str, reason: Option<&str>) -> Self {
        let listing = self.projects.entry(normalise(project)).or_default();
        listing.status = Some((status.to_owned(), reason.map(str::to_owned)));
        self
    }

    /// Adds a file, in place of one of the same name.
    pub fn add(&mut self, file: impl Into<IndexFile>) {
        let file = file.into();
        let listing = self.projects.entry(file.project.clone()).or_default();
        let mut files = listing.files.iter_mut();
        match files.find(|known| known.filename == file.filename) {
            Some(known) => *known = file,
            None => listing.files.push(file),
        }
    }

    /// Removes a file; its project stays.
    pub fn remove(&mut self, filename: &str) {
        for listing in self.projects.values_mut() {
            listing.files.retain(|file| file.filename != filename);
        }
    }

    /// A file by its name.
    pub fn file(&self, filename: &str) -> Option<&IndexFile> {
        let mut files = self.projects.values().flat_map(|listing| &listing.files);
        files.find(|file| file.filename == filename)
    }

    /// A file by its name, to change it.
    pub fn file_mut(&mut self, filename: &str) -> Option<&mut IndexFile> {
        let mut files = self.projects.values_mut().flat_map(|all| &mut all.files);
        files.find(|file| file.filename == filename)
    }
}

impl<T: Into<IndexFile>> FromIterator<T> for Packages {
    fn from_iter<I: IntoIterator<Item = T>>(files: I) -> Self {
        files.into_iter().fold(Self::new(), Self::with)
    }
}

impl<T: Into<IndexFile>, const N: usize> From<[T; N]> for Packages {
    fn from(files: [T; N]) -> Self {
        files.into_iter().collect()
    }
}

impl<T: Into<IndexFile>> From<Vec<T>> for Packages {
    fn from(files: Vec<T>) -> Self {
        files.into_iter().collect()
    }
}
