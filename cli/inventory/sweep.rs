//! Removing: one bundle, or all that is old and all that nothing refers to.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use pyrun_core::{Code, Fault, Lock, LockHash};
use pyrun_runner::warm::Removal;
use pyrun_store::{Key, catalog};
use serde::Serialize;

use super::{Inventory, Row, bundle_hash, record_hash};
use crate::background::Turn;

/// What is written less than this ago may belong to a build that goes on at the moment.
const YOUNG: Duration = Duration::from_hours(1);

/// How many records are read at once.
const PARALLEL: usize = 16;

/// What may stay.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bundles used or built within this time stay.
    pub older_than: Duration,
    /// The most that bundles may take together, in bytes.
    pub max_size: Option<u64>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Bundles that went.
    pub bundles: Vec<LockHash>,
    /// Bundles that should have gone but are in use.
    pub busy: Vec<LockHash>,
    /// Unpacked bundles that went, and that no record of this store stands for.
    pub unpacked: Vec<LockHash>,
    /// Objects that went, those of the bundles included.
    pub objects: u64,
    /// The bytes of all that.
    pub bytes: u64,
}

impl Inventory {
    /// Removes bundles and what was made from them; their wheels stay for the next.
    pub async fn remove(&self, hashes: &[LockHash]) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        for hash in hashes {
            self.remove_bundle(hash, false, &mut swept).await?;
        }
        Ok(swept)
    }

    /// Removes everything that is not in use.
    pub async fn remove_all(&self) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        for row in self.rows().await? {
            self.remove_bundle(&row.hash, false, &mut swept).await?;
        }
        let keep = self.kept(&swept.busy).await?;
        for prefix in [
            catalog::LOCKS,
            catalog::WHEELS,
            catalog::SDISTS,
            catalog::BYTECODE,
            catalog::BUNDLES,
        ] {
            self.remove_objects(
                prefix,
                |key| keep.contains(key),
                Duration::ZERO,
                false,
                &mut swept,
            )
            .await?;
        }
        self.remove_scratch(false, &mut swept)?;
        Ok(swept)
    }

    /// Removes the bundles that are over the limits, then what no bundle refers to: parts of
    /// bundles without a record that can be read, and unpacked bundles whose record is gone, or
    /// which are another store's and were not used for as long.
    pub async fn sweep(&self, limits: Limits) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        let mut rows = self.rows().await?;
        rows.sort_by_key(last_seen);
        let mut total: u64 = rows.iter().map(|row| row.size).sum();
        let oldest = now().saturating_sub(limits.older_than.as_secs());
        for row in &rows {
            let over = limits.max_size.is_some_and(|most| total > most);
            if last_seen(row) >= oldest && !over {
                continue;
            }
            if self
                .remove_bundle(&row.hash, limits.dry_run, &mut swept)
                .await?
            {
                total -= row.size;
            }
        }
        let stay: Vec<LockHash> = rows
            .iter()
            .map(|row| row.hash)
            .filter(|hash| !swept.bundles.contains(hash))
            .collect();
        let known: BTreeSet<LockHash> = rows.iter().map(|row| row.hash).collect();
        let is_known = |key: &str| bundle_hash(key).is_none_or(|hash| known.contains(&hash));
        self.remove_objects(
            catalog::BUNDLES,
            is_known,
            YOUNG,
            limits.dry_run,
            &mut swept,
        )
        .await?;
        self.remove_unpacked(&known, oldest, limits.dry_run, &mut swept)?;
        let keep = self.kept(&stay).await?;
        for prefix in [catalog::WHEELS, catalog::SDISTS, catalog::BYTECODE] {
            self.remove_objects(
                prefix,
                |key| keep.contains(key),
                YOUNG,
                limits.dry_run,
                &mut swept,
            )
            .await?;
        }
        self.remove_locks(&stay, limits, &mut swept).await?;
        if !limits.dry_run {
            if let Some(folder) = &self.folder {
                folder.sweep().await?;
            }
            self.warm.sweep()?;
        }
        self.remove_scratch(limits.dry_run, &mut swept)?;
        Ok(swept)
    }

    /// The keys of all that these bundles were made from, and of the bundles themselves.
    async fn kept(&self, bundles: &[LockHash]) -> Result<BTreeSet<String>, Fault> {
        let mut keys = BTreeSet::new();
        for hash in bundles {
            keys.insert(catalog::bundle(hash).to_string());
            keys.insert(catalog::bundle_record(hash).to_string());
            let Some(record) = self.record(hash).await? else {
                continue;
            };
            for segment in &record.manifest.segments {
                keys.insert(catalog::wheel(&segment.wheel_sha256).to_string());
            }
        }
        // Bytecode stays with its wheel, whatever interpreter it is for.
        let wheels: Vec<String> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(catalog::WHEELS)?.strip_suffix(".whl"))
            .map(|digest| format!("{}{digest}/", catalog::BYTECODE))
            .collect();
        for folder in wheels {
            keys.extend(
                self.store
                    .list(&folder)
                    .await?
                    .into_iter()
                    .map(|entry| entry.key.to_string()),
            );
        }
        self.keep_built(&mut keys).await?;
        Ok(keys)
    }

    /// What a source distribution was built into is known as long as that wheel stays.
    async fn keep_built(&self, keys: &mut BTreeSet<String>) -> Result<(), Fault> {
        // Where no wheel stays, no record does.
        if !keys.iter().any(|key| key.starts_with(catalog::WHEELS)) {
            return Ok(());
        }
        let entries = self.store.list(catalog::SDISTS).await?.into_iter();
        let records = entries.map(|entry| entry.key).collect();
        let read = |key: Key| async move {
            let record = self.store.get(&key, None).await?;
            Ok(record.unwrap_or_default())
        };
        let found = records_of(keys, records, read).await?;
        keys.extend(found);
        Ok(())
    }

    /// Whether the bundle went (or would have gone): one in use stays.
    async fn remove_bundle(
        &self,
        hash: &LockHash,
        dry_run: bool,
        swept: &mut Swept,
    ) -> Result<bool, Fault> {
        // What a run left to be done behind it ends before, or is not begun any more.
        let _turn = match &self.compiling {
            Some(cache) if !dry_run => Turn::wait(cache, hash).await?,
            _ => None,
        };
        if !dry_run && self.warm.remove(hash)? == Removal::Busy {
            swept.busy.push(*hash);
            return Ok(false);
        }
        // The record first: whoever finds it must find the bundle.
        let mut keys: Vec<(Key, u64)> = Vec::new();
        for entry in self
            .store
            .list(&format!("{}{hash}", catalog::BUNDLES))
            .await?
        {
            keys.push((entry.key, entry.meta.size));
        }
        keys.sort_by_key(|(key, _)| record_hash(key.as_str()).is_none());
        for (key, size) in keys {
            if !dry_run {
                self.store.delete(&key).await?;
            }
            swept.objects += 1;
            swept.bytes += size;
        }
        swept.bundles.push(*hash);
        Ok(true)
    }

    async fn remove_objects(
        &self,
        prefix: &str,
        keep: impl Fn(&str) -> bool,
        young: Duration,
        dry_run: bool,
        swept: &mut Swept,
    ) -> Result<(), Fault> {
        let newest = now().saturating_sub(young.as_secs());
        for entry in self.store.list(prefix).await? {
            if keep(entry.key.as_str()) || (!young.is_zero() && entry.meta.modified > newest) {
                continue;
            }
            if !dry_run {
                self.store.delete(&entry.key).await?;
            }
            swept.objects += 1;
            swept.bytes += entry.meta.size;
        }
        Ok(())
    }

    /// Unpacked bundles that this store knows nothing of.
    fn remove_unpacked(
        &self,
        known: &BTreeSet<LockHash>,
        oldest: u64,
        dry_run: bool,
        swept: &mut Swept,
    ) -> Result<(), Fault> {
        for resident in self.warm.residents()? {
            if known.contains(&resident.lock) || resident.last_used >= oldest {
                continue;
            }
            let removal = if dry_run {
                Removal::Removed
            } else {
                self.warm.remove(&resident.lock)?
            };
            match removal {
                Removal::Removed => {
                    swept.unpacked.push(resident.lock);
                    swept.bytes += resident.bytes;
                }
                Removal::Busy => swept.busy.push(resident.lock),
                Removal::Absent => {}
            }
        }
        Ok(())
    }

    /// Half-made files of builds that were killed.
    fn remove_scratch(&self, dry_run: bool, swept: &mut Swept) -> Result<(), Fault> {
        let failed = |error: std::io::Error| Fault::from_error(Code::STORE_UNWRITABLE, &error);
        let entries = match fs_err::read_dir(&self.scratch) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // A build that ends just now takes its own files away.
            let Ok(meta) = entry.metadata() else { continue };
            let age = meta
                .modified()
                .ok()
                .and_then(|time| time.elapsed().ok())
                .unwrap_or_default();
            // A folder is a build's of a source distribution, which takes minutes at most.
            if age < YOUNG {
                continue;
            }
            let remove = || {
                if meta.is_dir() {
                    pyrun_builder::sdist::remove(&entry.path())
                } else {
                    fs_err::remove_file(entry.path())
                }
            };
            if !dry_run && let Err(error) = remove() {
                if error.kind() == std::io::ErrorKind::NotFound {
                    continue;
                }
                return Err(failed(error));
            }
            swept.objects += 1;
            swept.bytes += meta.len();
        }
        Ok(())
    }

    /// Locks that are old and whose bundle is gone.
    async fn remove_locks(
        &self,
        stay: &[LockHash],
        limits: Limits,
        swept: &mut Swept,
    ) -> Result<(), Fault> {
        let oldest = now().saturating_sub(limits.older_than.as_secs());
        for entry in self.store.list(catalog::LOCKS).await? {
            if entry.meta.modified >= oldest {
                continue;
            }
            let text = self.store.get(&entry.key, None).await?.unwrap_or_default();
            let lock = Lock::from_toml(&String::from_utf8_lossy(&text), None);
            if lock.is_ok_and(|lock| stay.contains(&lock.hash())) {
                continue;
            }
            if !limits.dry_run {
                self.store.delete(&entry.key).await?;
            }
            swept.objects += 1;
            swept.bytes += entry.meta.size;
        }
        Ok(())
    }
}

