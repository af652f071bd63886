//! What facts speak of: places in the user's files, packages, bounds; and requirements as they were
//! written. Pure.

use pep508_rs::PackageName;
use pyrun_core::request::without_credentials;
use pyrun_core::{Request, Requirement, Span};

use super::explain::{Fact, Why};
use super::relax::Bound;
use super::solver::Solver;

/// The places in the user's files that a fact speaks of.
pub(super) fn spans(request: &Request, fact: &Fact) -> Vec<Span> {
    let options = &request.options;
    let origins = match fact {
        Fact::Need(fact) => {
            let asked = fact.need.asked.map(|place| &request.requirements[place]);
            let by = fact.need.by.map(|place| &options.overrides[place]);
            [asked, by]
        }
        Fact::Out { why, .. } => match why {
            Why::Constraint(place) => [Some(&options.constraints[*place]), None],
            Why::Python(_) | Why::Unusable(_) => [None, None],
        },
    };
    let spans = origins.into_iter().flatten();
    spans.filter_map(|one| one.origin.span.clone()).collect()
}

/// The packages that facts are about, those that the user asks for first.
pub(super) fn names(solver: &Solver, facts: &[Fact]) -> Vec<PackageName> {
    let needs = || {
        facts.iter().filter_map(|fact| match fact {
            Fact::Need(fact) => Some(fact),
            Fact::Out { .. } => None,
        })
    };
    let asked = needs().filter(|fact| fact.need.asked.is_some());
    let mut names = Vec::new();
    for fact in asked.chain(needs()) {
        let name = solver.packages.get(fact.need.target).name();
        let name = name.expect("nothing needs the root");
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The user's own bounds that facts speak of.
pub(super) fn bounds(facts: &[Fact]) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for fact in facts {
        let bound = match fact {
            Fact::Need(fact) => {
                let need = &fact.need;
                let own = !need.specifiers.is_empty() && need.by.is_none();
                need.asked.filter(|_| own).map(Bound::Asked)
            }
            Fact::Out { why, .. } => match why {
                Why::Constraint(place) => Some(Bound::Constraint(*place)),
                Why::Python(_) | Why::Unusable(_) => None,
            },
        };
        if let Some(bound) = bound
            && !bounds.contains(&bound)
        {
            bounds.push(bound);
        }
    }
    bounds
}

/// A requirement as the user wrote it, without its marker and its credentials.
pub(super) fn bare(requirement: &Requirement) -> String {
    let mut spec = requirement.spec.clone();
    spec.marker = pep508_rs::MarkerTree::TRUE;
    format!("`{}`", without_credentials(&spec.to_string()))
}

/// A requirement with the place where it was written.
pub(super) fn spelled(requirement: &Requirement) -> String {
    let place = requirement.origin.to_string();
    if place.is_empty() {
        bare(requirement)
    } else {
        format!("{} ({place})", bare(requirement))
    }
}
