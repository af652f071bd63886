//! What may be built and run: the policy of whoever keeps the store.
//!
//! In: the text of a `policy.toml`, and what is asked for, locked or built, and the time. Out:
//! nothing, or refusals that name the package, its version, the rule and who asked. Never: lets
//! through what it does not understand: an unknown key or a rule that can't be read makes the whole
//! policy invalid.
//!
//! docs/policy.md says what may stand in one.

mod chain;
mod index;
mod read;
mod refusal;
mod rule;
mod terms;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pep440_rs::Version;
use pep508_rs::PackageName;

use crate::digest::Sha256;
use crate::fault::Fault;
use crate::lock::Lock;
use crate::manifest::{About, BundleRecord};
use crate::osv::Vulnerability;
use crate::request::{Request, Requirement, ResolveOptions, without_credentials};

pub use refusal::{Part, Refusal, into_result};

use chain::Ways;
use index::Indexes;
use rule::Rule;
use terms::{Age, Licences, Limits, Sdists, Vulnerable};

/// What may be built and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    digest: Sha256,
    allow: Option<Vec<Rule>>,
    deny: Vec<Rule>,
    indexes: Indexes,
    sdists: Sdists,
    age: Option<Age>,
    limits: Limits,
    licences: Option<Licences>,
    vulnerabilities: Option<Vulnerable>,
}

/// Why a package is not let in by its name and version.
#[derive(Debug, Clone, Copy)]
enum Objection<'p> {
    /// A rule of `deny` says so.
    Denied(&'p Rule),
    /// No rule of `allow` does.
    NotAllowed,
}

/// A package as a lock or a bundle has it.
#[derive(Debug, Clone)]
struct Subject<'a> {
    version: &'a Version,
    needs: &'a [PackageName],
    about: About,
}

type Subjects<'a> = BTreeMap<&'a PackageName, Subject<'a>>;

/// Why the search for versions passes over a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver {
    /// It is younger than `minimum-age`, or nothing says how old it is.
    Young,
    /// It is a source distribution, and `[sdists]` does not name its package.
    Sdist,
}

