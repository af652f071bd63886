//! Checking bundles against their hashes, or against a second build.

use pyrun_builder::splice;
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
        if rebuild {
            self.rebuild(hash, &record).await
        } else {
            Ok(Verdict::Good)
        }
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
        self.remove(&[*hash]).await?;
        Ok(Verdict::Wrong(why))
    }
}
