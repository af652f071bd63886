//! What can be wrong with a wheel, and the fault that it becomes.

use pyrun_core::{Code, Fault, Sha256, WheelFilename};

use crate::zip::ZipError;

/// A wheel that is refused, and why.
#[derive(Debug, thiserror::Error)]
#[error("the wheel `{filename}` is refused: {problem}")]
pub struct WheelError {
    /// Its file name.
    pub filename: String,
    /// What is wrong with it.
    #[source]
    pub problem: WheelProblem,
}

impl WheelError {
    pub(super) fn new(filename: &WheelFilename, problem: WheelProblem) -> Self {
        Self {
            filename: filename.to_string(),
            problem,
        }
    }
}

/// What is wrong with a wheel. Names from the wheel are escaped for a screen.
#[derive(Debug, thiserror::Error)]
pub enum WheelProblem {
    /// Its bytes are others than those asked for.
    #[error("its sha256 is `{actual}`, and `{expected}` was expected")]
    Hash {
        /// What the lock says.
        expected: Sha256,
        /// What the file has.
        actual: Sha256,
    },
    /// Its archive is not sound.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// A name that would leave the folder, or that no file can have.
    #[error("the name `{name}` {problem}")]
    UnsafePath {
        /// The member.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A member that is no file.
    #[error("`{name}` is a {kind}")]
    Link {
        /// The member.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A folder with content.
    #[error("`{0}` is a folder and has content")]
    FolderWithContent(String),
    /// Two members for one place.
    #[error("`{first}` and `{second}` have one name, or names that differ in case alone")]
    Duplicate {
        /// One member.
        first: String,
        /// The other.
        second: String,
    },
    /// A file that is also the folder of another.
    #[error("`{file}` is a file, and `{inside}` would be inside it")]
    FileAsFolder {
        /// The file.
        file: String,
        /// What would be inside.
        inside: String,
    },
    /// Too large once unpacked.
    #[error("it unpacks to {unpacked} bytes, more than {limit}")]
    TooLarge {
        /// Bytes of all members together.
        unpacked: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Compressed as only filler is.
    #[error("`{name}` unpacks from {compressed} to {size} bytes, as only a bomb does")]
    Bomb {
        /// The member, or the wheel.
        name: String,
        /// Bytes in the archive.
        compressed: u64,
        /// Bytes once unpacked.
        size: u64,
    },
    /// No dist-info folder, or several.
    #[error("it has {0} dist-info folders; exactly one is expected")]
    DistInfo(usize),
    /// A dist-info folder of another package or version.
    #[error("its dist-info folder `{0}` does not belong to its file name")]
    ForeignDistInfo(String),
    /// A document that must be there.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A document too large to be honest.
    #[error("its {name} has {size} bytes")]
    LargeDocument {
        /// Which.
        name: &'static str,
        /// Its size in bytes.
        size: u64,
    },
    /// METADATA or WHEEL says something else than the file name, or nothing.
    #[error("its {document} {problem}")]
    Document {
        /// Which.
        document: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// RECORD does not describe the members.
    #[error("its RECORD {0}")]
    Record(String),
    /// A `.data` folder holds something that the specification does not know.
    #[error("`{0}` is in no scheme of the wheel specification")]
    Scheme(String),
}

impl WheelProblem {
    fn code(&self) -> Code {
        match self {
            Self::Hash { .. } => Code::WHEEL_HASH,
            Self::Zip(error) => zip_code(error),
            Self::UnsafePath { .. } => Code::WHEEL_UNSAFE_PATH,
            Self::Link { .. } => Code::WHEEL_LINK,
            Self::Duplicate { .. } | Self::FileAsFolder { .. } => Code::WHEEL_DUPLICATE,
            Self::TooLarge { .. } | Self::Bomb { .. } | Self::LargeDocument { .. } => {
                Code::WHEEL_BOMB
            }
            Self::Missing("RECORD") | Self::Record(_) => Code::WHEEL_RECORD,
            Self::DistInfo(_)
            | Self::ForeignDistInfo(_)
            | Self::Missing(_)
            | Self::Document { .. } => Code::WHEEL_METADATA,
            Self::FolderWithContent(_) | Self::Scheme(_) => Code::WHEEL_INVALID,
        }
    }
}

fn zip_code(error: &ZipError) -> Code {
    match error {
        ZipError::Io(_) => Code::STORE_UNREADABLE,
        ZipError::Mismatch { .. } => Code::WHEEL_MISMATCH,
        ZipError::TooManyMembers { .. }
        | ZipError::DirectoryTooLarge { .. }
        | ZipError::Impossible { .. } => Code::WHEEL_BOMB,
        _ => Code::WHEEL_INVALID,
    }
}

impl From<WheelError> for Fault {
    fn from(error: WheelError) -> Self {
        let code = error.problem.code();
        let unreadable = code == Code::STORE_UNREADABLE;
        let mangled = code == Code::WHEEL_HASH;
        let fault = Self::from_error(code, &error);
        if unreadable {
            fault
        } else if mangled {
            fault.hint("run again: the wheel is downloaded anew")
        } else {
            fault
                .hint("require another version of the package")
                .hint("tell its maintainers: the wheel breaks the specification")
        }
    }
}
