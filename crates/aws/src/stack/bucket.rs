//! What lies in a stack's bucket, as far as deploying and removing need it.
//!
//! In: what a stack consists of. Out: its weight, an empty bucket and none at all. Never: writes
//! an object, which is the store's business; deletes anything unless it is told to empty the whole
//! bucket.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::retry::RetryConfig;
use pyrun_core::{Code, Fault};

use super::{Failure, Outputs};
use crate::account::Connection;
use crate::error::{self, fault};
use crate::s3;

/// How often a call is tried.
const ATTEMPTS: u32 = 6;
/// Pages of a thousand objects that are weighed at most.
const WEIGHED_PAGES: usize = 20;
/// How often a bucket that will not be empty is emptied: somebody may still be writing.
const PASSES: usize = 3;

/// A stack's bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    s3: Client,
    name: String,
}

/// What lies in a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Objects, old versions not counted.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether there are more that were not weighed.
    pub is_partial: bool,
}

/// What was taken out of a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Objects, each version counted.
    pub objects: u64,
    /// Uploads that were never finished.
    pub uploads: u64,
}

impl Bucket {
    /// The bucket of a stack.
    pub fn new(connection: &Connection, outputs: &Outputs) -> Self {
        let config = s3::of_account(connection.sdk())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        Self {
            s3: Client::from_conf(config.build()),
            name: outputs.bucket().to_owned(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much lies in it.
    pub async fn weigh(&self) -> Result<Weight, Fault> {
        let mut weight = Weight::default();
        let mut token = None;
        for _ in 0..WEIGHED_PAGES {
            let page = self
                .s3
                .list_objects_v2()
                .bucket(&self.name)
                .set_continuation_token(token)
                .send()
                .await
                .map_err(|error| fault(&format!("list the bucket `{}`", self.name), &error))?;
            for object in page.contents() {
                weight.objects += 1;
                weight.bytes += object
                    .size()
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or(0);
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(weight);
            }
        }
        weight.is_partial = true;
        Ok(weight)
    }

    /// Empties the bucket, old versions and unfinished uploads included, and removes it. `tell` is
    /// told how many objects are gone so far. A bucket that is gone already is no error.
    pub async fn purge(&self, tell: &(dyn Fn(u64) + Send + Sync)) -> Result<Emptied, Fault> {
        let mut emptied = Emptied::default();
        for _ in 0..PASSES {
            emptied.uploads += self.abort_uploads().await?;
            self.delete_versions(&mut emptied, tell).await?;
            let removed = self.s3.delete_bucket().bucket(&self.name).send().await;
            let Err(error) = removed else {
                return Ok(emptied);
            };
            match &*Failure::of(&error).code {
                "NoSuchBucket" => return Ok(emptied),
                "BucketNotEmpty" => {}
                _ => {
                    return Err(fault(&format!("remove the bucket `{}`", self.name), &error));
                }
            }
        }
        Err(Fault::new(
            Code::DEPLOY_FAILED,
            format!(
                "the bucket `{}` does not stay empty: something still writes to it",
                self.name
            ),
        )
        .hint(format!(
            "`aws s3 rb --force s3://{}` once it is quiet",
            self.name
        )))
    }

    async fn abort_uploads(&self) -> Result<u64, Fault> {
        let doing = format!("empty the bucket `{}`", self.name);
        let mut aborted = 0;
        let (mut key, mut upload) = (None, None);
        loop {
            let page = self
                .s3
                .list_multipart_uploads()
                .bucket(&self.name)
                .set_key_marker(key.take())
                .set_upload_id_marker(upload.take())
                .send()
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) if Failure::of(&error).code == "NoSuchBucket" => return Ok(aborted),
                Err(error) => return Err(fault(&doing, &error)),
            };
            for pending in page.uploads() {
                let ended = self
                    .s3
                    .abort_multipart_upload()
                    .bucket(&self.name)
                    .set_key(pending.key.clone())
                    .set_upload_id(pending.upload_id.clone())
                    .send()
                    .await;
                match ended {
                    Ok(_) => aborted += 1,
                    Err(error) if Failure::of(&error).code == "NoSuchUpload" => {}
                    Err(error) => return Err(fault(&doing, &error)),
                }
            }
            if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
                return Ok(aborted);
            }
            key = page.next_key_marker;
            upload = page.next_upload_id_marker;
        }
    }

    async fn delete_versions(
        &self,
        emptied: &mut Emptied,
        tell: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Fault> {
        let doing = format!("empty the bucket `{}`", self.name);
        let (mut key, mut version) = (None, None);
        loop {
            let page = self
                .s3
                .list_object_versions()
                .bucket(&self.name)
                .set_key_marker(key.take())
                .set_version_id_marker(version.take())
                .send()
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) if Failure::of(&error).code == "NoSuchBucket" => return Ok(()),
                Err(error) => return Err(fault(&doing, &error)),
            };
            let versions = page.versions().iter();
            let markers = page.delete_markers().iter();
            let found: Vec<ObjectIdentifier> = versions
                .map(|object| (object.key(), object.version_id()))
                .chain(markers.map(|marker| (marker.key(), marker.version_id())))
                .filter_map(|(key, version)| {
                    let object = ObjectIdentifier::builder().key(key?);
                    let version = version.map(ToOwned::to_owned);
                    object.set_version_id(version).build().ok()
                })
                .collect();
            if !found.is_empty() {
                emptied.objects += found.len() as u64;
                self.delete_batch(found, &doing).await?;
                tell(emptied.objects);
            }
            if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
                return Ok(());
            }
            key = page.next_key_marker;
            version = page.next_version_id_marker;
        }
    }

    /// Deletes up to a thousand objects, which is what a page of a listing holds.
    async fn delete_batch(&self, objects: Vec<ObjectIdentifier>, doing: &str) -> Result<(), Fault> {
        let batch = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build()
            .expect("a batch has its objects");
        let answer = self
            .s3
            .delete_objects()
            .bucket(&self.name)
            .delete(batch)
            .send()
            .await
            .map_err(|error| fault(doing, &error))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(error) => Err(error::named(
                doing,
                error.code().unwrap_or_default(),
                error.message().unwrap_or_default(),
            )
            .cause(format!("it kept `{}`", error.key().unwrap_or_default()))),
        }
    }
}
