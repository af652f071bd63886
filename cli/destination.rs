//! The file that `-o FILE` names.
//!
//! In: a path before the work, the content after it. Out: the file, whole, or a fault. A file that
//! can't be written is said before the work begins. Never: leaves half a file where one was; opens
//! what is no regular file before there is something to write.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pyrun_core::{Code, Fault};

/// The permissions of a new file, before the umask.
const NEW: u32 = 0o666;

/// How many links lead from one to the next at most, as in Linux.
const LINKS: usize = 40;

/// A place that can be written, as far as one can tell beforehand.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    way: Way,
}

/// How the content comes there.
#[derive(Debug)]
enum Way {
    /// As a new file that takes the place of this one, which need not be there.
    Replaced(PathBuf),
    /// Into what is there: a device, a pipe, or a file in a folder that takes no other.
    Within,
}

impl Destination {
    /// Finds out whether and how `path` can be written. Nothing is left of the attempt.
    pub fn check(path: &Path) -> Result<Self, Fault> {
        way(path)
            .map(|way| Self {
                path: path.to_owned(),
                way,
            })
            .map_err(|error| {
                Fault::new(
                    Code::USAGE,
                    format!("`{}` can't be written", path.display()),
                )
                .cause(error.to_string())
                .hint("name another file with `-o`")
            })
    }

    /// Writes the whole content. Whatever goes wrong, a regular file has its old content then.
    pub fn write(&self, content: &[u8]) -> Result<(), Fault> {
        let written = match &self.way {
            Way::Replaced(target) => replace(target, content),
            Way::Within => {
                // After what was printed on the same file already.
                let follows = is_descriptor(&self.path);
                fs_err::OpenOptions::new()
                    .write(true)
                    .append(follows)
                    .truncate(!follows)
                    .open(&self.path)
                    .and_then(|mut file| file.write_all(content))
            }
        };
        written.map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::STORE_FULL,
                _ => Code::STORE_UNWRITABLE,
            };
            let path = self.path.display();
            Fault::new(code, format!("`{path}` can't be written")).cause(error.to_string())
        })
    }
}

fn way(path: &Path) -> io::Result<Way> {
    let found = match fs_err::metadata(path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match found {
        Some(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // What stands for a descriptor of this process must not be replaced, whatever it is.
        Some(found) if !found.is_file() || is_descriptor(path) => Ok(Way::Within),
        found => {
            let target = behind_links(path)?;
            if found.is_some() {
                // Replacing a file asks its folder alone: a file that is protected stays so.
                fs_err::OpenOptions::new().write(true).open(&target)?;
            }
            match beside(&target) {
                Ok(_) => Ok(Way::Replaced(target)),
                Err(error)
                    if found.is_some() && error.kind() == io::ErrorKind::PermissionDenied =>
                {
                    Ok(Way::Within)
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// `/dev/stdout`, `/dev/fd/3`, `/proc/self/fd/1`: a file behind it belongs to whoever opened it.
fn is_descriptor(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

/// The file that links lead to, which need not be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        let Ok(next) = fs_err::read_link(&target) else {
            return Ok(target);
        };
        target = folder(&target).join(next);
    }
    Err(io::Error::other("too many links lead from one to the next"))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// An empty file in the same folder, gone when it is dropped.
fn beside(target: &Path) -> io::Result<tempfile::NamedTempFile> {
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::other("it names no file"))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    // A name near the limit must not go over it.
    let prefix = if prefix.len() < 200 {
        prefix
    } else {
        ".pyrun.".into()
    };
    tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(std::fs::Permissions::from_mode(NEW))
        .tempfile_in(folder(target))
}

fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = beside(target)?;
    if let Ok(old) = fs_err::metadata(target) {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.write_all(content)?;
    file.persist(target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs_err::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into()
            })
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        fs_err::write(&path, "a long old content").expect("written");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        let reader = fs_err::File::open(&path).expect("opened");
        let destination = Destination::check(&path).expect("writable");
        assert_eq!(names(folder.path()), ["out"], "the check leaves nothing");
        destination.write(b"new").expect("written");
        assert_eq!(fs_err::read(&path).expect("read"), b"new");
        assert_eq!(mode(&path), 0o640);
        assert_eq!(names(folder.path()), ["out"]);
        let old = io::read_to_string(reader).expect("text");
        assert_eq!(old, "a long old content", "it was not written in place");
    }

    #[test]
    fn a_new_file_has_the_mode_that_any_program_gives_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let [ours, plain] = ["ours", "plain"].map(|name| folder.path().join(name));
        let destination = Destination::check(&ours).expect("writable");
        assert!(!ours.exists(), "the check leaves nothing");
        destination.write(b"new").expect("written");
        fs_err::write(&plain, "new").expect("written");
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn a_link_stays_one_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("below");
        fs_err::create_dir(&below).expect("a folder");
        for target in ["below/there", "below/new"] {
            let link = folder.path().join(target.replace('/', "-"));
            std::os::unix::fs::symlink(target, &link).expect("a link");
            if target.ends_with("there") {
                fs_err::write(folder.path().join(target), "old").expect("written");
            }
            let destination = Destination::check(&link).expect("writable");
            destination.write(b"new").expect("written");
            assert!(fs_err::symlink_metadata(&link).expect("there").is_symlink());
            let content = fs_err::read(folder.path().join(target)).expect("read");
            assert_eq!(content, b"new");
        }
        assert_eq!(names(&below), ["new", "there"]);
    }

    #[test]
    fn what_is_no_regular_file_is_written_as_it_is() {
        let destination = Destination::check(Path::new("/dev/null")).expect("writable");
        destination.write(b"gone").expect("written");
        let kind = fs_err::metadata("/dev/null").expect("there").file_type();
        assert!(!kind.is_file(), "the device was replaced");
    }

    #[test]
    fn what_can_t_be_written_is_said_beforehand() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("no/such/out");
        for path in [folder.path(), &missing, Path::new("")] {
            let fault = Destination::check(path).expect_err("not writable");
            assert_eq!(fault.code, Code::USAGE, "{}", path.display());
        }
    }
}
