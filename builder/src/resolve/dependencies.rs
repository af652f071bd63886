//! Single requirements, and whether they apply on the target. Pure.

use std::collections::BTreeMap;

use pep440_rs::VersionSpecifiers;
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName, Requirement, VersionOrUrl};

use super::specifiers::show;

/// A dependency that applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// On which project.
    pub(super) name: PackageName,
    /// With which extras, sorted.
    pub(super) extras: Vec<ExtraName>,
    /// At which versions.
    pub(super) specifiers: VersionSpecifiers,
    /// From which address (PEP 508 `name @ url`), if from one.
    pub(super) address: Option<String>,
    /// The override that it comes from, by its place in the request.
    pub(super) by: Option<usize>,
}

/// What tells dependencies apart, and gives them one order.
pub(super) type Key = (PackageName, String, Vec<ExtraName>, Option<String>);

impl Dependency {
    /// One on any version.
    pub(super) fn bare(name: PackageName) -> Self {
        Self {
            name,
            extras: Vec::new(),
            specifiers: VersionSpecifiers::empty(),
            address: None,
            by: None,
        }
    }

    /// Its key.
    pub(super) fn key(&self) -> Key {
        (
            self.name.clone(),
            show(&self.specifiers),
            self.extras.clone(),
            self.address.clone(),
        )
    }
}

/// Dependencies, each once, in one order.
#[derive(Debug, Default)]
pub(super) struct Needs(BTreeMap<Key, Dependency>);

impl Needs {
    /// Adds one.
    pub(super) fn add(&mut self, need: Dependency) {
        self.0.insert(need.key(), need);
    }

    /// All of them.
    pub(super) fn into_vec(self) -> Vec<Dependency> {
        self.0.into_values().collect()
    }
}

/// Whether a requirement of a version holds (`extra` is `None`), or is what an extra adds.
pub(super) fn applies(
    requirement: &Requirement,
    extra: Option<&ExtraName>,
    markers: &MarkerEnvironment,
) -> bool {
    let without = requirement.evaluate_markers(markers, &[]);
    match extra {
        None => without,
        Some(extra) => {
            !without && requirement.evaluate_markers(markers, std::slice::from_ref(extra))
        }
    }
}

/// Whether a requirement is of the version itself (`extra` is `None`) or of an extra, in whichever
/// environment.
pub(super) fn is_behind(requirement: &Requirement, extra: Option<&ExtraName>) -> bool {
    let without = requirement.marker.evaluate_extras(&[]);
    match extra {
        None => without,
        Some(extra) => {
            !without
                && requirement
                    .marker
                    .evaluate_extras(std::slice::from_ref(extra))
        }
    }
}

/// A requirement as a dependency, whatever its marker.
pub(super) fn read(requirement: &Requirement) -> Dependency {
    let (specifiers, address) = match &requirement.version_or_url {
        None => (VersionSpecifiers::empty(), None),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => (specifiers.clone(), None),
        Some(VersionOrUrl::Url(url)) => (VersionSpecifiers::empty(), Some(url.to_string())),
    };
    let mut extras = requirement.extras.clone();
    extras.sort();
    extras.dedup();
    Dependency {
        name: requirement.name.clone(),
        extras,
        specifiers,
        address,
        by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Metadata;

    #[test]
    fn an_extra_adds_only_what_is_its_own() {
        let target = pyrun_core::Target {
            python: "3.12.1".parse().expect("a version"),
            free_threaded: false,
            os: pyrun_core::Os::Musl { major: 1, minor: 2 },
            arch: pyrun_core::Arch::X86_64,
        };
        let requires = [
            "b>=1",
            "c; sys_platform == 'win32'",
            "d; extra == 'x'",
            "e; extra == 'x' and python_version < '3'",
            "b>=2; extra == 'y' or extra == 'x'",
        ];
        let metadata = Metadata {
            name: "a".parse().expect("a name"),
            version: "1".parse().expect("a version"),
            requires_dist: requires
                .iter()
                .map(|text| text.parse().expect(text))
                .collect(),
            requires_python: None,
            provides_extra: Vec::new(),
        };
        let shown = |extra: Option<&str>| {
            let extra = extra.map(|name| name.parse().expect("an extra"));
            let applied = metadata.requires_dist.iter();
            let applied = applied.filter(|one| applies(one, extra.as_ref(), &target.markers()));
            let mut needs = Needs::default();
            applied.for_each(|one| needs.add(read(one)));
            let found = needs.into_vec();
            let lines = found
                .iter()
                .map(|one| format!("{}{}", one.name, show(&one.specifiers)));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(shown(None), ["b>=1"]);
        assert_eq!(shown(Some("x")), ["b>=2", "d"]);
    }
}
