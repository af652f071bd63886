//! Keys: slash-separated names that are safe as paths and as S3 keys.

use std::fmt;
use std::str::FromStr;

/// The name of an object, such as `v1/wheels/<sha256>.whl`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a key: parts of `A-Z a-z 0-9 . _ -` that start with a letter or digit are expected between slashes"
)]
pub struct KeyError(String);

impl Key {
    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part_is_safe = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
                && part.len() <= 200
        };
        if text.len() <= 900 && text.split('/').all(part_is_safe) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError(text.chars().take(200).collect()))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
