//! Incompatibilities: what must not all be true at once, and how that is known.
//!
//! Facts from outside and clauses learned from conflicts stand in one arena that only grows, so
//! that a failure can be traced back to the facts it follows from.

use std::sync::Arc;

use pep440_rs::VersionSpecifiers;

use super::choices::Choices;
use super::packages::PackageId;

/// An incompatibility of one [`Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct IncompatibilityId(u32);

impl IncompatibilityId {
    /// Its place in a table by incompatibility.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Terms that must not all hold.
#[derive(Debug)]
pub(super) struct Incompatibility {
    /// By package, each once, none that says nothing.
    pub(super) terms: Box<[(PackageId, Choices)]>,
    /// How it is known.
    pub(super) cause: Cause,
}

/// How an incompatibility is known.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    /// The user's requirements must hold.
    Root,
    /// A project and its extras stand at one version.
    SameVersion,
    /// A dependency.
    Needs(Arc<Need>),
    /// The user's bound on a package that something brings in, by its place in the request.
    Constraint(usize),
    /// Metadata excludes the target's Python.
    Python(VersionSpecifiers),
    /// The version can't be used; why, as the end of a sentence about it.
    Unusable(Arc<str>),
    /// It follows from two others.
    Derived(IncompatibilityId, IncompatibilityId),
}

/// A dependency of some versions of a package on another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Need {
    /// Whose.
    pub(super) dependent: PackageId,
    /// On what.
    pub(super) target: PackageId,
    /// The specifiers, as they are shown; empty for any version.
    pub(super) specifiers: String,
    /// Whether they name a pre-release.
    pub(super) names_prerelease: bool,
    /// For one of the user's own, its place among the request's requirements.
    pub(super) asked: Option<usize>,
    /// For one that an override stands for, the override's place in the request.
    pub(super) by: Option<usize>,
}

impl Incompatibility {
    /// The term of a package in it.
    pub(super) fn term(&self, package: PackageId) -> Option<&Choices> {
        self.terms
            .binary_search_by_key(&package, |(id, _)| *id)
            .ok()
            .map(|place| &self.terms[place].1)
    }

    /// Whether nothing but the root is in it, so that it can't be avoided.
    pub(super) fn is_terminal(&self) -> bool {
        self.terms
            .iter()
            .all(|(package, term)| *package == PackageId::ROOT && term.requires_presence())
    }
}

/// All incompatibilities of a solver.
#[derive(Debug, Default)]
pub(super) struct Store {
    list: Vec<Incompatibility>,
    bytes: usize,
}

impl Store {
    /// Adds one. Terms of one package are intersected.
    ///
    /// `None` when some term can never hold: then it says nothing.
    pub(super) fn add(
        &mut self,
        terms: impl IntoIterator<Item = (PackageId, Choices)>,
        cause: Cause,
    ) -> Option<IncompatibilityId> {
        let mut merged: Vec<(PackageId, Choices)> = Vec::new();
        for (package, term) in terms {
            match merged.iter_mut().find(|(known, _)| *known == package) {
                Some((_, known)) => *known = known.intersection(&term),
                None => merged.push((package, term)),
            }
        }
        if merged.iter().any(|(_, term)| term.is_empty()) {
            return None;
        }
        merged.retain(|(_, term)| !term.is_everything());
        merged.sort_unstable_by_key(|(package, _)| *package);
        Some(self.push(Incompatibility {
            terms: merged.into(),
            cause,
        }))
    }

    /// What follows from two that speak of `package`: all their other terms, and that one of
    /// their two terms of `package` holds (the rule of resolution).
    pub(super) fn derive(
        &mut self,
        one: IncompatibilityId,
        two: IncompatibilityId,
        package: PackageId,
    ) -> IncompatibilityId {
        let (left, right) = (self.get(one), self.get(two));
        let mut terms = Vec::with_capacity(left.terms.len() + right.terms.len());
        let (mut left, mut right) = (left.terms.iter().peekable(), right.terms.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(one), Some(two)) => one.0.cmp(&two.0),
            };
            let one = order.is_le().then(|| left.next()).flatten();
            let two = order.is_ge().then(|| right.next()).flatten();
            match (one, two) {
                (Some((id, one)), Some((_, two))) if *id == package => {
                    terms.push((*id, one.union(two)));
                }
                (Some((id, one)), Some((_, two))) => terms.push((*id, one.intersection(two))),
                (Some(term), None) | (None, Some(term)) => terms.push(term.clone()),
                (None, None) => break,
            }
        }
        terms.retain(|(_, term)| !term.is_everything());
        self.push(Incompatibility {
            terms: terms.into(),
            cause: Cause::Derived(one, two),
        })
    }

    fn push(&mut self, incompatibility: Incompatibility) -> IncompatibilityId {
        let id = u32::try_from(self.list.len()).expect("the bound on steps is far below 2^32");
        let terms = incompatibility.terms.iter();
        let sizes = terms.map(|(_, term)| size_of::<(PackageId, Choices)>() + term.heap_bytes());
        self.bytes += size_of::<Incompatibility>() + sizes.sum::<usize>();
        self.list.push(incompatibility);
        IncompatibilityId(id)
    }

    /// One of them.
    pub(super) fn get(&self, id: IncompatibilityId) -> &Incompatibility {
        &self.list[id.index()]
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}
