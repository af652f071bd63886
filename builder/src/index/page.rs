//! A project's page to its files (PEP 503, 592, 629, 658, 691, 700, 714, 792).
//!
//! In: the bytes of a page, in JSON or HTML, and where they came from. Out: the wheels and sdists
//! of the project. Never: fails for a single odd file, which is left out, as installers do.

use std::borrow::Cow;
use std::collections::HashMap;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;
use pyrun_core::Sha256;
use serde::Deserialize;
use url::Url;

use crate::index::{
    Announced, File, Project, ProjectStatus, Standing, address, filename, html, lenient,
};

mod either;
mod files;

/// What is asked for, best first.
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
    application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// The most files that a page may list. Each takes a hundred times the memory of the shortest text
/// that lists one; the longest pages of `PyPI` have some 30 000.
pub(super) const MAX_FILES: usize = 250_000;

/// Where a page came from.
pub(super) struct PageOrigin<'a> {
    /// The project that was asked for.
    pub(super) project: &'a PackageName,
    /// The index, as a lock names it.
    pub(super) index: &'a str,
    /// The page's address after all redirects: relative addresses start there.
    pub(super) base: &'a Url,
    /// The `Content-Type` header, if there is one.
    pub(super) content_type: Option<&'a str>,
}

/// Why a page can't be used. Reads as the rest of a sentence about the page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("is not the JSON of an index page: {0}")]
    Json(serde_json::Error),
    #[error("speaks version {0} of the simple API; this pyrun reads 1.x")]
    ApiVersion(String),
    #[error("answers with content of type `{0}`, which is no index page")]
    ContentType(String),
    #[error("lists more than {MAX_FILES} files")]
    TooManyFiles,
}

/// A file as a page describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Entry<'a> {
    /// Empty in HTML, where the address tells it.
    #[serde(borrow)]
    pub(super) filename: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) url: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) hashes: Hashes<'a>,
    #[serde(borrow)]
    pub(super) requires_python: Option<Text<'a>>,
    pub(super) size: Option<u64>,
    #[serde(borrow)]
    pub(super) upload_time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) yanked: Option<Yanked<'a>>,
    #[serde(borrow)]
    pub(super) core_metadata: Option<Sibling<'a>>,
    /// The name that PEP 658 gave it, before PEP 714.
    #[serde(borrow)]
    pub(super) dist_info_metadata: Option<Sibling<'a>>,
}

/// Text that is borrowed from the page where it holds no escapes.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hashes<'a> {
    #[serde(borrow)]
    pub(super) sha256: Option<Text<'a>>,
}

/// PEP 592: whether a file is yanked, or why.
#[derive(Debug)]
pub(super) enum Yanked<'a> {
    Flag(bool),
    Reason(Text<'a>),
}

/// PEP 714: whether a `.metadata` file is there, or its digests.
#[derive(Debug)]
pub(super) enum Sibling<'a> {
    Flag(bool),
    Digest(Hashes<'a>),
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default, borrow)]
    meta: Meta<'a>,
    /// Any value: an index that gets it wrong has a page all the same.
    #[serde(default, rename = "project-status")]
    status: serde_json::Value,
    #[serde(borrow, deserialize_with = "files::bounded")]
    files: Vec<Entry<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Meta<'a> {
    #[serde(default, borrow)]
    api_version: Option<Text<'a>>,
}

/// Reads a page.
pub(super) fn read(body: &[u8], origin: &PageOrigin<'_>) -> Result<Project, PageError> {
    let media_type = origin.content_type.map(|text| {
        text.split(';')
            .next()
            .unwrap_or(text)
            .trim()
            .to_ascii_lowercase()
    });
    match media_type.as_deref() {
        Some("application/vnd.pypi.simple.v1+json" | "application/json") => json(body, origin),
        Some("application/vnd.pypi.simple.v1+html" | "text/html" | "application/xhtml+xml") => {
            html_page(body, origin)
        }
        Some(other) => Err(PageError::ContentType(other.chars().take(100).collect())),
        None if body.trim_ascii_start().starts_with(b"{") => json(body, origin),
        None => html_page(body, origin),
    }
}

