//! A wheel's METADATA by range requests: as a rule one, for the end of the wheel, where the
//! directory and dist-info are; two or three for wheels with many files.
//!
//! In: a wheel's address and, where known, its size; or a file. Out: the bytes of METADATA.
//! Never: downloads the wheel, or believes a server that answers with other bytes than asked for.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header;
use url::Url;

use crate::index::IndexError;
use crate::index::directory::{self, Directory, LONGEST_END};
use crate::index::http::{Ask, ByteRange, Http, broken, status_error};

/// METADATA, or that the server does not answer ranges.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Metadata(Vec<u8>),
    NoRanges,
}

/// Reads METADATA from a wheel on a server. `size` is the index's word.
pub(super) async fn read(
    http: &Http,
    url: &Url,
    size: Option<u64>,
    project: &str,
) -> Result<Outcome, IndexError> {
    let Some(mut wheel) = Wheel::open(http, url, size).await? else {
        return Ok(Outcome::NoRanges);
    };
    let directory = wheel.directory().await?;
    let entries = wheel.bytes(directory.start, directory.end).await?;
    let wrong = |error| broken(url, error);
    let member = directory::find_metadata(&entries, project).map_err(wrong)?;
    // Local headers have their own extra field; few have a longer one than this.
    let (start, end) = member.reach(64);
    let bytes = wheel.bytes(start, end.min(wheel.size)).await?;
    let extra = member.extra(&bytes).map_err(wrong)?;
    let (start, end) = member.reach(extra);
    if end > wheel.size {
        return Err(broken(
            url,
            "is not a sound zip archive: its `METADATA` is cut",
        ));
    }
    let bytes = wheel.bytes(start, end).await?;
    member.inflate(&bytes).map(Outcome::Metadata).map_err(wrong)
}

/// The end of a wheel that is on a server, as far as it has been read.
struct Wheel<'a> {
    http: &'a Http,
    url: &'a Url,
    size: u64,
    /// The bytes from `size - tail.len()` on.
    tail: Bytes,
}

impl<'a> Wheel<'a> {
    /// Reads the end. `None`: the server does not answer ranges.
    async fn open(
        http: &'a Http,
        url: &'a Url,
        size: Option<u64>,
    ) -> Result<Option<Self>, IndexError> {
        let range = match size {
            // Some servers answer a range that is the whole file as if none was asked for.
            Some(size) if size <= first_read(size) => return Self::whole(http, url, size).await,
            Some(size) => ByteRange::Within(size - first_read(size), size),
            None => ByteRange::Last(first_read(0)),
        };
        let ask = Ask::new(url).range(range);
        let answer = http.get(&ask, first_read(u64::MAX)).await?;
        let (start, end, total) = match answer.status {
            StatusCode::PARTIAL_CONTENT => content_range(url, &answer.headers)?,
            StatusCode::OK
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::RANGE_NOT_SATISFIABLE
            | StatusCode::NOT_IMPLEMENTED => return Ok(None),
            status => return Err(status_error(url, status)),
        };
        let agrees = size.is_none_or(|size| size == total);
        if !agrees || end != total || end - start != answer.body.len() as u64 {
            return Err(broken(url, "answers with another range than asked for"));
        }
        Ok(Some(Self {
            http,
            url,
            size: total,
            tail: answer.body,
        }))
    }

    /// Reads a wheel that is no larger than the end of others.
    async fn whole(http: &'a Http, url: &'a Url, size: u64) -> Result<Option<Self>, IndexError> {
        let answer = http.get(&Ask::new(url), size).await?;
        if answer.status != StatusCode::OK {
            return Err(status_error(url, answer.status));
        }
        if answer.body.len() as u64 != size {
            return Err(broken(url, "has another size than the index says"));
        }
        let tail = answer.body;
        Ok(Some(Self {
            http,
            url,
            size,
            tail,
        }))
    }

    fn tail_start(&self) -> u64 {
        self.size - self.tail.len() as u64
    }

