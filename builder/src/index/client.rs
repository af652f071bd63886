//! The index over HTTP: pages and metadata, each asked for once and kept.
//!
//! In: names of projects, and files of theirs. Out: what [`Source`] says. Never: asks anything
//! under `offline`; asks a second index for what the first one knows, or another one for what is
//! pinned to one, so that nobody can put a package of the same name in front of yours (dependency
//! confusion).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_core::{ResolveOptions, Sha256};
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap};
use url::Url;

use crate::index::address::{self, Credentials, Index, Keyring};
use crate::index::cache::{Cache, CachedPage, Freshness, now};
use crate::index::hosts::Hosts;
use crate::index::http::{Answer, Ask, Http, Limits, broken, status_error};
use crate::index::links::Links;
use crate::index::once::OncePerKey;
use crate::index::page::{self, PageOrigin};
use crate::index::{File, IndexError, Metadata, Project, Source};

mod direct;
mod licence;
mod provenance;
mod seen;
mod wheels;

pub use provenance::Publisher;
pub(crate) use seen::Seen;

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
    /// The only index that is asked for a package, by package.
    pub index_of: BTreeMap<PackageName, String>,
    /// Folders and pages with more files of every package that is not pinned to an index.
    pub find_links: Vec<String>,
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
            index_of: BTreeMap::new(),
            find_links: Vec::new(),
            cache_dir,
            offline: false,
            refresh: false,
            limits: Limits::default(),
        }
    }

    /// Those that ask where a request says.
    pub fn of(options: &ResolveOptions, cache_dir: PathBuf) -> Self {
        Self {
            index_of: options.index_of.clone(),
            find_links: options.find_links.clone(),
            ..Self::new(options.indexes.clone(), cache_dir)
        }
    }
}

/// The index over HTTP. Making one is cheap; the first request sets up TLS.
#[derive(Debug)]
pub struct Client {
    indexes: Vec<Index>,
    pins: BTreeMap<PackageName, Index>,
    links: Links,
    http: Http,
    cache: Cache,
    hosts: Hosts,
    offline: bool,
    refresh: bool,
    projects: OncePerKey<PackageName, Option<Arc<Project>>>,
    metadata: OncePerKey<String, Arc<Metadata>>,
    probes: OncePerKey<String, bool>,
    wheels: OncePerKey<String, Sha256>,
    addresses: OncePerKey<String, Arc<Project>>,
}

#[async_trait]
impl Source for Client {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        let find = || async {
            if let Some(index) = self.pins.get(name) {
                return Ok(self.page(index, name).await?.map(Arc::new));
            }
            let known = self.first_that_knows(name).await?;
            let linked = self.links.files(&self.http, name).await?;
            Ok(beside(name, known, linked).map(Arc::new))
        };
        self.projects.get(name.clone(), find).await
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        let find = || async { self.find_metadata(project, file).await.map(Arc::new) };
        self.metadata.get(file.url.clone(), find).await
    }

    async fn address(&self, name: &PackageName, url: &str) -> Result<Arc<Project>, IndexError> {
        let find = || async { self.find_address(name, url).await.map(Arc::new) };
        self.addresses.get(format!("{name} {url}"), find).await
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
        let mut keys = Keyring::default();
        let indexes = address::read(&options.indexes, &mut keys)?;
        let mut pins = BTreeMap::new();
        for (name, text) in options.index_of {
            pins.insert(name, address::index(&text, &mut keys)?);
        }
        let links = Links::new(&options.find_links, &mut keys)?;
        let cache = Cache::new(options.cache_dir);
        Ok(Self {
            indexes,
            pins,
            links,
            http: Http::new(options.limits, keys, options.offline),
            hosts: Hosts::new(cache.clone()),
            cache,
            offline: options.offline,
            refresh: options.refresh,
            projects: OncePerKey::new(),
            metadata: OncePerKey::new(),
            probes: OncePerKey::new(),
            wheels: OncePerKey::new(),
            addresses: OncePerKey::new(),
        })
    }

    /// Where it asks, without credentials.
    pub(crate) fn asks(&self) -> ResolveOptions {
        let pins = self.pins.iter();
        ResolveOptions {
            indexes: self.indexes.iter().map(Index::shown).collect(),
            index_of: pins
                .map(|(name, index)| (name.clone(), index.shown()))
                .collect(),
            find_links: self.links.shown(),
            ..ResolveOptions::default()
        }
    }

    /// The project on the first index that knows it.
    async fn first_that_knows(&self, name: &PackageName) -> Result<Option<Project>, IndexError> {
        for index in &self.indexes {
            if let Some(project) = self.page(index, name).await? {
                return Ok(Some(project));
            }
        }
        Ok(None)
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
            (StatusCode::OK, _) => Some(read_page(answer, url, shown.clone(), name.clone()).await?),
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
}

/// A project with the files that find-links have of it.
fn beside(name: &PackageName, known: Option<Project>, linked: Vec<File>) -> Option<Project> {
    if linked.is_empty() {
        return known;
    }
    let mut project = known.unwrap_or_else(|| Project {
        name: name.clone(),
        index: String::new(),
        files: Vec::new(),
        status: None,
    });
    project.files.extend(linked);
    Some(project)
}

/// Runs work that reads files or computes for milliseconds away from the network's threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("work on pages and caches does not panic")
}

/// Reads a page in the name of `url`: the address after a redirect may be signed, and so a secret.
async fn read_page(
    answer: Answer,
    url: Url,
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
        page::read(&answer.body, &origin).map_err(|error| broken(&url, error))
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

/// An address, apart from its credentials.
fn parse_url(text: &str) -> Result<(Url, Option<Credentials>), IndexError> {
    let mut url = Url::parse(text).map_err(|error| IndexError::Broken {
        url: address::redact(text),
        problem: format!("is no address: {error}"),
    })?;
    let credentials = address::take_credentials(&mut url);
    Ok((url, credentials))
}
