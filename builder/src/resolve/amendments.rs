//! What a request says beside its requirements: constraints, overrides, addresses and digests.
//!
//! In: a request. Out: what a version needs once all of that is taken into account. Pure. An
//! override stands in the place of every requirement of its package, whoever has it and whatever its
//! marker, as in uv; the override's own marker decides whether anything stands there at all. A
//! constraint bounds a package that something brings in.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::VersionSpecifiers;
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName, VersionOrUrl};
use pyrun_core::request::without_credentials;
use pyrun_core::{Origin, Request, Requirement, Sha256};

use super::dependencies::{self, Dependency, Needs};
use super::error::ResolveError;
use super::specifiers::{admit, names_prerelease, pin, show};
use crate::index::Metadata;

/// What stands beside the requirements.
#[derive(Debug, Clone, Default)]
pub(super) struct Amendments {
    /// By package: what stands in the place of its requirements, with its place in the request.
    overrides: BTreeMap<PackageName, Vec<(usize, Dependency)>>,
    /// By package: its bounds, with their places in the request.
    constraints: BTreeMap<PackageName, Vec<(usize, VersionSpecifiers)>>,
    /// By package: the address that it has to come from, and who named it first.
    addresses: BTreeMap<PackageName, (String, Origin)>,
    /// By package: the digests that its file may have, of each requirement that names some.
    digests: BTreeMap<PackageName, Vec<BTreeSet<Sha256>>>,
    /// By package: the specifiers of the user, which pin or not.
    pins: BTreeMap<PackageName, Vec<VersionSpecifiers>>,
}

/// A dependency on an address that the user does not ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ByAddress {
    /// On what.
    pub(super) name: PackageName,
    /// At which address, without credentials.
    pub(super) url: String,
}

impl Amendments {
    /// Those of a request. Fails for addresses that contradict each other or can't be asked for.
    pub(super) fn of(request: &Request) -> Result<Self, ResolveError> {
        let markers = request.target.markers();
        let applies = |one: &&Requirement| one.spec.evaluate_markers(&markers, &[]);
        let options = &request.options;
        let mut found = Self::default();
        for one in &options.overrides {
            found.overrides.entry(one.spec.name.clone()).or_default();
        }
        for (place, one) in options.overrides.iter().enumerate() {
            if applies(&one) {
                let standing = found.overrides.entry(one.spec.name.clone()).or_default();
                standing.push((place, dependencies::read(&one.spec)));
            }
        }
        for (place, one) in options.constraints.iter().enumerate() {
            if let Some(VersionOrUrl::VersionSpecifier(bound)) = &one.spec.version_or_url
                && applies(&one)
            {
                let bounds = found.constraints.entry(one.spec.name.clone());
                bounds.or_default().push((place, bound.clone()));
            }
        }
        // Nothing may depend on the order in which they were written.
        for standing in found.overrides.values_mut() {
            standing.sort_by_cached_key(|(_, one)| one.key());
            standing.dedup_by(|(_, one), (_, before)| one == before);
        }
        for bounds in found.constraints.values_mut() {
            bounds.sort_by_cached_key(|(_, bound)| show(bound));
        }
        let replaced = |one: &&Requirement| !found.overrides.contains_key(&one.spec.name);
        let own: Vec<&Requirement> = request.requirements.iter().filter(replaced).collect();
        let all = own.into_iter().chain(&options.overrides);
        for one in all.chain(&options.constraints).filter(applies) {
            found.note(one)?;
        }
        for one in request.requirements.iter().filter(applies) {
            found.note_digests(one);
        }
        Ok(found)
    }

