//! One wheel's bytecode, kept in the store.
//!
//! In: a wheel in the store. Out: an archive of the `.pyc` of its modules, sorted, and last
//! `sources.json`: the digest of every `.py` that the wheel installs, compiled or not.
//! Never: unpacks the wheel to disk; keeps more of it in memory than the files at work.

use std::collections::BTreeMap;
use std::io::{BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use pyrun_core::{Event, Events, LockHash, Segment, Sha256};
use pyrun_store::{Body, Key, Store, catalog};
use tempfile::NamedTempFile;

use super::{BytecodeError, Compiled, Compiler, Pool, cut, temporary};
use crate::wheel::{self, InstalledFile, WheelProblem};
use crate::zip::{self, Entry, Inflater, Writer};

/// The member that holds the digests of the sources. No bytecode has such a name.
const SOURCES: &str = "sources.json";
/// Bytes of the largest `sources.json` that is read: some 300 000 files.
const MAX_SOURCES: u64 = 64 << 20;
/// Bytes that are fetched at once from a store on another machine.
const PIECE: u64 = 8 << 20;
/// The longest file name that filesystems take, in bytes.
const MAX_NAME: usize = 255;

/// A wheel's bytecode, read from the store and checked.
#[derive(Debug)]
pub(super) struct Archive {
    zip: zip::Archive<fs_err::File>,
    /// The digest of every `.py` that the wheel installs, by path.
    pub(super) sources: BTreeMap<String, Sha256>,
    /// The source of each member but the last, in their order.
    paths: Vec<String>,
    /// Whether it was in the store before.
    pub(super) reused: bool,
}

impl Archive {
    /// The bytecode in the archive: each source's path and the member.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let paths = self.paths.iter().map(String::as_str);
        paths.zip(self.zip.entries())
    }

    /// What the members are read from.
    pub(super) fn file(&self) -> &fs_err::File {
        self.zip.source()
    }

    /// Reads an archive and checks that it is one of ours.
    fn open(path: &Path, cache_tag: &str) -> Result<Self, BytecodeError> {
        let file = fs_err::File::open(path)?;
        let zip = zip::Archive::open(file, &zip::Limits::default())?;
        let corrupt = BytecodeError::Corrupt;
        let (last, members) = zip.entries().split_last().ok_or(corrupt("it is empty"))?;
        if last.name != SOURCES || last.size > MAX_SOURCES {
            return Err(corrupt("it does not say what it was made of"));
        }
        let json = Inflater::default().read(zip.source(), last)?;
        let sources: BTreeMap<String, Sha256> = serde_json::from_slice(&json)
            .map_err(|_| corrupt("it does not say what it was made of"))?;
        let paths: Vec<String> = members
            .iter()
            .filter_map(|entry| source_path(&entry.name, cache_tag))
            .filter(|path| sources.contains_key(path))
            .collect();
        if paths.len() != members.len() {
            return Err(corrupt("it holds more than bytecode of this wheel"));
        }
        Ok(Self {
            zip,
            sources,
            paths,
            reused: false,
        })
    }

    /// Opens an archive that may have lain in the store for long: every byte is checked.
    fn reopen(path: &Path, cache_tag: &str) -> Result<Self, BytecodeError> {
        let mut archive = Self::open(path, cache_tag)?;
        let mut inflater = Inflater::default();
        for entry in archive.zip.entries() {
            inflater.visit(archive.zip.source(), entry, &mut |_| {})?;
        }
        archive.reused = true;
        Ok(archive)
    }
}

/// What a wheel is compiled from where it is not in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spare {
    /// Nothing: it is [`BytecodeError::Missing`].
    Nothing,
    /// Its share of this bundle.
    Bundle(LockHash),
}

