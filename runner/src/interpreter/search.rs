//! Where interpreters are looked for.
//!
//! In: the environment. Out: files that may be interpreters, in order of preference, and the
//! folders whose change would give another answer. Never: runs anything; trusts a relative PATH.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variables that decide where is looked.
const VARIABLES: [&str; 11] = [
    "PATH",
    "HOME",
    "PYRUN_PYTHON",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYENV_ROOT",
    "UV_PYTHON_INSTALL_DIR",
    "XDG_DATA_HOME",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "PYENV_VERSION",
];

/// Folders outside PATH in which systems and images keep interpreters.
const SYSTEM: [&str; 4] = [
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/bin",
    "/var/lang/bin",
];

/// The part of the environment that decides where is looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub(super) variables: BTreeMap<&'static str, OsString>,
    pub(super) system: Vec<PathBuf>,
    pub(super) images: Option<PathBuf>,
}

impl Environment {
    /// This process's own.
    pub fn of_process() -> Self {
        Self {
            variables: VARIABLES
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            system: SYSTEM.iter().map(PathBuf::from).collect(),
            images: Some(PathBuf::from("/opt/python")),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str)
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        self.get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    fn folder_or_home(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        self.folder(name)
            .or_else(|| Some(self.folder("HOME")?.join(below_home)))
    }
}

/// What there is to ask.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Files that may be interpreters, each once, best first.
    pub(super) candidates: Vec<PathBuf>,
    /// Folders that were looked into: where a new interpreter would show.
    pub(super) watched: Vec<PathBuf>,
}

impl Search {
    /// Everywhere the environment speaks of.
    pub(super) fn everywhere(environment: &Environment) -> Self {
        let mut search = Collector::default();
        if let Some(path) = environment.folder("PYRUN_PYTHON") {
            search.named(&path);
        }
        for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
            if let Some(root) = environment.folder(variable) {
                search.bin(&root.join("bin"));
            }
        }
        let path = environment.get("PATH").unwrap_or_default();
        for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
            search.bin(&folder);
        }
        for installed in managed(environment) {
            search.each_below(&installed);
        }
        for folder in &environment.system {
            search.bin(folder);
        }
        search.finish()
    }

    /// One file, or the environment below one folder.
    pub(super) fn at(path: &Path) -> Self {
        let mut search = Collector::default();
        search.named(path);
        let mut search = search.finish();
        search.watched.push(path.to_owned());
        search
    }
}

/// Folders that hold one installation per version.
fn managed(environment: &Environment) -> Vec<PathBuf> {
    let data = environment.folder_or_home("XDG_DATA_HOME", ".local/share");
    let below = |root: Option<PathBuf>, rest: &str| Some(root?.join(rest));
    [
        below(
            environment.folder_or_home("PYENV_ROOT", ".pyenv"),
            "versions",
        ),
        environment
            .folder("UV_PYTHON_INSTALL_DIR")
            .or_else(|| below(data.clone(), "uv/python")),
        below(
            environment.folder_or_home("ASDF_DATA_DIR", ".asdf"),
            "installs/python",
        ),
        below(
            environment
                .folder("MISE_DATA_DIR")
                .or_else(|| below(data, "mise")),
            "installs/python",
        ),
        environment.images.clone(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[derive(Default)]
struct Collector {
    direct: Vec<PathBuf>,
    /// Scripts that pick an interpreter: slow to ask, and they lead to what is found directly.
    shims: Vec<PathBuf>,
    watched: Vec<PathBuf>,
    seen: BTreeSet<PathBuf>,
}

impl Collector {
    fn finish(self) -> Search {
        Search {
            candidates: if self.direct.is_empty() {
                self.shims
            } else {
                self.direct
            },
            watched: self.watched,
        }
    }

    /// A file that was named, or an environment's folder.
    fn named(&mut self, path: &Path) {
        if path.is_dir() {
            for folder in [path.join("bin"), path.to_owned()] {
                self.bin(&folder);
            }
        } else {
            self.offer(path);
        }
    }

    /// The interpreters in one folder, most specific name first.
    fn bin(&mut self, folder: &Path) {
        if self.watched.iter().any(|known| known == folder) {
            return;
        }
        self.watched.push(folder.to_owned());
        if !folder.is_dir() {
            return;
        }
        for minor in (9..=19).rev() {
            self.offer(&folder.join(format!("python3.{minor}")));
            if minor >= 13 {
                self.offer(&folder.join(format!("python3.{minor}t")));
            }
        }
        self.offer(&folder.join("python3"));
        self.offer(&folder.join("python"));
    }

    /// One installation per folder below `root`.
    fn each_below(&mut self, root: &Path) {
        self.watched.push(root.to_owned());
        let Ok(entries) = fs_err::read_dir(root) else {
            return;
        };
        let mut installations: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        installations.sort();
        for installation in installations {
            let bin = installation.join("bin");
            for name in ["python3", "python"] {
                if self.offer(&bin.join(name)) {
                    break;
                }
            }
        }
    }

    /// Takes a file that can be executed, unless it is another name of one taken before.
    fn offer(&mut self, path: &Path) -> bool {
        // A path that is not UTF-8 could not be written into a cache or a message.
        if path.to_str().is_none() || !is_executable(path) {
            return false;
        }
        let path = base_of_venv(path).unwrap_or_else(|| path.to_owned());
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.seen.insert(real) {
            let is_shim = path
                .parent()
                .is_some_and(|folder| folder.ends_with("shims"));
            let list = if is_shim {
                &mut self.shims
            } else {
                &mut self.direct
            };
            list.push(path);
        }
        true
    }
}

fn is_executable(path: &Path) -> bool {
    fs_err::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The interpreter that a virtual environment (PEP 405) was made from. A bundle never shares an
/// environment's packages, so the environment itself adds nothing.
fn base_of_venv(path: &Path) -> Option<PathBuf> {
    let settings = fs_err::read_to_string(path.parent()?.parent()?.join("pyvenv.cfg")).ok()?;
    let home = settings.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })?;
    let own_name = path.canonicalize().ok()?.file_name()?.to_owned();
    [
        own_name.as_os_str(),
        OsStr::new("python3"),
        OsStr::new("python"),
    ]
    .into_iter()
    .map(|name| home.join(name))
    .find(|base| base.to_str().is_some() && is_executable(base))
}
