//! What is kept: the bundles of a store, joined with what this machine knows of their use.
//!
//! In: a store and the runner's folder. Out: rows to show, and what was removed. Never: removes
//! what is in use, or what was written a moment ago.

mod sweep;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pyrun_core::{BundleRecord, Code, Fault, LockHash};
use pyrun_runner::warm::Warm;
use pyrun_store::{DirStore, Store, catalog};
use serde::Serialize;

use crate::depot::Depot;

pub use sweep::{Limits, Swept};
pub use verify::Verdict;

/// A store and the runner's folder beside it.
pub struct Inventory {
    store: Arc<dyn Store>,
    folder: Option<DirStore>,
    warm: Warm,
    scratch: PathBuf,
    compiling: Option<PathBuf>,
}

/// A bundle, as a row of `pyrun cache ls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The lock hash.
    pub hash: LockHash,
    /// Python, as major and minor number.
    pub python: String,
    /// The packages' names with their versions.
    pub packages: Vec<String>,
    /// The bundle and its bytecode, in bytes.
    pub size: u64,
    /// Unpacked, in bytes.
    pub unpacked: u64,
    /// Whether its bytecode is compiled.
    pub bytecode: bool,
    /// Whether it is unpacked on this machine.
    pub here: bool,
    /// When it was built, in seconds since 1970-01-01 UTC.
    pub built: u64,
    /// When it last ran on this machine, likewise.
    pub used: Option<u64>,
    /// How often it ran on this machine.
    pub runs: u64,
}

impl Inventory {
    /// An inventory of what lies in a depot.
    pub fn of(depot: Depot) -> Self {
        Self {
            store: depot.store,
            folder: depot.folder,
            warm: depot.warm,
            scratch: depot.scratch,
            compiling: depot.compiling,
        }
    }

    /// Every bundle, by hash.
    pub async fn rows(&self) -> Result<Vec<Row>, Fault> {
        let uses = self.warm.uses()?;
        let objects: BTreeMap<String, _> = self
            .store
            .list(catalog::BUNDLES)
            .await?
            .into_iter()
            .map(|entry| (entry.key.as_str().to_owned(), entry.meta))
            .collect();
        let mut rows = Vec::new();
        for (key, meta) in &objects {
            let Some(hash) = record_hash(key) else {
                continue;
            };
            let Some(record) = self.record(&hash).await? else {
                continue;
            };
            let companion_prefix = format!("{}{hash}.", catalog::BUNDLES);
            let companions: Vec<u64> = objects
                .range(companion_prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(&companion_prefix))
                .filter(|(key, _)| key.ends_with(".pyc.zip"))
                .map(|(_, meta)| meta.size)
                .collect();
            let last = uses.get(&hash);
            let packages = record
                .manifest
                .segments
                .iter()
                .map(|segment| format!("{} {}", segment.package, segment.version));
            rows.push(Row {
                hash,
                python: record.manifest.python.clone(),
                packages: packages.collect(),
                size: record.size + companions.iter().sum::<u64>(),
                unpacked: record.manifest.unpacked,
                bytecode: !companions.is_empty(),
                here: self.warm.site(&hash)?.is_some(),
                built: meta.modified,
                used: last.map(|last| last.last_used),
                runs: last.map_or(0, |last| last.runs),
            });
        }
        Ok(rows)
    }

    /// Every bundle that has a record, whether that can be read or not.
    pub async fn hashes(&self) -> Result<Vec<LockHash>, Fault> {
        let entries = self.store.list(catalog::BUNDLES).await?;
        let hashes = entries
            .iter()
            .filter_map(|entry| record_hash(entry.key.as_str()));
        Ok(hashes.collect())
    }

    /// One bundle's row and record.
    pub async fn one(&self, hash: &LockHash) -> Result<(Row, BundleRecord), Fault> {
        let row = self.rows().await?.into_iter().find(|row| row.hash == *hash);
        match (row, self.record(hash).await?) {
            (Some(row), Some(record)) => Ok((row, record)),
            _ => Err(Fault::new(
                Code::BUNDLE_MISSING,
                format!("the record of `{}` can't be read", hash.0.short()),
            )
            .hint("`pyrun cache verify` sets aside what is wrong")),
        }
    }

    /// The record of a bundle; `None` when there is none that can be read.
    pub async fn record(&self, hash: &LockHash) -> Result<Option<BundleRecord>, Fault> {
        let Some(json) = self.store.get(&catalog::bundle_record(hash), None).await? else {
            return Ok(None);
        };
        Ok(serde_json::from_slice(&json).ok())
    }

    /// The one bundle whose hash begins with `prefix`.
    pub async fn find(&self, prefix: &str) -> Result<LockHash, Fault> {
        let unknown = |message: String| {
            Fault::new(Code::USAGE, message).hint("`pyrun cache ls` lists the bundles")
        };
        let found: Vec<LockHash> = self
            .store
            .list(catalog::BUNDLES)
            .await?
            .iter()
            .filter_map(|entry| record_hash(entry.key.as_str()))
            .filter(|hash| hash.to_string().starts_with(&prefix.to_ascii_lowercase()))
            .collect();
        match found.as_slice() {
            [hash] => Ok(*hash),
            [] => Err(unknown(format!("no bundle's hash begins with `{prefix}`"))),
            several => Err(unknown(format!(
                "{} bundles' hashes begin with `{prefix}`: give more digits",
                several.len()
            ))),
        }
    }
}

/// The hash in the key of a bundle, its record, or its bytecode.
fn bundle_hash(key: &str) -> Option<LockHash> {
    let name = key.strip_prefix(catalog::BUNDLES)?;
    name.split('.').next()?.parse().ok()
}

/// The hash in a bundle record's key.
fn record_hash(key: &str) -> Option<LockHash> {
    key.strip_prefix(catalog::BUNDLES)?
        .strip_suffix(".json")?
        .parse()
        .ok()
}
