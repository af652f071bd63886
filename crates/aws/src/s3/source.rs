//! What is written, read by ranges.
//!
//! In: a body. Out: its size and any part of it. Never: holds more of a file in memory than is
//! being sent.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use pyrun_store::Body;

/// A body that can be read any number of times.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Bytes(Bytes),
    File { file: Arc<fs_err::File>, size: u64 },
}

impl Source {
    pub(super) async fn open(body: Body) -> io::Result<Self> {
        match body {
            Body::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Body::File(path) => {
                blocking(move || {
                    let file = fs_err::File::open(path)?;
                    let meta = file.metadata()?;
                    if !meta.is_file() {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidInput,
                            format!("`{}` is no file", file.path().display()),
                        ));
                    }
                    Ok(Self::File {
                        size: meta.len(),
                        file: Arc::new(file),
                    })
                })
                .await
            }
        }
    }

    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    /// A part that lies within the size.
    pub(super) async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bound = |at: u64| usize::try_from(at).map_err(io::Error::other);
        match self {
            Self::Bytes(bytes) => Ok(bytes.slice(bound(range.start)?..bound(range.end)?)),
            Self::File { file, .. } => {
                let file = Arc::clone(file);
                let mut part = vec![0; bound(range.end - range.start)?];
                blocking(move || {
                    file.file().read_exact_at(&mut part, range.start)?;
                    Ok(part.into())
                })
                .await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
