//! Who needs whom: a lock as a graph, with what its requirements and metadata say of each need.
//!
//! In: a lock, the requirements that it answers, metadata as far as it is known. Out: a [`Graph`],
//! and trees and chains in it. Never: asks an index; a package that is not locked.

pub mod known;
pub mod tree;
pub mod why;

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::VersionOrUrl;
use pyrun_builder::index::Metadata;
use pyrun_core::{ExtraName, Lock, MarkerEnvironment, PackageName, Requirement, Version};
use serde::Serialize;

use known::Known;

/// Who needs whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// What is asked for directly, in order of name; without requirements, what nothing needs.
    pub roots: Vec<Root>,
    /// Every package of the lock.
    pub packages: BTreeMap<PackageName, Node>,
}

/// What is asked for directly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Root {
    /// The package.
    pub name: PackageName,
    /// What is asked for, such as `pandas[excel]>=2`; empty where only the lock is known.
    pub demand: String,
    /// Where that is written; may be empty.
    pub place: String,
}

/// A locked package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its version.
    pub version: Version,
    /// Its wheel's size in bytes, if it is known.
    pub size: Option<u64>,
    /// The extras that are asked of it.
    pub extras: BTreeSet<ExtraName>,
    /// What it needs, in order of name.
    pub needs: Vec<Need>,
}

/// What a package needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The package.
    pub name: PackageName,
    /// With which extras.
    pub extras: BTreeSet<ExtraName>,
    /// At which versions, such as `>=2,<3`; empty for any, `None` where it is not known.
    pub versions: Option<String>,
}

impl Need {
    /// Name, extras and versions, as a requirement has them.
    pub fn demand(&self) -> String {
        let versions = self.versions.as_deref().unwrap_or_default();
        format!("{}{}{versions}", self.name, bracketed(&self.extras))
    }
}

/// Extras as they stand behind a name.
pub fn bracketed(extras: &BTreeSet<ExtraName>) -> String {
    if extras.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = extras.iter().map(AsRef::as_ref).collect();
    format!("[{}]", names.join(","))
}

impl Graph {
    /// The graph of a lock.
    pub fn of(lock: &Lock, requirements: &[Requirement], known: &Known) -> Self {
        let markers = lock.target.markers();
        let asked: Vec<&Requirement> = requirements
            .iter()
            .filter(|asked| asked.spec.evaluate_markers(&markers, &[]))
            .filter(|asked| lock.packages.contains_key(&asked.spec.name))
            .collect();
        let extras = extras(lock, &asked, known, &markers);
        let packages = lock.packages.iter().map(|(name, package)| {
            let of_it = extras.get(name).cloned().unwrap_or_default();
            let said = known.get(name);
            let said = said.map(|metadata| needs(metadata, &of_it, &markers));
            let mut all: BTreeMap<PackageName, Need> = said.unwrap_or_default();
            all.retain(|need, _| need != name && lock.packages.contains_key(need));
            for need in &package.dependencies {
                all.entry(need.clone()).or_insert_with(|| Need {
                    name: need.clone(),
                    extras: BTreeSet::new(),
                    versions: None,
                });
            }
            all.remove(name);
            all.retain(|need, _| lock.packages.contains_key(need));
            let node = Node {
                version: package.version.clone(),
                size: package.wheel.size,
                extras: of_it,
                needs: all.into_values().collect(),
            };
            (name.clone(), node)
        });
        let packages: BTreeMap<PackageName, Node> = packages.collect();
        let mut roots: Vec<Root> = asked.iter().map(|asked| root(asked)).collect();
        roots.sort();
        roots.dedup();
        if requirements.is_empty() {
            let below = packages.iter().map(|(name, node)| {
                let names = node.needs.iter().map(|need| need.name.clone());
                (name.clone(), names.collect())
            });
            roots = tops(&below.collect()).into_iter().map(bare).collect();
        }
        Self { roots, packages }
    }

    /// The sizes of all wheels together, in bytes; and how many are not known.
    pub fn size(&self) -> (u64, usize) {
        let sizes = self.packages.values().map(|node| node.size);
        let unknown = sizes.clone().filter(Option::is_none).count();
        (sizes.flatten().fold(0, u64::saturating_add), unknown)
    }
}

