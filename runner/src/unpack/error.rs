//! What can go wrong while a bundle is unpacked.

use std::io;

use pyrun_core::{Code, Fault};
use pyrun_store::StoreError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes are not those that the record, the directory or the format promise.
    #[error("the bundle is damaged: {0}")]
    Corrupt(String),
    /// The object is not in the store.
    #[error("the bundle is not in the store")]
    Missing,
    /// Its file can't be read.
    #[error("can't read the bundle")]
    Read(#[source] io::Error),
    /// The folder can't be written.
    #[error("can't unpack the bundle")]
    Write(#[source] io::Error),
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever wanted it does not want it any more.
    #[error("unpacking was given up")]
    GivenUp,
}

pub(super) fn corrupt(problem: impl Into<String>) -> UnpackError {
    UnpackError::Corrupt(problem.into())
}

/// An error of a bundle's file: that there is none is an answer of its own.
pub(super) fn read_error(source: io::Error) -> UnpackError {
    match source.kind() {
        io::ErrorKind::NotFound => UnpackError::Missing,
        io::ErrorKind::UnexpectedEof => corrupt("it is shorter than its record says"),
        _ => UnpackError::Read(source),
    }
}

/// An error of the runner's own folder.
pub(crate) fn cache_fault(error: &dyn std::error::Error, source: &io::Error) -> Fault {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::from_error(Code::STORE_FULL, error)
                .hint("make room with `pyrun cache gc`, or name another folder with `--cache-dir`")
        }
        _ => Fault::from_error(Code::STORE_UNWRITABLE, error)
            .hint("check the folder's permissions, or name another one with `--cache-dir`"),
    }
}

impl From<UnpackError> for Fault {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Corrupt(_) => Self::from_error(Code::BUNDLE_CORRUPT, &error)
                .hint("run again: a damaged bundle is built anew"),
            UnpackError::Missing => Self::from_error(Code::BUNDLE_MISSING, &error)
                .hint("run again: a bundle that is gone is built anew"),
            UnpackError::Read(_) => Self::from_error(Code::STORE_UNREADABLE, &error),
            UnpackError::Write(ref source) => cache_fault(&error, source),
            UnpackError::Store(error) => error.into(),
            UnpackError::GivenUp => Self::from_error(Code::RUN_INTERRUPTED, &error),
        }
    }
}