/// The wheel's archive, from the store or compiled now. A corrupt one is removed and made anew.
pub(super) async fn ensure(
    store: &dyn Store,
    segment: Segment,
    spare: Spare,
    compiler: &Compiler,
    pool: &Pool,
    scratch: &Path,
    events: Events<'_>,
) -> Result<Archive, BytecodeError> {
    let key = catalog::bytecode(&segment.wheel_sha256, compiler.magic);
    if let Some(file) = local_file(store, &key, scratch).await? {
        let cache_tag = compiler.cache_tag.clone();
        match blocking(move || Archive::reopen(file.path(), &cache_tag)).await {
            Ok(archive) => return Ok(archive),
            Err(error) => {
                store.delete(&key).await?;
                let package = &segment.package;
                events(Event::Warning {
                    message: format!(
                        "the stored bytecode of `{package}` was corrupt and is made anew: {error}"
                    ),
                });
            }
        }
    }
    let failed = |(path, reason)| BytecodeError::Failed {
        package: segment.package.clone(),
        path,
        reason,
    };
    if let Some((wheel, files)) = wheel_files(store, &segment, scratch, events).await? {
        let made = compile(wheel.path(), files, compiler, pool, scratch).await?;
        let made = made.map_err(failed)?;
        // Opened before it is given away: publishing may move the file.
        let archive = Archive::open(made.path(), &compiler.cache_tag)?;
        store.put_new(&key, Body::file(made.path())).await?;
        return Ok(archive);
    }
    if let Spare::Bundle(lock) = spare
        && let Some(bundle) = local_file(store, &catalog::bundle(&lock), scratch).await?
    {
        let (path, own) = (bundle.path().to_owned(), segment.clone());
        let files = blocking(move || cut::sources(&path, &own)).await?;
        let made = compile(bundle.path(), files, compiler, pool, scratch).await?;
        return Archive::open(made.map_err(failed)?.path(), &compiler.cache_tag);
    }
    let package = segment.package;
    Err(BytecodeError::Missing { package })
}

/// The wheel and what it installs, with its digest checked once more; `None` when it is not there.
/// A damaged one is removed: whoever misses it can have it anew.
async fn wheel_files(
    store: &dyn Store,
    segment: &Segment,
    scratch: &Path,
    events: Events<'_>,
) -> Result<Option<(LocalFile, Vec<InstalledFile>)>, BytecodeError> {
    let key = catalog::wheel(&segment.wheel_sha256);
    let Some(file) = local_file(store, &key, scratch).await? else {
        return Ok(None);
    };
    let (path, own) = (file.path().to_owned(), segment.clone());
    let check = move || {
        let limits = wheel::Limits::default();
        wheel::reopen(&path, &own.wheel, &own.wheel_sha256, &limits).map_err(BytecodeError::from)
    };
    match blocking(check).await {
        Ok(contents) => Ok(Some((file, contents.files))),
        Err(BytecodeError::Wheel(error)) if matches!(error.problem, WheelProblem::Hash { .. }) => {
            store.delete(&key).await?;
            events(Event::Warning {
                message: format!(
                    "the stored wheel `{}` was corrupt and is removed",
                    segment.wheel
                ),
            });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Compiles the wheel's modules into an archive in `scratch`; or gives the path of the first that
/// could not be compiled this time, and why.
async fn compile(
    wheel: &Path,
    files: Vec<InstalledFile>,
    compiler: &Compiler,
    pool: &Pool,
    scratch: &Path,
) -> Result<Result<NamedTempFile, (String, String)>, BytecodeError> {
    let wheel = Arc::new(fs_err::File::open(wheel)?);
    let mut sources = files;
    sources.retain(|file| is_source(&file.path));
    let digests: BTreeMap<String, Sha256> = sources
        .iter()
        .map(|file| (file.path.clone(), file.sha256))
        .collect();
    // Writing goes to the page cache, in large pieces: no thread is blocked for long.
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, temporary(scratch)?));
    sources.retain(|file| file.library);
    let mut modules = futures::stream::iter(sources)
        .map(|file| compile_member(Arc::clone(&wheel), file, pool))
        .buffered(2 * Pool::cores());
    while let Some((path, compiled)) = modules.try_next().await? {
        match compiled {
            Compiled::Bytecode(bytes) => {
                if let Some(name) = pyc_path(&path, &compiler.cache_tag) {
                    writer.stored(&name, &bytes)?;
                }
            }
            Compiled::Skipped(_) => {}
            Compiled::Failed(reason) => return Ok(Err((path, reason))),
        }
    }
    let json = serde_json::to_vec(&digests).expect("paths and digests are text");
    writer.stored(SOURCES, &json)?;
    let file = writer.finish()?.into_inner();
    let mut file = file.map_err(IntoInnerError::into_error)?;
    file.flush()?;
    Ok(Ok(file))
}

/// Compiles one file of the wheel.
async fn compile_member(
    wheel: Arc<fs_err::File>,
    file: InstalledFile,
    pool: &Pool,
) -> Result<(String, Compiled), BytecodeError> {
    if file.size > Pool::MAX_SOURCE {
        return Ok((file.path, Compiled::Skipped("it is too large".to_owned())));
    }
    let entry = Entry {
        name: file.path.clone(),
        method: file.method,
        crc32: file.crc32,
        compressed: file.compressed,
        size: file.size,
        mode: 0,
        data_offset: file.data_offset,
    };
    let source = blocking(move || Ok(Inflater::default().read(wheel.as_ref(), &entry)?)).await?;
    let compiled = pool.compile(&file.path, source.into()).await?;
    Ok((file.path, compiled))
}

pub(super) fn is_source(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|kind| kind == "py")
}