fn json(body: &[u8], origin: &PageOrigin<'_>) -> Result<Project, PageError> {
    // Checked once as a whole, the text need not be checked again for each of its strings.
    let text = String::from_utf8_lossy(body);
    let page: Page<'_> = match serde_json::from_str(&text) {
        Ok(page) => page,
        // A page of another major version may have any shape: its number explains more.
        Err(error) => return Err(foreign_version(body).unwrap_or(PageError::Json(error))),
    };
    if let Some(Text(version)) = &page.meta.api_version {
        check_version(version)?;
    }
    let text = |key: &str| page.status.get(key).and_then(serde_json::Value::as_str);
    let status = status(text("status"), text("reason"));
    Ok(project(&page.files, origin.base, origin, status))
}

fn foreign_version(body: &[u8]) -> Option<PageError> {
    #[derive(Deserialize)]
    struct OnlyMeta<'a> {
        #[serde(borrow)]
        meta: Meta<'a>,
    }
    let page: OnlyMeta<'_> = serde_json::from_slice(body).ok()?;
    check_version(&page.meta.api_version?.0).err()
}

fn html_page(body: &[u8], origin: &PageOrigin<'_>) -> Result<Project, PageError> {
    let page = html::scan(&String::from_utf8_lossy(body));
    if let Some(version) = &page.api_version {
        check_version(version)?;
    }
    if page.entries.len() > MAX_FILES {
        return Err(PageError::TooManyFiles);
    }
    let base = page.base.and_then(|text| origin.base.join(&text).ok());
    let base = base.as_ref().unwrap_or(origin.base);
    let status = status(page.status.as_deref(), page.status_reason.as_deref());
    Ok(project(&page.entries, base, origin, status))
}

/// PEP 629: a higher major version must not be read.
fn check_version(version: &str) -> Result<(), PageError> {
    if version.split('.').next() == Some("1") {
        return Ok(());
    }
    let printable = |c: &char| !c.is_control();
    let shown = version.chars().filter(printable).take(20).collect();
    Err(PageError::ApiVersion(shown))
}

/// PEP 792: a status that is not known counts as active.
fn status(text: Option<&str>, reason: Option<&str>) -> Option<ProjectStatus> {
    let standing = match text?.trim() {
        "archived" => Standing::Archived,
        "quarantined" => Standing::Quarantined,
        "deprecated" => Standing::Deprecated,
        _ => return None,
    };
    let reason = printable(reason.unwrap_or_default());
    Some(ProjectStatus { standing, reason })
}

fn project(
    entries: &[Entry<'_>],
    base: &Url,
    origin: &PageOrigin<'_>,
    status: Option<ProjectStatus>,
) -> Project {
    Project {
        name: origin.project.clone(),
        index: origin.index.to_owned(),
        files: files(entries, base, origin.project, Reach::Network),
        status,
    }
}

/// Where the addresses of a page may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only to what HTTP can fetch: a page must not make anyone read their own files.
    Network,
    /// To files of this machine as well: the page is one of them.
    Machine,
}

/// The files of one project among entries.
pub(super) fn files<'e, 'page: 'e>(
    entries: impl IntoIterator<Item = &'e Entry<'page>>,
    base: &Url,
    project: &PackageName,
    reach: Reach,
) -> Vec<File> {
    let mut reader = Reader {
        project,
        base,
        reach,
        versions: HashMap::new(),
        specifiers: HashMap::new(),
    };
    entries
        .into_iter()
        .filter_map(|entry| reader.file(entry))
        .collect()
}

/// Reads entries; remembers the texts that thousands of them share.
struct Reader<'a> {
    project: &'a PackageName,
    base: &'a Url,
    reach: Reach,
    versions: HashMap<String, Option<Version>>,
    specifiers: HashMap<String, Option<VersionSpecifiers>>,
}

