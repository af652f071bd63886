//! Where things are kept.
//!
//! In: `--store`, `--cache-dir`, their variables and the settings files. Out: a [`Place`]. Never:
//! looks whether anything is there.

use std::fmt;
use std::path::{Path, PathBuf};

use pyrun_core::{Code, Fault};

use super::FileSettings;
use crate::args::PlaceArgs;

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Locks, wheels and bundles.
    pub store: StoreAt,
    /// What can be made again: index pages, unpacked bundles, what is known of interpreters.
    pub cache: PathBuf,
}

/// Where a store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket: `s3://BUCKET/PREFIX`.
    Bucket(String),
}

impl fmt::Display for StoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(address) => f.write_str(address),
        }
    }
}

impl Place {
    /// Decides where things are kept.
    pub fn resolve(args: &PlaceArgs, file: &FileSettings) -> Result<Self, Fault> {
        let cache = Self::cache(args, file)?;
        let store = match args.store.as_ref().or(file.store.as_ref()) {
            Some(text) if text.starts_with("s3://") => StoreAt::Bucket(text.clone()),
            Some(text) if text.contains("://") => {
                return Err(Fault::new(
                    Code::CONFIG_INVALID,
                    format!("the store `{text}` is neither a folder nor a bucket"),
                )
                .hint("name a folder, or a bucket as `s3://BUCKET/PREFIX`, with `--store` or PYRUN_STORE"));
            }
            Some(folder) => StoreAt::Folder(absolute(Path::new(folder))?),
            None => StoreAt::Folder(cache.join("store")),
        };
        Ok(Self { store, cache })
    }

    /// Decides where things are kept that can be made again.
    pub fn cache(args: &PlaceArgs, file: &FileSettings) -> Result<PathBuf, Fault> {
        match args.cache_dir.clone().or_else(|| file.cache_dir.clone()) {
            Some(folder) => absolute(&folder),
            None => default_cache(),
        }
    }
}

/// Refuses `--store` where a remote is in use, which has a store of its own. One that the
/// environment names is for this machine, and is left alone.
pub fn refuse_store(args: &PlaceArgs, remote: &str) -> Result<(), Fault> {
    let by_environment = std::env::var("PYRUN_STORE").ok();
    match &args.store {
        Some(store) if by_environment.as_ref() != Some(store) => Err(Fault::new(
            Code::USAGE,
            format!("`--store` names a store, and the remote `{remote}` has its own"),
        )
        .hint("leave out `--store`, or work on this machine with `--on local`")),
        _ => Ok(()),
    }
}

fn absolute(folder: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(folder).map_err(|error| {
        Fault::new(
            Code::CONFIG_INVALID,
            format!("`{}` is not a folder's name: {error}", folder.display()),
        )
    })
}

fn default_cache() -> Result<PathBuf, Fault> {
    use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

    choose_base_strategy()
        .map(|strategy| strategy.cache_dir().join("pyrun"))
        .map_err(|_| {
            Fault::new(
                Code::CONFIG_INVALID,
                "there is no home folder to keep the cache in",
            )
            .hint("name one with `--cache-dir DIR` or PYRUN_CACHE_DIR")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_lies_in_the_cache_unless_it_is_named() {
        let mut args = PlaceArgs {
            cache_dir: Some("/c".into()),
            ..PlaceArgs::default()
        };
        let store = |args: &PlaceArgs| {
            Place::resolve(args, &FileSettings::default()).map(|place| place.store)
        };
        assert_eq!(store(&args), Ok(StoreAt::Folder("/c/store".into())));
        args.store = Some("/s".to_owned());
        assert_eq!(store(&args), Ok(StoreAt::Folder("/s".into())));
        args.store = Some("s3://bucket/prefix".to_owned());
        assert_eq!(
            store(&args),
            Ok(StoreAt::Bucket("s3://bucket/prefix".to_owned()))
        );
        args.store = Some("gs://bucket".to_owned());
        assert_eq!(
            store(&args).map_err(|fault| fault.code),
            Err(Code::CONFIG_INVALID)
        );
    }

    #[test]
    fn a_store_of_ones_own_does_not_go_with_a_remote() {
        let args = PlaceArgs {
            store: Some("/s".to_owned()),
            ..PlaceArgs::default()
        };
        let fault = refuse_store(&args, "aws").expect_err("it has its own");
        assert_eq!(fault.code, Code::USAGE);
        assert_eq!(refuse_store(&PlaceArgs::default(), "aws"), Ok(()));
    }
}
