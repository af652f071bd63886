//! Locks and metadata for tests.

use std::sync::Arc;

use pyrun_builder::index::parse_metadata;
use pyrun_core::{Lock, LockedPackage, LockedWheel, Origin, Requirement, Sha256, WheelFilename};

use super::known::Known;

/// A lock for Python 3.12 of `name version` and what each needs.
pub fn lock(packages: &[(&str, &str, &[&str])]) -> Lock {
    let packages = packages.iter().map(|(name, version, needs)| {
        let filename: WheelFilename =
            format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"))
                .parse()
                .expect("a wheel");
        let package = LockedPackage {
            version: version.parse().expect("a version"),
            wheel: LockedWheel {
                url: format!("https://h/{filename}"),
                sha256: Sha256::of(format!("{name} {version}")),
                filename,
                size: Some(1000),
                upload_time: Some("2020-01-01T00:00:00Z".to_owned()),
            },
            sdist: None,
            metadata: None,
            index: "https://h/simple".to_owned(),
            requires_python: None,
            dependencies: needs
                .iter()
                .map(|name| name.parse().expect("a name"))
                .collect(),
        };
        (name.parse().expect("a name"), package)
    });
    Lock {
        packages: packages.collect(),
        target: pyrun_core::Target::from_family("cpython-3.12-linux-gnu-x86_64").expect("a family"),
        exclude_newer: None,
        resolved: None,
    }
}

/// Requirements as lines of a file `r.txt`.
pub fn requirements(specs: &[&str]) -> Vec<Requirement> {
    let asked = specs.iter().enumerate().map(|(at, spec)| {
        let origin = Origin {
            place: format!("r.txt:{}", at + 1),
            span: None,
        };
        Requirement::new(spec.parse().expect("a requirement"), origin)
    });
    asked.collect()
}

/// The METADATA of packages: `name version` and further lines.
pub fn known(packages: &[(&str, &str, &str)]) -> Known {
    let packages = packages.iter().map(|(name, version, lines)| {
        let text = format!("Name: {name}\nVersion: {version}\n{lines}\n");
        let metadata = parse_metadata(text.as_bytes()).expect("METADATA");
        (name.parse().expect("a name"), Arc::new(metadata))
    });
    packages.collect()
}
