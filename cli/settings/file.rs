//! `pyrun.toml`: settings for a folder and all below it, and the user's own for all else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyrun_core::request::{Prerelease, Resolution};
use pyrun_core::{Code, Fault};
use serde::Deserialize;

use super::remote::{LOCAL, RemoteTable};
use crate::inputs::links;

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
    /// `--index`: addresses by name.
    pub index: BTreeMap<String, String>,
    /// `--index-for`: addresses or names, by package.
    pub index_for: BTreeMap<String, String>,
    /// `--no-index`
    pub no_index: Option<bool>,
    /// `--find-links`
    pub find_links: Vec<String>,
    /// `--constraint`
    pub constraint: Vec<PathBuf>,
    /// `--override`
    #[serde(rename = "override")]
    pub overrides: Vec<PathBuf>,
    /// `--no-binary`
    pub no_binary: Vec<String>,
    /// `--only-binary`
    pub only_binary: Vec<String>,
    /// `--no-build`
    pub no_build: Option<bool>,
    /// `--require-hashes`
    pub require_hashes: Option<bool>,
    /// `--exclude-newer`
    pub exclude_newer: Option<String>,
    /// `--prerelease`
    pub prerelease: Option<Prerelease>,
    /// `--resolution`
    pub resolution: Option<Resolution>,
    /// `--offline`
    pub offline: Option<bool>,
    /// `--policy`
    pub policy: Option<PathBuf>,
    /// `--osv`
    pub osv: Option<PathBuf>,
    /// `--timeout`
    pub timeout: Option<String>,
    /// `--memory`
    pub memory: Option<String>,
    /// How long one step of a build from source may take.
    pub build_time: Option<String>,
    /// How much memory such a build may take.
    pub build_memory: Option<String>,
    /// How much disk such a build may take.
    pub build_disk: Option<String>,
    /// `--on`
    #[serde(rename = "use")]
    pub remote: Option<String>,
    /// Which file says so.
    #[serde(skip)]
    pub remote_from: Option<PathBuf>,
    /// The remotes that are set up, by name.
    pub on: BTreeMap<String, RemoteTable>,
}

/// The file's name.
pub const NAME: &str = "pyrun.toml";

/// The user's own settings file; `None` where there is no home.
pub fn user_path() -> Option<PathBuf> {
    use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

    let strategy = choose_base_strategy().ok()?;
    Some(strategy.config_dir().join("pyrun").join(NAME))
}

impl FileSettings {
    /// Reads the nearest `pyrun.toml` in `folder` or above it, and behind it the user's own; that
    /// there is none is no error.
    pub fn find(folder: &Path) -> Result<Self, Fault> {
        let project = Self::nearest(folder)?;
        let user = user_path().map(|path| Self::read(&path)).transpose()?;
        Ok(project
            .unwrap_or_default()
            .or(user.flatten().unwrap_or_default()))
    }

