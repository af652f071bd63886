//! The packages of a uv.lock as a graph, walked from the project.
//!
//! In: the file, a target, what is wanted. Out: the packages that are reached, in the file's order,
//! each with those that it needs. Never: recursion; work that grows faster than the file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use pyrun_core::Fault;
use pyrun_core::{ExtraName, MarkerEnvironment, MarkerTree, PackageName, Target};

use super::UvLockError;
use super::read::{Dependency, File, Package};
use crate::inputs::choice::{Choice, unknown};

/// A package that is reached.
#[derive(Debug)]
pub struct Reached {
    /// Where it stands in the file.
    pub package: usize,
    /// Whether it is the project itself.
    pub is_root: bool,
    /// What it needs.
    pub needs: BTreeSet<usize>,
}

/// The file's packages for a target.
pub(super) struct Graph<'f> {
    file: &'f File,
    path: &'f str,
    target: &'f Target,
    markers: MarkerEnvironment,
    by_name: BTreeMap<&'f PackageName, Vec<usize>>,
    /// Whether a marker holds, with the extras that are active or without any: a file has as many
    /// markers as edges, and few that differ.
    held: RefCell<BTreeMap<(&'f str, bool), bool>>,
    /// Whether a package's own markers hold.
    forks: RefCell<Vec<Option<bool>>>,
}

/// More entries of one name than any file has: each edge looks at all of its name.
const MOST_FORKS: usize = 500;

