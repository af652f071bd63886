//! What can go wrong between a lock and its bundle.

use std::io;

use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::StoreError;

use crate::wheel::WheelError;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    /// A wheel is not in the store, or what stood there was corrupt and is removed.
    #[error("the wheel of `{package}` is not in the store")]
    Missing {
        /// Whose wheel.
        package: PackageName,
        /// Its digest.
        sha256: Sha256,
    },
    /// A wheel is refused.
    #[error(transparent)]
    Wheel(#[from] WheelError),
    /// What the wheels say of themselves is not let in.
    #[error("{0}")]
    Refused(Box<Fault>),
    /// Two packages need one path, and neither may give way.
    #[error("`{first}` and `{second}` both bring `{path}`")]
    Collision {
        /// The path in site-packages.
        path: String,
        /// One package.
        first: PackageName,
        /// The other.
        second: PackageName,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The scratch folder fails, or a wheel's file is cut short or gone.
    #[error("can't write the bundle")]
    Io(#[from] io::Error),
    /// The thread that wrote it panicked.
    #[error("splicing ended unexpectedly")]
    Died(#[source] tokio::task::JoinError),
}

impl From<SpliceError> for Fault {
    fn from(error: SpliceError) -> Self {
        match error {
            SpliceError::Wheel(error) => error.into(),
            SpliceError::Store(error) => error.into(),
            SpliceError::Refused(fault) => *fault,
            SpliceError::Missing { .. } => Self::from_error(Code::STORE_UNREADABLE, &error)
                .hint("run again: it is downloaded anew"),
            SpliceError::Collision {
                ref first,
                ref second,
                ..
            } => {
                let hint = format!("require one of `{first}` and `{second}`, not both");
                Self::from_error(Code::BUNDLE_COLLISION, &error).hint(hint)
            }
            SpliceError::Io(ref source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Self::from_error(Code::STORE_FULL, &error).hint(
                        "make room with `pyrun cache gc`, or name another folder with `--store`",
                    )
                }
                _ => Self::from_error(Code::STORE_UNWRITABLE, &error)
                    .hint("check the permissions of the cache folder"),
            },
            SpliceError::Died(_) => Self::from_error(Code::INTERNAL, &error),
        }
    }
}
