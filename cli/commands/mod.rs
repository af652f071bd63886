//! One file a verb: settings, then the client, then the console. No business here.

pub mod cache;
pub mod completions;
#[cfg(feature = "aws")]
pub mod deploy;
#[cfg(feature = "aws")]
pub mod destroy;
#[cfg(feature = "aws")]
pub mod doctor;
pub mod finish;
pub mod lock;
pub mod prewarm;
pub mod run;

use std::path::PathBuf;

use pyrun_core::{Code, Fault};

/// The current folder.
fn here() -> Result<PathBuf, Fault> {
    std::env::current_dir().map_err(|error| {
        Fault::new(Code::CONFIG_INVALID, "there is no current folder").cause(error.to_string())
    })
}
