//! What is inside a wheel, and the wheel itself.
//!
//! In: a file that a page lists. Out: its metadata from the cheapest place that has it (the cache,
//! a `.metadata` file, a few ranges of the wheel, the wheel), or its bytes. Never: believes
//! metadata that names another package or version; keeps a wheel whose digest is another.

use std::path::{Path, PathBuf};

use pyrun_core::Sha256;
use reqwest::StatusCode;
use url::{Position, Url};

use super::{Client, blocking, parse_url};
use crate::index::address::Credentials;
use crate::index::directory::MAX_METADATA;
use crate::index::download::{self, DownloadError, Downloaded, Expected};
use crate::index::http::{Ask, as_promised, broken};
use crate::index::{
    Announced, File, FileKind, IndexError, Metadata, Project, metadata, parse_metadata, remote,
};

impl Client {
    /// A wheel's metadata, from wherever it costs least.
    pub(super) async fn find_metadata(
        &self,
        project: &Project,
        file: &File,
    ) -> Result<Metadata, IndexError> {
        let (url, _) = parse_url(&file.url)?;
        if file.kind != FileKind::Wheel {
            return Err(broken(
                &url,
                "is no wheel: only running it could tell its metadata",
            ));
        }
        let known_as = file.sha256.map(|sha256| known_as(&project.index, &sha256));
        if let Some(kept) = known_as.and_then(|name| self.cache.metadata(&name))
            && let Ok(metadata) = check(&kept, project, file, &url)
        {
            return Ok(metadata);
        }
        let here = file.sha256.and_then(|sha256| self.kept_wheel(&sha256));
        let bytes = match here {
            Some(path) => inside(path, &url, project).await?,
            None => match self.sibling(project, file, &url).await? {
                Some(bytes) => bytes,
                None => self.metadata_inside(project, file, &url).await?,
            },
        };
        let metadata = check(&bytes, project, file, &url)?;
        if let Some(name) = &known_as {
            self.cache.put_metadata(name, metadata::head(&bytes));
        }
        Ok(metadata)
    }

    /// The `.metadata` file beside a wheel (PEP 658), where the index announces one or its host
    /// is known to have them.
    async fn sibling(
        &self,
        project: &Project,
        file: &File,
        url: &Url,
    ) -> Result<Option<Vec<u8>>, IndexError> {
        let mut sibling = url.clone();
        sibling.set_path(&format!("{}.metadata", url.path()));
        let digest = match &file.metadata {
            Announced::Silent => return self.probe(project, file, &sibling).await,
            Announced::Yes => None,
            Announced::Digest(digest) => Some(*digest),
        };
        let Some(bytes) = self.get_sibling(&sibling).await? else {
            return Ok(None);
        };
        if digest.is_some() {
            as_promised(&sibling, digest, Sha256::of(&bytes))?;
        }
        Ok(Some(bytes))
    }

    /// Tries a `.metadata` file that nobody announced. The first wheel of a host decides for the
    /// others, which wait for it.
    async fn probe(
        &self,
        project: &Project,
        file: &File,
        sibling: &Url,
    ) -> Result<Option<Vec<u8>>, IndexError> {
        if self.offline || !matches!(sibling.scheme(), "http" | "https") {
            return Ok(None);
        }
        let host = host(sibling);
        let mut first = None;
        let slot = &mut first;
        let ask = || async move {
            if let Some(known) = self.hosts.facts(&host).siblings {
                return Ok(known);
            }
            let bytes = match self.get_sibling(sibling).await {
                Ok(bytes) => bytes,
                // Some servers fail where others say that there is nothing.
                Err(IndexError::Status { .. }) => None,
                Err(error) => return Err(error),
            };
            // Others answer anything with a page for people.
            *slot = bytes.filter(|bytes| check(bytes, project, file, sibling).is_ok());
            let there = slot.is_some();
            self.hosts
                .learn(&host, |facts| facts.siblings = Some(there));
            Ok(there)
        };
        let there = self.probes.get(self::host(sibling), ask).await?;
        match first {
            Some(bytes) => Ok(Some(bytes)),
            None if there => {
                let bytes = self.get_sibling(sibling).await?;
                Ok(bytes.filter(|bytes| check(bytes, project, file, sibling).is_ok()))
            }
            None => Ok(None),
        }
    }

    async fn get_sibling(&self, sibling: &Url) -> Result<Option<Vec<u8>>, IndexError> {
        let answer = self.http.get(&Ask::new(sibling), MAX_METADATA).await?;
        Ok((answer.status == StatusCode::OK).then(|| answer.body.into()))
    }

