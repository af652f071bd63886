//! A Python version as an interpreter states it.

use std::fmt;
use std::str::FromStr;

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

/// The version of a CPython interpreter, such as `3.12.1` or `3.14.0rc2`.
///
/// `minor()` decides which wheels fit; the full version only answers `Requires-Python` and the
/// marker `python_full_version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PythonVersion(Version);

/// Text that is not a Python version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Python version such as `3.12` or `3.12.1`")]
pub struct PythonVersionError(String);

impl PythonVersion {
    /// Major and minor number: `(3, 12)`.
    pub fn minor(&self) -> (u8, u8) {
        let part = |index: usize| {
            let number = self.0.release().get(index).copied().unwrap_or(0);
            u8::try_from(number).expect("checked on construction")
        };
        (part(0), part(1))
    }

    /// Major and minor number as text: `3.12`.
    pub fn minor_text(&self) -> String {
        let (major, minor) = self.minor();
        format!("{major}.{minor}")
    }

    /// The whole version.
    pub fn full(&self) -> &Version {
        &self.0
    }
}

impl FromStr for PythonVersion {
    type Err = PythonVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PythonVersionError(text.chars().take(80).collect());
        let version: Version = text.trim_end_matches('+').parse().map_err(|_| wrong())?;
        let release = version.release();
        let small = release.len() >= 2 && release.iter().all(|part| *part <= 99);
        if !small || version.epoch() != 0 || version.is_local() {
            return Err(wrong());
        }
        Ok(Self(version))
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl TryFrom<String> for PythonVersion {
    type Error = PythonVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PythonVersion> for String {
    fn from(version: PythonVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_read() {
        for (text, minor) in [
            ("3.12", (3, 12)),
            ("3.9.18", (3, 9)),
            ("3.14.0rc2", (3, 14)),
            ("3.13.0+", (3, 13)),
        ] {
            assert_eq!(
                text.parse::<PythonVersion>().map(|v| v.minor()),
                Ok(minor),
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "3", "three", "1!3.12", "3.100", "3.12+local"] {
            assert!(text.parse::<PythonVersion>().is_err(), "{text}");
        }
    }
}