/// Where Python looks for the bytecode of the source at `path` (PEP 3147); `None` for what is no
/// source, or would have a name that is too long.
fn pyc_path(path: &str, cache_tag: &str) -> Option<String> {
    let (folder, file) = match path.rsplit_once('/') {
        Some((folder, file)) => (format!("{folder}/"), file),
        None => (String::new(), path),
    };
    let stem = file.strip_suffix(".py")?;
    let name = format!("{stem}.{cache_tag}.pyc");
    (name.len() <= MAX_NAME).then(|| format!("{folder}__pycache__/{name}"))
}

/// The source of the bytecode at `path`: undoes [`pyc_path`].
fn source_path(path: &str, cache_tag: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = folder.strip_suffix("__pycache__")?;
    let stem = name.strip_suffix(".pyc")?.strip_suffix(cache_tag)?;
    Some(format!("{folder}{}.py", stem.strip_suffix('.')?))
}

/// An object as a file on this machine.
enum LocalFile {
    /// The store's own.
    Kept(PathBuf),
    /// A copy, removed when it is dropped.
    Fetched(NamedTempFile),
}

impl LocalFile {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Fetched(file) => file.path(),
        }
    }
}

/// The object's file: the store's own, or a copy in `scratch`; `None` when there is none.
async fn local_file(
    store: &dyn Store,
    key: &Key,
    scratch: &Path,
) -> Result<Option<LocalFile>, BytecodeError> {
    let Some(meta) = store.head(key).await? else {
        return Ok(None);
    };
    if let Some(path) = store.path(key) {
        return Ok(Some(LocalFile::Kept(path)));
    }
    let mut file = temporary(scratch)?;
    let mut offset = 0;
    while offset < meta.size {
        let end = meta.size.min(offset + PIECE);
        let Some(piece) = store.get(key, Some(offset..end)).await? else {
            return Ok(None);
        };
        file.write_all(&piece)?;
        offset = end;
    }
    Ok(Some(LocalFile::Fetched(file)))
}

/// Does work where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BytecodeError> + Send + 'static,
) -> Result<T, BytecodeError> {
    let answer = tokio::task::spawn_blocking(work).await;
    answer.map_err(BytecodeError::Died)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytecode_lies_beside_its_source() {
        for (source, bytecode) in [
            ("six.py", "__pycache__/six.cpython-312.pyc"),
            ("a/b.c.py", "a/__pycache__/b.c.cpython-312.pyc"),
            ("a/__init__.py", "a/__pycache__/__init__.cpython-312.pyc"),
        ] {
            let tag = "cpython-312";
            assert_eq!(pyc_path(source, tag).as_deref(), Some(bytecode));
            assert_eq!(source_path(bytecode, tag).as_deref(), Some(source));
            assert_eq!(source_path(bytecode, "cpython-31"), None);
        }
        assert_eq!(pyc_path(&format!("{}.py", "x".repeat(250)), "t"), None);
        assert_eq!(source_path("a/six.cpython-312.pyc", "cpython-312"), None);
    }
}
