//! The words of pyrun: every value that crosses a crate boundary or the wire.
//!
//! In: text and plain values. Out: checked, ordered, serialisable values and their hashes.
//! Never: I/O, async, a clock, the environment. Whatever is made here depends on its arguments
//! alone, so a key or a bundle made from it is the same on every machine.

pub mod digest;
pub mod event;
pub mod fault;
pub mod licence;
pub mod lock;
pub mod manifest;
pub mod osv;
pub mod pep508;
pub mod policy;
pub mod protocol;
pub mod python;
pub mod request;
pub mod tags;
pub mod target;
pub mod units;
pub mod value;
pub mod wheel;
pub mod wishes;

pub use digest::Sha256;
pub use event::{Event, Events, Phase};
pub use fault::{Code, Exit, Fault, Span};
pub use lock::{Lock, LockHash, LockedPackage, LockedSdist, LockedWheel};
pub use manifest::{About, BundleRecord, Manifest, Segment};
pub use pep508::{RequirementError, parse_marker, parse_requirement};
pub use policy::Policy;
pub use python::PythonVersion;
pub use request::{Origin, Request, Requirement, ResolveOptions};
pub use target::{Arch, Os, Target};
pub use wheel::WheelFilename;
pub use wishes::{Formats, Pin, Wishes};

pub use pep440_rs::{Version, VersionSpecifiers};
pub use pep508_rs::{ExtraName, MarkerEnvironment, MarkerTree, PackageName, VersionOrUrl};

/// The number of the bundle's format. It enters every lock hash: raising it makes every bundle
/// anew. docs/CACHE-KEY.md says what must raise it.
pub const FORMAT: u32 = 1;
