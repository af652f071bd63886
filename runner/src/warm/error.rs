//! What can go wrong with the runner's folder.

use std::io;

use pyrun_core::{Code, Fault, LockHash};
use pyrun_store::StoreError;

use crate::unpack::{UnpackError, cache_fault};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    /// The store has no such bundle: it must be built.
    #[error("the bundle `{}` is not in the store", lock.0.short())]
    Missing {
        /// Which.
        lock: LockHash,
    },
    /// The store's bundle was damaged. It is set aside, so that building it again works.
    #[error("the bundle `{}` was damaged and is set aside", lock.0.short())]
    Corrupt {
        /// Which.
        lock: LockHash,
        /// How.
        source: UnpackError,
    },
    /// The bundle can't be unpacked.
    #[error(transparent)]
    Unpack(UnpackError),
    /// The runner's folder can't be used.
    #[error("can't use the runner's folder")]
    Folder(#[from] io::Error),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl WarmError {
    /// Whether building the bundle helps.
    pub fn wants_build(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Corrupt { .. })
    }
}

impl From<WarmError> for Fault {
    fn from(error: WarmError) -> Self {
        match error {
            WarmError::Missing { .. } => Self::from_error(Code::BUNDLE_MISSING, &error)
                .hint("run again: a bundle that is gone is built anew"),
            WarmError::Corrupt { .. } => Self::from_error(Code::BUNDLE_CORRUPT, &error)
                .hint("run again: a damaged bundle is built anew"),
            WarmError::Unpack(error) => error.into(),
            WarmError::Folder(ref source) => cache_fault(&error, source),
            WarmError::Store(error) => error.into(),
        }
    }
}
