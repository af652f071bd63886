//! Whether a lock still satisfies a request.
//!
//! In: a request, a lock, metadata as far as it is known. Out: each reason why it does not, by the
//! rules that [`resolve`](super::resolve()) itself follows. Never: asks an index; takes what it
//! can't tell for a reason.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName};
use pyrun_core::request::{Prerelease, without_credentials};
use pyrun_core::{Lock, LockedPackage, Request, Requirement};

use super::amendments::{Amendments, is_same};
use super::dependencies::{self, Dependency};
use super::error::ResolveError;
use super::moment::as_of;
use super::specifiers::{admit, python_fits, show};
use crate::index::Metadata;

/// Metadata by package.
pub type Known = BTreeMap<PackageName, Arc<Metadata>>;

/// Every reason why a lock does not satisfy a request any more; none when it does.
///
/// A relative `exclude_newer` counts from `now`.
///
/// # Errors
/// When the request contradicts itself, so that no lock could satisfy it.
pub fn objections(
    request: &Request,
    lock: &Lock,
    known: &Known,
    now: Timestamp,
) -> Result<Vec<String>, ResolveError> {
    let request = as_of(request, now)?;
    let mut check = Check {
        amendments: Amendments::of(&request)?,
        request: &request,
        lock,
        known,
        markers: lock.target.markers(),
        said: Vec::new(),
        reached: BTreeSet::new(),
        pending: VecDeque::new(),
        is_whole: true,
    };
    check.python();
    check.direct();
    check.closure();
    check.unneeded();
    check.constraints();
    for (name, package) in &lock.packages {
        check.package(name, package);
        check.file(name, package);
    }
    Ok(check.said)
}

/// A package, or one of its extras.
type Part = (PackageName, Option<ExtraName>);

struct Check<'a> {
    request: &'a Request,
    lock: &'a Lock,
    known: &'a Known,
    amendments: Amendments,
    markers: MarkerEnvironment,
    said: Vec<String>,
    reached: BTreeSet<Part>,
    pending: VecDeque<Part>,
    /// Whether it is known of each package that was reached what it needs.
    is_whole: bool,
}

