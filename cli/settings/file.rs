//! `pyrun.toml`: settings for a folder and all below it.

use std::path::{Path, PathBuf};

use pyrun_core::request::{Prerelease, Resolution};
use pyrun_core::{Code, Fault};
use serde::Deserialize;

/// What `pyrun.toml` may say; each key is spelled as the flag is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileSettings {
    /// `--store`
    pub store: Option<String>,
    /// `--cache-dir`
    pub cache_dir: Option<PathBuf>,
    /// `--python-version`
    pub python_version: Option<String>,
    /// `--index-url`
    pub index_url: Option<String>,
    /// `--extra-index-url`
    pub extra_index_url: Vec<String>,
    /// `--exclude-newer`
    pub exclude_newer: Option<String>,
    /// `--prerelease`
    pub prerelease: Option<Prerelease>,
    /// `--resolution`
    pub resolution: Option<Resolution>,
    /// `--offline`
    pub offline: Option<bool>,
    /// `--timeout`
    pub timeout: Option<String>,
    /// `--memory`
    pub memory: Option<String>,
}

/// The file's name.
pub const NAME: &str = "pyrun.toml";

impl FileSettings {
    /// Reads the nearest `pyrun.toml` in `folder` or above it; none is no error.
    pub fn find(folder: &Path) -> Result<Self, Fault> {
        for folder in folder.ancestors() {
            let path = folder.join(NAME);
            match fs_err::read_to_string(&path) {
                Ok(text) => return Self::parse(&path, &text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::new(Code::CONFIG_INVALID, error.to_string())),
            }
        }
        Ok(Self::default())
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Fault> {
        let mut settings: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Fault::new(
                Code::CONFIG_INVALID,
                format!(
                    "`{}` can't be used, line {line}: {}",
                    path.display(),
                    error.message()
                ),
            )
        })?;
        // A path in the file is meant from where the file is.
        let home = path.parent().unwrap_or(Path::new("."));
        settings.cache_dir = settings.cache_dir.map(|folder| home.join(folder));
        settings.store = settings.store.map(|store| {
            if store.contains("://") {
                store
            } else {
                home.join(store).to_string_lossy().into_owned()
            }
        });
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_is_read_and_its_paths_are_its_own() {
        let root = tempfile::tempdir().expect("a folder");
        let below = root.path().join("a/b");
        fs_err::create_dir_all(&below).expect("folders");
        fs_err::write(root.path().join(NAME), "store = \"kept\"\noffline = true\n")
            .expect("a file");
        let settings = FileSettings::find(&below).expect("settings");
        assert_eq!(settings.store.as_deref(), root.path().join("kept").to_str());
        assert_eq!(settings.offline, Some(true));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let fault = FileSettings::parse(
            Path::new("x/pyrun.toml"),
            "offline = true\nindex-ulr = \"x\"\n",
        )
        .expect_err("an unknown key");
        assert!(
            fault.message.contains("line 2") && fault.message.contains("index-ulr"),
            "{}",
            fault.message
        );
    }
}