    /// METADATA from the wheel itself: by ranges, or from the whole where a host has none.
    async fn metadata_inside(
        &self,
        project: &Project,
        file: &File,
        url: &Url,
    ) -> Result<Vec<u8>, IndexError> {
        let name = project.name.as_ref();
        let host = host(url);
        let path = match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => path,
            _ => {
                if self.hosts.facts(&host).ranges != Some(false) {
                    match remote::read(&self.http, url, file.size, name).await? {
                        remote::Outcome::Metadata(bytes) => return Ok(bytes),
                        remote::Outcome::NoRanges => {
                            self.hosts.learn(&host, |facts| facts.ranges = Some(false));
                        }
                    }
                }
                let sha256 = self.whole_wheel(file, url).await?;
                self.cache.wheel(&sha256)
            }
        };
        inside(path, url, project).await
    }

    /// Downloads a wheel and keeps it, so that it need not be downloaded again for the bundle.
    pub(super) async fn whole_wheel(&self, file: &File, url: &Url) -> Result<Sha256, IndexError> {
        let fetch = || async {
            if let Some(sha256) = file
                .sha256
                .filter(|sha256| self.cache.wheel(sha256).is_file())
            {
                return Ok(sha256);
            }
            let expected = Expected {
                size: file.size,
                sha256: file.sha256,
            };
            self.keep_wheel(url, None, expected).await
        };
        self.wheels.get(file.url.clone(), fetch).await
    }

    /// Downloads a file that is needed whole and keeps it; its digest is proven. Where it is now.
    pub(crate) async fn whole_file(&self, file: &File) -> Result<PathBuf, IndexError> {
        let (url, _) = parse_url(&file.url)?;
        let Ok(path) = url.to_file_path() else {
            let sha256 = self.whole_wheel(file, &url).await?;
            return Ok(self.cache.wheel(&sha256));
        };
        let (promised, size) = (file.sha256, file.size);
        blocking(move || proven(&path, &url, promised, size).map(|()| path)).await
    }

    /// Downloads a file into the cache. `key` are the credentials that its address came with.
    pub(super) async fn keep_wheel(
        &self,
        url: &Url,
        key: Option<Credentials>,
        expected: Expected,
    ) -> Result<Sha256, IndexError> {
        let folder = self.cache.wheels();
        let unwritable = |source: std::io::Error| IndexError::Unwritable {
            path: folder.clone(),
            source,
        };
        fs_err::create_dir_all(&folder).map_err(unwritable)?;
        let part = tempfile::NamedTempFile::new_in(&folder)
            .map_err(unwritable)?
            .into_temp_path();
        let arriving = download::download(&self.http, url, key, expected, &part, &|_| {});
        let found = match arriving.await {
            Ok(found) => found,
            Err(DownloadError::Index(error)) => return Err(error),
            Err(DownloadError::Write { path, source }) => {
                return Err(IndexError::Unwritable { path, source });
            }
            Err(error @ DownloadError::Size { .. }) => {
                return Err(broken(url, format!("is cut or changed: {error}")));
            }
        };
        as_promised(url, expected.sha256, found.sha256)?;
        part.persist(self.cache.wheel(&found.sha256))
            .map_err(|error| unwritable(error.error))?;
        Ok(found.sha256)
    }

    /// A wheel that had to be downloaded for its metadata. Whoever uses it checks its digest.
    pub(crate) fn kept_wheel(&self, sha256: &Sha256) -> Option<PathBuf> {
        Some(self.cache.wheel(sha256)).filter(|path| path.is_file())
    }

    /// Lets go of a wheel that the store has now.
    pub(crate) fn forget_wheel(&self, sha256: &Sha256) {
        // Most were never kept; one that stays costs space alone.
        let _ = fs_err::remove_file(self.cache.wheel(sha256));
    }

    /// Downloads a file to `path`.
    pub(crate) async fn download(
        &self,
        url: &str,
        expected: Expected,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Downloaded, DownloadError> {
        let (url, key) = parse_url(url)?;
        download::download(&self.http, &url, key, expected, path, progress).await
    }
}

/// METADATA of a wheel that is on this machine.
async fn inside(path: PathBuf, url: &Url, project: &Project) -> Result<Vec<u8>, IndexError> {
    let (url, name) = (url.clone(), project.name.to_string());
    blocking(move || remote::read_file(&path, &url, &name)).await
}

/// The name under which a wheel's metadata is kept. What one index says of a wheel is no evidence
/// for what another has.
pub(super) fn known_as(index: &str, wheel: &Sha256) -> Sha256 {
    Sha256::of(format!("{index} {wheel}"))
}

/// Checks a file of this machine against what the index promised of it.
fn proven(
    path: &Path,
    url: &Url,
    promised: Option<Sha256>,
    size: Option<u64>,
) -> Result<(), IndexError> {
    let unreachable = |source: std::io::Error| IndexError::Unreachable {
        url: url.to_string(),
        source: Box::new(source),
    };
    // A pipe or a device may have no end, or never begin.
    let meta = fs_err::metadata(path).map_err(unreachable)?;
    if !meta.is_file() || size.is_some_and(|size| size != meta.len()) {
        return Err(broken(url, "is not the file that was promised"));
    }
    let file = fs_err::File::open(path).map_err(unreachable)?;
    let found = crate::wheel::digest_of(&file, 0..meta.len()).map_err(unreachable)?;
    as_promised(url, promised, found)
}

/// Reads METADATA that must be the file's.
fn check(bytes: &[u8], project: &Project, file: &File, url: &Url) -> Result<Metadata, IndexError> {
    let metadata = parse_metadata(bytes).map_err(|error| broken(url, error))?;
    if metadata.name != project.name || metadata.version != file.version {
        let problem = format!(
            "says in its METADATA that it is `{}` {}",
            metadata.name, metadata.version
        );
        return Err(broken(url, problem));
    }
    Ok(metadata)
}

/// A host and its port, as they name it in memory.
fn host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}
