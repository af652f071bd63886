//! Writing an object in parts.
//!
//! In: a body that is too large for one request. Out: the object, whole or not at all. Never:
//! leaves parts behind, unless the process is killed or the network is gone: then the bucket's
//! lifecycle rule removes them. Nothing of an upload is visible before it is completed.

use std::ops::Range;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use pyrun_core::Code;
use pyrun_store::{Created, Key, Result, StoreError};

use super::S3Store;
use super::refusal::{Action, Answer};
use super::source::Source;
use super::write::{CHECKSUM, Mode, WRITER, Writer};

/// Bytes of a part.
const PART: u64 = 8 << 20;
/// Parts that an upload may have.
const MOST_PARTS: u64 = 10_000;
/// Parts of one object that are sent at once.
const PARALLEL: usize = 4;

/// A multipart upload. Dropping it aborts it.
#[derive(Debug)]
struct Upload {
    store: S3Store,
    key: Key,
    id: String,
    is_open: bool,
}

/// What came of completing an upload.
enum Completed {
    Done(Created),
    /// Another write came in between: S3 wants the upload anew.
    Conflict,
}

impl S3Store {
    pub(super) async fn write_parts(
        &self,
        key: &Key,
        source: &Source,
        mode: Mode,
    ) -> Result<Created> {
        let writer = Writer::new().map_err(|error| StoreError::write(key, error))?;
        let mut attempt = 1;
        loop {
            // Completing decides; this only saves sending what is there already.
            if mode == Mode::New && self.meta(key).await?.is_some() {
                return self.made_by(key, &writer).await;
            }
            let upload = Upload::begin(self, key, &writer).await?;
            let done = match upload.send(source).await {
                Ok(parts) => upload.complete(parts, mode, &writer).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(Completed::Done(Created::Yes)) => {
                    upload.close();
                    return Ok(Created::Yes);
                }
                Ok(Completed::Done(Created::No)) => {
                    upload.abort().await;
                    return Ok(Created::No);
                }
                Ok(Completed::Conflict) if attempt < self.patience.attempts => {
                    upload.abort().await;
                    tokio::time::sleep(self.patience.pause_after(attempt)).await;
                    attempt += 1;
                }
                Ok(Completed::Conflict) => {
                    upload.abort().await;
                    let cause = "other writes to it never end";
                    let (action, code) = (Action::Write, Code::REMOTE_FAILED);
                    return Err(self.location.broken(action, key, code, cause));
                }
                Err(error) => {
                    upload.abort().await;
                    return Err(error);
                }
            }
        }
    }
}

impl Upload {
    async fn begin(store: &S3Store, key: &Key, writer: &Writer) -> Result<Self> {
        let request = store.clients.write.create_multipart_upload();
        let request = request
            .bucket(store.location.bucket())
            .key(store.location.object(key))
            .checksum_algorithm(CHECKSUM)
            .metadata(WRITER, writer.name())
            .set_server_side_encryption(store.encryption.header())
            .set_ssekms_key_id(store.encryption.key());
        let answer = request.send().await;
        let answer = answer.map_err(|error| store.location.refused(Action::Write, key, &error))?;
        let id = answer.upload_id().unwrap_or_default().to_owned();
        if id.is_empty() {
            let cause = "the answer names no upload";
            let (action, code) = (Action::Write, Code::REMOTE_FAILED);
            return Err(store.location.broken(action, key, code, cause));
        }
        Ok(Self {
            store: store.clone(),
            key: key.clone(),
            id,
            is_open: true,
        })
    }

    /// Sends every part, several at a time. They come back in order.
    async fn send(&self, source: &Source) -> Result<Vec<CompletedPart>> {
        let sending: Vec<_> = (1..)
            .zip(ranges(source.size()))
            .map(|(number, range)| self.send_part(source, number, range))
            .collect();
        stream::iter(sending).buffered(PARALLEL).try_collect().await
    }

    async fn send_part(
        &self,
        source: &Source,
        number: i32,
        range: Range<u64>,
    ) -> Result<CompletedPart> {
        let store = &self.store;
        let _turn = store.turn(range.end - range.start).await;
        let bytes = source.read(range).await;
        let bytes = bytes.map_err(|error| StoreError::write(&self.key, error))?;
        let request = store.clients.write.upload_part();
        let request = request
            .bucket(store.location.bucket())
            .key(store.location.object(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .checksum_algorithm(CHECKSUM)
            .body(ByteStream::from(bytes));
        let answer = request.send().await;
        let answer =
            answer.map_err(|error| store.location.refused(Action::Write, &self.key, &error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag().map(str::to_owned))
            .set_checksum_crc32(answer.checksum_crc32().map(str::to_owned))
            .build())
    }

    async fn complete(
        &self,
        parts: Vec<CompletedPart>,
        mode: Mode,
        writer: &Writer,
    ) -> Result<Completed> {
        let (store, key) = (&self.store, &self.key);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
        let request = store.clients.write.complete_multipart_upload();
        let request = request
            .bucket(store.location.bucket())
            .key(store.location.object(key))
            .upload_id(&self.id)
            .multipart_upload(parts.build())
            .set_if_none_match(mode.condition())
            .customize()
            .interceptor(writer.counter());
        let Err(error) = request.send().await else {
            return Ok(Completed::Done(Created::Yes));
        };
        match Answer::of(&error) {
            Answer::Unmet if mode == Mode::New => {
                store.made_by(key, writer).await.map(Completed::Done)
            }
            Answer::Conflict => Ok(Completed::Conflict),
            // Completed by a request whose answer was lost: the object is there, and ours.
            Answer::NoUpload if store.made_by(key, writer).await? == Created::Yes => {
                Ok(Completed::Done(Created::Yes))
            }
            _ => Err(store.location.refused(Action::Write, key, &error)),
        }
    }

    /// It is completed: there is nothing left to abort.
    fn close(mut self) {
        self.is_open = false;
    }

    async fn abort(mut self) {
        self.is_open = false;
        self.aborting().await;
    }

    /// Removes the parts. Where that fails, the bucket's lifecycle rule does it in time.
    fn aborting(&self) -> impl Future<Output = ()> + Send + use<> {
        let store = &self.store;
        let request = store.clients.write.abort_multipart_upload();
        let request = request
            .bucket(store.location.bucket())
            .key(store.location.object(&self.key))
            .upload_id(&self.id);
        async move {
            let _ = request.send().await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.aborting());
        }
    }
}

/// The parts of a body of `size` bytes: as many as are allowed at most, and of whole mebibytes.
fn ranges(size: u64) -> impl Iterator<Item = Range<u64>> {
    let part = size
        .div_ceil(MOST_PARTS)
        .next_multiple_of(1 << 20)
        .max(PART);
    (0..size.div_ceil(part)).map(move |number| {
        let start = number * part;
        start..size.min(start + part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_body_and_are_not_too_many() {
        for size in [PART + 1, 3 * PART, 100 << 30, (5 << 40) - 1] {
            let ranges: Vec<_> = ranges(size).collect();
            assert!(ranges.len() as u64 <= MOST_PARTS, "{size}");
            let mut at = 0;
            for range in &ranges {
                assert_eq!(range.start, at);
                at = range.end;
                let is_last = at == size;
                assert!(is_last || range.end - range.start >= 5 << 20, "{size}");
            }
            assert_eq!(at, size);
        }
    }
}