fn bare(name: PackageName) -> Root {
    Root {
        name,
        demand: String::new(),
        place: String::new(),
    }
}

fn root(asked: &Requirement) -> Root {
    let spec = &asked.spec;
    let extras: BTreeSet<ExtraName> = spec.extras.iter().cloned().collect();
    let versions = versions(spec.version_or_url.as_ref());
    Root {
        name: spec.name.clone(),
        demand: format!("{}{}{versions}", spec.name, bracketed(&extras)),
        place: asked.origin.to_string(),
    }
}

fn versions(asked: Option<&VersionOrUrl>) -> String {
    match asked {
        None => String::new(),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            let parts: Vec<String> = specifiers.iter().map(ToString::to_string).collect();
            parts.join(",")
        }
        Some(VersionOrUrl::Url(url)) => {
            format!(
                " @ {}",
                pyrun_core::request::without_credentials(&url.to_string())
            )
        }
    }
}

/// What a package needs with these extras, by name; several bounds on one package stand together.
pub fn needs(
    metadata: &Metadata,
    extras: &BTreeSet<ExtraName>,
    markers: &MarkerEnvironment,
) -> BTreeMap<PackageName, Need> {
    let mut needs: BTreeMap<PackageName, Need> = BTreeMap::new();
    for requirement in &metadata.requires_dist {
        let applies = requirement.evaluate_markers(markers, &[])
            || extras
                .iter()
                .any(|extra| requirement.evaluate_markers(markers, std::slice::from_ref(extra)));
        if !applies {
            continue;
        }
        let bound = versions(requirement.version_or_url.as_ref());
        let need = needs
            .entry(requirement.name.clone())
            .or_insert_with(|| Need {
                name: requirement.name.clone(),
                extras: BTreeSet::new(),
                versions: Some(String::new()),
            });
        need.extras.extend(requirement.extras.iter().cloned());
        let known = need.versions.get_or_insert_default();
        if !bound.is_empty() && !known.split(',').any(|part| part == bound) {
            if !known.is_empty() {
                known.push(',');
            }
            known.push_str(&bound);
        }
    }
    needs
}

/// The extras that are asked of each package, by requirements or by packages that need it.
fn extras(
    lock: &Lock,
    asked: &[&Requirement],
    known: &Known,
    markers: &MarkerEnvironment,
) -> BTreeMap<PackageName, BTreeSet<ExtraName>> {
    let mut extras: BTreeMap<PackageName, BTreeSet<ExtraName>> = BTreeMap::new();
    for asked in asked {
        let of_it = extras.entry(asked.spec.name.clone()).or_default();
        of_it.extend(asked.spec.extras.iter().cloned());
    }
    let mut waiting: BTreeSet<PackageName> = lock.packages.keys().cloned().collect();
    while let Some(name) = waiting.pop_first() {
        let Some(metadata) = known.get(&name) else {
            continue;
        };
        let of_it = extras.get(&name).cloned().unwrap_or_default();
        for need in needs(metadata, &of_it, markers).into_values() {
            let of_need = extras.entry(need.name.clone()).or_default();
            let before = of_need.len();
            of_need.extend(need.extras);
            if of_need.len() > before {
                waiting.insert(need.name);
            }
        }
    }
    extras
}

/// Where to begin so that everything is seen: what stands below nothing; of each circle that nothing
/// leads to, the first by name.
fn tops(below: &BTreeMap<PackageName, Vec<PackageName>>) -> Vec<PackageName> {
    let needed: BTreeSet<&PackageName> = below.values().flatten().collect();
    let mut tops: Vec<PackageName> = below
        .keys()
        .filter(|name| !needed.contains(name))
        .cloned()
        .collect();
    let mut seen = BTreeSet::new();
    for top in &tops {
        reach(top, below, &mut seen);
    }
    for name in below.keys() {
        if !seen.contains(name) {
            reach(name, below, &mut seen);
            tops.push(name.clone());
        }
    }
    tops.sort();
    tops
}

fn reach(
    from: &PackageName,
    below: &BTreeMap<PackageName, Vec<PackageName>>,
    seen: &mut BTreeSet<PackageName>,
) {
    let mut waiting = vec![from];
    while let Some(name) = waiting.pop() {
        if seen.insert(name.clone()) {
            waiting.extend(below.get(name).into_iter().flatten());
        }
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
