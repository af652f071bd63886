//! A source distribution's archive to a folder.
//!
//! In: a `.tar.gz` or a `.zip` whose digest is proven, and an empty folder. Out: its one top folder,
//! unpacked. Never: writes outside the folder; makes a link or a device; goes on past its limits.
//!
//! Stricter than PEP 721's `data` filter: a link is taken only to a file of the archive itself, as a
//! copy of it. So no path ever leads through a link, and nothing depends on the order of members.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::FileTimes;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;

use super::error::Invalid;
use super::tar::{self, Kind};
use crate::wheel::unsafe_reason;
use crate::zip::{self, Archive, Inflater, shown};

/// How large an archive may be once unpacked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Members.
    pub(super) members: u64,
    /// Bytes of all members together.
    pub(super) unpacked: u64,
    /// Bytes that unpack from one, over the whole archive.
    pub(super) ratio: u64,
    /// Below so many bytes no ratio is a bomb.
    pub(super) small: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 200_000,
            unpacked: 4 << 30,
            ratio: 200,
            small: 64 << 20,
        }
    }
}

/// How often a link may lead to a link.
const LINKS: usize = 16;
/// The last second that is taken as a file's time: some file systems know no later one.
const LAST_TIME: u64 = 0x7fff_ffff;

/// How an archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `.tar.gz`
    TarGz,
    /// `.zip`
    Zip,
    /// What is inside of a `.tar.gz`; no index has it so.
    Tar,
}

impl Format {
    /// As a file's name says it (PEP 625, and the zips from before it).
    fn of(filename: &str) -> Option<Self> {
        let path = Path::new(filename);
        let ends = |path: &Path, ending: &str| path.extension().is_some_and(|own| own == ending);
        match path.file_stem().map(Path::new) {
            Some(_) if ends(path, "zip") => Some(Self::Zip),
            Some(stem) if ends(path, "gz") && ends(stem, "tar") => Some(Self::TarGz),
            _ => None,
        }
    }
}

/// Unpacks an archive and gives its top folder, which lies in `into`.
pub(super) fn unpack(
    archive: &Path,
    filename: &str,
    into: &Path,
    limits: &Limits,
) -> Result<PathBuf, Invalid> {
    let format = Format::of(filename).ok_or(Invalid::Kind)?;
    unpack_as(archive, format, into, limits)
}

/// The same, of a format that is known.
pub(super) fn unpack_as(
    archive: &Path,
    format: Format,
    into: &Path,
    limits: &Limits,
) -> Result<PathBuf, Invalid> {
    let file = fs_err::File::open(archive).map_err(|source| Invalid::Write {
        path: archive.to_owned(),
        source,
    })?;
    let compressed = file.metadata().map_or(0, |meta| meta.len());
    let mut sink = Sink::new(into, *limits, compressed);
    match format {
        Format::TarGz => from_tar(MultiGzDecoder::new(file), &mut sink)?,
        Format::Tar => from_tar(io::BufReader::new(file), &mut sink)?,
        Format::Zip => from_zip(file, &mut sink)?,
    }
    sink.finish()
}

fn from_tar(archive: impl io::Read, sink: &mut Sink) -> Result<(), Invalid> {
    let mut reader = tar::Reader::new(archive);
    while let Some(member) = reader.next()? {
        let name = text(&member.name)?;
        match member.kind {
            Kind::Folder => sink.folder(name)?,
            Kind::File { executable } => {
                let (path, mut target) = sink.file(name, executable)?;
                reader.data(&mut |piece| {
                    sink.count(piece.len() as u64)?;
                    target
                        .write_all(piece)
                        .map_err(|error| unwritable(&path, error))
                })?;
                set_time(&target, member.modified);
            }
            Kind::Symlink(target) => {
                let target = text(&target)?;
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                sink.link(name, beside(folder, target))?;
            }
            Kind::HardLink(target) => sink.link(name, beside("", text(&target)?))?,
            Kind::Other(kind) => {
                return Err(Invalid::Device {
                    name: shown(name.as_bytes()),
                    kind: match kind {
                        b'3' | b'4' => "device",
                        b'6' => "pipe",
                        b'S' => "sparse file",
                        _ => "member of a kind that no source distribution needs",
                    },
                });
            }
        }
    }
    reader.finish()
}

