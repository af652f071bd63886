//! Objects as files below one folder.

use std::path::PathBuf;

/// Objects as files below one folder.
#[derive(Debug)]
pub struct DirStore {
    root: PathBuf,
}
