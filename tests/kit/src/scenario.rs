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
//!
//! Besides the main index there may be others, asked before it in the order of their names
//! (`[indexes.NAME.PACKAGE]`), links (`[links.PACKAGE]`) and files at addresses of their own
//! (`[addresses.PACKAGE]`). In requirements, `{files}` stands for where files of addresses are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyrun_core::request::{Prerelease, Resolution, Selection};
use pyrun_core::{
    Arch, Fault, Origin, Os, PackageName, Request, Requirement, ResolveOptions, Sha256, Target,
};
use serde::Deserialize;

/// Releases by package and version.
pub type Releases = BTreeMap<String, BTreeMap<String, Release>>;

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence: what it shows.
    pub about: String,
    /// What the user asks for. The n-th stands on line n of `app.py` in messages.
    pub root: Vec<String>,
    /// Bounds. The n-th stands on line n of `constraints.txt`.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// What replaces requirements. The n-th stands on line n of `overrides.txt`.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// By package: the files whose digests are asked for, with each of its requirements in `root`.
    #[serde(default)]
    pub hashes: BTreeMap<String, Vec<String>>,
    /// As `ResolveOptions`.
    #[serde(default)]
    pub require_hashes: bool,
    /// The index: releases by package and version.
    #[serde(default)]
    pub packages: Releases,
    /// More indexes, by name.
    #[serde(default)]
    pub indexes: BTreeMap<String, Releases>,
    /// The one index of a package, by name; `main` is the main one.
    #[serde(default)]
    pub index_of: BTreeMap<String, String>,
    /// What find-links have.
    #[serde(default)]
    pub links: Releases,
    /// Files that stand on no page.
    #[serde(default)]
    pub addresses: Releases,
    /// PEP 792, by package: a status, or `status: reason`.
    #[serde(default)]
    pub status: BTreeMap<String, String>,
    /// Whether sdists can be built. The wheel that comes out is `py3-none-any`.
    #[serde(default)]
    pub builds: bool,
    /// As `ResolveOptions`: names, or `:all:`.
    #[serde(default)]
    pub no_binary: Vec<String>,
    /// As `ResolveOptions`: names, or `:all:`.
    #[serde(default)]
    pub only_binary: Vec<String>,
    /// The target's Python.
    #[serde(default = "default_python")]
    pub python: String,
    /// The machine: glibc 2.36 on x86-64 unless it is `musl` or `macos`.
    #[serde(default)]
    pub os: Option<String>,
    /// The processor: `x86_64` unless it is `aarch64`.
    #[serde(default)]
    pub arch: Option<String>,
    /// Whether the target's Python has no GIL.
    #[serde(default)]
    pub free_threaded: bool,
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
    /// The index that some of them come from, by name; `main` is the main one, and what comes from
    /// links or an address is of no index, which is `none`.
    #[serde(default)]
    pub from: BTreeMap<String, String>,
    /// The packages that are built.
    #[serde(default)]
    pub built: Vec<String>,
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

    /// The request that it makes.
    ///
    /// # Panics
    /// When a requirement or the Python version of the file is not valid.
    pub fn request(&self, world: &World<'_>) -> Request {
        let named = |name: &String| {
            let name = (name != "main").then_some(name.as_str());
            (world.index)(name)
        };
        let others = self.indexes.keys().map(named);
        let selection = |listed: &[String]| match listed {
            [] => Selection::None,
            [all] if all == ":all:" => Selection::All,
            some => Selection::Only(some.iter().map(|name| package(name)).collect()),
        };
        let pins = self.index_of.iter();
        let written = |lines: &[String], file: &str| -> Vec<Requirement> {
            let lines = lines.iter().enumerate();
            lines
                .map(|(line, text)| requirement(text, file, line + 1, world))
                .collect()
        };
        let mut requirements = written(&self.root, "app.py");
        for one in &mut requirements {
            let files = self.hashes.get(one.spec.name.as_ref());
            let digests = files.into_iter().flatten().map(|file| (world.digest)(file));
            one.hashes = digests.collect();
        }
        Request {
            requirements,
            requires_python: None,
            target: self.target(),
            options: ResolveOptions {
                indexes: others.chain([named(&"main".to_owned())]).collect(),
                exclude_newer: self.exclude_newer.clone(),
                prerelease: self.prerelease,
                resolution: self.resolution,
                index_of: pins
                    .map(|(name, index)| (package(name), named(index)))
                    .collect(),
                find_links: world.links.iter().map(|&link| link.to_owned()).collect(),
                constraints: written(&self.constraints, "constraints.txt"),
                overrides: written(&self.overrides, "overrides.txt"),
                no_binary: selection(&self.no_binary),
                only_binary: selection(&self.only_binary),
                require_hashes: self.require_hashes,
            },
        }
    }

    fn target(&self) -> Target {
        let python = self.python.parse();
        Target {
            python: python.expect("the scenario's Python is a version"),
            free_threaded: self.free_threaded,
            os: match self.os.as_deref() {
                Some("musl") => Os::Musl { major: 1, minor: 2 },
                Some("macos") => Os::Macos {
                    major: 14,
                    minor: 0,
                },
                _ => Os::Glibc {
                    major: 2,
                    minor: 36,
                },
            },
            arch: match self.arch.as_deref() {
                Some("aarch64") => Arch::Aarch64,
                _ => Arch::X86_64,
            },
        }
    }
}

/// Where a scenario's files are.
pub struct World<'a> {
    /// The address of an index: of the main one, or of the one with a name.
    pub index: &'a dyn Fn(Option<&str>) -> String,
    /// The address that files of addresses lie below.
    pub files: &'a str,
    /// Where its links are, if it has any.
    pub links: Option<&'a str>,
    /// The digest of a file.
    pub digest: &'a dyn Fn(&str) -> Sha256,
}

fn package(name: &str) -> PackageName {
    name.parse().expect("a package name")
}

fn requirement(text: &str, file: &str, line: usize, world: &World<'_>) -> Requirement {
    let text = text.replace("{files}", world.files);
    let spec = text.parse();
    Requirement::new(
        spec.unwrap_or_else(|error| panic!("`{text}`: {error}")),
        Origin {
            place: format!("{file}:{line}"),
            span: None,
        },
    )
}
