//! Why there is no lock, and the fault that says so.

use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, Origin};

use super::phrases::list;
use crate::index::IndexError;

/// Why requirements did not become a lock.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The requirements can't be satisfied; the explanation is ready to be shown.
    #[error("{}", .0.message)]
    Unsatisfiable(Box<Fault>),
    /// The index could not answer what had to be known.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A requirement names an address instead of versions.
    #[error("`{name}` is asked for by address, which can't be locked")]
    ByAddress {
        /// The package.
        name: PackageName,
        /// Where it was written.
        origin: Box<Origin>,
    },
    /// `exclude-newer` is no time.
    #[error("`{0}` is not a time such as `2024-05-01T00:00:00Z`")]
    ExcludeNewer(String),
    /// The script's own bound excludes the target's Python.
    #[error("the script needs Python {bound}, and the target has {python}")]
    Python {
        /// The script's bound.
        bound: String,
        /// The target's version.
        python: String,
    },
    /// The search went over its bound.
    #[error(
        "no answer after {decisions} decisions and {conflicts} conflicts over {packages} packages"
    )]
    TooHard {
        /// How many packages were met.
        packages: usize,
        /// How many versions were tried.
        decisions: u64,
        /// How many conflicts were learned from.
        conflicts: u64,
        /// The packages that conflicted most, most first.
        hot: Vec<PackageName>,
    },
}

impl From<ResolveError> for Fault {
    fn from(error: ResolveError) -> Self {
        match &error {
            ResolveError::Index(index) => index_fault(index),
            ResolveError::ByAddress { name, origin } => {
                let fault = Self::from_error(Code::REQUIREMENT_INVALID, &error);
                let fault = fault.hint(format!("name a version instead, such as `{name}==1.0`"));
                origin.span.iter().cloned().fold(fault, Self::span)
            }
            ResolveError::ExcludeNewer(_) => Self::from_error(Code::CONFIG_INVALID, &error)
                .hint("give `--exclude-newer` an RFC 3339 time"),
            ResolveError::Python { bound, .. } => Self::from_error(Code::PYTHON_NOT_FOUND, &error)
                .hint(format!(
                    "choose a Python that satisfies `{bound}` with `--python-version`"
                )),
            ResolveError::TooHard { hot, .. } => {
                let fault = Self::from_error(Code::RESOLVE_TOO_HARD, &error);
                if hot.is_empty() {
                    return fault;
                }
                let names = list(hot.iter().map(|name| format!("`{name}`")));
                fault.hint(format!(
                    "say which versions you want of {names}: they conflict most"
                ))
            }
            ResolveError::Unsatisfiable(_) => match error {
                ResolveError::Unsatisfiable(fault) => *fault,
                _ => unreachable!("matched above"),
            },
        }
    }
}

fn index_fault(error: &IndexError) -> Fault {
    let code = match error {
        IndexError::Unreachable { .. } => Code::INDEX_UNREACHABLE,
        IndexError::Status {
            status: 401 | 403, ..
        } => Code::INDEX_DENIED,
        IndexError::Status { .. } | IndexError::Broken { .. } => Code::INDEX_BROKEN,
        IndexError::Offline { .. } => Code::INDEX_OFFLINE,
    };
    Fault::from_error(code, error)
}
