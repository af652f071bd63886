//! Remotes on AWS.
//!
//! In: a remote of the settings. Out: its store and its functions. Never: calls a service that what
//! is remembered makes needless.

mod describe;
mod discovery;
mod lambda;
mod python;
mod relay;

use std::path::Path;
use std::sync::Arc;

use pyrun_aws::account::Connection;
use pyrun_aws::invoke::Mode;
use pyrun_aws::s3::{S3Location, S3Store};
use pyrun_core::{Code, Fault};
use pyrun_runner::warm::Warm;
use pyrun_store::Store;

use crate::depot::Depot;
use crate::settings::Remote;
use crate::settings::remote::{Account, Invoke};
use discovery::Deployment;

pub use lambda::Lambda;

impl From<Invoke> for Mode {
    fn from(invoke: Invoke) -> Self {
        match invoke {
            Invoke::Streaming => Self::Streaming,
            Invoke::Buffered => Self::Buffered,
        }
    }
}

/// The store in a bucket.
pub async fn bucket(address: &str, account: &Account) -> Result<Arc<dyn Store>, Fault> {
    open_store(address, &connect(account).await?)
}

/// What lies in a remote's store. What this machine knows of its use lies apart from what it knows
/// of its own bundles.
pub async fn depot(remote: &Remote, cache: &Path) -> Result<Depot, Fault> {
    let deployment = Deployment::find(remote, cache).await?;
    let address = deployment.store();
    Ok(Depot {
        store: open_store(&address, deployment.connection())?,
        folder: None,
        warm: Warm::open(deployment.home()),
        scratch: deployment.home().join("scratch"),
        compiling: None,
        shown: address,
        is_shared: true,
    })
}

async fn connect(account: &Account) -> Result<Connection, Fault> {
    Connection::open(&pyrun_aws::account::Account {
        profile: account.profile.clone(),
        region: account.region.clone(),
        endpoint_url: account.endpoint_url.clone(),
    })
    .await
}

/// The store at an address, by an account's credentials.
pub fn open_store(address: &str, connection: &Connection) -> Result<Arc<dyn Store>, Fault> {
    let location: S3Location = address
        .parse()
        .map_err(|error| Fault::from_error(Code::CONFIG_INVALID, &error))?;
    Ok(Arc::new(S3Store::open(location, connection)))
}