impl<'f> Graph<'f> {
    pub fn new(file: &'f File, path: &'f str, target: &'f Target) -> Result<Self, UvLockError> {
        let mut by_name: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, package) in file.packages.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(index);
        }
        if let Some((name, all)) = by_name.iter().find(|(_, all)| all.len() > MOST_FORKS) {
            return Err(UvLockError::Syntax {
                path: path.to_owned(),
                problem: format!("it has {} entries for `{name}`", all.len()),
            });
        }
        let graph = Self {
            file,
            path,
            target,
            markers: target.markers(),
            by_name,
            held: RefCell::default(),
            forks: RefCell::new(vec![None; file.packages.len()]),
        };
        let supported = &file.supported_markers;
        if !supported.is_empty() && !graph.any_holds(supported)? {
            return Err(UvLockError::Elsewhere {
                path: path.to_owned(),
                environments: supported.join("` or `"),
                target: target.to_string(),
            });
        }
        Ok(graph)
    }

    /// The project: the package in the lock's own folder, else the only one in any.
    pub fn root(&self) -> Result<usize, UvLockError> {
        let folders = self.file.packages.iter().enumerate();
        let folders: Vec<_> = folders
            .filter_map(|(index, package)| Some((index, package.source.folder()?)))
            .collect();
        let here = folders.iter().find(|(_, folder)| *folder == ".");
        match (here, folders.as_slice()) {
            (Some((index, _)), _) | (None, [(index, _)]) => Ok(*index),
            _ => Err(UvLockError::NoRoot(self.path.to_owned())),
        }
    }

    /// All that the project reaches with what is wanted of it.
    pub fn reach(&self, root: usize, choice: &Choice) -> Result<Vec<Reached>, Fault> {
        let project = &self.file.packages[root];
        let active = self.active(project, choice)?;
        let mut needs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        let mut seen: BTreeSet<(usize, Option<ExtraName>)> = BTreeSet::new();
        let mut pending: Vec<(usize, &'f Dependency)> = Vec::new();
        let lists = self.wanted(project, choice)?;
        pending.extend(lists.into_iter().flatten().map(|each| (root, each)));
        while let Some((from, dependency)) = pending.pop() {
            if !self.holds(dependency.marker.as_deref(), &active)? {
                continue;
            }
            let to = self.find(dependency)?;
            if to != from {
                needs.entry(from).or_default().insert(to);
            }
            needs.entry(to).or_default();
            let package = &self.file.packages[to];
            let extras = dependency.extra.iter().cloned().map(Some);
            for part in std::iter::once(None).chain(extras) {
                if !seen.insert((to, part.clone())) {
                    continue;
                }
                let list = match &part {
                    // Of the project itself, what is wanted has been taken.
                    None if to == root => None,
                    None => Some(&package.dependencies),
                    // An extra of a package may hold nothing on any machine.
                    Some(extra) => package.optional_dependencies.get(extra),
                };
                pending.extend(list.into_iter().flatten().map(|each| (to, each)));
            }
        }
        self.check_once(&needs)?;
        let reached = needs.into_iter().map(|(package, needs)| Reached {
            package,
            is_root: package == root,
            needs,
        });
        Ok(reached.collect())
    }

    /// Of one name, one package.
    fn check_once(&self, reached: &BTreeMap<usize, BTreeSet<usize>>) -> Result<(), UvLockError> {
        let mut counts: BTreeMap<&PackageName, usize> = BTreeMap::new();
        for index in reached.keys() {
            *counts.entry(&self.file.packages[*index].name).or_default() += 1;
        }
        match counts.into_iter().find(|(_, count)| *count > 1) {
            Some((name, count)) => Err(self.ambiguous(name, count)),
            None => Ok(()),
        }
    }

    /// The lists of the project's dependencies that are wanted.
    fn wanted(
        &self,
        project: &'f Package,
        choice: &Choice,
    ) -> Result<Vec<&'f Vec<Dependency>>, Fault> {
        let mut lists = Vec::new();
        if choice.only_groups.is_empty() {
            lists.push(&project.dependencies);
        }
        let extras = &project.optional_dependencies;
        if choice.all_extras {
            lists.extend(extras.values());
        }
        for name in &choice.extras {
            let known = &project.metadata.provides_extras;
            match extras.get(name) {
                Some(list) => lists.push(list),
                None if known.contains(name) => {}
                None => {
                    let names = extras.keys().chain(known).map(ToString::to_string);
                    let names: BTreeSet<String> = names.collect();
                    return Err(unknown(
                        "extra",
                        name.as_ref(),
                        self.path,
                        names.into_iter(),
                    ));
                }
            }
        }
        let groups = &project.dev_dependencies;
        for name in choice.groups.iter().chain(&choice.only_groups) {
            let known = &project.metadata.requires_dev;
            match groups.get(name) {
                Some(list) => lists.push(list),
                None if known.contains_key(name) => {}
                None => {
                    let names = groups.keys().chain(known.keys()).map(ToString::to_string);
                    let names: BTreeSet<String> = names.collect();
                    return Err(unknown(
                        "group",
                        name.as_ref(),
                        self.path,
                        names.into_iter(),
                    ));
                }
            }
        }
        Ok(lists)
    }

    /// What conflicting extras and groups are called in the file's markers:
    /// `extra-<length of the package's name>-<package>-<extra>`.
    fn active(&self, project: &Package, choice: &Choice) -> Result<Vec<ExtraName>, UvLockError> {
        let name = project.name.as_ref();
        let length = name.len();
        let extras = choice.extras.iter();
        let all = project.optional_dependencies.keys();
        let extras = extras.chain(all.filter(|_| choice.all_extras));
        let groups = choice.groups.iter().chain(&choice.only_groups);
        let encoded = extras
            .map(|extra| format!("extra-{length}-{name}-{extra}"))
            .chain(groups.map(|group| format!("group-{length}-{name}-{group}")));
        let read = |text: String| {
            text.parse().map_err(|_| UvLockError::Marker {
                path: self.path.to_owned(),
                marker: text,
            })
        };
        encoded.map(read).collect()
    }

    fn marker(&self, text: &str) -> Result<MarkerTree, UvLockError> {
        pyrun_core::parse_marker(text).ok_or_else(|| UvLockError::Marker {
            path: self.path.to_owned(),
            marker: text.to_owned(),
        })
    }

    /// `extras` are those that are active, or none.
    fn holds(&self, marker: Option<&'f str>, extras: &[ExtraName]) -> Result<bool, UvLockError> {
        let Some(text) = marker else { return Ok(true) };
        let key = (text, !extras.is_empty());
        if let Some(known) = self.held.borrow().get(&key) {
            return Ok(*known);
        }
        let holds = self.marker(text)?.evaluate(&self.markers, extras);
        self.held.borrow_mut().insert(key, holds);
        Ok(holds)
    }

    /// Whether a package is one for the target.
    fn is_for_target(&self, index: usize) -> Result<bool, UvLockError> {
        if let Some(known) = self.forks.borrow()[index] {
            return Ok(known);
        }
        let markers = &self.file.packages[index].resolution_markers;
        let is = markers.is_empty() || self.any_holds(markers)?;
        self.forks.borrow_mut()[index] = Some(is);
        Ok(is)
    }

    fn any_holds(&self, markers: &'f [String]) -> Result<bool, UvLockError> {
        for marker in markers {
            if self.holds(Some(marker), &[])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The package that a dependency means: what it says of version and source, else what holds
    /// for the target.
    fn find(&self, dependency: &Dependency) -> Result<usize, UvLockError> {
        let all = self.by_name.get(&dependency.name);
        let mut fitting: Vec<usize> = Vec::new();
        for index in all.into_iter().flatten() {
            let package = &self.file.packages[*index];
            let version = dependency.version.is_none() || dependency.version == package.version;
            let source = dependency.source.as_ref();
            if version && source.is_none_or(|source| *source == package.source) {
                fitting.push(*index);
            }
        }
        if fitting.len() > 1 {
            let mut holding = Vec::new();
            for index in fitting {
                if self.is_for_target(index)? {
                    holding.push(index);
                }
            }
            fitting = holding;
        }
        match fitting.as_slice() {
            [one] => Ok(*one),
            other => Err(self.ambiguous(&dependency.name, other.len())),
        }
    }

    fn ambiguous(&self, package: &PackageName, count: usize) -> UvLockError {
        UvLockError::Ambiguous {
            path: self.path.to_owned(),
            package: package.clone(),
            count,
            target: self.target.to_string(),
        }
    }
}
