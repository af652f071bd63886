//! Where a store lies: `s3://BUCKET/PREFIX`.
//!
//! In: text from a variable, a settings file or a stack's output. Out: a bucket and a prefix that
//! are safe to put keys behind. Never: asks whether the bucket is there.

use std::fmt;
use std::str::FromStr;

use pyrun_core::{Code, Fault};
use pyrun_store::Key;

/// A bucket, and what every key in it begins with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Location {
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
}

/// Text that names no place for a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no place for a store in S3")]
pub struct LocationError {
    /// The text, as far as it can be shown.
    text: String,
    /// What is wrong with it.
    #[source]
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("it does not begin with `s3://`")]
    Scheme,
    #[error(
        "`{0}` is no bucket's name: 3 to 63 of `a-z 0-9 . -`, a letter or digit first and last, no dots side by side"
    )]
    Bucket(String),
    #[error(
        "`{0}` is no prefix: parts of `A-Z a-z 0-9 . _ -` that start with a letter or digit are expected between slashes"
    )]
    Prefix(String),
}

/// The longest prefix: with the longest key behind it, it still fits the 1,024 bytes of S3.
const LONGEST_PREFIX: usize = 120;

impl S3Location {
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What every key begins with: empty, or with a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of an object in the bucket.
    pub(super) fn object(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl FromStr for S3Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let wrong = |reason: Reason| LocationError {
            text: shown(text),
            reason,
        };
        let rest = text
            .strip_prefix("s3://")
            .ok_or_else(|| wrong(Reason::Scheme))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err(wrong(Reason::Bucket(shown(bucket))));
        }
        let mut location = Self {
            bucket: bucket.to_owned(),
            prefix: String::new(),
        };
        if !prefix.is_empty() {
            let parts = prefix.strip_suffix('/').unwrap_or(prefix);
            if parts.len() >= LONGEST_PREFIX || parts.parse::<Key>().is_err() {
                return Err(wrong(Reason::Prefix(shown(prefix))));
            }
            location.prefix = format!("{parts}/");
        }
        Ok(location)
    }
}

/// The rules of S3 for buckets' names, as far as their form goes.
fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| is_plain(*byte) || b".-".contains(byte))
        && bytes.first().copied().is_some_and(is_plain)
        && bytes.last().copied().is_some_and(is_plain)
        && !name.contains("..")
}

fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

impl From<LocationError> for Fault {
    fn from(error: LocationError) -> Self {
        Self::from_error(Code::CONFIG_INVALID, &error)
            .hint("write it as `s3://BUCKET` or `s3://BUCKET/PREFIX`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_a_prefix_are_read_and_written() {
        for (text, bucket, prefix, written) in [
            ("s3://abc", "abc", "", "s3://abc"),
            ("s3://abc/", "abc", "", "s3://abc"),
            (
                "s3://my.bucket-1/p",
                "my.bucket-1",
                "p/",
                "s3://my.bucket-1/p/",
            ),
            (
                "s3://abc/team/dev/",
                "abc",
                "team/dev/",
                "s3://abc/team/dev/",
            ),
        ] {
            let location: S3Location = text.parse().expect(text);
            assert_eq!(location.bucket(), bucket);
            assert_eq!(location.prefix(), prefix);
            assert_eq!(location.to_string(), written);
            assert_eq!(written.parse(), Ok(location));
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_its_reason() {
        let long = format!("s3://abc/{}", "p/".repeat(80));
        for (text, reason) in [
            ("", "s3://"),
            ("/var/store", "s3://"),
            ("S3://abc", "s3://"),
            ("s3://", "bucket"),
            ("s3://ab", "bucket"),
            ("s3://Abc", "bucket"),
            ("s3://a..b", "bucket"),
            ("s3://-abc", "bucket"),
            ("s3://abc:def", "bucket"),
            ("s3://abc//", "prefix"),
            ("s3://abc//x", "prefix"),
            ("s3://abc/../x", "prefix"),
            ("s3://abc/x y", "prefix"),
            (&long, "prefix"),
        ] {
            let error = text.parse::<S3Location>().expect_err(text);
            let fault = Fault::from(error);
            assert_eq!(fault.code, Code::CONFIG_INVALID, "{text}");
            assert!(fault.causes[0].contains(reason), "{text}: {fault:?}");
        }
    }

    #[test]
    fn the_longest_key_still_fits() {
        let location: S3Location = format!("s3://abc/{}", "p".repeat(119))
            .parse()
            .expect("fits");
        let key: Key = [
            "k".repeat(200),
            "k".repeat(200),
            "k".repeat(200),
            "k".repeat(200),
            "k".repeat(96),
        ]
        .join("/")
        .parse()
        .expect("the longest key");
        assert!(location.object(&key).len() <= 1024);
    }
}
