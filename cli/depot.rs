//! A store, and what this machine knows of the bundles in it.
//!
//! In: where things are kept, or a remote. Out: a [`Depot`]. Never: asks a store anything.

use std::path::PathBuf;
use std::sync::Arc;

use pyrun_core::Fault;
use pyrun_runner::warm::Warm;
use pyrun_store::{DirStore, Store};

use crate::remote;
use crate::settings::remote::Account;
use crate::settings::{Place, StoreAt};

/// A store, and what this machine knows of the bundles in it.
#[derive(Debug)]
pub struct Depot {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The store as a folder, where it is one: what killed writers left there can be swept.
    pub folder: Option<DirStore>,
    /// Bundles that are unpacked here, and when each was last used from here.
    pub warm: Warm,
    /// Where unfinished files lie.
    pub scratch: PathBuf,
    /// The cache folder, where runs on this machine leave bytecode to be compiled behind them.
    pub compiling: Option<PathBuf>,
    /// What `pyrun cache dir` prints.
    pub shown: String,
    /// Whether other machines use the bundles too, unseen from here.
    pub is_shared: bool,
}

impl Depot {
    /// What is kept by the commands of this machine.
    pub async fn here(place: &Place) -> Result<Self, Fault> {
        let (store, folder) = open(&place.store).await?;
        Ok(Self {
            store,
            is_shared: folder.is_none(),
            folder,
            warm: Warm::open(&place.cache),
            scratch: place.cache.join("scratch"),
            compiling: Some(place.cache.clone()),
            shown: place.cache.display().to_string(),
        })
    }
}

/// The store of this machine's own commands.
pub async fn store(at: &StoreAt) -> Result<Arc<dyn Store>, Fault> {
    Ok(open(at).await?.0)
}

async fn open(at: &StoreAt) -> Result<(Arc<dyn Store>, Option<DirStore>), Fault> {
    match at {
        StoreAt::Folder(path) => {
            let folder = DirStore::open(path)?;
            Ok((Arc::new(folder.clone()), Some(folder)))
        }
        StoreAt::Bucket(address) => {
            let store = Box::pin(remote::bucket(address, &Account::default())).await?;
            Ok((store, None))
        }
    }
}
