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
    /// The disk is too small, whatever makes way.
    #[error(
        "a bundle of {need} bytes does not fit into the {disk} bytes that there are for bundles"
    )]
    TooLarge {
        /// Bytes that it takes.
        need: u64,
        /// Bytes that bundles may take.
        disk: u64,
    },
    /// What would have to make way is in use.
    #[error(
        "there is no room for a bundle of {need} bytes: other runs use {in_use} of {disk} bytes"
    )]
    InUse {
        /// Bytes that it takes.
        need: u64,
        /// Bytes of the bundles that stay.
        in_use: u64,
        /// Bytes that bundles may take.
        disk: u64,
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
            WarmError::TooLarge { need, .. } => {
                Self::from_error(Code::REMOTE_QUOTA, &error).hint(match storage_for(need) {
                    storage @ ..=MOST_STORAGE => format!(
                        "give the function more disk: `pyrun deploy --storage {storage}` is enough for it"
                    ),
                    _ => format!(
                        "leave packages out: AWS Lambda gives a function {MOST_STORAGE} MB of disk at most"
                    ),
                })
            }
            WarmError::InUse { .. } => Self::from_error(Code::STORE_FULL, &error)
                .hint("run again once the other runs have ended"),
            WarmError::Unpack(error) => error.into(),
            WarmError::Folder(ref source) => cache_fault(&error, source),
            WarmError::Store(error) => error.into(),
        }
    }
}

/// MB of disk that AWS Lambda gives a function at most.
const MOST_STORAGE: u64 = 10_240;

/// The disk in MB of 2^20 bytes on which bundles may take so much, when an eighth is left to runs.
/// AWS Lambda gives 512 at least.
fn storage_for(bytes: u64) -> u64 {
    let whole = bytes.saturating_add(bytes / 7 + 1).div_ceil(1 << 20);
    whole.div_ceil(64).saturating_mul(64).max(512)
}
