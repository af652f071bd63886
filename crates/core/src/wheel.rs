//! Wheel file names (binary distribution format, "File name convention").

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use pep440_rs::Version;
use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};

/// A parsed wheel file name: `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct WheelFilename {
    text: String,
    name: PackageName,
    version: Version,
    build: Option<BuildTag>,
    python: String,
    abi: String,
    platform: String,
}

/// A build tag: compared by its leading number, then by the rest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildTag(u64, String);

/// A file name that no wheel can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{filename}` is not a wheel file name: {reason}")]
pub struct WheelFilenameError {
    filename: String,
    reason: &'static str,
}

impl WheelFilename {
    /// The normalised package name.
    pub fn name(&self) -> &PackageName {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The build tag; the highest wins between wheels that fit equally well, and none is lowest.
    pub fn build(&self) -> Option<&BuildTag> {
        self.build.as_ref()
    }

    /// The Python tags of a compressed tag set.
    pub fn python_tags(&self) -> impl Iterator<Item = &str> {
        self.python.split('.')
    }

    /// The ABI tags of a compressed tag set.
    pub fn abi_tags(&self) -> impl Iterator<Item = &str> {
        self.abi.split('.')
    }

    /// The platform tags of a compressed tag set.
    pub fn platform_tags(&self) -> impl Iterator<Item = &str> {
        self.platform.split('.')
    }

    /// The whole file name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for WheelFilename {
    type Err = WheelFilenameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| WheelFilenameError {
            filename: text.chars().take(200).collect(),
            reason,
        };
        let stem = text
            .strip_suffix(".whl")
            .ok_or_else(|| wrong("it does not end in `.whl`"))?;
        if !stem
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+!".contains(&byte))
        {
            return Err(wrong("it holds a character that no wheel name has"));
        }
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, tags) = match parts.as_slice() {
            [name, version, tags @ ..] if tags.len() == 3 => (name, version, None, tags),
            [name, version, build, tags @ ..] if tags.len() == 3 => {
                (name, version, Some(build), tags)
            }
            _ => return Err(wrong("five or six parts between dashes are expected")),
        };
        if parts[0].is_empty() {
            return Err(wrong("its package name is not valid"));
        }
        if tags.iter().any(|tag| tag.is_empty()) {
            return Err(wrong("a tag is empty"));
        }
        Ok(Self {
            text: text.to_owned(),
            name: PackageName::new((*name).to_owned())
                .map_err(|_| wrong("its package name is not valid"))?,
            // The version may spell its separators `_` (escaped) in the file name.
            version: version
                .replace('_', "-")
                .parse()
                .map_err(|_| wrong("its version is not valid (PEP 440)"))?,
            build: build
                .map(|tag| parse_build(tag))
                .transpose()
                .map_err(wrong)?,
            python: tags[0].to_ascii_lowercase(),
            abi: tags[1].to_ascii_lowercase(),
            platform: tags[2].to_ascii_lowercase(),
        })
    }
}

fn parse_build(tag: &str) -> Result<BuildTag, &'static str> {
    let digits = tag.bytes().take_while(u8::is_ascii_digit).count();
    let number = tag[..digits]
        .parse()
        .map_err(|_| "its build tag does not start with a digit")?;
    Ok(BuildTag(number, tag[digits..].to_owned()))
}

impl fmt::Display for WheelFilename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl TryFrom<String> for WheelFilename {
    type Error = WheelFilenameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WheelFilename> for String {
    fn from(name: WheelFilename) -> Self {
        name.text
    }
}

impl PartialOrd for WheelFilename {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WheelFilename {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_read() {
        let wheel: WheelFilename =
            "Foo_Bar-1.0.post1-2b-cp310.cp311-abi3-manylinux1_x86_64.manylinux_2_5_x86_64.whl"
                .parse()
                .expect("a wheel");
        assert_eq!(wheel.name().to_string(), "foo-bar");
        assert_eq!(wheel.version().to_string(), "1.0.post1");
        assert_eq!(wheel.python_tags().collect::<Vec<_>>(), ["cp310", "cp311"]);
        assert_eq!(wheel.platform_tags().count(), 2);
        assert!(
            wheel.build()
                > "a-1-py3-none-any.whl"
                    .parse::<WheelFilename>()
                    .expect("a wheel")
                    .build()
        );
    }

    #[test]
    fn what_is_no_wheel_is_refused() {
        for name in [
            "a-1.tar.gz",
            "a-1-py3-none.whl",
            "a-1-x-py3-none-any.whl",
            "../a-1-py3-none-any.whl",
            "a-one-py3-none-any.whl",
            "a-1-py3--any.whl",
            "",
            ".whl",
            "a-1-1-2-py3-none-any.whl",
            "-1-py3-none-any.whl",
        ] {
            assert!(name.parse::<WheelFilename>().is_err(), "{name}");
        }
    }
}
