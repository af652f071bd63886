//! Required digests (pip's hash-checking mode).
//!
//! In: what was chosen, and the digests of the request. Out: nothing, or a fault that names each
//! package without a digest, who needs it, and the line that gives it one. Pure.

use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, Request};

use super::amendments::Amendments;
use super::phrases::list;
use super::solver::Chosen;

/// So many packages are told of.
const MAX_TOLD: usize = 10;

/// Checks that every package that was chosen has a digest in the request, if all must. `needs` are
/// the packages that each one needs.
pub(super) fn check(
    request: &Request,
    amendments: &Amendments,
    chosen: &[Chosen],
    needs: &[Vec<PackageName>],
) -> Option<Fault> {
    if !request.options.require_hashes {
        return None;
    }
    let bare = chosen
        .iter()
        .filter(|one| !amendments.has_digests(&one.name));
    let mut bare: Vec<&Chosen> = bare.collect();
    bare.sort_by_key(|one| &one.name);
    if bare.is_empty() {
        return None;
    }
    let told = &bare[..bare.len().min(MAX_TOLD)];
    let verb = if bare.len() == 1 { "has" } else { "have" };
    let more = bare.len() - told.len();
    let names = told.iter().map(|one| format!("`{}`", one.name));
    let rest = (more > 0).then(|| format!("{more} more"));
    let message = format!(
        "digests are required, and {} {verb} none",
        list(names.chain(rest))
    );
    let fault = Fault::new(Code::PACKAGE_HASH, message);
    let fault = told.iter().fold(fault, |fault, one| {
        fault.cause(needed_by(&one.name, request, chosen, needs))
    });
    Some(told.iter().fold(fault, |fault, one| {
        let file = one.candidates.file(one.candidate);
        let pin = format!("{}=={}", one.name, version(one));
        fault.hint(match &file.sha256 {
            Some(digest) => format!("add `{pin} --hash=sha256:{digest}`"),
            None => format!(
                "add `{pin}` with the sha256 of `{}`, which the index does not say",
                file.filename
            ),
        })
    }))
}

fn version(one: &Chosen) -> &Version {
    &one.candidates.versions[one.candidate].version
}

fn needed_by(
    name: &PackageName,
    request: &Request,
    chosen: &[Chosen],
    needs: &[Vec<PackageName>],
) -> String {
    let markers = request.target.markers();
    let asked = request
        .requirements
        .iter()
        .find(|one| one.spec.name == *name && one.spec.evaluate_markers(&markers, &[]));
    if let Some(one) = asked {
        let place = one.origin.to_string();
        let place = if place.is_empty() {
            String::new()
        } else {
            format!(" ({place})")
        };
        return format!("you ask for `{name}`{place}, without a digest");
    }
    let parents = chosen.iter().zip(needs);
    let parents = parents.filter(|(_, needs)| needs.contains(name));
    let mut parents: Vec<&Chosen> = parents.map(|(one, _)| one).collect();
    parents.sort_by_key(|one| &one.name);
    parents.truncate(MAX_TOLD);
    let shown = |one: &&Chosen| format!("`{}` {}", one.name, version(one));
    let verb = if parents.len() == 1 { "needs" } else { "need" };
    format!("{} {verb} `{name}`", list(parents.iter().map(shown)))
}