fn from_zip(file: fs_err::File, sink: &mut Sink) -> Result<(), Invalid> {
    let bounds = zip::Limits {
        members: sink.limits.members,
        ..zip::Limits::default()
    };
    let (source, entries) = Archive::open(file, &bounds)?.into_parts();
    let mut inflater = Inflater::default();
    for entry in &entries {
        let kind = entry.mode & 0o170_000;
        match (kind, entry.is_directory()) {
            (0 | 0o040_000, true) => sink.folder(&entry.name)?,
            (0 | 0o100_000, false) => {
                sink.count(entry.size)?;
                let (path, mut target) = sink.file(&entry.name, entry.mode & 0o100 != 0)?;
                let mut written = Ok(());
                inflater.visit(&source, entry, &mut |piece| {
                    if written.is_ok() {
                        written = target.write_all(piece);
                    }
                })?;
                written.map_err(|error| unwritable(&path, error))?;
            }
            (0o120_000, _) => {
                return Err(Invalid::Link {
                    name: shown(entry.name.as_bytes()),
                    problem: "stands in a zip archive, where no source distribution has one",
                });
            }
            _ => {
                return Err(Invalid::Device {
                    name: shown(entry.name.as_bytes()),
                    kind: "device or a pipe",
                });
            }
        }
    }
    Ok(())
}

fn text(name: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(name).map_err(|_| Invalid::NotUtf8(shown(name)))
}

fn unwritable(path: &Path, source: io::Error) -> Invalid {
    Invalid::Write {
        path: path.to_owned(),
        source,
    }
}

/// Makes and generated files compare times; what can't be set is no reason to fail.
fn set_time(file: &std::fs::File, seconds: u64) {
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_TIME));
    let _ = file.set_times(FileTimes::new().set_modified(time));
}

