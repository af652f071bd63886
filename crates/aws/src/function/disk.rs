//! How much disk a function has.
//!
//! In: a folder. Out: bytes. Never: writes.

use std::path::Path;

use pyrun_core::{Code, Fault};

/// Bytes of the disk that holds `folder`, or will.
fn capacity(folder: &Path) -> Result<u64, Fault> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let asked = rustix::fs::statvfs(there.unwrap_or(folder));
    let disk = asked.map_err(|errno| {
        let error = std::io::Error::from(errno);
        Fault::from_error(Code::STORE_UNREADABLE, &error).cause(format!(
            "the size of the disk at `{}` is not known",
            folder.display()
        ))
    })?;
    Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
}

/// Bytes that the function itself may keep in `folder`: an eighth of the disk is left to what the
/// user's code writes.
pub(super) fn share(folder: &Path, told: Option<u64>) -> Result<u64, Fault> {
    let whole = told.map_or_else(|| capacity(folder), Ok)?;
    Ok(whole - whole / 8)
}

/// Bytes of all files below a folder; what can't be read counts as nothing.
pub fn used_below(folder: &Path) -> u64 {
    let mut total = 0u64;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => total = total.saturating_add(meta.len()),
                Err(_) => {}
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_counts_and_an_eighth_is_left_to_runs() {
        assert_eq!(share(Path::new("/"), Some(800)).expect("a size"), 700);
    }

    #[test]
    fn a_disk_has_a_size_before_its_folder_is_there() {
        let folder = std::env::temp_dir().join("pyrun-no-such/folder");
        assert!(share(&folder, None).expect("a size") > 0);
    }
}
