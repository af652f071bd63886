//! One file a verb: settings, then the client, then the console. No business here.

pub mod cache;
pub mod choose;
pub mod completions;
pub mod finish;
pub mod lock;
pub mod prewarm;
pub mod run;

use std::path::{Path, PathBuf};

use pyrun_core::{Code, Fault};

/// The current folder.
fn here() -> Result<PathBuf, Fault> {
    std::env::current_dir().map_err(|error| {
        Fault::new(Code::CONFIG_INVALID, "there is no current folder").cause(error.to_string())
    })
}

/// Writes what `-o FILE` asks for.
fn write_output(path: &Path, content: &[u8]) -> Result<(), Fault> {
    fs_err::write(path, content).map_err(|error| Fault::new(Code::USAGE, error.to_string()))
}
