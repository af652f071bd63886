//! The solver's packages: interned, each with its candidates.
//!
//! `name[extra]` is a package of its own that shares the candidates of `name`. Ids are given in
//! the order in which the solver meets packages, which depends on the requirements alone.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use pep508_rs::{ExtraName, PackageName};

use super::candidates::Candidates;
use super::choices::Choices;

/// A package of one solver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(u32);

impl PackageId {
    /// The package whose only version needs what the user asks for.
    pub(super) const ROOT: Self = Self(0);

    /// Its place in a table by package.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a package is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// What the user asks for.
    Root,
    /// A project.
    Project(PackageName),
    /// A project with an extra: it needs what the extra adds, and the project at its version.
    Extra(PackageName, ExtraName),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("what you ask for"),
            Self::Project(name) => write!(f, "`{name}`"),
            Self::Extra(name, extra) => write!(f, "`{name}[{extra}]`"),
        }
    }
}

/// A package.
#[derive(Debug)]
pub(super) struct Package {
    /// What it is.
    pub(super) identity: Identity,
    /// For an extra, the project; else itself.
    pub(super) base: PackageId,
    /// The extras of it that are packages.
    pub(super) extras: Vec<PackageId>,
    /// Its versions. The root has none; it counts as having one.
    pub(super) candidates: Arc<Candidates>,
    /// Whether the user asks for it.
    pub(super) direct: bool,
    /// Which versions' dependencies the solver knows.
    pub(super) expanded: Choices,
    /// How often it stood in a conflict.
    pub(super) conflicts: u32,
}

impl Package {
    /// The number of its candidates.
    pub(super) fn len(&self) -> usize {
        match self.identity {
            Identity::Root => 1,
            _ => self.candidates.versions.len(),
        }
    }

    /// The extra, if it is one.
    pub(super) fn extra(&self) -> Option<&ExtraName> {
        match &self.identity {
            Identity::Extra(_, extra) => Some(extra),
            Identity::Root | Identity::Project(_) => None,
        }
    }

    /// The project's name; `None` for the root.
    pub(super) fn name(&self) -> Option<&PackageName> {
        match &self.identity {
            Identity::Root => None,
            Identity::Project(name) | Identity::Extra(name, _) => Some(name),
        }
    }
}

/// All packages.
#[derive(Debug)]
pub(super) struct Packages {
    list: Vec<Package>,
    ids: HashMap<Identity, PackageId>,
}

impl Packages {
    /// Only the root.
    pub(super) fn new() -> Self {
        let mut packages = Self {
            list: Vec::new(),
            ids: HashMap::new(),
        };
        packages.add(Identity::Root, None, Arc::default());
        packages
    }

    /// The id of a package, if it is known.
    pub(super) fn find(&self, identity: &Identity) -> Option<PackageId> {
        self.ids.get(identity).copied()
    }

    /// Adds a package that is not known yet.
    pub(super) fn add(
        &mut self,
        identity: Identity,
        base: Option<PackageId>,
        candidates: Arc<Candidates>,
    ) -> PackageId {
        let id = PackageId(u32::try_from(self.list.len()).expect("fewer than 2^32 packages"));
        self.ids.insert(identity.clone(), id);
        let mut package = Package {
            identity,
            base: base.unwrap_or(id),
            extras: Vec::new(),
            candidates,
            direct: false,
            expanded: Choices::none(0),
            conflicts: 0,
        };
        package.expanded = Choices::none(package.len());
        self.list.push(package);
        if let Some(base) = base {
            self.get_mut(base).extras.push(id);
        }
        id
    }

    /// A package.
    pub(super) fn get(&self, id: PackageId) -> &Package {
        &self.list[id.index()]
    }

    /// A package, to change.
    pub(super) fn get_mut(&mut self, id: PackageId) -> &mut Package {
        &mut self.list[id.index()]
    }

    /// All packages with their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PackageId, &Package)> {
        (0..).map(PackageId).zip(&self.list)
    }
}
