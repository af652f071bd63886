//! METADATA to what the resolver needs (core metadata specification).
//!
//! In: the bytes of a METADATA file, whole or its head. Out: name, version and requirements.
//! Never: reads past the headers; believes a name or version that the file's name contradicts.

use std::borrow::Cow;

use pep440_rs::Version;
use pep508_rs::{ExtraName, PackageName};
use pyrun_core::pep508::marker_weight;

use crate::index::{Metadata, lenient};

/// Why a METADATA file can't be used. Reads as the rest of a sentence about the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A field that must be there is not.
    #[error("has no `{0}` in its METADATA")]
    Missing(&'static str),
    /// A field whose value is not what the specification says.
    #[error("has a line in its METADATA that is not valid: `{0}`")]
    Line(String),
    /// A metadata version with other rules.
    #[error("has METADATA of version {0}; this pyrun reads 1 and 2")]
    Version(String),
    /// More requirements than a package can mean.
    #[error("has more than {0} requirements or extras")]
    TooMany(usize),
    /// Markers that would take a computer minutes.
    #[error("has requirements whose markers are too tangled")]
    Tangled,
}

const MAX_REQUIREMENTS: usize = 10_000;
/// The sum of all markers' weights: some 60 MB.
pub(crate) const MAX_WEIGHT: u64 = 1 << 19;

/// Reads the headers of a METADATA file.
pub fn parse_metadata(bytes: &[u8]) -> Result<Metadata, MetadataError> {
    let headers = String::from_utf8_lossy(head(bytes));
    let mut fields = Fields::default();
    unfold(&headers, |key, value| fields.take(key, value))?;
    Ok(Metadata {
        name: fields.name.ok_or(MetadataError::Missing("Name"))?,
        version: fields.version.ok_or(MetadataError::Missing("Version"))?,
        requires_dist: fields.requires_dist,
        requires_python: fields.requires_python,
        provides_extra: fields.provides_extra,
    })
}

/// The headers: everything up to the first empty line.
pub(crate) fn head(bytes: &[u8]) -> &[u8] {
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            return &bytes[..start];
        }
        start += line.len();
    }
    bytes
}

/// The headers of a METADATA or PKG-INFO file, as keys and values.
pub(crate) fn headers(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head(bytes));
    let mut fields = Vec::new();
    let taken = unfold(&text, |key, value| {
        fields.push((key.to_owned(), value.to_owned()));
        Ok(())
    });
    taken.expect("every field is taken");
    fields
}

/// Gives keys and values, one after the other; a line that starts with white space goes on with the
/// one before it.
fn unfold(
    headers: &str,
    mut take: impl FnMut(&str, &str) -> Result<(), MetadataError>,
) -> Result<(), MetadataError> {
    let mut field: Option<(&str, Cow<'_, str>)> = None;
    for line in headers.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = &mut field {
                let value = value.to_mut();
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            let next = (key.trim_end(), Cow::Borrowed(value.trim()));
            if let Some((key, value)) = field.replace(next) {
                take(key, &value)?;
            }
        }
    }
    field.map_or(Ok(()), |(key, value)| take(key, &value))
}

#[derive(Default)]
struct Fields {
    name: Option<PackageName>,
    version: Option<Version>,
    requires_dist: Vec<pep508_rs::Requirement>,
    requires_python: Option<pep440_rs::VersionSpecifiers>,
    provides_extra: Vec<ExtraName>,
    weight: u64,
}

impl Fields {
    /// Takes a field in. Of a field that may stand once, the first counts.
    fn take(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        let wrong = || MetadataError::Line(shown(key, value));
        if is("Requires-Dist") {
            if self.requires_dist.len() == MAX_REQUIREMENTS {
                return Err(MetadataError::TooMany(MAX_REQUIREMENTS));
            }
            self.weight = self.weight.saturating_add(marker_weight(value));
            if self.weight > MAX_WEIGHT {
                return Err(MetadataError::Tangled);
            }
            let requirement = lenient::requirement(value).ok_or_else(wrong)?;
            self.requires_dist.push(requirement);
        } else if is("Provides-Extra") {
            if self.provides_extra.len() == MAX_REQUIREMENTS {
                return Err(MetadataError::TooMany(MAX_REQUIREMENTS));
            }
            // An extra that no requirement can name does no harm.
            self.provides_extra.extend(value.parse::<ExtraName>().ok());
        } else if is("Name") && self.name.is_none() {
            // The parser takes no letters for a name as well.
            let name = value.parse().ok().filter(|_| !value.is_empty());
            self.name = Some(name.ok_or_else(wrong)?);
        } else if is("Version") && self.version.is_none() {
            self.version = Some(value.parse().map_err(|_| wrong())?);
        } else if is("Requires-Python") && self.requires_python.is_none() {
            self.requires_python = lenient::specifiers(value);
        } else if is("Metadata-Version") && !matches!(value.split('.').next(), Some("1" | "2")) {
            return Err(MetadataError::Version(shown_value(value)));
        }
        Ok(())
    }
}

fn shown(key: &str, value: &str) -> String {
    format!("{key}: {}", shown_value(value))
}

/// A value for a message: of bounded length, without what could move a cursor.
fn shown_value(value: &str) -> String {
    let printable = |c: &char| !c.is_control();
    value.chars().filter(printable).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Metadata-Version: 2.1\r\nname: Foo.Bar\nVersion: 1.0.post1\n\
        Summary: é\n        a second line\nREQUIRES-DIST: six >=1.0 ;\n\textra == 'x'\n\
        Requires-Dist: numpy>=1.9.*\nRequires-Python: >=2.7.*\nProvides-Extra: X\n\
        \nRequires-Dist: not-a-header\n";

    #[test]
    fn headers_are_read_and_the_body_is_not() {
        let metadata = parse_metadata(GOOD.as_bytes()).expect("good metadata");
        assert_eq!(metadata.name.to_string(), "foo-bar");
        assert_eq!(metadata.version.to_string(), "1.0.post1");
        let requires: Vec<String> = metadata
            .requires_dist
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(requires, ["six>=1.0 ; extra == 'x'", "numpy>=1.9"]);
        assert_eq!(
            metadata.requires_python,
            Some(">=2.7".parse().expect("specifiers"))
        );
        assert_eq!(metadata.provides_extra, ["x".parse().expect("an extra")]);
        assert!(head(GOOD.as_bytes()).ends_with(b"Provides-Extra: X\n"));
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, part) in [
            (
                "Name: a\nVersion: 1\nRequires-Dist: b ?? 2\n",
                "`Requires-Dist: b ?? 2`",
            ),
            ("Name: a\nVersion: one\n", "`Version: one`"),
            ("Name: a b\nVersion: 1\n", "`Name: a b`"),
            ("Name:\nVersion: 1\n", "`Name: `"),
            ("Name: a\n", "`Version`"),
            ("Version: 1\n", "`Name`"),
            ("Metadata-Version: 3.0\nName: a\nVersion: 1\n", "3.0"),
            ("<html>", "`Name`"),
        ] {
            let error = parse_metadata(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_do_no_harm() {
        let metadata =
            parse_metadata(b"Name: a\nVersion: 1\nAuthor: \xe9\xff\n").expect("readable");
        assert_eq!(metadata.version.to_string(), "1");
    }
}
