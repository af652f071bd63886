//! What a version, or an extra of it, needs on the target. Pure.

use std::collections::BTreeMap;

use pep440_rs::VersionSpecifiers;
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName, Requirement, VersionOrUrl};

use super::specifiers::show;
use crate::index::Metadata;

/// A dependency that applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// On which project.
    pub(super) name: PackageName,
    /// With which extras, sorted.
    pub(super) extras: Vec<ExtraName>,
    /// At which versions.
    pub(super) specifiers: VersionSpecifiers,
}

/// A dependency on an address (PEP 508 `name @ url`), which can't be locked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ByAddress(pub(super) PackageName);

/// What a version needs (`extra` is `None`), or what an extra of it adds; in one order only.
pub(super) fn of(
    metadata: &Metadata,
    extra: Option<&ExtraName>,
    markers: &MarkerEnvironment,
) -> Result<Vec<Dependency>, ByAddress> {
    let mut found = BTreeMap::new();
    for requirement in &metadata.requires_dist {
        let without = requirement.evaluate_markers(markers, &[]);
        let applies = match extra {
            None => without,
            Some(extra) => {
                !without && requirement.evaluate_markers(markers, std::slice::from_ref(extra))
            }
        };
        if applies {
            let dependency =
                read(requirement).ok_or_else(|| ByAddress(requirement.name.clone()))?;
            let key = (
                dependency.name.clone(),
                show(&dependency.specifiers),
                dependency.extras.clone(),
            );
            found.insert(key, dependency);
        }
    }
    Ok(found.into_values().collect())
}

/// A requirement as a dependency; `None` when it is by address.
pub(super) fn read(requirement: &Requirement) -> Option<Dependency> {
    let specifiers = match &requirement.version_or_url {
        None => VersionSpecifiers::empty(),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => specifiers.clone(),
        Some(VersionOrUrl::Url(_)) => return None,
    };
    let mut extras = requirement.extras.clone();
    extras.sort();
    extras.dedup();
    Some(Dependency {
        name: requirement.name.clone(),
        extras,
        specifiers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = of(&metadata, extra.as_ref(), &target.markers()).expect("no address");
            let lines = found
                .iter()
                .map(|one| format!("{}{}", one.name, show(&one.specifiers)));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(shown(None), ["b>=1"]);
        assert_eq!(shown(Some("x")), ["b>=2", "d"]);
    }
}