/// The records of source distributions that were built into wheels that stay.
async fn records_of<Content: AsRef<[u8]>, Read: Future<Output = Result<Content, Fault>>>(
    wheels: &BTreeSet<String>,
    records: Vec<Key>,
    read: impl Fn(Key) -> Read,
) -> Result<Vec<String>, Fault> {
    let stays = |key: Key| {
        let record = read(key.clone());
        async move {
            let wheel = pyrun_builder::sdist::wheel_of_record(record.await?.as_ref());
            let stays = wheel.is_some_and(|wheel| wheels.contains(catalog::wheel(&wheel).as_str()));
            Ok::<_, Fault>(stays.then(|| key.to_string()))
        }
    };
    let records: Vec<_> = records.into_iter().map(stays).collect();
    let records = stream::iter(records).buffered(PARALLEL);
    let found: Vec<Option<String>> = records.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn last_seen(row: &Row) -> u64 {
    row.used.unwrap_or(0).max(row.built)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pyrun_core::Sha256;

    use super::*;

    #[tokio::test]
    async fn records_are_read_many_at_once_and_stay_with_their_wheels() {
        let wheel = |number: u32| Sha256::of(format!("wheel {number}"));
        let record = |number: u32| {
            let record = serde_json::json!({
                "wheel": "a-1-py3-none-any.whl", "sha256": wheel(number), "size": 1, "metadata": "",
                "built_on": {
                    "python": "3.12.1", "arch": "x86_64",
                    "os": { "name": "glibc", "major": 2, "minor": 36 },
                },
            });
            record.to_string()
        };
        let key = |number: u32| catalog::sdist(&Sha256::of(record(number)), "any");
        let (open, most) = (Cell::new(0), Cell::new(0));
        let read = async |asked: Key| {
            open.set(open.get() + 1);
            most.set(most.get().max(open.get()));
            tokio::task::yield_now().await;
            open.set(open.get() - 1);
            let number = (0..40).find(|number| key(*number) == asked);
            Ok(record(number.expect("a record")))
        };
        let keys = [7, 11].map(|number| catalog::wheel(&wheel(number)).to_string());
        let all = (0..40).map(key).collect();
        let stay = records_of(&BTreeSet::from(keys), all, read).await;
        assert_eq!(
            stay,
            Ok([7, 11].map(|number| key(number).to_string()).to_vec())
        );
        assert_eq!(most.get(), PARALLEL);
    }
}
