//! What happens to a path that more than one package brings.
//!
//! Real packages do it: a stray top-level `tests/__init__.py` or `LICENSE`, the `__init__.py` of an
//! old namespace package, two builds of one library. pip lets the package that it installs last win,
//! and so do we, in the order of names, so that what works with pip works here:
//!
//! * the same content stays in the first segment alone, and nobody is told;
//! * of different content the last package's stays, and a warning names both packages.
//!
//! A zip holds each path once. Whoever gave a path up depends on the one who holds it: a runner that
//! unpacks by need then still unpacks all that a package had.
//!
//! What can't be settled so is an error: a file in a dist-info folder, since that would change
//! another package's metadata, and a path that is one package's file and another's folder.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::PackageName;
use pyrun_core::Sha256;

use super::{LOCK_MEMBER, MANIFEST_MEMBER, SpliceError};
use crate::wheel::WheelContents;
use crate::zip::shown;

/// Who holds each path that is brought more than once, and what is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Settled<'a> {
    /// Paths that a package leaves out.
    dropped: BTreeSet<(&'a PackageName, &'a str)>,
    /// For each package, those that hold what it leaves out.
    pub holders: BTreeMap<&'a PackageName, BTreeSet<&'a PackageName>>,
    /// One sentence each.
    pub warnings: Vec<String>,
}

impl Settled<'_> {
    /// Whether the package's segment holds the path.
    pub fn keeps(&self, package: &PackageName, path: &str) -> bool {
        !self.dropped.contains(&(package, path))
    }
}

/// Settles every path of a bundle.
pub(super) fn settle(
    wheels: &BTreeMap<PackageName, WheelContents>,
) -> Result<Settled<'_>, SpliceError> {
    let mut settled = Settled::default();
    let mut owners: BTreeMap<&str, (&PackageName, &Sha256)> = BTreeMap::new();
    let mut overridden: BTreeMap<(&PackageName, &PackageName), Vec<&str>> = BTreeMap::new();
    for (package, contents) in wheels {
        for file in &contents.files {
            let path = file.path.as_str();
            if path == LOCK_MEMBER || path == MANIFEST_MEMBER {
                settled.dropped.insert((package, path));
                settled.warnings.push(format!(
                    "`{package}` brings a file `{path}`, which is left out: the bundle has its own"
                ));
                continue;
            }
            match owners.entry(path) {
                Entry::Vacant(free) => {
                    free.insert((package, &file.sha256));
                }
                Entry::Occupied(_) if is_dist_info(path) => {
                    let first = owners[path].0;
                    return Err(collision(path, first, package));
                }
                Entry::Occupied(taken) if *taken.get().1 == file.sha256 => {
                    let first = taken.get().0;
                    settled.dropped.insert((package, path));
                    settled.holders.entry(package).or_default().insert(first);
                }
                Entry::Occupied(mut taken) => {
                    let first = taken.insert((package, &file.sha256)).0;
                    settled.dropped.insert((first, path));
                    settled.holders.entry(first).or_default().insert(package);
                    overridden.entry((first, package)).or_default().push(path);
                }
            }
        }
    }
    refuse_files_as_folders(&owners)?;
    settled
        .warnings
        .extend(overridden.iter().map(|(pair, paths)| describe(pair, paths)));
    Ok(settled)
}

fn describe((first, last): &(&PackageName, &PackageName), paths: &[&str]) -> String {
    let path = shown(paths[0].as_bytes());
    match paths.len() {
        1 => format!("`{first}` and `{last}` both bring `{path}`; the one of `{last}` is used"),
        more => format!(
            "`{first}` and `{last}` both bring `{path}` and {} other files; those of `{last}` are used",
            more - 1
        ),
    }
}

fn is_dist_info(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(folder, _)| folder.to_lowercase().ends_with(".dist-info"))
}

fn refuse_files_as_folders(
    owners: &BTreeMap<&str, (&PackageName, &Sha256)>,
) -> Result<(), SpliceError> {
    let mut last_folder = "";
    for (path, (package, _)) in owners {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder == last_folder {
            continue;
        }
        last_folder = folder;
        for (end, _) in path.match_indices('/') {
            let parent = &path[..end];
            if let Some((owner, _)) = owners.get(parent) {
                return Err(collision(parent, owner, package));
            }
            if parent == LOCK_MEMBER || parent == MANIFEST_MEMBER {
                return Err(collision(parent, package, package));
            }
        }
    }
    Ok(())
}

fn collision(path: &str, first: &PackageName, second: &PackageName) -> SpliceError {
    SpliceError::Collision {
        path: shown(path.as_bytes()),
        first: first.clone(),
        second: second.clone(),
    }
}
