//! A policy as it is put into the store.

use std::path::Path;

use pyrun_core::{Code, Fault, Sha256};

/// A policy that can be held to, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its text.
    pub text: String,
    /// The digest of its text.
    pub sha256: Sha256,
}

impl Policy {
    /// Reads a policy as the functions will: one that they would not understand is refused here.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let text = fs_err::read_to_string(path)
            .map_err(|error| Fault::new(Code::USAGE, error.to_string()))?;
        let policy = pyrun_core::Policy::parse(&text)
            .map_err(|fault| fault.cause(format!("it is the policy in `{}`", path.display())))?;
        Ok(Self {
            sha256: *policy.digest(),
            text,
        })
    }
}