    /// Finds the directory, and reads it together with what stands before it: as a rule the rest
    /// of dist-info, of which RECORD grows with the directory.
    async fn directory(&mut self) -> Result<Directory, IndexError> {
        let wrong = |error| broken(self.url, error);
        let mut found = directory::locate(&self.tail, self.size).map_err(wrong)?;
        if found.is_none() {
            self.extend(self.size.saturating_sub(LONGEST_END)).await?;
            found = directory::locate(&self.tail, self.size).map_err(wrong)?;
        }
        let directory =
            found.ok_or_else(|| broken(self.url, "is not a zip archive: it has no end record"))?;
        if directory.start < self.tail_start() {
            let length = directory.end - directory.start;
            let before = length + (24 << 10);
            self.extend(directory.start.saturating_sub(before)).await?;
        }
        Ok(directory)
    }

    /// Reads so that the tail starts at `start`.
    async fn extend(&mut self, start: u64) -> Result<(), IndexError> {
        let tail_start = self.tail_start();
        if start < tail_start {
            let more = self.request(start, tail_start).await?;
            let mut tail = BytesMut::with_capacity(more.len() + self.tail.len());
            tail.extend_from_slice(&more);
            tail.extend_from_slice(&self.tail);
            self.tail = tail.freeze();
        }
        Ok(())
    }

    /// The bytes of a range, which the caller has checked against the size.
    async fn bytes(&mut self, start: u64, end: u64) -> Result<Bytes, IndexError> {
        if start >= end {
            return Err(broken(
                self.url,
                "is not a sound zip archive: a part of it is empty",
            ));
        }
        let tail_start = self.tail_start();
        if start < tail_start {
            return self.request(start, end).await;
        }
        let within = |at: u64| usize::try_from(at - tail_start).unwrap_or(usize::MAX);
        Ok(self.tail.slice(within(start)..within(end)))
    }

    async fn request(&self, start: u64, end: u64) -> Result<Bytes, IndexError> {
        let ask = Ask::new(self.url).range(ByteRange::Within(start, end));
        let answer = self.http.get(&ask, end - start).await?;
        if answer.status != StatusCode::PARTIAL_CONTENT {
            return Err(status_error(self.url, answer.status));
        }
        let range = content_range(self.url, &answer.headers)?;
        if range != (start, end, self.size) || answer.body.len() as u64 != end - start {
            return Err(broken(
                self.url,
                "answers with another range than asked for",
            ));
        }
        Ok(answer.body)
    }
}

/// How much of the end is read at first: dist-info and the directory of most wheels, which grow
/// with the wheel. A second request costs more than some bytes too many.
fn first_read(size: u64) -> u64 {
    (size / 50).clamp(16 << 10, 512 << 10)
}

/// `Content-Range: bytes 10-19/100` as (10, 20, 100).
pub(super) fn content_range(
    url: &Url,
    headers: &header::HeaderMap,
) -> Result<(u64, u64, u64), IndexError> {
    let read = || {
        let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (start, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let total: u64 = total.parse().ok()?;
        let end = last.checked_add(1)?;
        (start < end && end <= total).then_some((start, end, total))
    };
    read().ok_or_else(|| broken(url, "answers with a range that it does not describe"))
}

/// Reads METADATA from a wheel on this machine; `url` is for messages. Blocks.
pub(super) fn read_file(path: &Path, url: &Url, project: &str) -> Result<Vec<u8>, IndexError> {
    let wrong = |error| broken(url, error);
    let unreadable = |error: std::io::Error| IndexError::Unreachable {
        url: url.to_string(),
        source: Box::new(error),
    };
    let mut file = fs_err::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = |start: u64, end: u64| -> Result<Vec<u8>, IndexError> {
        let mut content = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut part = (&mut file).take(end.saturating_sub(start));
        part.read_to_end(&mut content).map_err(unreadable)?;
        Ok(content)
    };
    let tail = bytes(size.saturating_sub(LONGEST_END), size)?;
    let directory = directory::locate(&tail, size)
        .and_then(|found| found.ok_or(directory::ArchiveError::NoEnd))
        .map_err(wrong)?;
    let entries = bytes(directory.start, directory.end)?;
    let member = directory::find_metadata(&entries, project).map_err(wrong)?;
    let (start, end) = member.reach(0);
    let extra = member.extra(&bytes(start, end)?).map_err(wrong)?;
    let (start, end) = member.reach(extra);
    member.inflate(&bytes(start, end)?).map_err(wrong)
}
