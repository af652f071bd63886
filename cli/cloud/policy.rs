//! A policy as it is put into the store.

use std::path::Path;

use pyrun_core::{Code, Fault, Sha256};

/// A policy and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its text.
    pub text: String,
    /// The digest of its text.
    pub sha256: Sha256,
}

impl Policy {
    /// Reads a policy. Whether its rules make sense is for the functions to say, which know them.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let text = fs_err::read_to_string(path)
            .map_err(|error| Fault::new(Code::USAGE, error.to_string()))?;
        toml::from_str::<toml::Table>(&text).map_err(|error| {
            Fault::new(
                Code::CONFIG_INVALID,
                format!("`{}` is not TOML: {}", path.display(), error.message()),
            )
        })?;
        Ok(Self {
            sha256: Sha256::of(&text),
            text,
        })
    }
}
