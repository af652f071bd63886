//! What can go wrong with a store.

use std::io;

use pyrun_core::{Code, Fault};

use crate::key::Key;

/// A store's answer.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What went wrong, and with which object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be read.
    #[error("can't read `{key}` from the store")]
    Read {
        /// The object, or the prefix of a listing.
        key: String,
        /// Why.
        source: io::Error,
    },
    /// It can't be written.
    #[error("can't write `{key}` to the store")]
    Write {
        /// The object.
        key: Key,
        /// Why.
        source: io::Error,
    },
    /// No space is left.
    #[error("no space is left to write `{key}` to the store")]
    Full {
        /// The object.
        key: Key,
        /// What the system said.
        source: io::Error,
    },
    /// A range outside the object.
    #[error("`{key}` has {size} bytes; bytes {start} to {end} were asked for")]
    Range {
        /// The object.
        key: Key,
        /// Its size.
        size: u64,
        /// The first byte asked for.
        start: u64,
        /// The end, exclusive.
        end: u64,
    },
    /// A store on another machine fails, and says itself what that means.
    #[error("{}", .fault.message)]
    Backend {
        /// The object, or the prefix of a listing.
        key: String,
        /// What failed, why, and what to do next.
        fault: Box<Fault>,
    },
}

impl StoreError {
    /// An error of writing `key`, told apart by its kind.
    pub fn write(key: &Key, source: io::Error) -> Self {
        let key = key.clone();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { key, source },
            _ => Self::Write { key, source },
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Backend { fault, .. } => return *fault,
            StoreError::Read { .. } | StoreError::Range { .. } => Code::STORE_UNREADABLE,
            StoreError::Write { .. } => Code::STORE_UNWRITABLE,
            StoreError::Full { .. } => Code::STORE_FULL,
        };
        let fault = Self::from_error(code, &error);
        match error {
            StoreError::Full { .. } => {
                fault.hint("make room with `pyrun cache gc`, or name another folder with `--store`")
            }
            StoreError::Write { .. } => {
                fault.hint("check the folder's permissions, or name another one with `--store`")
            }
            StoreError::Read { .. } | StoreError::Range { .. } | StoreError::Backend { .. } => {
                fault
            }
        }
    }
}
