//! What the builder and the runner say while they work.

use serde::{Deserialize, Serialize};

/// A stage of a run, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Requirements become a lock.
    Resolve,
    /// Waiting for another builder of the same lock.
    Wait,
    /// Wheels are downloaded and verified.
    Download,
    /// Wheels become a bundle.
    Splice,
    /// Bytecode is compiled.
    Compile,
    /// A bundle is fetched from a store on another machine.
    Fetch,
    /// A bundle is unpacked.
    Extract,
    /// Python starts.
    Start,
    /// The file is executed, up to the call.
    Import,
    /// The function runs.
    Call,
    /// A phase of a newer version.
    #[serde(other)]
    Other,
}

impl Phase {
    /// The phase's name, as the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Wait => "wait",
            Self::Download => "download",
            Self::Splice => "splice",
            Self::Compile => "compile",
            Self::Fetch => "fetch",
            Self::Extract => "extract",
            Self::Start => "start",
            Self::Import => "import",
            Self::Call => "call",
            Self::Other => "other",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Event {
    /// A phase began.
    Started {
        /// Which.
        phase: Phase,
    },
    /// A phase went on. `total` is 0 while it is not known.
    Progress {
        /// Which.
        phase: Phase,
        /// Bytes, or items where no bytes are moved.
        done: u64,
        /// The same unit as `done`.
        total: u64,
        /// What is worked on, such as a package's name; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        item: String,
    },
    /// A phase ended well.
    Finished {
        /// Which.
        phase: Phase,
        /// How long it took, in microseconds.
        micros: u64,
        /// Bytes that it moved, 0 where none are.
        #[serde(default)]
        bytes: u64,
        /// Items, such as packages or files.
        #[serde(default)]
        items: u64,
    },
    /// Something the user should know that stops nothing.
    Warning {
        /// One sentence, as a fault's message.
        message: String,
    },
    /// An event of a newer version.
    #[serde(other)]
    Other,
}

/// Where events go. Cheap to call; never blocks for long.
pub type Events<'a> = &'a (dyn Fn(Event) + Send + Sync);