/// A path that is meant from a folder of the archive; `None` where it leaves the archive.
fn beside(folder: &str, target: &str) -> Option<String> {
    if target.starts_with('/') || target.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Where members land, and what has landed.
struct Sink {
    root: PathBuf,
    limits: Limits,
    compressed: u64,
    members: u64,
    unpacked: u64,
    top: Option<String>,
    /// Files, with their sizes known from the file system.
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
    links: BTreeMap<String, Option<String>>,
}

impl Sink {
    fn new(root: &Path, limits: Limits, compressed: u64) -> Self {
        Self {
            root: root.to_owned(),
            limits,
            compressed,
            members: 0,
            unpacked: 0,
            top: None,
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
            links: BTreeMap::new(),
        }
    }

    /// Counts bytes that came out.
    fn count(&mut self, more: u64) -> Result<(), Invalid> {
        self.unpacked = self.unpacked.saturating_add(more);
        if self.unpacked > self.limits.unpacked {
            return Err(Invalid::TooLarge(self.limits.unpacked));
        }
        if self.unpacked > self.limits.small && self.unpacked / self.limits.ratio >= self.compressed
        {
            return Err(Invalid::Bomb {
                compressed: self.compressed,
                unpacked: self.unpacked,
            });
        }
        Ok(())
    }

    /// Takes a name in: a safe one, below the one top folder. Gives it without a slash at its end.
    fn admit<'a>(&mut self, name: &'a str) -> Result<&'a str, Invalid> {
        self.members += 1;
        if self.members > self.limits.members {
            return Err(Invalid::TooMany(self.limits.members));
        }
        let bare = name.strip_prefix("./").unwrap_or(name);
        if let Some(problem) = unsafe_reason(bare) {
            return Err(Invalid::UnsafePath {
                name: shown(name.as_bytes()),
                problem,
            });
        }
        let path = bare.strip_suffix('/').unwrap_or(bare);
        let top = path.split('/').next().unwrap_or(path);
        match &self.top {
            Some(first) if first != top => Err(Invalid::Tops {
                first: shown(first.as_bytes()),
                second: shown(top.as_bytes()),
            }),
            Some(_) => Ok(path),
            None => {
                self.top = Some(top.to_owned());
                Ok(path)
            }
        }
    }

    fn folder(&mut self, name: &str) -> Result<(), Invalid> {
        // `./` stands for the archive itself.
        if matches!(name, "." | "./") {
            return Ok(());
        }
        let path = self.admit(name)?;
        self.make_folder(path)
    }

    /// Makes a folder and those above it.
    fn make_folder(&mut self, path: &str) -> Result<(), Invalid> {
        if self.folders.contains(path) {
            return Ok(());
        }
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let part = &path[..end];
            if self.files.contains(part) || self.links.contains_key(part) {
                return Err(Invalid::FileAsFolder(shown(path.as_bytes())));
            }
            if self.folders.insert(part.to_owned()) {
                let folder = self.root.join(part);
                fs_err::create_dir(&folder).map_err(|error| unwritable(&folder, error))?;
            }
        }
        Ok(())
    }

    /// Admits a file or a link: its name is free, and its folder is there.
    fn place<'a>(&mut self, name: &'a str) -> Result<&'a str, Invalid> {
        let path = self.admit(name)?;
        if self.files.contains(path) || self.links.contains_key(path) {
            return Err(Invalid::Duplicate(shown(path.as_bytes())));
        }
        if self.folders.contains(path) {
            return Err(Invalid::FileAsFolder(shown(path.as_bytes())));
        }
        match path.rsplit_once('/') {
            Some((folder, _)) => self.make_folder(folder)?,
            None => {
                return Err(Invalid::UnsafePath {
                    name: shown(path.as_bytes()),
                    problem: "is in no folder",
                });
            }
        }
        Ok(path)
    }

    fn file(&mut self, name: &str, executable: bool) -> Result<(PathBuf, std::fs::File), Invalid> {
        let path = self.place(name)?;
        self.files.insert(path.to_owned());
        let full = self.root.join(path);
        let mode = if executable { 0o755 } else { 0o644 };
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&full);
        match opened {
            Ok(file) => Ok((full, file)),
            // Where letter case does not count, two names may be one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Invalid::Duplicate(shown(path.as_bytes())))
            }
            Err(error) => Err(unwritable(&full, error)),
        }
    }

    fn link(&mut self, name: &str, target: Option<String>) -> Result<(), Invalid> {
        let path = self.place(name)?;
        self.links.insert(path.to_owned(), target);
        Ok(())
    }

    /// Puts a copy in the place of each link, and gives the top folder.
    fn finish(mut self) -> Result<PathBuf, Invalid> {
        let top = self.top.clone().ok_or(Invalid::Empty)?;
        for name in self.links.keys().cloned().collect::<Vec<_>>() {
            let Some(target) = self.follow(&name)? else {
                continue;
            };
            let (from, to) = (self.root.join(&target), self.root.join(&name));
            let size = fs_err::metadata(&from)
                .map_err(|error| unwritable(&from, error))?
                .len();
            self.count(size)?;
            fs_err::copy(&from, &to).map_err(|error| unwritable(&to, error))?;
        }
        let folder = self.root.join(top);
        if !folder.is_dir() {
            return Err(Invalid::Empty);
        }
        // Whatever the umask was, all of it can be entered.
        for path in &self.folders {
            let full = self.root.join(path);
            let mode = std::fs::Permissions::from_mode(0o755);
            fs_err::set_permissions(&full, mode).map_err(|error| unwritable(&full, error))?;
        }
        Ok(folder)
    }

    /// The file that a link leads to; `None` where there is nothing, which harms nobody.
    fn follow(&self, name: &str) -> Result<Option<String>, Invalid> {
        let wrong = |problem| Invalid::Link {
            name: shown(name.as_bytes()),
            problem,
        };
        let mut at = name.to_owned();
        for _ in 0..LINKS {
            let Some(target) = self.links.get(&at) else {
                break;
            };
            let target = target.clone();
            at = target.ok_or_else(|| wrong("leads out of the archive"))?;
            let inside = self.top.as_ref().is_some_and(|top| {
                let rest = at.strip_prefix(top.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if !inside {
                return Err(wrong("leads out of the archive's folder"));
            }
        }
        if self.files.contains(&at) {
            return Ok(Some(at));
        }
        if self.folders.contains(&at) {
            return Err(wrong("leads to a folder"));
        }
        if self.links.contains_key(&at) {
            return Err(wrong("leads to itself, over other links"));
        }
        let through = at.match_indices('/').any(|(end, _)| {
            let part = &at[..end];
            self.links.contains_key(part) || self.files.contains(part)
        });
        if through {
            return Err(wrong("leads through another link"));
        }
        Ok(None)
    }
}
