//! One file to the disk: hashed while it is written, resumed where it broke off.
//!
//! In: an address, and what the file should be. Out: what it is: size and sha256. Never: writes
//! more than was promised, or than the limit; compares the digest, which is the caller's to do
//! before anything else touches the file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pyrun_core::Sha256;
use reqwest::StatusCode;
use reqwest::header::ACCEPT_ENCODING;
use sha2::Digest as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

use crate::index::IndexError;
use crate::index::address::Credentials;
use crate::index::cause::Cause;
use crate::index::http::{
    Ask, ByteRange, Failure, Http, Stream, Tries, broken, failure, status_error,
};
use crate::index::remote::content_range;

/// The largest file that is downloaded when nobody says its size.
pub(crate) const MAX_FILE: u64 = 4 << 30;
/// A try that got this far does not count against the number of tries.
const PROGRESS: u64 = 1 << 20;
/// Pieces that may wait for the disk.
const WAITING: usize = 64;

/// What a file should be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected {
    /// Bytes.
    pub(crate) size: Option<u64>,
    /// The digest.
    pub(crate) sha256: Option<Sha256>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Downloaded {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

/// Why a file is not here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("can't write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{expected} bytes were promised and {found} come")]
    Size { expected: u64, found: u64 },
}

/// Downloads a file to `path`. `progress` is told how many more bytes have come.
pub(super) async fn download(
    http: &Http,
    url: &Url,
    key: Option<Credentials>,
    expected: Expected,
    path: &Path,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Downloaded, DownloadError> {
    let mut download = Download {
        http,
        url,
        key,
        size: expected.size,
        received: 0,
        sink: Sink::new(path),
        progress,
    };
    let mut tries = Tries::new(&http.limits);
    loop {
        let before = download.received;
        match download.attempt().await {
            Ok(()) => return download.sink.finish().await,
            Err(Stop::Sink) => {
                let found = download.received;
                // A sink that takes no more has failed: finishing it says how.
                download.sink.finish().await?;
                return Err(broken(url, format!("stops after {found} bytes")).into());
            }
            Err(Stop::Final(error)) => return Err(error),
            Err(Stop::Failed(failure)) => {
                if download.received - before >= PROGRESS {
                    tries = Tries::new(&http.limits);
                }
                tries.next(failure, url).await?;
            }
        }
    }
}

/// Why an attempt ended early.
enum Stop {
    /// Another one may go better.
    Failed(Failure),
    Final(DownloadError),
    /// The file can't be written.
    Sink,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

struct Download<'a> {
    http: &'a Http,
    url: &'a Url,
    key: Option<Credentials>,
    size: Option<u64>,
    received: u64,
    sink: Sink,
    progress: &'a (dyn Fn(u64) + Send + Sync),
}

impl Download<'_> {
    /// Asks for what is missing and takes what comes.
    async fn attempt(&mut self) -> Result<(), Stop> {
        let mut ask = Ask::new(self.url).header(ACCEPT_ENCODING, "identity");
        ask.key.clone_from(&self.key);
        if self.received > 0 {
            ask = ask.range(ByteRange::From(self.received));
        }
        let mut stream = self.http.open(&ask).await?;
        let mut skip = self.already_here(&stream)?;
        while let Some(mut chunk) = stream.chunk(self.url).await? {
            let skipped = skip.min(chunk.len() as u64);
            skip -= skipped;
            // No chunk is larger than memory, so the number of its bytes fits.
            chunk = chunk.slice(usize::try_from(skipped).unwrap_or(usize::MAX)..);
            self.take(chunk).await?;
        }
        match self.size {
            Some(size) if self.received < size => Err(failure(self.url, Cause::Broken).into()),
            _ => Ok(()),
        }
    }

    /// How many bytes of the answer are here already: all that came before, when the server starts
    /// from the beginning again.
    fn already_here(&self, stream: &Stream<'_>) -> Result<u64, Stop> {
        let response = &stream.response;
        let (skip, total) = match response.status() {
            StatusCode::OK => (self.received, response.content_length()),
            StatusCode::PARTIAL_CONTENT if self.received > 0 => {
                let (start, _, total) = content_range(self.url, response.headers())
                    .map_err(|error| Stop::Final(error.into()))?;
                if start != self.received {
                    let error = broken(self.url, "answers with another range than asked for");
                    return Err(Stop::Final(error.into()));
                }
                (0, Some(total))
            }
            status => return Err(Stop::Final(status_error(self.url, status).into())),
        };
        match (self.size, total) {
            (Some(expected), Some(found)) if expected != found => {
                Err(Stop::Final(DownloadError::Size { expected, found }))
            }
            (None, Some(found)) if found > MAX_FILE => Err(self.too_large(found)),
            _ => Ok(skip),
        }
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), Stop> {
        let more = chunk.len() as u64;
        let received = self.received + more;
        if received > self.size.unwrap_or(MAX_FILE) {
            return Err(self.too_large(received));
        }
        if more > 0 {
            self.sink.write(chunk).await.map_err(|_| Stop::Sink)?;
            self.received = received;
            (self.progress)(more);
        }
        Ok(())
    }

    fn too_large(&self, found: u64) -> Stop {
        Stop::Final(match self.size {
            Some(expected) => DownloadError::Size { expected, found },
            None => broken(self.url, format!("is larger than {MAX_FILE} bytes")).into(),
        })
    }
}

/// A file that a thread of its own writes and hashes, so that neither holds up the network.
struct Sink {
    path: PathBuf,
    pieces: mpsc::Sender<Bytes>,
    writer: JoinHandle<io::Result<Downloaded>>,
}

/// Opens a file that is there, emptied. It is not made where it is gone: whoever waited for it has
/// then been dropped, and nobody would take it away.
pub(crate) fn open_anew(path: &Path) -> io::Result<fs_err::File> {
    fs_err::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
}

impl Sink {
    fn new(path: &Path) -> Self {
        let (pieces, mut incoming) = mpsc::channel::<Bytes>(WAITING);
        let target = path.to_owned();
        let writer = tokio::task::spawn_blocking(move || {
            let mut hashing = Hashing::new(open_anew(&target)?);
            while let Some(piece) = incoming.blocking_recv() {
                hashing.write_all(&piece)?;
            }
            Ok(hashing.finish())
        });
        Self {
            path: path.to_owned(),
            pieces,
            writer,
        }
    }

    /// Hands a piece to the writer; an error says that it has ended.
    async fn write(&self, piece: Bytes) -> Result<(), mpsc::error::SendError<Bytes>> {
        self.pieces.send(piece).await
    }

    async fn finish(self) -> Result<Downloaded, DownloadError> {
        drop(self.pieces);
        let written = self
            .writer
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|source| DownloadError::Write {
            path: self.path,
            source,
        })
    }
}

/// A writer that knows the size and digest of what went through it.
pub(crate) struct Hashing<W> {
    inner: W,
    hasher: sha2::Sha256,
    size: u64,
}

impl<W: io::Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: sha2::Sha256::new(),
            size: 0,
        }
    }

    pub(crate) fn finish(self) -> Downloaded {
        Downloaded {
            size: self.size,
            sha256: Sha256::finish(self.hasher),
        }
    }
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
