//! Checking bundles against their hashes, or against a second build.

use pyrun_builder::{bytecode, splice};
use pyrun_core::{BundleRecord, Code, Fault, LockHash, Sha256};
use pyrun_store::catalog;

use super::Inventory;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is what its hash says.
    Good,
    /// Something is not, and the bundle was set aside.
    Wrong(String),
    /// Something is not, and a run uses the bundle at the moment: it stays.
    Busy(String),
    /// The bundle is good, and its bytecode is not: that was set aside.
    Bytecode(String),
    /// It can't be told, and nothing was changed.
    Unknown(String),
}

impl Inventory {
    /// Checks one bundle; with `rebuild` its bytes are made again from its wheels and compared.
    pub async fn verify(&self, hash: &LockHash, rebuild: bool) -> Result<Verdict, Fault> {
        let Some(record) = self.record(hash).await? else {
            return self
                .wrong(hash, "its record can't be read".to_owned())
                .await;
        };
        let Some(bytes) = self.store.get(&catalog::bundle(hash), None).await? else {
            return self
                .wrong(hash, "its zip archive is missing".to_owned())
                .await;
        };
        let digest = tokio::task::spawn_blocking(move || Sha256::of(bytes)).await;
        let digest = digest.map_err(|error| Fault::from_error(Code::INTERNAL, &error))?;
        if digest != record.sha256 {
            let why = format!(
                "its sha256 is {} and not {}",
                digest.short(),
                record.sha256.short()
            );
            return self.wrong(hash, why).await;
        }
        let verdict = if rebuild {
            self.rebuild(hash, &record).await?
        } else {
            Verdict::Good
        };
        match verdict {
            Verdict::Good => self.verify_bytecode(hash).await,
            other => Ok(other),
        }
    }

    /// Checks the bundle's bytecode, whatever interpreters it is for.
    async fn verify_bytecode(&self, hash: &LockHash) -> Result<Verdict, Fault> {
        let prefix = format!("{}{hash}.", catalog::BUNDLES);
        let mut verdict = Verdict::Good;
        for entry in self.store.list(&prefix).await? {
            let name = entry.key.as_str().strip_prefix(&prefix);
            let magic = name.and_then(|name| name.strip_suffix(".pyc.zip")?.parse::<u16>().ok());
            let Some(magic) = magic else { continue };
            let Some(bytes) = self.store.get(&entry.key, None).await? else {
                continue;
            };
            let check = move || bytecode::check_companion(bytes, magic);
            let checked = tokio::task::spawn_blocking(check).await;
            let checked = checked.map_err(|error| Fault::from_error(Code::INTERNAL, &error))?;
            if let Err(error) = checked {
                self.store.delete(&entry.key).await?;
                verdict = Verdict::Bytecode(format!("its bytecode {magic} is damaged: {error}"));
            }
        }
        Ok(verdict)
    }

    async fn rebuild(&self, hash: &LockHash, record: &BundleRecord) -> Result<Verdict, Fault> {
        for segment in &record.manifest.segments {
            if self
                .store
                .head(&catalog::wheel(&segment.wheel_sha256))
                .await?
                .is_none()
            {
                let why = format!("the wheel `{}` is no longer in the store", segment.wheel);
                return Ok(Verdict::Unknown(why));
            }
        }
        let Some(lock) = record
            .manifest
            .to_lock()
            .filter(|lock| lock.hash() == *hash)
        else {
            return self
                .wrong(hash, "its manifest is another lock's".to_owned())
                .await;
        };
        fs_err::create_dir_all(&self.scratch)
            .map_err(|error| Fault::from_error(Code::STORE_UNWRITABLE, &error))?;
        let again = splice::rebuild(&*self.store, &lock, &self.scratch, &|_| {}).await?;
        if again == record.sha256 {
            return Ok(Verdict::Good);
        }
        let why = format!(
            "built again its sha256 is {} and not {}",
            again.short(),
            record.sha256.short()
        );
        self.wrong(hash, why).await
    }

    async fn wrong(&self, hash: &LockHash, why: String) -> Result<Verdict, Fault> {
        let swept = self.remove(&[*hash]).await?;
        Ok(if swept.busy.is_empty() {
            Verdict::Wrong(why)
        } else {
            Verdict::Busy(why)
        })
    }
}