impl Reader<'_> {
    fn file(&mut self, entry: &Entry<'_>) -> Option<File> {
        let (url, fragment) = absolute(&entry.url, self.base, self.reach)?;
        let filename = name_at(entry, &url);
        let (kind, version) = filename::split(&filename, self.project)?;
        let version = self.version(version)?;
        let stated = entry.hashes.sha256.as_ref().map(|text| &*text.0);
        let sha256 = stated.or_else(|| fragment?.strip_prefix("sha256="));
        Some(File {
            kind,
            version,
            sha256: sha256.and_then(|text| text.parse().ok()),
            size: entry.size,
            requires_python: self.specifiers(entry.requires_python.as_ref()),
            yanked: yanked(entry.yanked.as_ref()),
            upload_time: upload_time(entry.upload_time.as_ref()),
            metadata: announced(entry),
            linked: false,
            url,
            filename,
        })
    }

    fn version(&mut self, text: &str) -> Option<Version> {
        if let Some(version) = self.versions.get(text) {
            return version.clone();
        }
        // A file name may spell a version's dashes as underscores.
        let version: Option<Version> = text.replace('_', "-").parse().ok();
        self.versions.insert(text.to_owned(), version.clone());
        version
    }

    fn specifiers(&mut self, text: Option<&Text<'_>>) -> Option<VersionSpecifiers> {
        let text = text?.0.trim();
        if text.is_empty() {
            return None;
        }
        if let Some(specifiers) = self.specifiers.get(text) {
            return specifiers.clone();
        }
        let specifiers = lenient::specifiers(text);
        self.specifiers.insert(text.to_owned(), specifiers.clone());
        specifiers
    }
}

/// The name of an entry's file; `None` where its address can't be followed.
pub(super) fn filename(entry: &Entry<'_>, base: &Url, reach: Reach) -> Option<String> {
    let (url, _) = absolute(&entry.url, base, reach)?;
    Some(name_at(entry, &url))
}

fn name_at(entry: &Entry<'_>, url: &str) -> String {
    match &*entry.filename {
        "" => address::percent_decode(last_segment(url)),
        name => name.to_owned(),
    }
}

fn yanked(yanked: Option<&Yanked<'_>>) -> Option<String> {
    match yanked? {
        Yanked::Flag(false) => None,
        Yanked::Flag(true) => Some(String::new()),
        Yanked::Reason(Text(reason)) => Some(printable(reason)),
    }
}

/// A reason for people: of bounded length, without what could move a cursor.
fn printable(reason: &str) -> String {
    let printable = |c: &char| !c.is_control();
    reason.chars().filter(printable).take(1000).collect()
}

fn upload_time(text: Option<&Text<'_>>) -> Option<String> {
    let text = &*text?.0;
    let plain = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| text.to_owned())
}

fn announced(entry: &Entry<'_>) -> Announced {
    match entry
        .core_metadata
        .as_ref()
        .or(entry.dist_info_metadata.as_ref())
    {
        None | Some(Sibling::Flag(false)) => Announced::Silent,
        Some(Sibling::Flag(true)) => Announced::Yes,
        Some(Sibling::Digest(hashes)) => hashes
            .sha256
            .as_ref()
            .and_then(|text| text.0.parse::<Sha256>().ok())
            .map_or(Announced::Yes, Announced::Digest),
    }
}

/// The address of a file without credentials and fragment, and the fragment.
fn absolute<'a>(text: &'a str, base: &Url, reach: Reach) -> Option<(String, Option<&'a str>)> {
    let (address, fragment) = match text.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (text, None),
    };
    // Parsing thousands of addresses costs more than the rest of the page; most need none.
    let special = |byte| matches!(byte, b'@' | b'[' | b'\\' | b'"' | b'<' | b'>' | b'`');
    let plain = address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !special(byte));
    if plain && (address.starts_with("https://") || address.starts_with("http://")) {
        return Some((address.to_owned(), fragment));
    }
    let mut url = base.join(address).ok()?;
    address::take_credentials(&mut url);
    let within_reach = match url.scheme() {
        "http" | "https" => true,
        "file" => reach == Reach::Machine,
        _ => false,
    };
    within_reach.then(|| (url.into(), fragment))
}

fn last_segment(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
