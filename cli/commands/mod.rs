//! One file a verb: settings, then the client, then the console. No business here.

pub mod cache;
pub mod choose;
pub mod completions;
#[cfg(feature = "aws")]
pub mod deploy;
#[cfg(feature = "aws")]
pub mod destroy;
#[cfg(feature = "aws")]
pub mod doctor;
pub mod finish;
pub mod lock;
pub mod policy;
pub mod prewarm;
pub mod run;
mod seen;
pub mod tree;
pub mod why;

use std::path::PathBuf;

use pyrun_core::{Code, Fault};

#[cfg(feature = "aws")]
use crate::args::PlaceArgs;
#[cfg(feature = "aws")]
use crate::settings::{FileSettings, Place};

/// The current folder.
fn here() -> Result<PathBuf, Fault> {
    std::env::current_dir().map_err(|error| {
        Fault::new(Code::CONFIG_INVALID, "there is no current folder").cause(error.to_string())
    })
}

/// The folder for what can be made again, for a verb that has nothing else to do with places.
#[cfg(feature = "aws")]
fn cache(asked: Option<&PathBuf>) -> Result<PathBuf, Fault> {
    let place = PlaceArgs {
        cache_dir: asked.cloned(),
        ..PlaceArgs::default()
    };
    Ok(Place::resolve(&place, &FileSettings::find(&here()?)?)?.cache)
}
