//! A policy as it is put into the store.

use std::path::Path;

use pyrun_core::{Code, Fault, Sha256};

use crate::settings::held;

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
        let (text, policy) = held::read(path)?;
        if policy.wants_vulnerabilities() {
            return Err(Fault::new(
                Code::CONFIG_INVALID,
                format!(
                    "the policy in `{}` refuses known vulnerabilities, of which deployed functions know none",
                    path.display()
                ),
            )
            .hint("leave out `[vulnerabilities]`; `pyrun policy check --osv` and `pyrun cache info --vulnerabilities` look for them from here"));
        }
        Ok(Self {
            sha256: *policy.digest(),
            text,
        })
    }
}
