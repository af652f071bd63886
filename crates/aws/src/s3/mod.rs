//! A store in a bucket.
//!
//! In: a place in S3 and a way to it. Out: a [`Store`] that keeps the laws of all stores. Never:
//! asks the service before it is used; shows a half-written object; holds more than a bounded part
//! of what it moves in memory.
//!
//! Objects are read in pieces of 8 MB, several at a time and all of one version (`If-Match`), and
//! written in parts of 8 MB from 16 MB on. Every body is sent with its CRC-32, which S3 and its
//! kin check and keep. Creating is `If-None-Match: *`; a writer that had to send twice knows its
//! own object by the name it put into its metadata.

mod client;
mod container;
mod environment;
mod list;
mod location;
mod multipart;
mod read;
mod refusal;
mod source;
mod write;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pyrun_core::Fault;
use pyrun_store::{Body, Created, Entry, Key, Meta, Result, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use client::Patience;
#[cfg(feature = "client")]
pub(crate) use client::of_account;
pub use location::{LocationError, S3Location};
pub use write::Encryption;

use client::Clients;
use environment::Environment;
use refusal::{Action, Answer};
use write::Mode;

/// Mebibytes that are on their way at once.
const BUDGET: u32 = 256;
/// What a request counts beside its mebibytes, so that small ones are bounded too.
const EACH: u32 = 4;

/// Objects in a bucket. A clone is the same store.
#[derive(Clone)]
pub struct S3Store {
    clients: Clients,
    location: Arc<S3Location>,
    encryption: Encryption,
    patience: Patience,
    budget: Arc<Semaphore>,
}

impl S3Store {
    /// The store at `location`, by an account's credentials.
    #[cfg(feature = "client")]
    pub fn open(location: S3Location, connection: &crate::account::Connection) -> Self {
        let patience = Patience::default();
        let clients = Clients::new(client::of_account(connection.sdk()), &patience);
        Self::new(location, clients, patience)
    }

    /// The store at `location`, by what AWS Lambda says in a function's variables. It calls no
    /// service and reads no file.
    pub fn from_environment(location: S3Location) -> std::result::Result<Self, Fault> {
        Self::from_variables(location, |name| std::env::var(name).ok())
    }

    /// As [`S3Store::from_environment`], with variables from elsewhere.
    pub fn from_variables(
        location: S3Location,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> std::result::Result<Self, Fault> {
        let environment = Environment::read(lookup)?;
        let patience = Patience::default();
        let endpoint = environment.endpoint.as_deref();
        let config = client::addressed(environment.config, endpoint);
        let clients = Clients::new(config, &patience);
        Ok(Self::new(location, clients, patience))
    }

    fn new(location: S3Location, clients: Clients, patience: Patience) -> Self {
        Self {
            clients,
            location: Arc::new(location),
            encryption: Encryption::default(),
            patience,
            budget: Arc::new(Semaphore::new(BUDGET as usize)),
        }
    }

    /// The same store with another patience.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.clients = self.clients.patient(&patience);
        self.patience = patience;
        self
    }

    /// The same store with objects encrypted so from now on.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Where it lies.
    pub fn location(&self) -> &S3Location {
        &self.location
    }

    /// Waits until a body of `bytes` may be on its way; it may for as long as the answer lives.
    async fn turn(&self, bytes: u64) -> OwnedSemaphorePermit {
        let mebibytes = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(BUDGET);
        let share = mebibytes.saturating_add(EACH).min(BUDGET);
        let turn = Arc::clone(&self.budget).acquire_many_owned(share).await;
        turn.expect("the budget is never closed")
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Store({})", self.location)
    }
}

#[async_trait]
impl Store for S3Store {
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        self.read(key, range).await
    }

    async fn put_new(&self, key: &Key, body: Body) -> Result<Created> {
        self.write(key, body, Mode::New).await
    }

    async fn put(&self, key: &Key, body: Body) -> Result<()> {
        self.write(key, body, Mode::Replace).await.map(drop)
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        self.meta(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.entries(prefix).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let request = self.clients.write.delete_object();
        let request = request
            .bucket(self.location.bucket())
            .key(self.location.object(key));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if Answer::of(&error) == Answer::Missing => Ok(()),
            Err(error) => Err(self.location.refused(Action::Delete, key, &error)),
        }
    }
}
