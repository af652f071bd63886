//! Required digests (pip's hash-checking mode).
//!
//! In: what was locked, and the digests of the request. Out: nothing, or a fault that names each
//! package without a digest, who needs it, and the line that gives it one. Pure.

use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, Lock, LockedPackage, Request};

use super::amendments::Amendments;
use super::phrases::list;

/// So many packages are told of.
const MAX_TOLD: usize = 10;

/// Checks that every locked package has a digest in the request, if all must.
pub(super) fn check(request: &Request, amendments: &Amendments, lock: &Lock) -> Option<Fault> {
    if !request.options.require_hashes {
        return None;
    }
    let packages = lock.packages.iter();
    let bare: Vec<(&PackageName, &LockedPackage)> = packages
        .filter(|(name, _)| !amendments.has_digests(name))
        .collect();
    if bare.is_empty() {
        return None;
    }
    let told = &bare[..bare.len().min(MAX_TOLD)];
    let verb = if bare.len() == 1 { "has" } else { "have" };
    let more = bare.len() - told.len();
    let names = told.iter().map(|(name, _)| format!("`{name}`"));
    let rest = (more > 0).then(|| format!("{more} more"));
    let message = format!(
        "digests are required, and {} {verb} none",
        list(names.chain(rest))
    );
    let fault = Fault::new(Code::PACKAGE_HASH, message);
    let fault = told.iter().fold(fault, |fault, (name, _)| {
        fault.cause(needed_by(name, request, lock))
    });
    Some(told.iter().fold(fault, |fault, (name, package)| {
        let digest = match &package.sdist {
            Some(sdist) => &sdist.sha256,
            None => &package.wheel.sha256,
        };
        let version = &package.version;
        fault.hint(format!("add `{name}=={version} --hash=sha256:{digest}`"))
    }))
}

fn needed_by(name: &PackageName, request: &Request, lock: &Lock) -> String {
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
    let needs = lock
        .packages
        .iter()
        .filter(|(_, package)| package.dependencies.contains(name))
        .map(|(other, package)| format!("`{other}` {}", package.version));
    let needs: Vec<String> = needs.take(MAX_TOLD).collect();
    let verb = if needs.len() == 1 { "needs" } else { "need" };
    format!("{} {verb} `{name}`", list(needs))
}
