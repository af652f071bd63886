//! What can be wrong with a source distribution and with its build, and the fault that it becomes.

use std::io;
use std::path::PathBuf;

use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::StoreError;

use super::output::{self, Said};
use crate::zip::ZipError;

/// Why an archive may not be unpacked. Names from the archive are escaped for a screen.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// An archive of a kind that is not read.
    #[error("it is no `.tar.gz` and no `.zip` (PEP 625)")]
    Kind,
    /// A name that would leave the folder, or that no file can have.
    #[error("the name `{name}` {problem}")]
    UnsafePath {
        /// The member.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name in no known encoding.
    #[error("the name `{0}` is not UTF-8")]
    NotUtf8(String),
    /// Two members of one name.
    #[error("`{0}` stands in it twice")]
    Duplicate(String),
    /// A file or a link that is also the folder of another member.
    #[error("`{0}` would be inside a file or a link")]
    FileAsFolder(String),
    /// A link that leaves the folder, or that leads to a folder.
    #[error("the link `{name}` {problem}")]
    Link {
        /// The link.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Neither a file, a folder nor a link.
    #[error("`{name}` is a {kind}")]
    Device {
        /// The member.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// Not all in one folder.
    #[error("it has more than one folder at its top: `{first}` and `{second}`")]
    Tops {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Too many members.
    #[error("it has more than {0} members")]
    TooMany(u64),
    /// Too large once unpacked.
    #[error("it unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// Compressed as only filler is.
    #[error("{compressed} bytes of it unpack to more than {unpacked}, as only a bomb does")]
    Bomb {
        /// Bytes of the archive.
        compressed: u64,
        /// Bytes that had come of it.
        unpacked: u64,
    },
    /// It ends early.
    #[error("it is cut off")]
    Truncated,
    /// Its compressed stream is damaged.
    #[error("its compression is damaged")]
    Compression(#[source] io::Error),
    /// Not a tar archive as the format says.
    #[error("it {0}")]
    Tar(&'static str),
    /// Not a zip archive as the format says.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// Its PKG-INFO names something else.
    #[error("its PKG-INFO says that it is `{0}`")]
    Other(String),
    /// The file system refuses.
    #[error("it can't be unpacked into `{}`", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a source distribution is not a wheel.
#[derive(Debug, thiserror::Error)]
pub enum SdistError {
    /// It may not be unpacked.
    #[error("the source distribution `{filename}` is refused: {problem}")]
    Invalid {
        /// Its file name.
        filename: String,
        /// What is wrong with it.
        #[source]
        problem: Invalid,
    },
    /// It can't be built, for a reason that is ready to be said.
    #[error("`{name}` {version} can't be built from source")]
    Build {
        /// The package.
        name: PackageName,
        /// Its version.
        version: Version,
        /// Why.
        #[source]
        problem: Problem,
    },
    /// Another part of the work failed, and has said how.
    #[error("{}", .0.message)]
    Fault(Box<Fault>),
    /// A lock's wheel came out otherwise.
    #[error(
        "`{name}` {version} builds into a wheel with the sha256 {found}, and the lock says {expected}"
    )]
    Differs {
        /// The package.
        name: PackageName,
        /// Its version.
        version: Version,
        /// What the lock says.
        expected: Sha256,
        /// What came.
        found: Sha256,
    },
}

/// Why a build fails.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Nothing here runs Python.
    #[error("no Python is at hand to build it with")]
    NoPython,
    /// `pyproject.toml` is not what PEP 518 says.
    #[error("its `pyproject.toml` {0}")]
    Project(String),
    /// It says neither how it is built nor is it a project of setuptools.
    #[error("it has neither a `pyproject.toml` nor a `setup.py`")]
    NoProject,
    /// What it needs to be built can't be had.
    #[error("what it needs to be built can't be had: {}", .0.message)]
    Requirements(Box<Fault>),
    /// It needs itself to be built.
    #[error("it needs itself to be built: {0}")]
    Cycle(String),
    /// What it needs is built from source, and that again, too often.
    #[error("what it needs to be built is itself built from source, over more than {0} levels")]
    TooDeep(usize),
    /// The interpreter does not start, or the folder of the build can't be used.
    #[error("the build does not start")]
    Start(#[source] io::Error),
    /// What stands between the builder and the backend failed.
    #[error("the build's keeper failed: {0}")]
    Keeper(String),
    /// The network can't be shut off.
    #[error("the network can't be shut off on this machine: {0}")]
    Network(String),
    /// The backend failed.
    #[error("the backend `{backend}` {ending} in `{hook}`")]
    Backend {
        /// The backend, as the project names it.
        backend: String,
        /// Which of its hooks was called.
        hook: &'static str,
        /// How it ended.
        ending: String,
        /// The key of `pyrun.toml` that bounds what it took too much of.
        setting: Option<&'static str>,
        /// What it said last.
        said: Said,
    },
    /// The backend answers with something that PEP 517 does not know.
    #[error("the backend `{backend}` {problem}")]
    Answer {
        /// The backend, as the project names it.
        backend: String,
        /// What is wrong.
        problem: String,
    },
    /// The wheel is refused.
    #[error("what it builds into is refused: {}", .0.message)]
    Wheel(Box<Fault>),
    /// The wheel is another package's, or for another machine.
    #[error("it builds into `{filename}`, which {problem}")]
    OtherWheel {
        /// The wheel.
        filename: String,
        /// What is wrong with it.
        problem: String,
        /// Whether it has native code for the machine that built it.
        native: bool,
    },
}

impl From<Fault> for SdistError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<StoreError> for SdistError {
    fn from(error: StoreError) -> Self {
        Fault::from(error).into()
    }
}

impl From<SdistError> for Fault {
    fn from(error: SdistError) -> Self {
        match &error {
            SdistError::Fault(_) => match error {
                SdistError::Fault(fault) => *fault,
                _ => unreachable!("matched above"),
            },
            SdistError::Invalid {
                problem: Invalid::Write { source, .. },
                ..
            } => unwritable(&error, source),
            SdistError::Invalid { .. } => Self::from_error(Code::SDIST_INVALID, &error)
                .hint("require another version of the package, or tell its maintainers"),
            SdistError::Differs { .. } => Self::from_error(Code::SDIST_DIFFERS, &error)
                .cause("what is compiled, or a build tool of another version, may give other bytes each time")
                .hint("lock again with `--upgrade` to take the wheel that it builds into here"),
            SdistError::Build { name, problem, .. } => {
                let fault = Self::from_error(Code::SDIST_BUILD, &error);
                explained(fault, name, problem)
            }
        }
    }
}

fn unwritable(error: &SdistError, source: &io::Error) -> Fault {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::from_error(Code::STORE_FULL, error).hint("make room with `pyrun cache gc`")
        }
        _ => {
            Fault::from_error(Code::STORE_UNWRITABLE, error).hint("check the folder's permissions")
        }
    }
}

fn explained(mut fault: Fault, name: &PackageName, problem: &Problem) -> Fault {
    let avoid = format!(
        "`--only-binary {name}` takes the newest version that has a wheel, if there is one"
    );
    match problem {
        Problem::Backend { said, setting, .. } => {
            fault.causes.extend(said.shown());
            fault.hints.extend(output::hints(said));
            fault.hints.extend(setting.map(|key| {
                format!(
                    "if it needs as much, raise `{key}` in pyrun.toml, or build on a larger machine"
                )
            }));
        }
        Problem::Requirements(inner) | Problem::Wheel(inner) => {
            fault.causes.extend(inner.causes.iter().cloned());
            fault.hints.extend(inner.hints.iter().cloned());
        }
        Problem::OtherWheel { native: true, .. } => {
            return fault
                .hint("build it on a machine of that kind, as the builder on AWS Lambda is one for its functions")
                .hint(avoid);
        }
        Problem::Network(_) => {
            return fault
                .hint("builds run foreign code, and never with a network: build on Linux, where namespaces or seccomp shut it off")
                .hint(avoid);
        }
        _ => {}
    }
    fault.hint(avoid)
}
