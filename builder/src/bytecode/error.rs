//! What can go wrong between a bundle and its companion.

use std::io;

use pep508_rs::PackageName;
use pyrun_core::{Code, Fault};
use pyrun_store::StoreError;

use super::CompileError;
use crate::wheel::WheelError;
use crate::zip::ZipError;

/// Why there is no companion.
#[derive(Debug, thiserror::Error)]
pub enum BytecodeError {
    /// A wheel is not in the store any more, or was damaged there and is removed.
    #[error("the wheel of `{package}` is not in the store")]
    Missing {
        /// Whose wheel.
        package: PackageName,
    },
    /// A file could not be compiled this time.
    #[error("`{path}` of `{package}` could not be compiled: {reason}")]
    Failed {
        /// Whose file.
        package: PackageName,
        /// Its path below site-packages.
        path: String,
        /// Why.
        reason: String,
    },
    /// A wheel in the store is not what it was.
    #[error(transparent)]
    Wheel(#[from] WheelError),
    /// A member of a wheel or of an archive is not what it was.
    #[error("can't read an archive of the store")]
    Zip(#[from] ZipError),
    /// An archive of the store is not one that was made here.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The interpreter can't be used.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The scratch folder fails.
    #[error("can't write the bytecode")]
    Io(#[from] io::Error),
    /// A thread that read or wrote an archive panicked.
    #[error("the work on bytecode ended unexpectedly")]
    Died(#[source] tokio::task::JoinError),
}

impl From<BytecodeError> for Fault {
    fn from(error: BytecodeError) -> Self {
        match error {
            BytecodeError::Wheel(error) => error.into(),
            BytecodeError::Store(error) => error.into(),
            BytecodeError::Missing { .. } | BytecodeError::Zip(_) | BytecodeError::Corrupt(_) => {
                Self::from_error(Code::STORE_UNREADABLE, &error)
                    .hint("run again: it is downloaded anew")
            }
            BytecodeError::Compile(_) | BytecodeError::Failed { .. } => {
                Self::from_error(Code::PYTHON_BROKEN, &error)
                    .hint("name another interpreter with `--python-version`")
            }
            BytecodeError::Io(ref source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Self::from_error(Code::STORE_FULL, &error).hint(
                        "make room with `pyrun cache gc`, or name another folder with `--store`",
                    )
                }
                _ => Self::from_error(Code::STORE_UNWRITABLE, &error)
                    .hint("check the permissions of the cache folder"),
            },
            BytecodeError::Died(_) => Self::from_error(Code::INTERNAL, &error),
        }
    }
}
