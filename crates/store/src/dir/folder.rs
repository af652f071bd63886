//! The blocking half of the store: reading, listing and removing.
//!
//! In: keys. Out: bytes and listings. Never: writes an object (`publish` does).

use std::fs::Metadata;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fs_err::os::unix::fs::OpenOptionsExt;

use crate::{Entry, Key, Meta, Result, StoreError};

/// The folder below which objects are files.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Tests say no here to see what a filesystem without hard links would do.
    pub(super) hard_links: bool,
}

impl Folder {
    /// The folder at `root`, an absolute path that need not exist.
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            hard_links: true,
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where files are staged: no key part starts with a dot.
    pub(super) fn staging(&self) -> PathBuf {
        self.root.join(".tmp")
    }

    pub(super) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    pub(super) fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let unreadable = |source| StoreError::Read {
            key: key.to_string(),
            source,
        };
        // A pipe must not block and a link must not be followed: neither is an object.
        let opened = fs_err::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(self.path(key));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let meta = file.metadata().map_err(unreadable)?;
        let Some(Meta { size, .. }) = object(&meta).map_err(unreadable)? else {
            return Ok(None);
        };
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(StoreError::Range {
                key: key.clone(),
                size,
                start: range.start,
                end: range.end,
            });
        }
        read_exactly(&mut file, range).map(Some).map_err(unreadable)
    }

    pub(super) fn head(&self, key: &Key) -> Result<Option<Meta>> {
        let found = match fs_err::symlink_metadata(self.path(key)) {
            Ok(meta) => object(&meta),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        };
        found.map_err(|source| StoreError::Read {
            key: key.to_string(),
            source,
        })
    }

    /// That a deletion may be undone by a crash of the machine is no harm: it is done again.
    pub(super) fn delete(&self, key: &Key) -> Result<()> {
        if self.head(key)?.is_none() {
            return Ok(());
        }
        match fs_err::remove_file(self.path(key)) {
            Err(error) if !is_absent(&error) => Err(StoreError::write(key, error)),
            _ => Ok(()),
        }
    }

    /// Reads only the folder that the prefix names, and those below it.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let start = match prefix.rsplit_once('/') {
            None => String::new(),
            // A prefix that leads nowhere a key can lead, such as `../`, has no objects.
            Some((folder, _)) if folder.parse::<Key>().is_err() => return Ok(Vec::new()),
            Some((folder, _)) => format!("{folder}/"),
        };
        let mut entries = Vec::new();
        let mut folders = vec![start];
        while let Some(folder) = folders.pop() {
            self.list_folder(&folder, prefix, &mut folders, &mut entries)
                .map_err(|source| StoreError::Read {
                    key: prefix.to_owned(),
                    source,
                })?;
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// Lists one folder, `""` or a name that ends in `/`. What is no key is none of ours.
    fn list_folder(
        &self,
        folder: &str,
        prefix: &str,
        folders: &mut Vec<String>,
        entries: &mut Vec<Entry>,
    ) -> io::Result<()> {
        let items = match fs_err::read_dir(self.root.join(folder)) {
            Ok(items) => items,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for item in items {
            let item = item?;
            let Ok(name) = item.file_name().into_string() else {
                continue;
            };
            let Ok(key) = format!("{folder}{name}").parse::<Key>() else {
                continue;
            };
            let kind = item.file_type()?;
            if kind.is_dir() {
                let below = format!("{key}/");
                if below.starts_with(prefix) || prefix.starts_with(&below) {
                    folders.push(below);
                }
            } else if kind.is_file() && key.as_str().starts_with(prefix) {
                match item.metadata() {
                    Ok(meta) => entries.push(Entry {
                        key,
                        meta: describe(&meta),
                    }),
                    // It was removed since the folder was read.
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Removes staging files last written more than `age` ago.
    pub(super) fn sweep(&self, age: Duration) -> Result<u64> {
        let failed = |source| StoreError::Read {
            key: self.staging().display().to_string(),
            source,
        };
        let items = match fs_err::read_dir(self.staging()) {
            Ok(items) => items,
            Err(error) if is_absent(&error) => return Ok(0),
            Err(error) => return Err(failed(error)),
        };
        let mut removed = 0;
        for item in items {
            let item = item.map_err(failed)?;
            let Ok(meta) = item.metadata() else { continue };
            let written = meta.modified().map_err(failed)?;
            let idle = SystemTime::now()
                .duration_since(written)
                .unwrap_or_default();
            if meta.is_file() && idle > age && fs_err::remove_file(item.path()).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Whether the error says that there is no such object: a missing file, or a file where the key
/// has a folder.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What `meta` says of an object: `None` for a folder, an error for a link or a device.
pub(super) fn object(meta: &Metadata) -> io::Result<Option<Meta>> {
    if meta.is_file() {
        Ok(Some(describe(meta)))
    } else if meta.is_dir() {
        Ok(None)
    } else {
        Err(io::Error::other("it is not a plain file"))
    }
}

fn describe(meta: &Metadata) -> Meta {
    let modified = meta.modified().unwrap_or(UNIX_EPOCH);
    Meta {
        size: meta.len(),
        modified: modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
    }
}

/// The bytes in `range`; that there are fewer is an error. The buffer is not zeroed first.
fn read_exactly(file: &mut fs_err::File, range: Range<u64>) -> io::Result<Bytes> {
    let length = range.end - range.start;
    let capacity = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity)?;
    file.seek(SeekFrom::Start(range.start))?;
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() == capacity {
        Ok(bytes.into())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