impl Policy {
    /// Reads a `policy.toml`. What is wrong with it is named with its line.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        read::policy(text)
    }

    /// The digest of the text that it was read from: what verdicts are remembered under.
    pub fn digest(&self) -> &Sha256 {
        &self.digest
    }

    /// What it says, a sentence for each rule.
    pub fn words(&self) -> Vec<String> {
        words::of(self)
    }

    /// Whether it asks for the upload time of a package.
    pub fn wants_upload_time(&self, name: &PackageName) -> bool {
        self.age.as_ref().is_some_and(|age| !age.is_exempt(name))
    }

    /// Whether it asks for licences, which only wheels tell.
    pub fn wants_licences(&self) -> bool {
        self.licences.is_some()
    }

    /// Whether it asks for known vulnerabilities.
    pub fn wants_vulnerabilities(&self) -> bool {
        self.vulnerabilities.is_some()
    }

    /// Why the search for versions is to pass over a file of a package, if it is: what would be
    /// refused once it is locked.
    pub fn passes_over(
        &self,
        name: &PackageName,
        is_sdist: bool,
        uploaded: Option<&str>,
        now: Timestamp,
    ) -> Option<PassedOver> {
        if is_sdist && !self.sdists.allow(name) {
            return Some(PassedOver::Sdist);
        }
        let age = self.age.as_ref().filter(|age| !age.is_exempt(name))?;
        (!age.is_reached(uploaded, now)).then_some(PassedOver::Young)
    }

    /// `minimum-age` as it was written.
    pub fn minimum_age(&self) -> Option<&str> {
        self.age.as_ref().map(|age| age.text.as_str())
    }

    /// Says in a request from which index packages come that the policy ties to one, as far as
    /// their names are known before it is resolved.
    pub fn pin(&self, request: &mut Request) {
        let asked = request.requirements.iter();
        let asked: Vec<PackageName> = asked.map(|asked| asked.spec.name.clone()).collect();
        self.pin_options(&mut request.options, asked);
    }

    /// The same for options alone, and the names that are asked for directly.
    pub fn pin_options(&self, options: &mut ResolveOptions, asked: Vec<PackageName>) {
        self.indexes.pin(options, asked);
    }

    /// Checks what can be told before anything is resolved: the indexes that would be asked, and
    /// direct requirements that no version can satisfy.
    pub fn check_request(&self, request: &Request) -> Result<(), Fault> {
        into_result(&self.refusals_of_request(request))
    }

    /// All that [`Self::check_request`] refuses.
    pub fn refusals_of_request(&self, request: &Request) -> Vec<Refusal> {
        let mut refusals = self.indexes.check_options(&request.options);
        let markers = request.target.markers();
        let asked = request.requirements.iter();
        let asked = asked.filter(|asked| asked.spec.evaluate_markers(&markers, &[]));
        refusals.extend(asked.filter_map(|asked| self.check_requirement(asked)));
        // What bounds or replaces a requirement may bring an address as well.
        let options = &request.options;
        let more = options.overrides.iter().chain(&options.constraints);
        let more = more.filter(|one| one.spec.evaluate_markers(&markers, &[]));
        refusals.extend(more.filter_map(|one| self.indexes.check_address(one)));
        refusals
    }

    fn check_requirement(&self, requirement: &Requirement) -> Option<Refusal> {
        let name = &requirement.spec.name;
        let denied = self.deny.iter().find(|rule| rule.is_of_every_version(name));
        let objection = match (denied, &self.allow) {
            (Some(rule), _) => Objection::Denied(rule),
            (None, Some(allow)) if !allow.iter().any(|rule| rule.is_of(name)) => {
                Objection::NotAllowed
            }
            _ => return self.indexes.check_address(requirement),
        };
        let refusal = Refusal::of(Part::Packages, name, None).because(reason(objection));
        Some(asked_for(refusal, requirement))
    }

    /// Checks every package of a lock: its name, its version, where it comes from, what it is made
    /// from, how old it is and how large.
    pub fn check_lock(&self, lock: &Lock, now: Timestamp) -> Result<(), Fault> {
        into_result(&self.refusals_of_lock(lock, now))
    }

    /// All that [`Self::check_lock`] refuses.
    pub fn refusals_of_lock(&self, lock: &Lock, now: Timestamp) -> Vec<Refusal> {
        let packages = lock.packages.iter();
        let subjects: Subjects<'_> = packages
            .map(|(name, package)| {
                let subject = Subject {
                    version: &package.version,
                    needs: &package.dependencies,
                    about: About::of(package),
                };
                (name, subject)
            })
            .collect();
        let mut refusals = self.check_names(&subjects);
        for (name, package) in &lock.packages {
            // A wheel that was built has no address: what it was built from has.
            let sdist = package.sdist.as_ref().map(|sdist| &sdist.url);
            let file = sdist.unwrap_or(&package.wheel.url);
            let origin = self
                .indexes
                .check_origin(name, &package.version, &package.index, file);
            refusals.extend(origin);
        }
        refusals.extend(self.check_terms(&subjects, now));
        let sizes = lock
            .packages
            .values()
            .filter_map(|package| package.wheel.size);
        let bytes = sizes.fold(0u64, u64::saturating_add);
        refusals.extend(self.limits.check_all(lock.packages.len(), bytes));
        with_asked(refusals, &subjects)
    }

    /// Checks what only the wheels themselves tell: their licences, and sizes that the lock left
    /// open.
    pub fn check_contents(
        &self,
        lock: &Lock,
        about: &BTreeMap<PackageName, About>,
    ) -> Result<(), Fault> {
        let packages = lock.packages.iter();
        let subjects: Subjects<'_> = packages
            .map(|(name, package)| {
                let subject = Subject {
                    version: &package.version,
                    needs: &package.dependencies,
                    about: about.get(name).cloned().unwrap_or_default(),
                };
                (name, subject)
            })
            .collect();
        let mut refusals = self.check_licences(&subjects);
        for (name, subject) in &subjects {
            let (version, about) = (subject.version, &subject.about);
            refusals.extend(self.limits.check_wheel(name, version, about));
        }
        let sizes = about.values().filter_map(|about| about.size);
        let bytes = sizes.fold(0u64, u64::saturating_add);
        refusals.extend(self.limits.check_all(lock.packages.len(), bytes));
        into_result(&with_asked(refusals, &subjects))
    }

    /// Checks that a package may be built, which runs its code, from a file of an index; `index` is
    /// empty for a file at an address of its own.
    pub fn check_build(
        &self,
        name: &PackageName,
        version: &Version,
        index: &str,
        file: &str,
    ) -> Result<(), Fault> {
        let mut refusals: Vec<Refusal> = self.check_name(name, version).into_iter().collect();
        refusals.extend(self.sdists.check(name, version));
        refusals.extend(self.indexes.check_origin(name, version, index, file));
        into_result(&refusals)
    }

    /// Checks every package that a bundle holds.
    pub fn check_record(&self, record: &BundleRecord, now: Timestamp) -> Result<(), Fault> {
        into_result(&self.refusals_of_record(record, now))
    }

    /// All that [`Self::check_record`] refuses.
    pub fn refusals_of_record(&self, record: &BundleRecord, now: Timestamp) -> Vec<Refusal> {
        let segments = record.manifest.segments.iter();
        let subjects: Subjects<'_> = segments
            .map(|segment| {
                let subject = Subject {
                    version: &segment.version,
                    needs: record.needs(segment),
                    about: record
                        .about
                        .get(&segment.package)
                        .cloned()
                        .unwrap_or_default(),
                };
                (&segment.package, subject)
            })
            .collect();
        let mut refusals = self.check_names(&subjects);
        for (name, subject) in &subjects {
            let index = &subject.about.index;
            refusals.extend(self.indexes.check_index_of(name, subject.version, index));
        }
        refusals.extend(self.check_terms(&subjects, now));
        refusals.extend(self.check_licences(&subjects));
        refusals.extend(self.limits.check_all(subjects.len(), record.size));
        with_asked(refusals, &subjects)
    }

    /// What it refuses of known vulnerabilities.
    pub fn refusals_of_vulnerabilities(&self, found: &[Vulnerability]) -> Vec<Refusal> {
        let terms = self.vulnerabilities.as_ref();
        let found = terms
            .into_iter()
            .flat_map(|terms| found.iter().map(move |one| (terms, one)));
        found.filter_map(|(terms, one)| terms.check(one)).collect()
    }

    fn check_names(&self, subjects: &Subjects<'_>) -> Vec<Refusal> {
        let subjects = subjects.iter();
        subjects
            .filter_map(|(name, subject)| self.check_name(name, subject.version))
            .collect()
    }

    fn check_name(&self, name: &PackageName, version: &Version) -> Option<Refusal> {
        let objection = self.objection(name, version)?;
        let refusal = Refusal::of(Part::Packages, name, Some(version));
        Some(refusal.because(reason(objection)))
    }

    fn check_terms(&self, subjects: &Subjects<'_>, now: Timestamp) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for (name, Subject { version, about, .. }) in subjects {
            if about.sdist.is_some() {
                refusals.extend(self.sdists.check(name, version));
            }
            let age = self.age.as_ref();
            refusals.extend(age.and_then(|age| age.check(name, version, about, now)));
            refusals.extend(self.limits.check_wheel(name, version, about));
        }
        refusals
    }

    fn check_licences(&self, subjects: &Subjects<'_>) -> Vec<Refusal> {
        let Some(licences) = &self.licences else {
            return Vec::new();
        };
        let subjects = subjects.iter();
        subjects
            .filter_map(|(name, subject)| licences.check(name, subject.version, &subject.about))
            .collect()
    }

    fn objection(&self, name: &PackageName, version: &Version) -> Option<Objection<'_>> {
        if let Some(rule) = self.deny.iter().find(|rule| rule.takes(name, version)) {
            return Some(Objection::Denied(rule));
        }
        let allow = self.allow.as_ref()?;
        let is_allowed = allow.iter().any(|rule| rule.takes(name, version));
        (!is_allowed).then_some(Objection::NotAllowed)
    }
}

