//! Locks and metadata for tests.

use std::sync::Arc;

use pyrun_builder::index::parse_metadata;
pub use pyrun_kit::locks::{lock, requirements};

use super::known::Known;

/// The METADATA of packages: `name version` and further lines.
pub fn known(packages: &[(&str, &str, &str)]) -> Known {
    let packages = packages.iter().map(|(name, version, lines)| {
        let text = format!("Name: {name}\nVersion: {version}\n{lines}\n");
        let metadata = parse_metadata(text.as_bytes()).expect("METADATA");
        (name.parse().expect("a name"), Arc::new(metadata))
    });
    packages.collect()
}
