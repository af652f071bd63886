//! The index over HTTP: pages and metadata, each asked for once and kept.
//!
//! In: names of projects, and files of theirs. Out: what [`Source`] says. Never: asks anything
//! under `offline`; asks a second index for what the first one knows, so that nobody can put a
//! package of the same name in front of yours (dependency confusion).

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_core::Sha256;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap};
use url::{Position, Url};

use crate::index::address::{self, Credentials, Index};
use crate::index::cache::{Cache, CachedPage, Freshness, now};
use crate::index::directory::MAX_METADATA;
use crate::index::download::{self, DownloadError, Downloaded, Expected};
use crate::index::hosts::Hosts;
use crate::index::http::{Answer, Ask, Http, Limits, broken, status_error};
use crate::index::once::OncePerKey;
use crate::index::page::{self, PageOrigin};
use crate::index::{
    Announced, File, FileKind, IndexError, Metadata, Project, Source, metadata, parse_metadata,
    remote,
};

/// The largest index page that is read.
const MAX_PAGE: u64 = 64 << 20;
/// For how many seconds a page holds when its index does not say.
const DEFAULT_AGE: u64 = 600;
/// The longest that an index's word on it is believed, in seconds.
const MAX_AGE: u64 = 24 * 3600;

/// How to ask.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Base addresses, in the order in which they are asked. They may carry credentials.
    pub indexes: Vec<String>,
    /// The folder for what was asked before. It may not exist yet.
    pub cache_dir: PathBuf,
    /// Whether nothing may be asked.
    pub offline: bool,
    /// Whether pages that still hold are confirmed all the same.
    pub refresh: bool,
    /// Times and bounds.
    pub limits: Limits,
}

impl ClientOptions {
    /// Those of a plain run.
    pub fn new(indexes: Vec<String>, cache_dir: PathBuf) -> Self {
        Self {
            indexes,
            cache_dir,
            offline: false,
            refresh: false,
            limits: Limits::default(),
        }
    }
}

/// The index over HTTP. Making one is cheap; the first request sets up TLS.
#[derive(Debug)]
pub struct Client {
    indexes: Vec<Index>,
    http: Http,
    cache: Cache,
    hosts: Hosts,
    offline: bool,
    refresh: bool,
    projects: OncePerKey<PackageName, Option<Arc<Project>>>,
    metadata: OncePerKey<String, Arc<Metadata>>,
    probes: OncePerKey<String, bool>,
    wheels: OncePerKey<String, Sha256>,
}

#[async_trait]
impl Source for Client {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        let find = || async {
            for index in &self.indexes {
                if let Some(project) = self.page(index, name).await? {
                    return Ok(Some(Arc::new(project)));
                }
            }
            Ok(None)
        };
        self.projects.get(name.clone(), find).await
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        let find = || async { self.find_metadata(project, file).await.map(Arc::new) };
        self.metadata.get(file.url.clone(), find).await
    }

    async fn digest(&self, file: &File) -> Result<Sha256, IndexError> {
        match file.sha256 {
            Some(sha256) => Ok(sha256),
            None => self.whole_wheel(file, &parse_url(&file.url)?.0).await,
        }
    }
}

impl Client {
    /// A client. Fails for an address that is none.
    pub fn new(options: ClientOptions) -> Result<Self, IndexError> {
        let (indexes, keys) = address::read(&options.indexes)?;
        let cache = Cache::new(options.cache_dir);
        Ok(Self {
            indexes,
            http: Http::new(options.limits, keys, options.offline),
            hosts: Hosts::new(cache.clone()),
            cache,
            offline: options.offline,
            refresh: options.refresh,
            projects: OncePerKey::new(),
            metadata: OncePerKey::new(),
            probes: OncePerKey::new(),
            wheels: OncePerKey::new(),
        })
    }

    /// A project on one index; `None` when the index does not know it.
    async fn page(&self, index: &Index, name: &PackageName) -> Result<Option<Project>, IndexError> {
        let shown = index.shown();
        let url = index.page(name.as_ref());
        let cached = {
            let (cache, shown, name) = (self.cache.clone(), shown.clone(), name.clone());
            blocking(move || cache.page(&shown, &name)).await
        };
        let cached = match cached {
            Some(page) if self.offline => return Ok(page.project),
            None if self.offline => return Err(IndexError::Offline { url: url.into() }),
            // That a project was unknown is no reason to think that it still is.
            Some(page) if page.project.is_none() => None,
            Some(page) if !self.refresh && page.freshness.holds(now()) => return Ok(page.project),
            other => other,
        };
        let mut ask = Ask::new(&url).header(header::ACCEPT, page::ACCEPT);
        if let Some(page) = &cached {
            ask = validators(ask, &page.freshness);
        }
        let answer = self.http.get(&ask, MAX_PAGE).await?;
        let mut freshness = freshness(&answer.headers);
        let project = match (answer.status, cached) {
            (StatusCode::OK, _) => Some(read_page(answer, shown.clone(), name.clone()).await?),
            (StatusCode::NOT_MODIFIED, Some(page)) => {
                // A confirmation need not repeat what it confirms.
                if let Some(new) = &mut freshness {
                    new.etag = new.etag.take().or(page.freshness.etag);
                    new.last_modified = new.last_modified.take().or(page.freshness.last_modified);
                }
                page.project
            }
            (StatusCode::NOT_FOUND, _) => None,
            (status, _) => return Err(status_error(&url, status)),
        };
        let Some(freshness) = freshness else {
            return Ok(project);
        };
        let (cache, name) = (self.cache.clone(), name.clone());
        let keep = move || {
            let page = CachedPage { freshness, project };
            cache.put_page(&shown, &name, &page);
            page.project
        };
        Ok(blocking(keep).await)
    }