    fn nearest(folder: &Path) -> Result<Option<Self>, Fault> {
        for folder in folder.ancestors() {
            if let Some(settings) = Self::read(&folder.join(NAME))? {
                return Ok(Some(settings));
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> Result<Option<Self>, Fault> {
        match fs_err::read_to_string(path) {
            Ok(text) => Self::parse(path, &text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::new(Code::CONFIG_INVALID, error.to_string())),
        }
    }

    /// These settings, and those of `other` where these say nothing.
    fn or(self, other: Self) -> Self {
        let mut on = other.on;
        on.extend(self.on);
        let mut index = other.index;
        index.extend(self.index);
        let mut index_for = other.index_for;
        index_for.extend(self.index_for);
        Self {
            store: self.store.or(other.store),
            cache_dir: self.cache_dir.or(other.cache_dir),
            python_version: self.python_version.or(other.python_version),
            index_url: self.index_url.or(other.index_url),
            extra_index_url: first(self.extra_index_url, other.extra_index_url),
            index,
            index_for,
            no_index: self.no_index.or(other.no_index),
            find_links: first(self.find_links, other.find_links),
            constraint: first(self.constraint, other.constraint),
            overrides: first(self.overrides, other.overrides),
            no_binary: first(self.no_binary, other.no_binary),
            only_binary: first(self.only_binary, other.only_binary),
            no_build: self.no_build.or(other.no_build),
            require_hashes: self.require_hashes.or(other.require_hashes),
            exclude_newer: self.exclude_newer.or(other.exclude_newer),
            prerelease: self.prerelease.or(other.prerelease),
            resolution: self.resolution.or(other.resolution),
            offline: self.offline.or(other.offline),
            policy: self.policy.or(other.policy),
            osv: self.osv.or(other.osv),
            timeout: self.timeout.or(other.timeout),
            memory: self.memory.or(other.memory),
            build_time: self.build_time.or(other.build_time),
            build_memory: self.build_memory.or(other.build_memory),
            build_disk: self.build_disk.or(other.build_disk),
            remote_from: if self.remote.is_some() {
                self.remote_from
            } else {
                other.remote_from
            },
            remote: self.remote.or(other.remote),
            on,
        }
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
        if settings.on.contains_key(LOCAL) {
            return Err(Fault::new(
                Code::CONFIG_INVALID,
                format!(
                    "`{}` sets up a remote `{LOCAL}`, which is this machine's name",
                    path.display()
                ),
            )
            .hint("give the remote another name"));
        }
        settings.remote_from = Some(path.to_owned()).filter(|_| settings.remote.is_some());
        // A path in the file is meant from where the file is.
        let home = path.parent().unwrap_or(Path::new("."));
        settings.cache_dir = settings.cache_dir.map(|folder| home.join(folder));
        for path in settings
            .constraint
            .iter_mut()
            .chain(&mut settings.overrides)
        {
            *path = home.join(&*path);
        }
        for place in &mut settings.find_links {
            *place = links(place, home);
        }
        settings.policy = settings.policy.map(|path| home.join(path));
        settings.osv = settings.osv.map(|path| home.join(path));
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

/// The list that says anything, the own one first.
fn first<T>(own: Vec<T>, other: Vec<T>) -> Vec<T> {
    if own.is_empty() { other } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_is_read_and_its_paths_are_its_own() {
        let root = tempfile::tempdir().expect("a folder");
        let below = root.path().join("a/b");
        fs_err::create_dir_all(&below).expect("folders");
        let text = "store = \"kept\"\noffline = true\nconstraint = [\"c.txt\"]\nfind-links = [\"w\", \"https://x\"]\n";
        fs_err::write(root.path().join(NAME), text).expect("a file");
        let settings = FileSettings::find(&below).expect("settings");
        assert_eq!(settings.store.as_deref(), root.path().join("kept").to_str());
        assert_eq!(settings.offline, Some(true));
        assert_eq!(settings.constraint, [root.path().join("c.txt")]);
        let links = root.path().join("w").to_string_lossy().into_owned();
        assert_eq!(settings.find_links, [links, "https://x".to_owned()]);
    }

    #[test]
    fn the_users_own_file_stands_behind_the_projects() {
        let read =
            |path: &str, text: &str| FileSettings::parse(Path::new(path), text).expect("settings");
        let project = read("/p/pyrun.toml", "timeout = \"1s\"\n[on.a]\nstack = \"p\"\n");
        let user = read(
            "/u/pyrun.toml",
            "use = \"a\"\ntimeout = \"2s\"\nmemory = \"1GB\"\n[on.a]\nstack = \"u\"\n[on.b]\n",
        );
        let both = project.or(user);
        assert_eq!(both.timeout.as_deref(), Some("1s"));
        assert_eq!(both.memory.as_deref(), Some("1GB"));
        assert_eq!(both.remote.as_deref(), Some("a"));
        assert_eq!(both.remote_from, Some("/u/pyrun.toml".into()));
        assert_eq!(both.on["a"].stack.as_deref(), Some("p"));
        assert!(both.on.contains_key("b"));
    }

    #[test]
    fn this_machine_is_no_remote() {
        let fault = FileSettings::parse(Path::new("x/pyrun.toml"), "[on.local]\n");
        assert_eq!(fault.expect_err("refused").code, Code::CONFIG_INVALID);
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