fn reason(objection: Objection<'_>) -> String {
    match objection {
        Objection::Denied(rule) => format!("`deny` has the rule `{rule}`"),
        Objection::NotAllowed => "no rule of `allow` takes it".to_owned(),
    }
}

/// The refusals with the way on which each package came in.
fn with_asked(refusals: Vec<Refusal>, subjects: &Subjects<'_>) -> Vec<Refusal> {
    let is_open = |refusal: &Refusal| refusal.package.is_some() && refusal.asked.is_none();
    if !refusals.iter().any(is_open) {
        return refusals;
    }
    let packages = subjects.iter();
    let packages = packages.map(|(name, subject)| (*name, (subject.version, subject.needs)));
    let ways = Ways::of(packages.collect());
    let asked = |refusal: Refusal| match &refusal.package {
        Some(name) if refusal.asked.is_none() => {
            let asked = ways.to(name).to_string();
            refusal.asked(asked)
        }
        _ => refusal,
    };
    refusals.into_iter().map(asked).collect()
}

/// The refusal with who asked, as far as that is known.
fn asked_for(refusal: Refusal, requirement: &Requirement) -> Refusal {
    let place = requirement.origin.to_string();
    let shown = without_credentials(&requirement.spec.to_string());
    let refusal = if place.is_empty() {
        refusal.asked(format!("`{shown}` is asked for directly"))
    } else {
        refusal.asked(format!("{place} asks for `{shown}`"))
    };
    Refusal {
        span: requirement.origin.span.clone(),
        ..refusal
    }
}
