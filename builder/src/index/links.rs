//! Folders and pages whose files stand beside those of every index (pip's `--find-links`).
//!
//! In: their addresses, a project's name. Out: the project's files there. Never: looks into folders
//! below a folder; follows a link of a page of the network to a file of this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pep508_rs::PackageName;
use reqwest::StatusCode;
use url::Url;

use crate::index::address::{self, Keyring};
use crate::index::download::Hashing;
use crate::index::http::{Ask, Http, broken, status_error};
use crate::index::once::OncePerKey;
use crate::index::page::{self, Entry, Reach};
use crate::index::{File, IndexError, filename, html};

/// The largest page that is read.
const MAX_PAGE: u64 = 64 << 20;
/// The most files of a folder that are looked at; a page may list as many as one of an index.
const MAX_FILES: usize = 100_000;

/// Every place that was named.
#[derive(Debug)]
pub(super) struct Links {
    places: Vec<Place>,
    listings: OncePerKey<usize, Arc<Listing>>,
}

#[derive(Debug)]
enum Place {
    /// A page of the network.
    Page(Url),
    /// A folder or a page of this machine.
    Here(PathBuf),
}

/// What a place lists, whatever project it is of.
#[derive(Debug)]
struct Listing {
    entries: Vec<Entry<'static>>,
    /// Their names as [`filename::normalised`] has them, sorted, each with its entry's place: a
    /// listing is asked for one project after the other.
    names: Vec<(String, usize)>,
    base: Url,
    reach: Reach,
}

impl Listing {
    fn new(entries: Vec<Entry<'static>>, base: Url, reach: Reach) -> Self {
        let own = entries.iter().enumerate().filter_map(|(place, entry)| {
            let name = page::filename(entry, &base, reach)?;
            Some((filename::normalised(&name), place))
        });
        let mut names: Vec<(String, usize)> = own.collect();
        names.sort();
        Self {
            entries,
            names,
            base,
            reach,
        }
    }

    /// The files of a project, in the order of the listing.
    fn files(&self, project: &PackageName) -> Vec<File> {
        let start = format!("{project}-");
        let first = self.names.partition_point(|(name, _)| *name < start);
        let own = self.names[first..].iter();
        let own = own.take_while(|(name, _)| name.starts_with(&start));
        let mut places: Vec<usize> = own.map(|(_, place)| *place).collect();
        places.sort_unstable();
        let entries = places.into_iter().map(|place| &self.entries[place]);
        page::files(entries, &self.base, project, self.reach)
    }
}

impl Links {
    /// Reads the addresses; credentials go to the keyring.
    pub(super) fn new(addresses: &[String], keys: &mut Keyring) -> Result<Self, IndexError> {
        let places = addresses.iter().map(|text| place(text.trim(), keys));
        Ok(Self {
            places: places.collect::<Result<_, _>>()?,
            listings: OncePerKey::new(),
        })
    }

    /// The places, without credentials.
    pub(super) fn shown(&self) -> Vec<String> {
        let shown = self.places.iter().map(|place| match place {
            Place::Page(url) => url.to_string(),
            Place::Here(path) => path.to_string_lossy().into_owned(),
        });
        shown.collect()
    }

    /// The files of a project in all places, in the order of the places.
    pub(super) async fn files(
        &self,
        http: &Http,
        name: &PackageName,
    ) -> Result<Vec<File>, IndexError> {
        let mut files: Vec<File> = Vec::new();
        let mut known = BTreeSet::new();
        for (number, place) in self.places.iter().enumerate() {
            let read = || async { place.read(http).await.map(Arc::new) };
            let listing = self.listings.get(number, read).await?;
            for file in listing.files(name) {
                if known.insert(file.filename.clone()) {
                    let linked = true;
                    files.push(measured(File { linked, ..file }).await?);
                }
            }
        }
        Ok(files)
    }
}

fn place(text: &str, keys: &mut Keyring) -> Result<Place, IndexError> {
    let wrong = || IndexError::Broken {
        url: address::redact(text),
        problem: "is no folder and no address of a page with links".to_owned(),
    };
    match Url::parse(text) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            keys.take(&mut url);
            url.set_fragment(None);
            Ok(Place::Page(url))
        }
        Ok(url) if url.scheme() == "file" => {
            let path = url.to_file_path().map_err(|()| wrong())?;
            Ok(Place::Here(path))
        }
        _ if text.is_empty() || text.contains("://") => Err(wrong()),
        _ => std::path::absolute(text)
            .map(Place::Here)
            .map_err(|_| wrong()),
    }
}

impl Place {
    async fn read(&self, http: &Http) -> Result<Listing, IndexError> {
        match self {
            Self::Page(url) => {
                let answer = http.get(&Ask::new(url), MAX_PAGE).await?;
                match answer.status {
                    StatusCode::OK => page_of(&answer.body, &answer.url, Reach::Network),
                    status => Err(status_error(url, status)),
                }
            }
            Self::Here(path) => {
                let path = path.clone();
                super::client::blocking(move || here(&path)).await
            }
        }
    }
}