    /// A wheel's metadata, from wherever it costs least.
    async fn find_metadata(&self, project: &Project, file: &File) -> Result<Metadata, IndexError> {
        let (url, _) = parse_url(&file.url)?;
        if file.kind != FileKind::Wheel {
            return Err(broken(
                &url,
                "is no wheel: only running it could tell its metadata",
            ));
        }
        if let Some(kept) = file.sha256.and_then(|sha256| self.cache.metadata(&sha256))
            && let Ok(metadata) = check(&kept, project, file, &url)
        {
            return Ok(metadata);
        }
        let bytes = match self.sibling(project, file, &url).await? {
            Some(bytes) => bytes,
            None => self.metadata_inside(project, file, &url).await?,
        };
        let metadata = check(&bytes, project, file, &url)?;
        if let Some(sha256) = &file.sha256 {
            self.cache.put_metadata(sha256, metadata::head(&bytes));
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
        match digest {
            Some(digest) if Sha256::of(&bytes) != digest => {
                let found = Sha256::of(&bytes);
                let problem = format!("has the sha256 {found}, and the index promises {digest}");
                Err(broken(&sibling, problem))
            }
            _ => Ok(Some(bytes)),
        }
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
            None if there => self.get_sibling(sibling).await,
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
        let (url, name) = (url.clone(), name.to_owned());
        blocking(move || remote::read_file(&path, &url, &name)).await
    }

    /// Downloads a wheel and keeps it, so that it need not be downloaded again for the bundle.
    async fn whole_wheel(&self, file: &File, url: &Url) -> Result<Sha256, IndexError> {
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
            self.keep_wheel(url, expected).await
        };
        self.wheels.get(file.url.clone(), fetch).await
    }

    async fn keep_wheel(&self, url: &Url, expected: Expected) -> Result<Sha256, IndexError> {
        let unwritable = |source: std::io::Error| IndexError::Unreachable {
            url: url.to_string(),
            source: Box::new(source),
        };
        let folder = self.cache.wheels();
        fs_err::create_dir_all(&folder).map_err(unwritable)?;
        let part = tempfile::NamedTempFile::new_in(&folder)
            .map_err(unwritable)?
            .into_temp_path();
        let found = match self.download(url.as_str(), expected, &part, &|_| {}).await {
            Ok(found) => found,
            Err(DownloadError::Index(error)) => return Err(error),
            Err(DownloadError::Write { source, .. }) => return Err(unwritable(source)),
            Err(error @ DownloadError::Size { .. }) => {
                return Err(broken(url, format!("is cut or changed: {error}")));
            }
        };
        if let Some(promised) = expected.sha256.filter(|promised| *promised != found.sha256) {
            let found = found.sha256;
            let problem = format!("has the sha256 {found}, and the index promises {promised}");
            return Err(broken(url, problem));
        }
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
        path: &std::path::Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Downloaded, DownloadError> {
        let (url, key) = parse_url(url)?;
        download::download(&self.http, &url, key, expected, path, progress).await
    }
}

/// Runs work that reads files or computes for milliseconds away from the network's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("work on pages and caches does not panic")
}

async fn read_page(
    answer: Answer,
    index: String,
    name: PackageName,
) -> Result<Project, IndexError> {
    blocking(move || {
        let content_type = answer.headers.get(header::CONTENT_TYPE);
        let origin = PageOrigin {
            project: &name,
            index: &index,
            base: &answer.url,
            content_type: content_type.and_then(|value| value.to_str().ok()),
        };
        page::read(&answer.body, &origin).map_err(|error| broken(&answer.url, error))
    })
    .await
}

fn validators<'a>(mut ask: Ask<'a>, freshness: &Freshness) -> Ask<'a> {
    if let Some(etag) = &freshness.etag {
        ask = ask.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(time) = &freshness.last_modified {
        ask = ask.header(header::IF_MODIFIED_SINCE, time);
    }
    ask
}

/// How long an answer holds (RFC 9111); `None` when it must not be kept.
fn freshness(headers: &HeaderMap) -> Option<Freshness> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut max_age = DEFAULT_AGE;
    for directive in text(header::CACHE_CONTROL).unwrap_or("").split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        match directive.split_once('=') {
            None if directive == "no-store" => return None,
            None if directive == "no-cache" => max_age = 0,
            Some(("max-age", seconds)) if max_age > 0 => {
                max_age = seconds.trim_matches('"').parse().unwrap_or(0).min(MAX_AGE);
            }
            _ => {}
        }
    }
    let owned = |name| text(name).map(str::to_owned);
    Some(Freshness {
        fetched: now(),
        max_age,
        etag: owned(header::ETAG),
        last_modified: owned(header::LAST_MODIFIED),
    })
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

/// An address, apart from its credentials.
fn parse_url(text: &str) -> Result<(Url, Option<Credentials>), IndexError> {
    let mut url = Url::parse(text).map_err(|error| IndexError::Broken {
        url: address::redact(text),
        problem: format!("is no address: {error}"),
    })?;
    let credentials = address::take_credentials(&mut url);
    Ok((url, credentials))
}

/// A host and its port, as they name it in memory.
fn host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}
