//! What is said of the zips: `package.json` and `SHA256SUMS`.
//!
//! In: entries. Out: the two texts, and the first read back. Never: a time or a path.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use pyrun_core::Sha256;
use serde::{Deserialize, Serialize};

/// The name of the listing.
pub const FILE: &str = "package.json";
/// The name of the file that `sha256sum --check` reads.
pub const SUMS: &str = "SHA256SUMS";

/// All zips of one version.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Of both programs.
    pub version: String,
    /// What they speak.
    pub protocol: u32,
    /// By the zip's file name.
    pub programs: BTreeMap<String, Entry>,
}

/// A zip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `pyrun-builder` or `pyrun-runner`.
    pub program: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The zip's digest.
    pub sha256: Sha256,
    /// The zip's size.
    pub bytes: u64,
    /// The program's size.
    pub unpacked: u64,
    /// The oldest glibc it runs with, or `static`.
    pub glibc: String,
}

impl Listing {
    /// The text of `package.json`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain values");
        text.push('\n');
        text
    }

    /// The text of `SHA256SUMS`.
    pub fn to_sums(&self) -> String {
        let mut text = String::new();
        for (file, entry) in &self.programs {
            writeln!(text, "{}  {file}", entry.sha256).expect("a text takes everything");
        }
        text
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = 1024.0 * 1024.0;
        writeln!(f, "pyrun {}, protocol {}", self.version, self.protocol)?;
        for (file, entry) in &self.programs {
            let (zip, program) = (entry.bytes as f64 / MIB, entry.unpacked as f64 / MIB);
            let (glibc, digest) = (&entry.glibc, &entry.sha256);
            writeln!(
                f,
                "  {file}  {zip:.2} MiB ({program:.2} MiB unpacked)  glibc {glibc}  sha256 {digest}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_as_sha256sum_writes_them() {
        let entry = Entry {
            program: "pyrun-runner".to_owned(),
            architecture: "arm64".to_owned(),
            sha256: Sha256::of(b"zip"),
            bytes: 3,
            unpacked: 5,
            glibc: "2.34".to_owned(),
        };
        let listing = Listing {
            version: "1.2.3".to_owned(),
            protocol: 1,
            programs: BTreeMap::from([("pyrun-runner-arm64.zip".to_owned(), entry)]),
        };
        let digest = Sha256::of(b"zip").to_string();
        assert_eq!(
            listing.to_sums(),
            format!("{digest}  pyrun-runner-arm64.zip\n")
        );
        let read: Listing = serde_json::from_str(&listing.to_json()).expect("its own text");
        assert_eq!(read, listing);
    }
}