impl Check<'_> {
    fn say(&mut self, reason: String) {
        if !self.said.contains(&reason) {
            self.said.push(reason);
        }
    }

    fn python(&mut self) {
        let python = &self.lock.target.python;
        if let Some(bound) = &self.request.requires_python
            && !python_fits(bound, python.full())
        {
            self.say(format!(
                "Python {bound} is asked for, and the lock is for Python {python}"
            ));
        }
    }

    fn direct(&mut self) {
        let mut asked = self.amendments.asked(self.request);
        asked.sort_by_key(|(place, _)| *place);
        for (place, need) in asked {
            let one = &self.request.requirements[place];
            let spec = spelled(&dependencies::read(&one.spec));
            let what = match one.origin.to_string() {
                place if place.is_empty() => format!("`{spec}` is asked for"),
                place => format!("{place} asks for `{spec}`"),
            };
            self.meet(&need, what);
        }
    }

    /// Sees that the lock has a package as it is needed, and goes on from it.
    fn meet(&mut self, need: &Dependency, mut what: String) {
        if let Some(by) = need.by {
            let over = &self.request.options.overrides[by];
            what = format!(
                "{what}, {} puts `{}` in its place",
                place(over),
                spelled(need)
            );
        }
        let name = &need.name;
        let Some(package) = self.lock.packages.get(name) else {
            return self.say(format!("{what}, and the lock has no `{name}`"));
        };
        let address = need.address.as_deref();
        if let Some(found) = misfit(package, &need.specifiers, address) {
            self.say(format!("{what}, and the lock has `{name}` {found}"));
        }
        let extras = need.extras.iter().cloned().map(Some);
        for extra in std::iter::once(None).chain(extras) {
            let part = (name.clone(), extra);
            if self.reached.insert(part.clone()) {
                self.pending.push_back(part);
            }
        }
    }

    /// What each part that was reached needs in its turn.
    fn closure(&mut self) {
        while let Some((name, extra)) = self.pending.pop_front() {
            let package = &self.lock.packages[&name];
            let who = format!("`{name}` {}", package.version);
            let needs = match self.known.get(&name) {
                Some(metadata) => self
                    .amendments
                    .needs(metadata, extra.as_ref(), &self.markers),
                // What a lock notes of needs is not noted by extras.
                None if extra.is_some() => continue,
                None => {
                    self.is_whole &= !package.dependencies.is_empty();
                    let noted = package.dependencies.iter();
                    Ok(noted.flat_map(|need| self.amendments.noted(need)).collect())
                }
            };
            match needs {
                Ok(needs) => {
                    for need in needs {
                        let asked = match need.by {
                            Some(_) => need.name.to_string(),
                            None => spelled(&need),
                        };
                        self.meet(&need, format!("{who} needs `{asked}`"));
                    }
                }
                Err(strange) => self.say(format!(
                    "{who} needs `{}` from `{}`, which nothing else asks for",
                    strange.name, strange.url
                )),
            }
        }
    }

    fn unneeded(&mut self) {
        // A lock of a tool that writes down no needs can't tell who is needed.
        let mut packages = self.lock.packages.values();
        let tells = packages.any(|package| !package.dependencies.is_empty());
        if !self.is_whole && !tells {
            return;
        }
        for (name, package) in &self.lock.packages {
            if !self.reached.contains(&(name.clone(), None)) {
                let version = &package.version;
                self.say(format!(
                    "nothing needs `{name}` {version}, which the lock has"
                ));
            }
        }
    }

    fn constraints(&mut self) {
        let (request, lock) = (self.request, self.lock);
        for bound in &request.options.constraints {
            let name = &bound.spec.name;
            let applies = bound.spec.evaluate_markers(&self.markers, &[]);
            let Some(package) = lock.packages.get(name).filter(|_| applies) else {
                continue;
            };
            let bound_to = dependencies::read(&bound.spec);
            let address = bound_to.address.as_deref();
            if let Some(found) = misfit(package, &bound_to.specifiers, address) {
                let (place, spec) = (place(bound), spelled(&bound_to));
                self.say(format!(
                    "{place} bounds `{spec}`, and the lock has `{name}` {found}"
                ));
            }
        }
    }

    /// What can be told of a version by itself.
    fn package(&mut self, name: &PackageName, package: &LockedPackage) {
        let what = format!("`{name}` {}", package.version);
        let python = &self.lock.target.python;
        let bound = package.requires_python.as_ref();
        let bound = bound.and_then(|text| text.parse::<VersionSpecifiers>().ok());
        if let Some(bound) = bound.filter(|bound| !python_fits(bound, python.full())) {
            self.say(format!(
                "{what} is for Python {bound}, and the lock for Python {python}"
            ));
        }
        let options = &self.request.options;
        let has_address = self.amendments.address(name).is_some();
        let is_out = options.prerelease == Prerelease::Disallow && !has_address;
        if is_out && package.version.any_prerelease() {
            self.say(format!("{what} is a pre-release, and none is asked for"));
        }
        if let Some(index) = options.index_of.get(name).filter(|_| !has_address) {
            let (asked, own) = (without_credentials(index), package.index.as_str());
            if asked.trim_end_matches('/') != own.trim_end_matches('/') {
                let own = if own.is_empty() { origin(package) } else { own };
                self.say(format!(
                    "{what} comes from `{own}`, and is asked for from `{asked}`"
                ));
            }
        }
    }

    /// What can be told of the file that a version was taken from.
    fn file(&mut self, name: &PackageName, package: &LockedPackage) {
        let what = format!("`{name}` {}", package.version);
        let options = &self.request.options;
        if package.sdist.is_some() && !options.takes_sdists(name) {
            self.say(format!(
                "{what} is built from source, and only wheels are asked for"
            ));
        }
        if package.sdist.is_none() && !options.takes_wheels(name) {
            self.say(format!(
                "{what} is a published wheel, and one built from source is asked for"
            ));
        }
        let (file, sha256) = match &package.sdist {
            Some(sdist) => (sdist.filename.clone(), &sdist.sha256),
            None => (package.wheel.filename.to_string(), &package.wheel.sha256),
        };
        if !self.amendments.takes(name, Some(sha256)) {
            self.say(format!(
                "{what}: none of the hashes that are asked for is that of `{file}`"
            ));
        }
        if options.require_hashes && !self.amendments.has_digests(name) {
            self.say(format!(
                "hashes are required, and no requirement has one of {what}"
            ));
        }
        // What comes from no index has no time, and is there.
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let limit = options.exclude_newer.as_deref().and_then(time);
        let uploaded = package.uploaded().filter(|_| !package.index.is_empty());
        if let (Some(limit), Some(uploaded)) = (limit, uploaded.and_then(time))
            && uploaded >= limit
        {
            self.say(format!(
                "{what} was uploaded on {uploaded}, and nothing after {limit} is asked for"
            ));
        }
    }
}

/// Where a bound or a replacement was written.
fn place(one: &Requirement) -> String {
    match one.origin.to_string() {
        place if place.is_empty() => "a setting".to_owned(),
        place => place,
    }
}

/// A requirement as it is written, without its marker and without credentials.
fn spelled(need: &Dependency) -> String {
    let mut text = need.name.to_string();
    if !need.extras.is_empty() {
        let extras: Vec<&str> = need.extras.iter().map(AsRef::as_ref).collect();
        text = format!("{text}[{}]", extras.join(","));
    }
    text += &show(&need.specifiers);
    if let Some(url) = &need.address {
        text = format!("{text} @ {}", without_credentials(url));
    }
    text
}

/// The address of the file that a version was taken from.
fn origin(package: &LockedPackage) -> &str {
    let sdist = package.sdist.as_ref().map(|sdist| &sdist.url);
    sdist.unwrap_or(&package.wheel.url)
}

/// What the lock has instead of what is asked for; `None` when it fits.
fn misfit(
    package: &LockedPackage,
    specifiers: &VersionSpecifiers,
    address: Option<&str>,
) -> Option<String> {
    let version: &Version = &package.version;
    if !admit(specifiers, version) {
        return Some(version.to_string());
    }
    let own = origin(package);
    // Locks of other tools name files of this machine by their paths.
    let is_there = |url: &str| {
        let path = url::Url::from_file_path(own).ok();
        is_same(url, own) || path.is_some_and(|path| is_same(url, path.as_str()))
    };
    let shown = || format!("{version} from `{}`", without_credentials(own));
    address.filter(|url| !is_there(url)).map(|_| shown())
}
