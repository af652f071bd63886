//! The repository's own Rust files, for the tests that read them.
//!
//! In: folders, by their paths from the repository's root. Out: the text of each file in them. Never:
//! looks into hidden folders or what a build has made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below these folders, by their paths from the root.
pub fn below(folders: &[&str]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut pending: Vec<PathBuf> = folders.iter().map(|name| root().join(name)).collect();
    while let Some(folder) = pending.pop() {
        for entry in fs_err::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.extend(Some(path).filter(|path| is_ours(path)));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).expect("below the root");
                let text = fs_err::read_to_string(&path).expect("UTF-8");
                files.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    files
}

fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && name != "target"
}
