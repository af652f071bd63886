//! The interpreter that tests use.

use std::path::PathBuf;
use std::sync::LazyLock;

/// Some Python 3 of this machine: `PYRUN_TEST_PYTHON`, or the first `python3` on the `PATH`.
pub fn python() -> PathBuf {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(path) = std::env::var_os("PYRUN_TEST_PYTHON") {
            return path.into();
        }
        let mut candidates = folders().into_iter().map(|folder| folder.join("python3"));
        candidates
            .find(|path| path.is_file())
            .expect("tests need a `python3` on the PATH, or PYRUN_TEST_PYTHON")
    });
    FOUND.clone()
}

/// The folders of the `PATH`, in order.
pub(crate) fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}
