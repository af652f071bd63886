//! One file to the disk: hashed while it is written, resumed where it broke off.
//!
//! In: an address, and what the file should be. Out: what it is: size and sha256. Never: writes
//! more than was promised, or than the limit; joins parts of two files, unless a known digest will
//! tell; compares the digest, which is the caller's to do before anything else touches the file.

use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pyrun_core::Sha256;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, ETAG, HeaderMap, IF_RANGE};
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
        expected,
        received: 0,
        furthest: 0,
        tag: None,
        sink: Sink::new(path),
        progress,
    };
    let mut tries = Tries::new(&http.limits);
    let mut breaks = 0;
    loop {
        let before = download.furthest;
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
                breaks += 1;
                if breaks >= http.limits.breaks {
                    return Err(download.given_up(failure.error, breaks).into());
                }
                if download.furthest - before >= PROGRESS {
                    tries = Tries::new(&http.limits);
                }
                if let Err(error) = tries.next(failure, url).await {
                    return Err(download.given_up(error, breaks).into());
                }
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
    expected: Expected,
    /// Bytes that are in the sink.
    received: u64,
    /// The most that ever were.
    furthest: u64,
    /// What names the version of the file that they are of.
    tag: Option<String>,
    sink: Sink,
    progress: &'a (dyn Fn(u64) + Send + Sync),
}

impl Download<'_> {
    /// Asks for what is missing and takes what comes.
    async fn attempt(&mut self) -> Result<(), Stop> {
        if self.tag.is_none() && self.expected.sha256.is_none() {
            // Nothing would tell whether the rest is of the same file.
            self.start_anew().await?;
        }
        let mut ask = Ask::new(self.url).header(ACCEPT_ENCODING, "identity");
        ask.key.clone_from(&self.key);
        if self.received > 0 {
            ask = ask.range(ByteRange::From(self.received));
            if let Some(tag) = &self.tag {
                ask = ask.header(IF_RANGE, tag);
            }
        }
        let http = self.http;
        let mut stream = http.open(&ask).await?;
        self.place(&stream).await?;
        while let Some(chunk) = stream.chunk(self.url).await? {
            self.take(chunk).await?;
        }
        match self.expected.size {
            Some(size) if self.received < size => Err(failure(self.url, Cause::Broken).into()),
            _ => Ok(()),
        }
    }

    /// Sees that the answer goes on where the sink ends: it starts anew when the server does, and
    /// when the file has changed meanwhile.
    async fn place(&mut self, stream: &Stream<'_>) -> Result<(), Stop> {
        let response = &stream.response;
        let tag = strong_tag(response.headers());
        let total = match response.status() {
            StatusCode::OK => {
                self.start_anew().await?;
                self.tag = tag;
                response.content_length()
            }
            StatusCode::PARTIAL_CONTENT if self.received > 0 => {
                let (start, _, total) = content_range(self.url, response.headers())
                    .map_err(|error| Stop::Final(error.into()))?;
                if start != self.received {
                    let error = broken(self.url, "answers with another range than asked for");
                    return Err(Stop::Final(error.into()));
                }
                // Where no digest will tell, the server must say that it is the same file.
                let is_told = self.expected.sha256.is_none() || tag.is_some() && self.tag.is_some();
                if is_told && self.tag != tag {
                    self.tag = None;
                    self.start_anew().await?;
                    return Err(failure(self.url, Cause::Changed).into());
                }
                Some(total)
            }
            StatusCode::RANGE_NOT_SATISFIABLE if self.received > 0 => {
                self.start_anew().await?;
                return Err(failure(self.url, Cause::Changed).into());
            }
            status => return Err(Stop::Final(status_error(self.url, status).into())),
        };
        match (self.expected.size, total) {
            (Some(expected), Some(found)) if expected != found => {
                Err(Stop::Final(DownloadError::Size { expected, found }))
            }
            (None, Some(found)) if found > MAX_FILE => Err(self.too_large(found)),
            _ => Ok(()),
        }
    }

    async fn start_anew(&mut self) -> Result<(), Stop> {
        if self.received > 0 {
            let again = self.sink.pieces.send(Piece::Anew).await;
            again.map_err(|_| Stop::Sink)?;
            self.received = 0;
        }
        Ok(())
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), Stop> {
        let received = self.received + chunk.len() as u64;
        if received > self.expected.size.unwrap_or(MAX_FILE) {
            return Err(self.too_large(received));
        }
        let piece = self.sink.pieces.send(Piece::More(chunk)).await;
        piece.map_err(|_| Stop::Sink)?;
        self.received = received;
        if received > self.furthest {
            (self.progress)(received - self.furthest);
            self.furthest = received;
        }
        Ok(())
    }

    fn too_large(&self, found: u64) -> Stop {
        Stop::Final(match self.expected.size {
            Some(expected) => DownloadError::Size { expected, found },
            None => broken(self.url, format!("is larger than {MAX_FILE} bytes")).into(),
        })
    }

    /// The error of the last try, with how far all of them came.
    fn given_up(&self, error: IndexError, tries: u32) -> IndexError {
        match error {
            IndexError::Unreachable { url, source } => IndexError::Unreachable {
                url,
                source: match source.downcast::<Cause>() {
                    Ok(last) if last.passes() => Box::new(Cause::GivenUp {
                        last,
                        tries,
                        received: self.furthest,
                        size: self.expected.size,
                    }),
                    Ok(last) => last,
                    Err(other) => other,
                },
            },
            other => other,
        }
    }
}

/// What names one version of a file, byte for byte (RFC 9110, section 8.8.3).
fn strong_tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?.trim();
    let strong = tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"');
    strong.then(|| tag.to_owned())
}

/// What the sink is told.
enum Piece {
    /// What follows.
    More(Bytes),
    /// All that came is void: the file begins again.
    Anew,
}

/// A file that a thread of its own writes and hashes, so that neither holds up the network.
struct Sink {
    path: PathBuf,
    pieces: mpsc::Sender<Piece>,
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
        let (pieces, mut incoming) = mpsc::channel::<Piece>(WAITING);
        let target = path.to_owned();
        let writer = tokio::task::spawn_blocking(move || {
            let mut hashing = Hashing::new(open_anew(&target)?);
            while let Some(piece) = incoming.blocking_recv() {
                match piece {
                    Piece::More(bytes) => hashing.write_all(&bytes)?,
                    Piece::Anew => {
                        let mut file = hashing.inner;
                        file.set_len(0)?;
                        file.rewind()?;
                        hashing = Hashing::new(file);
                    }
                }
            }
            Ok(hashing.finish())
        });
        Self {
            path: path.to_owned(),
            pieces,
            writer,
        }
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
