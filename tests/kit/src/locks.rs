//! Locks and requirements made of a few words.
//!
//! In: names, versions, needs. Out: the values that a resolver and a reader of files give. Never:
//! what stands for a real file.

use pyrun_core::{
    Lock, LockedPackage, LockedWheel, Origin, Requirement, Sha256, Target, WheelFilename,
};

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
        target: Target::from_family("cpython-3.12-linux-gnu-x86_64").expect("a family"),
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
