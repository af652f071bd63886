//! What is asked for with `--python-version` or `PYRUN_PYTHON`.
//!
//! In: text. Out: a [`PythonRequest`]. Never: looks at the disk.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use pyrun_core::{PythonVersion, Version, VersionSpecifiers};

/// A wish for an interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonRequest {
    /// Versions: `3.12`, `3.12.1`, `python3.12`, `3.13t` or a specifier such as `>=3.11,<3.13`.
    Version {
        /// What was written.
        text: String,
        /// The versions that fit.
        specifiers: VersionSpecifiers,
        /// Whether only a free-threaded build will do (`3.13t`).
        free_threaded: bool,
    },
    /// An interpreter, or the folder of an environment that holds one.
    Path(PathBuf),
}

/// Text that asks for no Python.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no Python version: `3.12`, `3.12.1`, a specifier such as `>=3.11` or a path is expected"
)]
pub struct PythonRequestError(String);

impl PythonRequest {
    /// Whether an interpreter of this version and kind is one that was asked for.
    pub fn accepts(&self, version: &PythonVersion, free_threaded: bool) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Version {
                specifiers,
                free_threaded: wanted,
                ..
            } => specifiers.contains(version.full()) && (free_threaded || !wanted),
        }
    }
}

impl FromStr for PythonRequest {
    type Err = PythonRequestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let wrong = || PythonRequestError(text.chars().take(80).collect());
        if text.contains('/') || text == "." || text == ".." {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        if text.starts_with(['<', '>', '=', '!', '~']) {
            return Ok(Self::Version {
                text: text.to_owned(),
                specifiers: text.parse().map_err(|_| wrong())?,
                free_threaded: false,
            });
        }
        let bare = strip_name(text);
        let (number, free_threaded) = match bare.strip_suffix('t') {
            Some(number) => (number, true),
            None => (bare, false),
        };
        Ok(Self::Version {
            text: text.to_owned(),
            specifiers: of_version(number).ok_or_else(wrong)?,
            free_threaded,
        })
    }
}

/// `cpython@3.12`, `cpython-3.12` and `python3.12` are how uv and the files on PATH spell `3.12`.
fn strip_name(text: &str) -> &str {
    for name in ["cpython", "python"] {
        if let Some(rest) = text.strip_prefix(name) {
            return rest.strip_prefix(['@', '-']).unwrap_or(rest);
        }
    }
    text
}

/// `3` and `3.12` mean every release of them, a longer version means itself.
fn of_version(number: &str) -> Option<VersionSpecifiers> {
    let version: Version = number.parse().ok()?;
    let open = version.release().len() < 3 && !version.any_prerelease();
    let exact = if open {
        format!("=={version}.*")
    } else {
        format!("=={version}")
    };
    exact.parse().ok()
}

impl fmt::Display for PythonRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { text, .. } => f.pad(text),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(request: &str, version: &str, free_threaded: bool) -> bool {
        let request: PythonRequest = request.parse().expect("a request");
        request.accepts(&version.parse().expect("a version"), free_threaded)
    }

    #[test]
    fn every_spelling_means_what_it_says() {
        for (request, version, free_threaded, fits) in [
            ("3.12", "3.12.1", false, true),
            ("3.12", "3.1.2", false, false),
            ("3.12", "3.12.0rc1", false, true),
            ("3", "3.9.18", false, true),
            ("3.12.1", "3.12.1", false, true),
            ("3.12.1", "3.12.7", false, false),
            ("3.14.0rc2", "3.14.0rc2", false, true),
            ("3.14.0rc2", "3.14.0", false, false),
            ("python3.12", "3.12.4", false, true),
            ("cpython@3.12", "3.12.4", false, true),
            ("cpython-3.12", "3.13.0", false, false),
            (">=3.11,<3.13", "3.12.4", false, true),
            (">=3.11,<3.13", "3.13.0", false, false),
            ("~=3.12.0", "3.12.9", false, true),
            ("3.13t", "3.13.0", false, false),
            ("3.13t", "3.13.0", true, true),
            ("3.13", "3.13.0", true, true),
            ("/opt/python", "3.9.0", false, true),
        ] {
            assert_eq!(
                accepts(request, version, free_threaded),
                fits,
                "{request} {version}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "three", "3.x", ">=", "t", "python", "3.12;", "pypy3.10"] {
            assert!(text.parse::<PythonRequest>().is_err(), "{text}");
        }
    }
}
