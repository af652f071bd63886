//! Writing an object in one request, and telling one's own object from another writer's.
//!
//! In: a key and a body. Out: the object, whole or not at all, and whether this writer made it.
//! Never: counts its own object as somebody else's when an answer was lost and the request sent
//! again: every object carries its writer's name, which is read back in that case.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use pyrun_store::{Body, Created, Key, Result, StoreError};

use super::S3Store;
use super::refusal::{Action, Answer};
use super::source::Source;

/// Bytes: what is larger goes in parts.
const LARGEST_SINGLE: u64 = 16 << 20;
/// The metadata that names an object's writer: `x-amz-meta-pyrun-writer`.
pub(super) const WRITER: &str = "pyrun-writer";
/// The checksum that every body is sent with, so that S3 refuses what was damaged on the way.
pub(super) const CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

/// What to do about an object that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Keep it, and say so.
    New,
    /// Replace it.
    Replace,
}

impl Mode {
    /// `If-None-Match`.
    pub(super) fn condition(self) -> Option<String> {
        (self == Self::New).then(|| "*".to_owned())
    }
}

/// How S3 encrypts what it stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    Bucket,
    /// With S3's own keys (`AES256`).
    S3,
    /// With a key of KMS (`aws:kms`).
    Kms {
        /// Its id or ARN; the account's own key for S3 otherwise.
        key: Option<String>,
    },
}

impl Encryption {
    pub(super) fn header(&self) -> Option<ServerSideEncryption> {
        match self {
            Self::Bucket => None,
            Self::S3 => Some(ServerSideEncryption::Aes256),
            Self::Kms { .. } => Some(ServerSideEncryption::AwsKms),
        }
    }

    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Kms { key } => key.clone(),
            Self::Bucket | Self::S3 => None,
        }
    }
}

/// One call of a writer: a name that no other has, and how often its request was sent.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    name: String,
    sent: Sent,
}

impl Writer {
    /// The name comes from the kernel each time: environments that are restored from one snapshot
    /// would draw the same numbers from anything that is kept in memory.
    pub(super) fn new() -> io::Result<Self> {
        let mut random = [0; 16];
        fs_err::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let mut name = String::new();
        for byte in random {
            write!(name, "{byte:02x}").expect("a string takes all text");
        }
        Ok(Self {
            name,
            sent: Sent::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What counts the requests that can make the object.
    pub(super) fn counter(&self) -> Sent {
        self.sent.clone()
    }

    /// Whether the object may be there by a request whose answer was lost.
    pub(super) fn may_have_written(&self) -> bool {
        self.sent.0.load(Ordering::Relaxed) > 1
    }
}

/// Counts how often a request is sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(Arc<AtomicU32>);

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl S3Store {
    pub(super) async fn write(&self, key: &Key, body: Body, mode: Mode) -> Result<Created> {
        let source = Source::open(body)
            .await
            .map_err(|error| StoreError::write(key, error))?;
        if source.size() > LARGEST_SINGLE {
            self.write_parts(key, &source, mode).await
        } else {
            self.write_whole(key, &source, mode).await
        }
    }

    async fn write_whole(&self, key: &Key, source: &Source, mode: Mode) -> Result<Created> {
        let unreadable = |error| StoreError::write(key, error);
        let _turn = self.turn(source.size()).await;
        let bytes = source.read(0..source.size()).await.map_err(unreadable)?;
        let writer = Writer::new().map_err(unreadable)?;
        let mut attempt = 1;
        loop {
            let request = self.clients.write.put_object();
            let request = request
                .bucket(self.location.bucket())
                .key(self.location.object(key))
                .body(ByteStream::from(bytes.clone()))
                .checksum_algorithm(CHECKSUM)
                .metadata(WRITER, writer.name())
                .set_if_none_match(mode.condition())
                .set_server_side_encryption(self.encryption.header())
                .set_ssekms_key_id(self.encryption.key())
                .customize()
                .interceptor(writer.counter());
            let Err(error) = request.send().await else {
                return Ok(Created::Yes);
            };
            match Answer::of(&error) {
                Answer::Unmet if mode == Mode::New => return self.made_by(key, &writer).await,
                Answer::Conflict if attempt < self.patience.attempts => {
                    tokio::time::sleep(self.patience.pause_after(attempt)).await;
                    attempt += 1;
                }
                _ => return Err(self.location.refused(Action::Write, key, &error)),
            }
        }
    }

    /// Whether the object that is in the way is this writer's own.
    pub(super) async fn made_by(&self, key: &Key, writer: &Writer) -> Result<Created> {
        if !writer.may_have_written() {
            return Ok(Created::No);
        }
        Ok(match self.writer_of(key).await? {
            Some(Some(name)) if name == writer.name() => Created::Yes,
            _ => Created::No,
        })
    }

    /// The name of an object's writer, as far as it has one; `None` without an object.
    pub(super) async fn writer_of(&self, key: &Key) -> Result<Option<Option<String>>> {
        let request = self.clients.read.head_object();
        let request = request
            .bucket(self.location.bucket())
            .key(self.location.object(key));
        match request.send().await {
            Ok(head) => {
                let name = head.metadata().and_then(|metadata| metadata.get(WRITER));
                Ok(Some(name.cloned()))
            }
            Err(error) if Answer::of(&error) == Answer::Missing => Ok(None),
            Err(error) => Err(self.location.refused(Action::Read, key, &error)),
        }
    }
}
