//! Remotes: the places besides this machine where a command may happen.
//!
//! In: the `[on.NAME]` tables of settings files, what `use`, `PYRUN_ON` and `--on` name. Out: the
//! [`Remote`] that is meant, or none for this machine. Never: asks anybody.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pyrun_core::{Code, Fault};
use serde::Deserialize;

use super::FileSettings;
use crate::near::nearest;

/// The name of this machine.
pub const LOCAL: &str = "local";
/// The remote that is there without a table: the stack that `pyrun deploy` makes.
pub const AWS: &str = "aws";
/// The stack that is meant when none is named.
pub const DEFAULT_STACK: &str = "pyrun";

/// `[on.NAME]` in a settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RemoteTable {
    /// The stack whose functions and store are meant.
    pub stack: Option<String>,
    /// The store itself, in place of a stack's: `s3://BUCKET/PREFIX`.
    pub store: Option<String>,
    /// The builders' function names by Python version, in place of a stack's.
    pub builder: BTreeMap<String, String>,
    /// The runners' function names, likewise.
    pub runner: BTreeMap<String, String>,
    /// The region; the standard chain's otherwise.
    pub region: Option<String>,
    /// The profile, likewise.
    pub profile: Option<String>,
    /// One address for every service, likewise.
    pub endpoint_url: Option<String>,
    /// How answers come.
    pub invoke: Invoke,
}

/// How answers come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invoke {
    /// As they are said.
    #[default]
    Streaming,
    /// At once, at their end.
    Buffered,
}

/// An account, as far as settings name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The profile.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// One address for every service.
    pub endpoint_url: Option<String>,
}

/// A place besides this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// What it consists of.
    pub site: Site,
    /// The account that it is reached with.
    pub account: Account,
    /// How answers come.
    pub invoke: Invoke,
}

/// What a remote consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// What a stack says.
    Stack(String),
    /// What the settings say.
    Given {
        /// `s3://BUCKET/PREFIX`.
        store: String,
        /// The builders' function names by Python version.
        builders: BTreeMap<String, String>,
        /// The runners' function names, likewise.
        runners: BTreeMap<String, String>,
    },
}

/// Which remote is in use, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// Its name; [`LOCAL`] for this machine.
    pub name: String,
    /// Who says so.
    pub why: Why,
}

/// Who says which remote is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// `--on` or `PYRUN_ON`.
    Asked,
    /// `use` in this file.
    File(PathBuf),
    /// Nobody.
    Default,
}

impl Why {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Asked => "`--on` or PYRUN_ON says so".to_owned(),
            Self::File(path) => format!("`use` in {} says so", path.display()),
            Self::Default => "nothing else is said".to_owned(),
        }
    }
}

impl InUse {
    /// What `--on` or `PYRUN_ON` say, else the settings files, else this machine.
    pub fn choose(on: Option<&str>, file: &FileSettings) -> Self {
        let asked = on.filter(|name| !name.is_empty());
        match (asked, &file.remote) {
            (Some(name), _) => Self {
                name: name.to_owned(),
                why: Why::Asked,
            },
            (None, Some(name)) => Self {
                name: name.clone(),
                why: file.remote_from.clone().map_or(Why::Default, Why::File),
            },
            (None, None) => Self {
                name: LOCAL.to_owned(),
                why: Why::Default,
            },
        }
    }
}

impl Remote {
    /// The remote that is in use; `None` for this machine.
    pub fn choose(on: Option<&str>, file: &FileSettings) -> Result<Option<Self>, Fault> {
        Self::named(&InUse::choose(on, file).name, file)
    }

    /// The remote of that name; `None` for this machine.
    pub fn named(name: &str, file: &FileSettings) -> Result<Option<Self>, Fault> {
        if name == LOCAL {
            return Ok(None);
        }
        match file.on.get(name) {
            Some(table) => Self::read(name, table).map(Some),
            None if name == AWS => Self::read(name, &RemoteTable::default()).map(Some),
            None => Err(unknown(name, file)),
        }
    }

    fn read(name: &str, table: &RemoteTable) -> Result<Self, Fault> {
        let wrong = |what: &str| {
            Fault::new(
                Code::CONFIG_INVALID,
                format!("the remote `{name}` can't be used: {what}"),
            )
        };
        let given = !table.builder.is_empty() || !table.runner.is_empty();
        let site = match (&table.stack, &table.store) {
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "it names a stack and a store, and a stack has its own store",
                ));
            }
            (_, None) if given => {
                return Err(wrong("it names functions without `store`")
                    .hint("a stack knows its functions itself: `stack = \"pyrun\"` is enough"));
            }
            (stack, None) => Site::Stack(stack.clone().unwrap_or_else(|| DEFAULT_STACK.to_owned())),
            (None, Some(store)) => {
                if table.builder.keys().ne(table.runner.keys()) || !given {
                    return Err(wrong(
                        "with `store`, every Python version has a builder and a runner",
                    )
                    .hint("such as `builder = {\"3.12\" = \"NAME\"}` and `runner = {\"3.12\" = \"NAME\"}`"));
                }
                if let Some(version) = table.runner.keys().find(|key| !is_minor(key)) {
                    return Err(wrong(&format!(
                        "`{version}` is no Python version such as `3.12`"
                    )));
                }
                Site::Given {
                    store: store.clone(),
                    builders: table.builder.clone(),
                    runners: table.runner.clone(),
                }
            }
        };
        Ok(Self {
            name: name.to_owned(),
            site,
            account: Account {
                profile: table.profile.clone(),
                region: table.region.clone(),
                endpoint_url: table.endpoint_url.clone(),
            },
            invoke: table.invoke,
        })
    }
}

