//! An index's error to a fault: the code, the cause in plain words, and what to do next.

use std::io::ErrorKind;

use pyrun_core::{Code, Fault};

use crate::index::IndexError;
use crate::index::cause::Cause;

impl From<IndexError> for Fault {
    fn from(error: IndexError) -> Self {
        match &error {
            IndexError::Unreachable { source, .. } => {
                let fault = Self::from_error(Code::INDEX_UNREACHABLE, &error);
                match source.downcast_ref::<Cause>() {
                    Some(Cause::Certificate(_) | Cause::NoRoots) => fault.hint(
                        "let `SSL_CERT_FILE` name a file with the certificates to trust, such as \
                         that of a proxy of your own which inspects TLS",
                    ),
                    Some(Cause::Redirects(_)) => {
                        fault.hint("check the address given with `--index-url`")
                    }
                    _ => fault.hint(
                        "check the network and the proxy settings, name another index with \
                         `--index-url`, or use what is cached with `--offline`",
                    ),
                }
            }
            IndexError::Status {
                status: 401 | 403, ..
            } => Self::from_error(Code::INDEX_DENIED, &error).hint(
                "put the credentials into the index's address, as \
                 `https://USER:PASSWORD@HOST/simple`",
            ),
            IndexError::Status {
                status: 429 | 500..,
                ..
            } => Self::from_error(Code::INDEX_UNREACHABLE, &error)
                .hint("try again later, or name another index with `--index-url`"),
            IndexError::Status { .. } => Self::from_error(Code::INDEX_BROKEN, &error)
                .hint("check the address given with `--index-url`"),
            IndexError::Broken { .. } => Self::from_error(Code::INDEX_BROKEN, &error)
                .hint("check the address given with `--index-url`, or name another index"),
            IndexError::Altered { .. } => Self::from_error(Code::WHEEL_HASH, &error)
                .hint("run it again; if it stays so, the index or something on the way to it is not to be trusted"),
            IndexError::Unwritable { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    Self::from_error(Code::STORE_FULL, &error).hint(
                        "make room with `pyrun cache gc`, or name another folder with `--cache-dir`",
                    )
                }
                _ => Self::from_error(Code::STORE_UNWRITABLE, &error).hint(
                    "check the folder's permissions, or name another one with `--cache-dir`",
                ),
            },
            IndexError::Refused(_) => match error {
                IndexError::Refused(fault) => *fault,
                _ => unreachable!("matched above"),
            },
            IndexError::Offline { .. } => Self::from_error(Code::INDEX_OFFLINE, &error)
                .hint("run once without `--offline`: what it needs is kept"),
        }
    }
}
