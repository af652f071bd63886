//! What the command line, the environment and `pyrun.toml` come to.
//!
//! In: arguments as typed. Out: settings as used, or a [`Fault`] that names the flag, variable or
//! key. Flags win over the environment, that over the script's own `[tool.pyrun]`, that over
//! `pyrun.toml`, that over the defaults. Never: touches an index or a store.

mod edit;
mod file;
pub mod held;
mod place;
pub mod remote;
pub mod units;

use std::path::{Path, PathBuf};

use pyrun_core::protocol::Freshness;
use pyrun_core::request::{Prerelease, Resolution, without_credentials};
use pyrun_core::{Code, Fault, ResolveOptions};

use crate::args::{self, ResolveArgs};

pub use edit::set_use;
pub use file::{FileSettings, user_path};
pub use held::Held;
pub use place::{Place, StoreAt, refuse_store};
pub use remote::Remote;

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

/// What a script says of how its requirements are resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptSettings {
    /// All the indexes to be asked, in order; empty when it does not say.
    pub indexes: Vec<String>,
    /// Files uploaded at or after it do not exist.
    pub exclude_newer: Option<String>,
}

/// How to resolve, as used.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolving {
    /// What enters the request.
    pub options: ResolveOptions,
    /// Python as asked for: a version or an interpreter's path.
    pub python: Option<String>,
    /// Whether a remembered lock will do.
    pub freshness: Freshness,
    /// Whether no index may be asked.
    pub offline: bool,
}

impl Resolving {
    /// Decides how to resolve. `script` is what the script's own tables say.
    pub fn resolve(
        args: &ResolveArgs,
        script: &ScriptSettings,
        file: &FileSettings,
    ) -> Result<Self, Fault> {
        let own = |index: &Option<String>| index.clone().map(|index| vec![index]);
        let index = own(&args.index_url.clone().filter(|url| !url.is_empty()))
            .or_else(|| Some(script.indexes.clone()).filter(|indexes| !indexes.is_empty()))
            .or_else(|| own(&file.index_url))
            .unwrap_or_else(|| vec![ResolveOptions::DEFAULT_INDEX.to_owned()]);
        let extra = if args.extra_index_url.is_empty() {
            &file.extra_index_url
        } else {
            &args.extra_index_url
        };
        // As uv does: the extra indexes come first, so that a private package's name wins.
        let indexes = extra
            .iter()
            .chain(&index)
            .filter(|url| !url.is_empty())
            .map(|url| index_address(url))
            .collect::<Result<_, _>>()?;
        let exclude_newer = args
            .exclude_newer
            .as_ref()
            .or(script.exclude_newer.as_ref())
            .or(file.exclude_newer.as_ref());
        Ok(Self {
            options: ResolveOptions {
                indexes,
                exclude_newer: exclude_newer.map(|text| units::time(text)).transpose()?,
                prerelease: args
                    .prerelease
                    .map(Into::into)
                    .or(file.prerelease)
                    .unwrap_or_default(),
                resolution: args
                    .resolution
                    .map(Into::into)
                    .or(file.resolution)
                    .unwrap_or_default(),
                ..ResolveOptions::default()
            },
            python: args
                .python_version
                .clone()
                .or_else(|| file.python_version.clone()),
            freshness: match (args.upgrade, args.locked) {
                (true, _) => Freshness::Upgrade,
                (_, true) => Freshness::Locked,
                _ => Freshness::Remembered,
            },
            offline: args.offline || file.offline.unwrap_or(false),
        })
    }
}

/// An index's address without the slash at its end, so that one index has one name.
fn index_address(text: &str) -> Result<String, Fault> {
    let known = ["https://", "http://", "file://"];
    if known.iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(Fault::new(
        Code::CONFIG_INVALID,
        format!(
            "`{}` is not the address of an index",
            without_credentials(text)
        ),
    )
    .hint("an index's address begins with https://, such as https://pypi.org/simple"))
}

impl From<args::Prerelease> for Prerelease {
    fn from(mode: args::Prerelease) -> Self {
        match mode {
            args::Prerelease::Disallow => Self::Disallow,
            args::Prerelease::Allow => Self::Allow,
            args::Prerelease::IfNecessaryOrExplicit => Self::IfNecessaryOrExplicit,
        }
    }
}

impl From<args::Resolution> for Resolution {
    fn from(mode: args::Resolution) -> Self {
        match mode {
            args::Resolution::Highest => Self::Highest,
            args::Resolution::Lowest => Self::Lowest,
            args::Resolution::LowestDirect => Self::LowestDirect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_script_and_that_over_the_file() {
        let file = FileSettings {
            index_url: Some("https://file/simple".to_owned()),
            ..FileSettings::default()
        };
        let mut args = ResolveArgs::default();
        let script = |indexes: &[&str]| ScriptSettings {
            indexes: indexes.iter().map(ToString::to_string).collect(),
            exclude_newer: None,
        };
        let index = |args: &ResolveArgs, own: &[&str]| {
            Resolving::resolve(args, &script(own), &file).map(|resolving| resolving.options.indexes)
        };
        assert_eq!(
            index(&args, &[]),
            Ok(vec!["https://file/simple".to_owned()])
        );
        assert_eq!(
            index(&args, &["https://script/"]),
            Ok(vec!["https://script".to_owned()])
        );
        args.index_url = Some("https://flag/simple/".to_owned());
        args.extra_index_url = vec!["https://extra/simple".to_owned()];
        assert_eq!(
            index(&args, &["https://script"]),
            Ok(vec![
                "https://extra/simple".to_owned(),
                "https://flag/simple".to_owned()
            ])
        );
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let args = ResolveArgs {
            index_url: Some("pypi.org".to_owned()),
            ..ResolveArgs::default()
        };
        let fault = Resolving::resolve(&args, &ScriptSettings::default(), &FileSettings::default())
            .expect_err("no scheme");
        assert_eq!(fault.code, Code::CONFIG_INVALID);
    }
}