/// The names of every remote there is, this machine first.
pub fn names(file: &FileSettings) -> Vec<&str> {
    let mut names = vec![LOCAL, AWS];
    names.extend(
        file.on
            .keys()
            .map(String::as_str)
            .filter(|name| *name != AWS),
    );
    names
}

fn unknown(name: &str, file: &FileSettings) -> Fault {
    let names = names(file);
    let near = nearest(name, names.iter().copied());
    let fault = Fault::new(Code::REMOTE_UNKNOWN, format!("there is no remote `{name}`"))
        .cause(format!("there are {}", names.join(", ")));
    match near {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(format!("a table `[on.{name}]` in pyrun.toml sets one up")),
    }
}

fn is_minor(text: &str) -> bool {
    text.split_once('.').is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| {
            !part.is_empty() && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> FileSettings {
        toml::from_str(text).expect("settings")
    }

    #[test]
    fn flags_win_over_files_and_those_over_this_machine() {
        let empty = FileSettings::default();
        let set = FileSettings {
            remote: Some("team".to_owned()),
            remote_from: Some("/p/pyrun.toml".into()),
            ..FileSettings::default()
        };
        assert_eq!(InUse::choose(None, &empty).name, LOCAL);
        assert_eq!(InUse::choose(Some(""), &empty).name, LOCAL);
        assert_eq!(
            InUse::choose(None, &set),
            InUse {
                name: "team".to_owned(),
                why: Why::File("/p/pyrun.toml".into())
            }
        );
        let asked = InUse::choose(Some("local"), &set);
        assert_eq!((asked.name.as_str(), asked.why), (LOCAL, Why::Asked));
    }

    #[test]
    fn aws_is_there_without_a_table_and_local_is_this_machine() {
        let aws = Remote::choose(Some("aws"), &FileSettings::default()).expect("a remote");
        assert_eq!(
            aws.map(|aws| aws.site),
            Some(Site::Stack("pyrun".to_owned()))
        );
        let local = Remote::choose(Some("local"), &FileSettings::default());
        assert_eq!(local, Ok(None));
    }

    #[test]
    fn a_table_says_what_a_remote_is() {
        let file = file(
            "[on.team]\nstack = \"theirs\"\nregion = \"eu-west-1\"\ninvoke = \"buffered\"\n\
             [on.bare]\nstore = \"s3://b/p\"\nbuilder = {\"3.12\" = \"b\"}\nrunner = {\"3.12\" = \"r\"}\n",
        );
        let team = Remote::named("team", &file)
            .expect("a remote")
            .expect("not local");
        assert_eq!(team.site, Site::Stack("theirs".to_owned()));
        assert_eq!(team.account.region.as_deref(), Some("eu-west-1"));
        assert_eq!(team.invoke, Invoke::Buffered);
        let bare = Remote::named("bare", &file)
            .expect("a remote")
            .expect("not local");
        assert!(matches!(bare.site, Site::Given { .. }));
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        for table in [
            "stack = \"x\"\nstore = \"s3://b\"",
            "store = \"s3://b\"",
            "builder = {\"3.12\" = \"b\"}",
            "store = \"s3://b\"\nbuilder = {\"3.12\" = \"b\"}\nrunner = {\"3.13\" = \"r\"}",
            "store = \"s3://b\"\nbuilder = {\"three\" = \"b\"}\nrunner = {\"three\" = \"r\"}",
        ] {
            let file = file(&format!("[on.x]\n{table}\n"));
            let fault = Remote::named("x", &file).expect_err(table);
            assert_eq!(fault.code, Code::CONFIG_INVALID, "{table}");
        }
        assert!(toml::from_str::<FileSettings>("[on.x]\nregoin = \"x\"\n").is_err());
    }

    #[test]
    fn an_unknown_remote_is_answered_with_the_nearest() {
        let file = file("[on.staging]\n");
        let fault = Remote::named("stagign", &file).expect_err("unknown");
        assert_eq!(fault.code, Code::REMOTE_UNKNOWN);
        assert_eq!(fault.hints, ["did you mean `staging`?"]);
        let far = Remote::named("zzz", &file).expect_err("unknown");
        assert!(far.hints[0].contains("[on.zzz]"));
    }
}