fn page_of(body: &[u8], url: &Url, reach: Reach) -> Result<Listing, IndexError> {
    let page = html::scan(&String::from_utf8_lossy(body));
    if page.entries.len() > page::MAX_FILES {
        return Err(broken(url, page::PageError::TooManyFiles.to_string()));
    }
    let base = page.base.and_then(|text| url.join(&text).ok());
    let base = base.unwrap_or_else(|| url.clone());
    Ok(Listing::new(page.entries, base, reach))
}

fn here(path: &Path) -> Result<Listing, IndexError> {
    let unreadable = |source: std::io::Error| IndexError::Unreachable {
        url: path.display().to_string(),
        source: Box::new(source),
    };
    let about = fs_err::metadata(path).map_err(unreadable)?;
    if about.is_dir() {
        return folder(path);
    }
    let url = file_url(path, Url::from_file_path(path))?;
    if !about.is_file() || about.len() > MAX_PAGE {
        let problem = format!("is no page with links of at most {MAX_PAGE} bytes");
        return Err(broken(&url, problem));
    }
    let body = fs_err::read(path).map_err(unreadable)?;
    page_of(&body, &url, Reach::Machine)
}

fn folder(path: &Path) -> Result<Listing, IndexError> {
    let base = file_url(path, Url::from_directory_path(path))?;
    let unreadable = |source: std::io::Error| IndexError::Unreachable {
        url: path.display().to_string(),
        source: Box::new(source),
    };
    let mut names = Vec::new();
    for entry in fs_err::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // A name that is no text is no package's.
        if let Ok(name) = entry.file_name().into_string()
            && fs_err::metadata(entry.path()).is_ok_and(|about| about.is_file())
        {
            names.push(name);
        }
        if names.len() > MAX_FILES {
            return Err(broken(&base, format!("has more than {MAX_FILES} files")));
        }
    }
    names.sort();
    let entry = |name: String| {
        let url = Url::from_file_path(path.join(&name)).ok()?;
        Some(Entry {
            filename: name.into(),
            url: String::from(url).into(),
            ..Entry::default()
        })
    };
    let entries = names.into_iter().filter_map(entry).collect();
    Ok(Listing::new(entries, base, Reach::Machine))
}

fn file_url(path: &Path, url: Result<Url, ()>) -> Result<Url, IndexError> {
    url.map_err(|()| IndexError::Broken {
        url: path.display().to_string(),
        problem: "is no absolute path".to_owned(),
    })
}

/// A file of this machine with its size and digest, which no page needs to say.
async fn measured(file: File) -> Result<File, IndexError> {
    let path = Url::parse(&file.url)
        .ok()
        .filter(|url| url.scheme() == "file");
    let Some(path) = path.and_then(|url| url.to_file_path().ok()) else {
        return Ok(file);
    };
    let (size, sha256) = measure(path).await?;
    Ok(File {
        size: Some(size),
        // What a page says is a promise, and is compared when the file is used.
        sha256: file.sha256.or(Some(sha256)),
        ..file
    })
}

/// The size and digest of a file of this machine.
pub(super) async fn measure(path: PathBuf) -> Result<(u64, pyrun_core::Sha256), IndexError> {
    super::client::blocking(move || {
        let read = || {
            // A pipe or a device may have no end, or never begin.
            if !fs_err::metadata(&path)?.is_file() {
                return Err(std::io::Error::other("it is not a regular file"));
            }
            let mut hashing = Hashing::new(std::io::sink());
            std::io::copy(&mut fs_err::File::open(&path)?, &mut hashing)?;
            Ok(hashing.finish())
        };
        let found = read().map_err(|source| IndexError::Unreachable {
            url: path.display().to_string(),
            source: Box::new(source),
        })?;
        Ok((found.size, found.sha256))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(files: usize) -> Result<Listing, IndexError> {
        let anchors = (0..files).map(|number| format!("<a href='p{number:05}-1.0.tar.gz'>"));
        let anchors = anchors.collect::<Vec<_>>().concat();
        let url = Url::parse("https://h/links/").expect("an address");
        page_of(anchors.as_bytes(), &url, Reach::Network)
    }

    #[test]
    fn thousands_of_projects_are_found_among_thousands_of_files() {
        let listing = listing(20_000).expect("a listing");
        for number in 0..20_000 {
            let name = format!("P{number:05}").parse().expect("a name");
            let files = listing.files(&name);
            assert_eq!(files.len(), 1, "{name}");
            assert_eq!(files[0].filename, format!("{name}-1.0.tar.gz"));
        }
        assert_eq!(listing.files(&"p0".parse().expect("a name")), []);
    }

    #[test]
    fn a_page_lists_no_more_than_one_of_an_index() {
        let error = listing(page::MAX_FILES + 1).expect_err("too many");
        assert!(error.to_string().contains("more than 250000"), "{error}");
    }
}
