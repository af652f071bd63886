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
    /// The file at an address that the user names can't be had.
    #[error("can't take `{name}` from the address that is asked for")]
    Address {
        /// The package.
        name: PackageName,
        /// Where it was written.
        origin: Box<Origin>,
        /// Why.
        source: IndexError,
    },
    /// A requirement names a version control system.
    #[error("`{name}` is asked for from {system}, and nothing is taken from there")]
    VersionControl {
        /// The package.
        name: PackageName,
        /// The system.
        system: &'static str,
        /// Where it was written.
        origin: Box<Origin>,
    },
    /// Two requirements name two addresses of one package.
    #[error("`{name}` is asked for from two addresses")]
    TwoAddresses {
        /// The package.
        name: PackageName,
        /// One address, and where it was written.
        one: (String, Box<Origin>),
        /// The other.
        other: (String, Box<Origin>),
    },
    /// What has no wheel can't be built.
    #[error("{}", .0.message)]
    Build(Box<Fault>),
    /// `exclude-newer` is no time.
    #[error("`{0}` is neither a time such as `2024-05-01T00:00:00Z` nor a duration such as `P7D`")]
    ExcludeNewer(String),
    /// The script's own bound excludes the target's Python.
    #[error("the script needs Python {bound}, and the target has {python}")]
    Python {
        /// The script's bound.
        bound: String,
        /// The target's version.
        python: String,
    },
    /// The search went over a limit.
    #[error(
        "no answer after {decisions} decisions and {conflicts} conflicts, with {packages} packages \
         and {versions} versions looked at"
    )]
    TooHard {
        /// Which limit.
        limit: Limit,
        /// How many packages' pages were read.
        packages: usize,
        /// How many versions' metadata was read.
        versions: u64,
        /// How many versions were tried.
        decisions: u64,
        /// How many conflicts were learned from.
        conflicts: u64,
        /// The packages that conflicted most, most first.
        hot: Vec<PackageName>,
    },
}

/// What ends a search that would go on for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Decisions and conflicts.
    #[error("the versions contradict each other in more ways than can be tried")]
    Steps,
    /// What was learned from conflicts, in number or in bytes.
    #[error("what had to be learned from conflicts takes more memory than it may")]
    Learned,
    /// Pages.
    #[error("one package leads to another without end: real applications need far fewer")]
    Pages,
    /// Versions whose metadata is read.
    #[error("more versions had to be looked at than any real search needs")]
    Versions,
    /// Bytes of pages and metadata.
    #[error("the pages and the metadata take more memory than they may")]
    Bytes,
    /// The questions of a try that only wants to know what would help.
    #[error("to find out what would help would take too long")]
    Try,
}

impl From<ResolveError> for Fault {
    fn from(error: ResolveError) -> Self {
        let message = error.to_string();
        match error {
            ResolveError::Index(index) => index.into(),
            ResolveError::Unsatisfiable(fault) | ResolveError::Build(fault) => *fault,
            ResolveError::Address {
                name,
                origin,
                source,
            } => from_address(source, message, &origin, &name),
            ResolveError::VersionControl { ref origin, .. } => {
                let fault = Self::from_error(Code::REQUIREMENT_INVALID, &error);
                let fault = fault.hint(
                    "name a version, or the address of a wheel or source distribution, such as \
                     an archive of a release",
                );
                origin.span.iter().cloned().fold(fault, Self::span)
            }
            ResolveError::TwoAddresses {
                ref one, ref other, ..
            } => {
                let fault = Self::from_error(Code::RESOLVE_CONFLICT, &error);
                let fault = [one, other].into_iter().fold(fault, |fault, (url, origin)| {
                    let fault = fault.cause(format!("{origin} asks for `{url}`"));
                    origin.span.iter().cloned().fold(fault, Self::span)
                });
                fault.hint("leave one of them out")
            }
            ResolveError::ExcludeNewer(_) => Self::from_error(Code::CONFIG_INVALID, &error)
                .hint("give `--exclude-newer` an RFC 3339 time, or an ISO 8601 duration of days, hours or minutes"),
            ResolveError::Python { ref bound, .. } => Self::from_error(Code::PYTHON_NOT_FOUND, &error)
                .hint(format!(
                    "choose a Python that satisfies `{bound}` with `--python-version`"
                )),
            ResolveError::TooHard {
                ref hot, limit, ..
            } => {
                let fault = Self::from_error(Code::RESOLVE_TOO_HARD, &error);
                let fault = fault.cause(limit.to_string());
                if hot.is_empty() {
                    return fault.hint(
                        "name exact versions of what you ask for, and leave out what brings so many",
                    );
                }
                let names = list(hot.iter().map(|name| format!("`{name}`")));
                fault.hint(format!(
                    "say which versions you want of {names}: they conflict most"
                ))
            }
        }
    }
}

/// What the index did wrong, as what is wrong with an address that the user wrote.
fn from_address(source: IndexError, message: String, origin: &Origin, name: &PackageName) -> Fault {
    // A wheel that is refused says all there is to say.
    let refused = matches!(source, IndexError::Refused(_));
    let mut fault = Fault::from(source);
    let reason = std::mem::replace(&mut fault.message, message);
    fault.causes.insert(0, reason);
    let code = fault.code.clone();
    if !refused && (code == Code::INDEX_BROKEN || code == Code::INDEX_UNREACHABLE) {
        fault.hints = vec![format!("check the address of `{name}`")];
    }
    origin.span.iter().cloned().fold(fault, Fault::span)
}
