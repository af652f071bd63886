//! The one error that crosses the wire and reaches a screen.
//!
//! Each stage has its own error enum and maps it to a [`Fault`] once. A fault names what failed,
//! why, and what to do next; its code is stable and documented in docs/FAULTS.md.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The stable code, such as `package.unknown`.
    pub code: Code,
    /// One sentence: lower case, no trailing period, literals in backticks.
    pub message: String,
    /// Why, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The places in the user's files that it speaks of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// The Python traceback of the user's own frames, as Python prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// The exit status that a program asked for (`sys.exit`, an uncaught exception).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
}

/// A place in a file, with the text that stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The file, as the user named it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// In characters; at least 1.
    pub length: u32,
    /// The whole source line, without its end.
    pub text: String,
    /// What to say below the caret; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

impl Fault {
    /// A fault with nothing but its code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            spans: Vec::new(),
            traceback: None,
            status: None,
        }
    }

    /// A fault from an error and the chain of its sources.
    pub fn from_error(code: Code, error: &dyn std::error::Error) -> Self {
        let mut fault = Self::new(code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Wrappers often repeat their source's text; saying it once is enough.
            if !fault.message.contains(&text) && fault.causes.last() != Some(&text) {
                fault.causes.push(text);
            }
            source = cause.source();
        }
        fault
    }

    /// Adds a cause.
    #[must_use]
    pub fn cause(mut self, text: impl Into<String>) -> Self {
        self.causes.push(text.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Adds a place in the source.
    #[must_use]
    pub fn span(mut self, span: Span) -> Self {
        self.spans.push(span);
        self
    }

    /// The exit status of a command that ends with this fault.
    pub fn exit(&self) -> Exit {
        self.code.exit()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

/// The exit status of a command. DESIGN: 0 done, 1 the user's function failed, 2 usage,
/// 3 requirements or validation, 4 infrastructure, 124 timed out, 130 interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Done,
    /// The user's function failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// The script or its requirements are wrong.
    Invalid,
    /// The machine, the network, the index or the store failed.
    Infrastructure,
    /// A limit on wall time was reached.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number that the process ends with.
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Infrastructure => 4,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }
}

/// A fault's stable code. A code of a newer version is kept as it came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// The code's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The exit status of a command that ends with this code. An unknown code counts as
    /// infrastructure: nothing says that the user did anything wrong.
    pub fn exit(&self) -> Exit {
        CODES
            .iter()
            .find(|entry| entry.code == *self)
            .map_or(Exit::Infrastructure, |entry| entry.exit)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A row of the table of codes.
#[derive(Debug)]
pub struct CodeEntry {
    /// The code.
    pub code: Code,
    /// The exit status it gives.
    pub exit: Exit,
    /// When it is raised.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident $text:literal $exit:ident $meaning:literal;)*) => {
        impl Code {
            $(#[doc = $meaning] pub const $name: Self = Self(Cow::Borrowed($text));)*
        }
        /// Every code there is, with its exit status and meaning. docs/FAULTS.md is this table.
        pub const CODES: &[CodeEntry] = &[
            $(CodeEntry { code: Code::$name, exit: Exit::$exit, meaning: $meaning },)*
        ];
    };
}

codes! {
    USAGE "usage" Usage "the command line is wrong";
    USAGE_ARGUMENTS "usage.arguments" Usage "the function's arguments do not fit its signature";
    USAGE_INPUT "usage.input" Usage "`--input` is not a call in JSON";
    CONFIG_INVALID "config.invalid" Usage "a settings file or variable holds something that can't be used";
    SCRIPT_UNREADABLE "script.unreadable" Usage "the script can't be read as a file of UTF-8 text";
    SCRIPT_SYNTAX "script.syntax" Invalid "the script is not valid Python";
    SCRIPT_DYNAMIC "script.dynamic" Invalid "the decorator holds something that only running the file could tell";
    SCRIPT_METADATA "script.metadata" Invalid "the PEP 723 block is not valid, or stands twice";
    SCRIPT_CONFLICT "script.conflict" Invalid "the decorator and the PEP 723 block contradict each other";
    SCRIPT_FUNCTION "script.function" Usage "no such function, none, or several and no choice";
    REQUIREMENT_INVALID "requirement.invalid" Invalid "a requirement is not valid (PEP 508), stands twice, or can't be used here";
    PYTHON_NOT_FOUND "python.not-found" Invalid "no interpreter satisfies what is asked";
    PYTHON_BROKEN "python.broken" Infrastructure "an interpreter does not start, or answers nonsense";
    PACKAGE_UNKNOWN "package.unknown" Invalid "no index knows the package";
    PACKAGE_NO_VERSION "package.no-version" Invalid "the package has no version that satisfies the requirement";
    PACKAGE_NO_WHEEL "package.no-wheel" Invalid "no wheel of the package fits the target";
    PACKAGE_QUARANTINED "package.quarantined" Invalid "the index has put the package into quarantine (PEP 792)";
    PACKAGE_METADATA "package.metadata" Invalid "a wheel says other things of itself than the index said when it was resolved";
    PACKAGE_HASH "package.hash" Invalid "hashes are required, and a package has none or none that fits";
    SDIST_INVALID "sdist.invalid" Invalid "a source distribution is not an archive that may be unpacked";
    SDIST_BUILD "sdist.build" Invalid "a source distribution can't be built into a wheel";
    SDIST_DIFFERS "sdist.differs" Invalid "a wheel that was built again is not the one that the lock names";
    TARGET_TOO_SMALL "target.too-small" Invalid "the packages don't fit into what the target has";
    RESOLVE_CONFLICT "resolve.conflict" Invalid "the requirements can't be satisfied together";
    RESOLVE_TOO_HARD "resolve.too-hard" Invalid "the search for a solution went over its bound";
    LOCK_INVALID "lock.invalid" Invalid "the lock file can't be used";
    LOCK_STALE "lock.stale" Invalid "`--locked` was asked for and there is no lock for these requirements";
    LOCK_OUTDATED "lock.outdated" Invalid "the lock does not satisfy its requirements any more";
    INDEX_UNREACHABLE "index.unreachable" Infrastructure "the index does not answer";
    INDEX_DENIED "index.denied" Infrastructure "the index refuses access";
    INDEX_BROKEN "index.broken" Infrastructure "the index answers with something that is no index page, metadata or wheel";
    INDEX_OFFLINE "index.offline" Infrastructure "`--offline` was asked for and something is not here";
    WHEEL_HASH "wheel.hash" Invalid "a wheel's bytes are not those that the index or the lock promised";
    WHEEL_INVALID "wheel.invalid" Invalid "a wheel is not a zip archive that the wheel specification allows";
    WHEEL_UNSAFE_PATH "wheel.unsafe-path" Invalid "a member of a wheel would land outside its folder";
    WHEEL_LINK "wheel.link" Invalid "a member of a wheel is a link or a device";
    WHEEL_DUPLICATE "wheel.duplicate" Invalid "two members of a wheel have one name, or names that differ in case alone";
    WHEEL_MISMATCH "wheel.mismatch" Invalid "a wheel's local headers and its central directory disagree";
    WHEEL_BOMB "wheel.bomb" Invalid "a wheel unpacks to more than its limits";
    WHEEL_RECORD "wheel.record" Invalid "a wheel's RECORD does not describe its members";
    WHEEL_METADATA "wheel.metadata" Invalid "a wheel's METADATA or WHEEL is missing, or names another package or version";
    BUNDLE_COLLISION "bundle.collision" Invalid "two packages bring the same file with different content";
    BUNDLE_CORRUPT "bundle.corrupt" Infrastructure "a bundle is not what its hash says";
    BUNDLE_MISSING "bundle.missing" Infrastructure "the bundle is not in the store";
    BUNDLE_BUSY "bundle.busy" Infrastructure "a bundle is in use and stays";
    POLICY_DENIED "policy.denied" Invalid "the policy does not let it in";
    STORE_UNREADABLE "store.unreadable" Infrastructure "the store can't be read";
    STORE_UNWRITABLE "store.unwritable" Infrastructure "the store can't be written";
    STORE_FULL "store.full" Infrastructure "no space is left";
    STORE_LEASE "store.lease" Infrastructure "another builder holds the lease and does not end";
    RUN_RAISED "run.raised" Failed "the function raised an exception";
    RUN_EXITED "run.exited" Failed "the function or program ended with a status other than 0";
    RUN_KILLED "run.killed" Failed "the function's process was killed by a signal";
    RUN_RESULT "run.result" Failed "the function's result can't be expressed in JSON";
    RUN_TIMEOUT "run.timeout" TimedOut "the function ran longer than its limit";
    RUN_MEMORY "run.memory" Failed "the function took more memory than its limit";
    RUN_OUTPUT "run.output" Failed "the function's result is larger than its limit";
    RUN_PROTOCOL "run.protocol" Infrastructure "the worker said something that is no frame";
    RUN_INTERRUPTED "run.interrupted" Interrupted "the run was interrupted";
    RUN_COST "run.cost" Invalid "the run would cost more than `--max-cost` allows";
    STORE_MISSING "store.missing" Infrastructure "the store's bucket is not there";
    REMOTE_UNKNOWN "remote.unknown" Usage "no remote of that name is set up";
    REMOTE_CREDENTIALS "remote.credentials" Infrastructure "there are no AWS credentials, or they are not valid any more";
    REMOTE_DENIED "remote.denied" Infrastructure "AWS does not permit it";
    REMOTE_REGION "remote.region" Infrastructure "no AWS region is set, or what is asked for lies in another one";
    REMOTE_NO_STACK "remote.no-stack" Infrastructure "nothing is deployed under that name";
    REMOTE_SKEW "remote.version-skew" Infrastructure "the command and the deployed functions do not speak the same protocol";
    REMOTE_UNREACHABLE "remote.unreachable" Infrastructure "AWS does not answer";
    REMOTE_THROTTLED "remote.throttled" Infrastructure "AWS asks to slow down, and waiting did not help";
    REMOTE_START "remote.start" Infrastructure "the deployed function does not start";
    REMOTE_CRASHED "remote.crashed" Infrastructure "the deployed function ended before its answer did";
    REMOTE_CUT "remote.cut" Infrastructure "the connection ended before the answer did";
    REMOTE_PAYLOAD "remote.payload" Infrastructure "a request or an answer is larger than what can be sent";
    REMOTE_QUOTA "remote.quota" Infrastructure "the account's quotas or the function's size are too small for what is asked";
    REMOTE_FAILED "remote.failed" Infrastructure "AWS answers with an error that has no code of its own here";
    DEPLOY_FAILED "deploy.failed" Infrastructure "a stack could not be made, changed or removed";
    DEPLOY_REFUSED "deploy.refused" Usage "a change was not confirmed";
    INTERNAL "internal" Infrastructure "pyrun itself is wrong";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_stands_once() {
        let unique: BTreeSet<&str> = CODES.iter().map(|entry| entry.code.as_str()).collect();
        assert_eq!(unique.len(), CODES.len());
    }

    #[test]
    fn a_code_of_a_newer_version_still_parses() {
        let json = r#"{"code":"run.moon-phase","message":"the moon is wrong","phase":"full"}"#;
        let fault: Fault = serde_json::from_str(json).expect("unknown fields are ignored");
        assert_eq!(fault.code.as_str(), "run.moon-phase");
        assert_eq!(fault.exit(), Exit::Infrastructure);
    }

    #[test]
    fn a_source_that_its_wrapper_repeats_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("can't read `x`: {0}")]
        struct Outer(#[source] std::fmt::Error);
        let fault = Fault::from_error(Code::INTERNAL, &Outer(std::fmt::Error));
        assert!(fault.causes.is_empty(), "{fault:?}");
    }
}
