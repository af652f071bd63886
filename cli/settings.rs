//! What the command line, the environment and `pyrun.toml` come to.
//!
//! In: arguments as typed. Out: settings as used, or a fault that names the flag, variable or
//! key. Flags win over the environment, that over the script's own `[tool.pyrun]`, that over
//! `pyrun.toml`, that over the defaults. Never: touches an index or a store.

mod edit;
mod file;
pub mod held;
mod indexes;
mod place;
pub mod platform;
pub mod remote;
mod resolving;
pub mod units;

use std::path::{Path, PathBuf};

pub use edit::set_use;
pub use file::{FileSettings, user_path};
pub use held::Held;
pub use place::{Place, StoreAt, refuse_store};
pub use platform::Platform;
pub use remote::Remote;
pub use resolving::Resolving;

/// Writes a file whole or not at all, and the folders above it.
pub fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(name);
    fs_err::write(&beside, content)?;
    fs_err::rename(&beside, path).inspect_err(|_| {
        let _ = fs_err::remove_file(&beside);
    })
}
