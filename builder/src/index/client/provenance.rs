//! Who published a file, as its index says (PEP 740).
//!
//! In: a project, and names of its files. Out: the publisher that the index gives each, if it gives
//! one. Never: checks a signature: it is the index's word; reads an answer without a bound.

use std::collections::BTreeMap;
use std::fmt;

use pep508_rs::PackageName;
use reqwest::StatusCode;
use reqwest::header;
use serde::{Deserialize, Serialize};

use super::{Client, MAX_PAGE};
use crate::index::http::{Ask, broken, status_error};
use crate::index::{IndexError, page};

/// The largest provenance object that is read. One attestation has some 10 kB.
const MAX_PROVENANCE: u64 = 4 << 20;

/// Who published a file: a kind of service, and whom it knows the publisher as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Publisher {
    /// Such as `GitHub`.
    pub kind: String,
    /// A repository, or whatever else names a publisher there; may be empty.
    pub identity: String,
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        match self.identity.as_str() {
            "" => Ok(()),
            identity => write!(f, " {identity}"),
        }
    }
}

#[derive(Deserialize)]
struct Page {
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    filename: String,
    #[serde(default)]
    provenance: Option<String>,
}

#[derive(Deserialize)]
struct Provenance {
    #[serde(default)]
    attestation_bundles: Vec<Bundle>,
}

#[derive(Deserialize)]
struct Bundle {
    publisher: serde_json::Map<String, serde_json::Value>,
}

impl Client {
    /// The publishers of files of a project, by file name; a file whose index gives none has an
    /// empty list, and so has every file of an index that is not asked here.
    pub async fn publishers(
        &self,
        package: &PackageName,
        index: &str,
        filenames: &[&str],
    ) -> Result<BTreeMap<String, Vec<Publisher>>, IndexError> {
        let mut found: BTreeMap<String, Vec<Publisher>> = filenames
            .iter()
            .map(|name| ((*name).to_owned(), Vec::new()))
            .collect();
        let mut indexes = self.indexes.iter().chain(self.pins.values());
        let Some(index) = indexes.find(|known| known.shown() == index) else {
            return Ok(found);
        };
        let url = index.page(package.as_ref());
        let ask = Ask::new(&url).header(header::ACCEPT, page::ACCEPT);
        let answer = self.http.get(&ask, MAX_PAGE).await?;
        if answer.status != StatusCode::OK {
            return Err(status_error(&url, answer.status));
        }
        // A page in HTML has no such field.
        let Ok(page) = serde_json::from_slice::<Page>(&answer.body) else {
            return Ok(found);
        };
        for entry in page.files {
            let (Some(publishers), Some(address)) =
                (found.get_mut(&entry.filename), &entry.provenance)
            else {
                continue;
            };
            let Some(url) = answer.url.join(address).ok() else {
                continue;
            };
            if matches!(url.scheme(), "http" | "https") {
                *publishers = self.provenance(&url).await?;
            }
        }
        Ok(found)
    }

    async fn provenance(&self, url: &url::Url) -> Result<Vec<Publisher>, IndexError> {
        let answer = self.http.get(&Ask::new(url), MAX_PROVENANCE).await?;
        if answer.status != StatusCode::OK {
            return Err(status_error(url, answer.status));
        }
        read(&answer.body).map_err(|error| broken(url, format!("is no provenance object: {error}")))
    }
}

/// The publishers of a provenance object, sorted, each once.
fn read(json: &[u8]) -> Result<Vec<Publisher>, serde_json::Error> {
    let object: Provenance = serde_json::from_slice(json)?;
    let publishers = object.attestation_bundles.iter().map(|bundle| {
        let text = |key| {
            let value = bundle
                .publisher
                .get(key)
                .and_then(serde_json::Value::as_str);
            let printable = |c: &char| !c.is_control();
            value.map(|text| text.chars().filter(printable).take(200).collect::<String>())
        };
        let names = ["repository", "email", "pipeline", "sub"];
        Publisher {
            kind: text("kind").unwrap_or_default(),
            identity: names.iter().find_map(|key| text(key)).unwrap_or_default(),
        }
    });
    let mut publishers: Vec<Publisher> = publishers.collect();
    publishers.sort();
    publishers.dedup();
    Ok(publishers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_are_read_by_kind_and_name() {
        let json = r#"{"version": 1, "attestation_bundles": [
            {"publisher": {"kind": "GitHub", "repository": "psf/requests", "workflow": "x.yml", "environment": null}, "attestations": []},
            {"publisher": {"kind": "GitHub", "repository": "psf/requests"}},
            {"publisher": {"kind": "Google", "email": "a@b\u001b"}},
            {"publisher": {}}]}"#;
        let shown: Vec<String> = read(json.as_bytes())
            .expect("an object")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["", "GitHub psf/requests", "Google a@b"]);
        assert!(read(b"3").is_err() && read(b"{").is_err());
    }
}
