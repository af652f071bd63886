//! Resolver scenarios: a small index, what is asked of it, and what must come out, in one TOML
//! file of `tests/scenarios`.
//!
//! In: the file's text. Out: plain values that an in-memory index or a loopback one is made from,
//! and the request. Never: resolves anything itself.
//!
//! ```toml
//! about = "the newest version that fits all is chosen"
//! root = ["a", "b<2"]
//! [packages.a]
//! "1.0" = ["b>=1"]
//! "2.0" = { requires = ["b>=2"], python = ">=3.8", yanked = "broken", wheels = ["py3-none-any"] }
//! [packages.b]
//! "1.5" = []
//! [expect]
//! pins = { a = "1.0", b = "1.5" }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyrun_core::request::{Prerelease, Resolution};
use pyrun_core::{Arch, Fault, Origin, Os, Request, Requirement, ResolveOptions, Target};
use serde::Deserialize;

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence: what it shows.
    pub about: String,
    /// What the user asks for. The n-th stands on line n of `app.py` in messages.
    pub root: Vec<String>,
    /// The index: releases by package and version.
    #[serde(default)]
    pub packages: BTreeMap<String, BTreeMap<String, Release>>,
    /// The target's Python.
    #[serde(default = "default_python")]
    pub python: String,
    /// The machine: glibc 2.36 on x86-64 unless it is `musl` or `macos`.
    #[serde(default)]
    pub os: Option<String>,
    /// As `ResolveOptions`.
    #[serde(default)]
    pub exclude_newer: Option<String>,
    /// As `ResolveOptions`.
    #[serde(default)]
    pub prerelease: Prerelease,
    /// As `ResolveOptions`.
    #[serde(default)]
    pub resolution: Resolution,
    /// Versions of an older lock.
    #[serde(default)]
    pub preferences: BTreeMap<String, String>,
    /// What must come out.
    pub expect: Expect,
}

fn default_python() -> String {
    "3.12.1".to_owned()
}

/// A release: a list of requirements, or a table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "ReleaseForm")]
pub struct Release {
    /// `Requires-Dist`.
    pub requires: Vec<String>,
    /// `Requires-Python`, on the index page and in the metadata.
    pub python: Option<String>,
    /// `Requires-Python` in the metadata alone.
    pub metadata_python: Option<String>,
    /// The reason for which it is yanked.
    pub yanked: Option<String>,
    /// Its wheels' tags, with a build tag before them where one is wanted.
    pub wheels: Vec<String>,
    /// Whether it has an sdist.
    pub sdist: bool,
    /// When it was uploaded.
    pub uploaded: Option<String>,
    /// `Provides-Extra`.
    pub extras: Vec<String>,
    /// Whether the index gives a sha256.
    pub digest: bool,
    /// What is wrong with its metadata.
    pub broken: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ReleaseForm {
    Short(Vec<String>),
    Long(ReleaseTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReleaseTable {
    #[serde(default)]
    requires: Vec<String>,
    python: Option<String>,
    metadata_python: Option<String>,
    yanked: Option<String>,
    wheels: Option<Vec<String>>,
    #[serde(default)]
    sdist: bool,
    uploaded: Option<String>,
    #[serde(default)]
    extras: Vec<String>,
    #[serde(default = "yes")]
    digest: bool,
    broken: Option<String>,
}

fn yes() -> bool {
    true
}

impl From<ReleaseForm> for Release {
    fn from(form: ReleaseForm) -> Self {
        let pure = || vec!["py3-none-any".to_owned()];
        match form {
            ReleaseForm::Short(requires) => Self {
                requires,
                wheels: pure(),
                digest: true,
                ..Self::default()
            },
            ReleaseForm::Long(table) => Self {
                requires: table.requires,
                python: table.python,
                metadata_python: table.metadata_python,
                yanked: table.yanked,
                wheels: table.wheels.unwrap_or_else(pure),
                sdist: table.sdist,
                uploaded: table.uploaded,
                extras: table.extras,
                digest: table.digest,
                broken: table.broken,
            },
        }
    }
}

/// What must come out: pins, or a fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Exactly these packages at these versions.
    #[serde(default)]
    pub pins: BTreeMap<String, String>,
    /// The wheels of some of them, by file name.
    #[serde(default)]
    pub wheels: Vec<String>,
    /// Exactly these warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The locked dependencies of some packages.
    #[serde(default)]
    pub edges: BTreeMap<String, Vec<String>>,
    /// The fault's code.
    #[serde(default)]
    pub fault: Option<String>,
    /// The fault as [`show`] shows it.
    #[serde(default)]
    pub message: Option<String>,
}

/// A fault as scenario files hold it: the message, `- ` before causes, `> ` before hints.
pub fn show(fault: &Fault) -> String {
    let causes = fault.causes.iter().map(|cause| format!("- {cause}\n"));
    let hints = fault.hints.iter().map(|hint| format!("> {hint}\n"));
    let rest: String = causes.chain(hints).collect();
    format!("{}\n{rest}", fault.message)
}

impl Scenario {
    /// Reads a scenario.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Every scenario file, sorted by name.
    pub fn files() -> std::io::Result<Vec<PathBuf>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let mut files = Vec::new();
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The request that it makes, to the index at `index`.
    ///
    /// # Panics
    /// When a requirement or the Python version of the file is not valid.
    pub fn request(&self, index: &str) -> Request {
        let os = match self.os.as_deref() {
            Some("musl") => Os::Musl { major: 1, minor: 2 },
            Some("macos") => Os::Macos {
                major: 14,
                minor: 0,
            },
            _ => Os::Glibc {
                major: 2,
                minor: 36,
            },
        };
        let requirement = |(line, text): (usize, &String)| {
            Requirement::new(
                text.parse()
                    .unwrap_or_else(|error| panic!("`{text}`: {error}")),
                Origin {
                    place: format!("app.py:{}", line + 1),
                    span: None,
                },
            )
        };
        Request {
            requirements: self.root.iter().enumerate().map(requirement).collect(),
            requires_python: None,
            target: Target {
                python: self
                    .python
                    .parse()
                    .expect("the scenario's Python is a version"),
                free_threaded: false,
                os,
                arch: Arch::X86_64,
            },
            options: ResolveOptions {
                indexes: vec![index.to_owned()],
                exclude_newer: self.exclude_newer.clone(),
                prerelease: self.prerelease,
                resolution: self.resolution,
                ..ResolveOptions::default()
            },
        }
    }
}
