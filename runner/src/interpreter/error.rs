//! Why no interpreter is there, said so that the user can put one there.

use std::path::PathBuf;

use pyrun_core::{Code, Fault, VersionSpecifiers};

use super::request::PythonRequestError;

/// What went wrong while an interpreter was looked for.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The environment variable holds no request.
    #[error("`PYRUN_PYTHON` can't be used")]
    Variable(#[source] PythonRequestError),
    /// The interpreter that was named does not work.
    #[error("`{path}` does not work as a Python interpreter: {reason}")]
    Broken {
        /// The interpreter.
        path: PathBuf,
        /// What happened when it was asked.
        reason: String,
    },
    /// None fits.
    #[error("no Python interpreter fits {wanted}")]
    NotFound {
        /// What was asked for, in words.
        wanted: String,
        /// What was found, and why it does not fit.
        rejected: Vec<Rejected>,
        /// The folders that were searched.
        searched: Vec<PathBuf>,
        /// The version to install, such as `3.12`; `None` when pyrun can run none that fits.
        suggestion: Option<String>,
    },
}

/// An interpreter that was found and is not the one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Where it is.
    pub path: PathBuf,
    /// Its version, as far as it is known.
    pub version: Option<String>,
    /// Why not.
    pub reason: String,
}

impl Rejected {
    fn describe(&self) -> String {
        let path = self.path.display();
        match &self.version {
            Some(version) => format!("`{path}` is Python {version}: {}", self.reason),
            None => format!("`{path}`: {}", self.reason),
        }
    }

    fn name(&self) -> String {
        let path = self.path.display();
        match &self.version {
            Some(version) => format!("{version} (`{path}`)"),
            None => format!("`{path}`"),
        }
    }
}

/// A line for each reason: a machine may have many interpreters that all are too old.
fn by_reason(rejected: &[Rejected]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&Rejected>)> = Vec::new();
    for one in rejected {
        match groups.iter_mut().find(|(reason, _)| *reason == one.reason) {
            Some((_, members)) => members.push(one),
            None => groups.push((&one.reason, vec![one])),
        }
    }
    groups
        .into_iter()
        .map(|(reason, members)| match members.as_slice() {
            [only] => only.describe(),
            several => {
                let names: Vec<String> = several.iter().map(|one| one.name()).collect();
                format!("{reason}, and here are {}", names.join(", "))
            }
        })
        .collect()
}

impl From<PythonRequestError> for Fault {
    fn from(error: PythonRequestError) -> Self {
        Self::from_error(Code::CONFIG_INVALID, &error)
            .hint("name a version such as `3.12` or `>=3.10`, or an interpreter's path")
    }
}

impl From<InterpreterError> for Fault {
    fn from(error: InterpreterError) -> Self {
        match error {
            InterpreterError::Variable(_) => Self::from_error(Code::CONFIG_INVALID, &error)
                .hint("set `PYRUN_PYTHON` to a version such as `3.12` or to a path, or unset it"),
            InterpreterError::Broken { .. } => Self::from_error(Code::PYTHON_BROKEN, &error)
                .hint("name another interpreter with `--python-version`"),
            InterpreterError::NotFound {
                ref rejected,
                ref searched,
                ref suggestion,
                ..
            } => {
                let mut fault = Self::new(Code::PYTHON_NOT_FOUND, error.to_string());
                fault.causes = by_reason(rejected);
                // Where something was found, the folders would only hide it.
                if rejected.is_empty() && !searched.is_empty() {
                    let folders: Vec<String> = searched
                        .iter()
                        .map(|folder| format!("`{}`", folder.display()))
                        .collect();
                    fault = fault.cause(format!("searched {}", folders.join(", ")));
                }
                fault.hint(match suggestion {
                    Some(version) => format!(
                        "install one with `uv python install {version}`, `pyenv install {version}` \
                         or your system's package manager, or give an interpreter's path: \
                         `--python-version /path/to/python{version}`"
                    ),
                    None => {
                        "pyrun runs CPython 3.9 to 3.14, 64-bit: ask for one of these".to_owned()
                    }
                })
            }
        }
    }
}

/// The newest minor version that fits a bound, for the hint.
pub(super) fn suggest(fits: impl Fn(&pyrun_core::PythonVersion) -> bool) -> Option<String> {
    let newest_patch = [25, 20, 15, 12, 7, 3, 0];
    (9..=14).rev().find_map(|minor| {
        newest_patch.iter().find_map(|patch| {
            let version = format!("3.{minor}.{patch}").parse().ok()?;
            fits(&version).then(|| format!("3.{minor}"))
        })
    })
}

/// What was asked for, in words.
pub(super) fn wanted_text(request: Option<String>, requires: Option<&VersionSpecifiers>) -> String {
    match (request, requires) {
        (None, None) => "pyrun (CPython 3.9 or newer)".to_owned(),
        (Some(request), None) => format!("`{request}`"),
        (None, Some(bound)) => format!("`requires-python = \"{bound}\"`"),
        (Some(request), Some(bound)) => {
            format!("both `{request}` and `requires-python = \"{bound}\"`")
        }
    }
}