    /// Takes a requirement's address, digests and pins.
    fn note(&mut self, one: &Requirement) -> Result<(), ResolveError> {
        let name = &one.spec.name;
        match &one.spec.version_or_url {
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
                let pins = self.pins.entry(name.clone()).or_default();
                pins.push(specifiers.clone());
            }
            Some(VersionOrUrl::Url(url)) => {
                let url = url.to_string();
                if let Some(system) = version_control(&url) {
                    return Err(ResolveError::VersionControl {
                        name: name.clone(),
                        system,
                        origin: Box::new(one.origin.clone()),
                    });
                }
                let known = self.addresses.entry(name.clone());
                let (known, origin) = known.or_insert_with(|| (url.clone(), one.origin.clone()));
                if !is_same(known, &url) {
                    return Err(ResolveError::TwoAddresses {
                        name: name.clone(),
                        one: (without_credentials(known), Box::new(origin.clone())),
                        other: (without_credentials(&url), Box::new(one.origin.clone())),
                    });
                }
            }
            None => {}
        }
        self.note_digests(one);
        Ok(())
    }

    /// Takes a requirement's digests: of several requirements, each has to be met.
    fn note_digests(&mut self, one: &Requirement) {
        let mut digests: BTreeSet<Sha256> = one.hashes.iter().copied().collect();
        if let Some(VersionOrUrl::Url(url)) = &one.spec.version_or_url {
            let named = url.fragment().unwrap_or_default().split('&');
            let named =
                named.filter_map(|part| part.strip_prefix("sha256=")?.parse::<Sha256>().ok());
            digests.extend(named);
        }
        if !digests.is_empty() {
            let known = self.digests.entry(one.spec.name.clone()).or_default();
            if !known.contains(&digests) {
                known.push(digests);
            }
        }
    }

    /// What the user asks for, each with its place in the request.
    pub(super) fn asked(&self, request: &Request) -> Vec<(usize, Dependency)> {
        let markers = request.target.markers();
        let mut asked: Vec<(usize, Dependency)> = Vec::new();
        for (place, requirement) in request.requirements.iter().enumerate() {
            match self.overrides.get(&requirement.spec.name) {
                Some(standing) => asked.extend(standing.iter().map(|(by, one)| {
                    let by = Some(*by);
                    (place, Dependency { by, ..one.clone() })
                })),
                None if requirement.spec.evaluate_markers(&markers, &[]) => {
                    asked.push((place, dependencies::read(&requirement.spec)));
                }
                None => {}
            }
        }
        asked.sort_by_cached_key(|(_, one)| one.key());
        asked
    }

    /// What a version needs (`extra` is `None`), or what an extra of it adds; in one order only.
    pub(super) fn needs(
        &self,
        metadata: &Metadata,
        extra: Option<&ExtraName>,
        markers: &MarkerEnvironment,
    ) -> Result<Vec<Dependency>, ByAddress> {
        let mut needs = Needs::default();
        for requirement in &metadata.requires_dist {
            match self.overrides.get(&requirement.name) {
                // Whatever its marker; but what an extra brings stays behind the extra.
                Some(standing) if dependencies::is_behind(requirement, extra) => {
                    for (by, one) in standing {
                        let by = Some(*by);
                        needs.add(Dependency { by, ..one.clone() });
                    }
                }
                None if dependencies::applies(requirement, extra, markers) => {
                    needs.add(dependencies::read(requirement));
                }
                Some(_) | None => {}
            }
        }
        let needs = needs.into_vec();
        match needs.iter().find_map(|need| self.strange_address(need)) {
            Some(strange) => Err(strange),
            None => Ok(needs),
        }
    }

    /// What a need that is known by its name alone comes to.
    pub(super) fn noted(&self, name: &PackageName) -> Vec<Dependency> {
        match self.overrides.get(name) {
            Some(standing) => {
                let standing = standing.iter();
                let standing = standing.map(|(by, one)| Dependency {
                    by: Some(*by),
                    ..one.clone()
                });
                standing.collect()
            }
            None => vec![Dependency::bare(name.clone())],
        }
    }

    /// An address that a package must not choose for the user: anybody may stand behind it.
    fn strange_address(&self, need: &Dependency) -> Option<ByAddress> {
        let url = need.address.as_ref()?;
        let own = self.addresses.get(&need.name);
        (!own.is_some_and(|(own, _)| is_same(own, url))).then(|| ByAddress {
            name: need.name.clone(),
            url: without_credentials(url),
        })
    }

    /// The bounds of a package, each with its place among the request's constraints.
    pub(super) fn bounds(&self, name: &PackageName) -> &[(usize, VersionSpecifiers)] {
        self.constraints.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether all bounds of a package admit a version.
    pub(super) fn admit(&self, name: &PackageName, version: &pep440_rs::Version) -> bool {
        let mut bounds = self.bounds(name).iter();
        bounds.all(|(_, bound)| admit(bound, version))
    }

    /// Whether the user names a pre-release of a package, in whatever they say of it.
    pub(super) fn names_prerelease(&self, name: &PackageName) -> bool {
        let said = self.pins.get(name);
        said.is_some_and(|said| said.iter().any(names_prerelease))
    }

    /// The address that a package has to come from.
    pub(super) fn address(&self, name: &PackageName) -> Option<&str> {
        self.addresses.get(name).map(|(url, _)| url.as_str())
    }

    /// Who named that address.
    pub(super) fn origin_of_address(&self, name: &PackageName) -> Option<&Origin> {
        self.addresses.get(name).map(|(_, origin)| origin)
    }

    /// Whether the user names digests of a package.
    pub(super) fn has_digests(&self, name: &PackageName) -> bool {
        self.digests.contains_key(name)
    }

    /// Whether a package's file may have this digest.
    pub(super) fn takes(&self, name: &PackageName, digest: Option<&Sha256>) -> bool {
        let named = self.digests.get(name).map_or(&[][..], Vec::as_slice);
        named
            .iter()
            .all(|digests| digest.is_some_and(|digest| digests.contains(digest)))
    }

    /// Whether the user pins a package to exactly this version.
    pub(super) fn is_pinned(&self, name: &PackageName, version: &pep440_rs::Version) -> bool {
        let pins = self.pins.get(name);
        pins.is_some_and(|pins| pins.iter().any(|specifiers| pin(specifiers, version)))
    }
}

/// Whether two addresses are of one file: who asks and what it should be do not count.
pub(super) fn is_same(one: &str, two: &str) -> bool {
    let bare = |url: &str| {
        let url = without_credentials(url);
        url.split('#').next().unwrap_or_default().to_owned()
    };
    bare(one) == bare(two)
}

/// The version control system that an address asks.
pub(super) fn version_control(url: &str) -> Option<&'static str> {
    let (scheme, _) = url.split_once(':')?;
    [
        ("git", "Git"),
        ("hg", "Mercurial"),
        ("svn", "Subversion"),
        ("bzr", "Bazaar"),
    ]
    .into_iter()
    .find(|(prefix, _)| scheme == *prefix || scheme.starts_with(&format!("{prefix}+")))
    .map(|(_, system)| system)
}
