//! The folder of a build, after foreign code was in it.
//!
//! In: a folder in which anything may lie, links and pipes, closed folders and endlessly deep ones.
//! Out: what is read of it; in the end, nothing of it. Never: follows a link out of it; waits for a
//! pipe; needs more of the stack for what is deeper.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A folder that is removed with the value, whatever was done to it.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub(super) fn new_in(parent: &Path) -> io::Result<Self> {
        fs_err::create_dir_all(parent)?;
        let folder = tempfile::Builder::new().prefix("sdist-").tempdir_in(parent);
        Ok(Self(folder?.keep()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where something in it lies, if no link stands on the way to it.
    pub(super) fn own(&self, relative: &Path) -> Option<PathBuf> {
        let real = |path: &Path| fs_err::canonicalize(path).ok();
        let parent = self.0.join(relative);
        let expected = real(&self.0)?.join(relative);
        let is_own = real(parent.parent()?)? == expected.parent()?;
        is_own.then_some(expected)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed now is swept with the cache.
        let _ = remove(&self.0);
    }
}

/// Removes a folder with all that is in it. Folders in it are opened up, and moved to its top before
/// they are emptied, so that no path becomes too long.
pub fn remove(folder: &Path) -> io::Result<()> {
    let mut number: u64 = 0;
    let mut free = || loop {
        let path = folder.join(format!(".{number}"));
        number += 1;
        if fs_err::symlink_metadata(&path).is_err() {
            return path;
        }
    };
    let mut pending = vec![folder.to_owned()];
    let mut emptied = Vec::new();
    while let Some(at) = pending.pop() {
        let _ = fs_err::set_permissions(&at, std::fs::Permissions::from_mode(0o700));
        // All of them first: what is moved to the top is not to be met there again.
        let entries: Vec<_> = fs_err::read_dir(&at)?.collect::<Result<_, _>>()?;
        for entry in entries {
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                fs_err::remove_file(path)?;
            } else if at == folder {
                pending.push(path);
            } else {
                let up = free();
                // Its entry `..` changes, which takes the right to write it.
                let _ = fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700));
                fs_err::rename(path, &up)?;
                pending.push(up);
            }
        }
        if at == folder {
            emptied.push(at);
        } else {
            fs_err::remove_dir(at)?;
        }
    }
    emptied.iter().try_for_each(fs_err::remove_dir)
}

/// A file that foreign code has made: only a regular one is read, and no more than a bound.
pub(super) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;

    let meta = fs_err::symlink_metadata(path)?;
    if !meta.is_file() || meta.len() > limit {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    fs_err::File::open(path)?
        .take(limit)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_lies_in_it_is_removed_and_nothing_else() {
        let outside = tempfile::tempdir().expect("a folder");
        let kept = outside.path().join("kept");
        fs_err::write(&kept, "").expect("written");
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = Folder::new_in(scratch.path()).expect("a folder");
        let root = folder.path().to_owned();
        symlink(outside.path(), root.join("link")).expect("a link");
        let closed = root.join("out/closed");
        fs_err::create_dir_all(closed.join("in")).expect("folders");
        fs_err::write(closed.join("in/file"), "").expect("written");
        symlink(&kept, closed.join("link")).expect("a link");
        fs_err::write(root.join(".0"), "in the way").expect("written");
        for path in [closed.join("in"), closed] {
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("closed");
        }
        drop(folder);
        assert!(!root.exists());
        assert!(kept.exists());
    }

    #[test]
    fn folders_that_are_too_deep_for_a_path_are_removed() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = Folder::new_in(scratch.path()).expect("a folder");
        let root = folder.path().to_owned();
        // Built from the inside out, for no path leads all the way down.
        let part = "d".repeat(200);
        for _ in 0..60 {
            let deeper = root.join("deeper");
            fs_err::create_dir(&deeper).expect("a folder");
            if root.join(&part).exists() {
                fs_err::rename(root.join(&part), deeper.join(&part)).expect("moved");
            }
            fs_err::rename(deeper, root.join(&part)).expect("moved");
        }
        drop(folder);
        assert!(!root.exists());
    }

    #[test]
    fn a_link_on_the_way_leads_nowhere() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = Folder::new_in(scratch.path()).expect("a folder");
        let out = folder.path().join("out");
        fs_err::create_dir(&out).expect("a folder");
        let wheel = Path::new("out/a.whl");
        let found = folder.own(wheel).expect("its own");
        assert!(found.ends_with("out/a.whl"));
        fs_err::remove_dir(&out).expect("removed");
        symlink(scratch.path(), &out).expect("a link");
        assert_eq!(folder.own(wheel), None);
    }
}
