//! A function's program for tests: it does what its event says.
//!
//! In: a folder. Out: the program, in Python with nothing but the standard library, speaking the
//! Runtime API by itself. Never: part of pyrun; the real programs are tested with it in their
//! place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::python;

/// Writes the program into a folder, as `bootstrap`. What an event can say stands in
/// `bootstrap.py`, beside this file.
pub fn bootstrap(folder: &Path) -> PathBuf {
    let path = folder.join("bootstrap");
    let python = python();
    let text = format!(
        "#!{} -SE\n{}",
        python.display(),
        include_str!("bootstrap.py")
    );
    fs_err::write(&path, text).expect("the test's folder can be written to");
    let permissions = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&path, permissions).expect("the file is ours");
    path
}
