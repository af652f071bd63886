//! What an index said before, in a folder of this machine.
//!
//! In: pages by (index, project), metadata and wheels by the wheel's sha256. Out: the same, or
//! nothing. Never: fails: a damaged entry is a miss, and what can't be written is not kept. Files
//! are replaced whole by renaming; losing one to a crash costs a request.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pep508_rs::PackageName;
use pyrun_core::Sha256;
use serde::{Deserialize, Serialize};

use crate::index::{Project, packed};

/// The cache's folder.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
}

/// How long a page holds, and how to ask whether it still does (RFC 9111).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Freshness {
    /// When it was fetched or last confirmed, in seconds since 1970.
    pub(super) fetched: u64,
    /// For how many seconds it needs no question.
    pub(super) max_age: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
}

impl Freshness {
    /// Whether the page may be used unasked. A time in the future is a clock that was wrong.
    pub(super) fn holds(&self, now: u64) -> bool {
        now >= self.fetched && now - self.fetched < self.max_age
    }
}

/// What the cache knows of a project on an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedPage {
    pub(super) freshness: Freshness,
    /// `None`: the index did not know the project.
    pub(super) project: Option<Project>,
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

const PAGE: &[u8] = b"pyrun page 2\n";
const METADATA: &[u8] = b"pyrun metadata 1\n";

impl Cache {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn page(&self, index: &str, name: &PackageName) -> Option<CachedPage> {
        let bytes = open(PAGE, &fs_err::read(self.page_path(index, name)).ok()?)?.to_vec();
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let freshness = serde_json::from_slice(&bytes[..end]).ok()?;
        let project = match &bytes[end + 1..] {
            [] => None,
            files => Some(packed::unpack(files, name, index)?),
        };
        Some(CachedPage { freshness, project })
    }

    pub(super) fn put_page(&self, index: &str, name: &PackageName, page: &CachedPage) {
        let Ok(mut body) = serde_json::to_vec(&page.freshness) else {
            return;
        };
        body.push(b'\n');
        if let Some(project) = &page.project {
            body.extend(packed::pack(project));
        }
        write(&self.page_path(index, name), &seal(PAGE, &body));
    }

    /// The headers of a wheel's METADATA.
    pub(super) fn metadata(&self, wheel: &Sha256) -> Option<Vec<u8>> {
        let bytes = fs_err::read(self.metadata_path(wheel)).ok()?;
        open(METADATA, &bytes).map(<[u8]>::to_vec)
    }

    pub(super) fn put_metadata(&self, wheel: &Sha256, headers: &[u8]) {
        write(&self.metadata_path(wheel), &seal(METADATA, headers));
    }

    /// Where a whole wheel is kept that had to be downloaded for its metadata.
    pub(super) fn wheel(&self, wheel: &Sha256) -> PathBuf {
        self.wheels().join(format!("{wheel}.whl"))
    }

    pub(super) fn wheels(&self) -> PathBuf {
        self.root.join("wheels")
    }

    /// What is known of hosts, as JSON.
    pub(super) fn hosts(&self) -> Option<Vec<u8>> {
        fs_err::read(self.root.join("hosts.json")).ok()
    }

    pub(super) fn put_hosts(&self, json: &[u8]) {
        write(&self.root.join("hosts.json"), json);
    }

    fn page_path(&self, index: &str, name: &PackageName) -> PathBuf {
        let index = Sha256::of(index).short();
        self.root.join("pages").join(index).join(name.to_string())
    }

    fn metadata_path(&self, wheel: &Sha256) -> PathBuf {
        let text = wheel.to_string();
        self.root.join("metadata").join(&text[..2]).join(&text[2..])
    }
}

/// A kind, a checksum, and the content.
fn seal(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let checksum = crc32fast::hash(content).to_le_bytes();
    [kind, &checksum, content].concat()
}

fn open<'a>(kind: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (checksum, content) = bytes.strip_prefix(kind)?.split_first_chunk::<4>()?;
    (crc32fast::hash(content) == u32::from_le_bytes(*checksum)).then_some(content)
}

/// Writes a file whole. That it can't be written is no error: it is asked for again.
fn write(path: &Path, bytes: &[u8]) {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        fs_err::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    let _ = write();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_kept_and_any_damage_is_a_miss() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let name: PackageName = "six".parse().expect("a name");
        let page = CachedPage {
            freshness: Freshness {
                fetched: 5,
                max_age: 10,
                etag: Some("\"x\"".to_owned()),
                last_modified: None,
            },
            project: None,
        };
        assert_eq!(cache.page("https://h", &name), None);
        cache.put_page("https://h", &name, &page);
        assert_eq!(cache.page("https://h", &name), Some(page));
        assert_eq!(cache.page("https://other", &name), None);
        let path = cache.page_path("https://h", &name);
        let good = fs_err::read(&path).expect("an entry");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs_err::write(&path, &bad).expect("written");
            assert_eq!(cache.page("https://h", &name), None, "byte {at}");
            fs_err::write(&path, &good[..at]).expect("written");
            assert_eq!(cache.page("https://h", &name), None, "cut at {at}");
        }
    }

    #[test]
    fn freshness_ends_and_a_wrong_clock_is_not_fresh() {
        let freshness = Freshness {
            fetched: 100,
            max_age: 10,
            ..Freshness::default()
        };
        assert!(freshness.holds(100) && freshness.holds(109));
        assert!(!freshness.holds(110) && !freshness.holds(99));
    }
}
