//! What may be built and run: the policy of whoever keeps the store.
//!
//! In: the text of a `policy.toml`, and what is asked for, locked or built. Out: nothing, or a
//! fault that names the package, its version, the rule and who asked. Never: lets through what it
//! does not understand: an unknown key or a rule that can't be read makes the whole policy invalid.
//!
//! ```toml
//! [packages]
//! allow = ["numpy>=1.20", "pandas", "internal-*"] # nothing else; all when absent
//! deny = ["leftpad", "requests<2.20"]             # wins over `allow`
//!
//! [indexes]
//! allow = ["https://pypi.org/simple"]             # no other; all when absent
//! files = ["https://files.example.org"]           # where else wheels may come from
//! ```

mod chain;
mod read;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use pep440_rs::Version;
use pep508_rs::{PackageName, VersionOrUrl};
use url::Url;

use crate::digest::Sha256;
use crate::fault::{Code, Fault};
use crate::lock::{Lock, LockedPackage};
use crate::manifest::BundleRecord;
use crate::request::{Request, Requirement, without_credentials};

use chain::Asked;
use rule::Rule;

/// What may be built and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    digest: Sha256,
    allow: Option<Vec<Rule>>,
    deny: Vec<Rule>,
    indexes: Option<Indexes>,
}

/// Where packages may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Indexes {
    allow: Vec<Url>,
    files: Vec<Url>,
}

/// Why a package is not let in.
#[derive(Debug, Clone, Copy)]
enum Objection<'p> {
    /// A rule of `deny` says so.
    Denied(&'p Rule),
    /// No rule of `allow` does.
    NotAllowed,
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

    /// Checks what can be told before anything is resolved: the indexes that would be asked, and
    /// direct requirements that no version can satisfy.
    pub fn check_request(&self, request: &Request) -> Result<(), Fault> {
        for index in &request.options.indexes {
            self.check_index(index)?;
        }
        let markers = request.target.markers();
        for requirement in &request.requirements {
            if requirement.spec.evaluate_markers(&markers, &[]) {
                self.check_requirement(requirement)?;
            }
        }
        Ok(())
    }

    fn check_requirement(&self, requirement: &Requirement) -> Result<(), Fault> {
        let name = &requirement.spec.name;
        let denied = self.deny.iter().find(|rule| rule.is_of_every_version(name));
        let objection = match (denied, &self.allow) {
            (Some(rule), _) => Objection::Denied(rule),
            (None, Some(allow)) if !allow.iter().any(|rule| rule.is_of(name)) => {
                Objection::NotAllowed
            }
            _ => return self.check_address(requirement),
        };
        Err(asked_for(
            denied_fault(name.as_ref(), objection),
            requirement,
        ))
    }

    /// A requirement with an address of its own asks no index.
    fn check_address(&self, requirement: &Requirement) -> Result<(), Fault> {
        let Some(VersionOrUrl::Url(url)) = &requirement.spec.version_or_url else {
            return Ok(());
        };
        self.check_home(requirement.spec.name.as_ref(), &url.to_string())
            .map_err(|fault| asked_for(fault, requirement))
    }

    fn check_index(&self, index: &str) -> Result<(), Fault> {
        let shown = without_credentials(index);
        let Some(indexes) = &self.indexes else {
            return Ok(());
        };
        if address(&shown).is_some_and(|url| indexes.allow.contains(&url)) {
            return Ok(());
        }
        let allowed: Vec<String> = indexes.allow.iter().map(|url| format!("`{url}`")).collect();
        let fault = Fault::new(
            Code::POLICY_DENIED,
            format!("the policy does not let the index `{shown}` be asked"),
        )
        .cause("it is not among `allow` of `[indexes]`");
        Err(match allowed.as_slice() {
            [] => fault.hint("the policy allows no index at all"),
            _ => fault.hint(format!("use {}", allowed.join(" or "))),
        })
    }

    /// Checks every package of a lock: its name, its version, and where it comes from.
    pub fn check_lock(&self, lock: &Lock) -> Result<(), Fault> {
        let packages = lock
            .packages
            .iter()
            .map(|(name, package)| (name, (&package.version, package.dependencies.as_slice())));
        self.check_packages(&packages.collect())?;
        for (name, package) in &lock.packages {
            self.check_source(name, package)?;
        }
        Ok(())
    }

    /// A lock may come from anybody: what it says of its index counts only together with where its
    /// files are.
    fn check_source(&self, name: &PackageName, package: &LockedPackage) -> Result<(), Fault> {
        if !package.index.is_empty() {
            self.check_index(&package.index)?;
        }
        let what = format!("{name} {}", package.version);
        match &package.sdist {
            None => self.check_home(&what, &package.wheel.url),
            Some(sdist) => {
                self.check_build(name, &package.version)?;
                self.check_home(&what, &sdist.url)
            }
        }
    }

    /// Checks that a package may be built from source, which runs its code: no rule can say so.
    pub fn check_build(&self, name: &PackageName, version: &Version) -> Result<(), Fault> {
        Err(Fault::new(
            Code::POLICY_DENIED,
            format!("the policy does not let `{name} {version}` be built from source"),
        )
        .cause("a build runs the package's code, and no rule of the policy allows that")
        .hint(format!(
            "choose a version that has a wheel: `--only-binary {name}`"
        )))
    }

    /// Refuses a file that lies where no allowed index keeps its files.
    fn check_home(&self, what: &str, file: &str) -> Result<(), Fault> {
        let shown = without_credentials(file);
        let Some(indexes) = &self.indexes else {
            return Ok(());
        };
        if address(&shown).is_some_and(|url| indexes.hold(&url)) {
            return Ok(());
        }
        Err(Fault::new(
            Code::POLICY_DENIED,
            format!("the policy does not let `{what}` come from `{shown}`"),
        )
        .cause("no index of `allow` and no address of `files` in `[indexes]` is its home")
        .hint("lock it again from an index that the policy allows"))
    }

    /// Checks every package that a bundle holds.
    pub fn check_record(&self, record: &BundleRecord) -> Result<(), Fault> {
        let packages = record.manifest.segments.iter().map(|segment| {
            let about = (&segment.version, segment.depends.as_slice());
            (&segment.package, about)
        });
        self.check_packages(&packages.collect())
    }

    fn check_packages(
        &self,
        packages: &BTreeMap<&PackageName, (&Version, &[PackageName])>,
    ) -> Result<(), Fault> {
        let mut refused = packages.iter().filter_map(|(name, (version, _))| {
            let objection = self.objection(name, version)?;
            Some((*name, *version, objection))
        });
        let Some((name, version, objection)) = refused.next() else {
            return Ok(());
        };
        let mut fault = denied_fault(&format!("{name} {version}"), objection);
        fault.causes.push(Asked::of(name, packages).to_string());
        let others = refused.map(|(name, version, objection)| {
            format!(
                "nor does it let `{name} {version}` in: {}",
                reason(objection)
            )
        });
        fault.causes.extend(others);
        Err(fault)
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

impl Indexes {
    /// Whether a file lies where one of the indexes, or an address of `files`, has its own.
    fn hold(&self, file: &Url) -> bool {
        let is_below = |home: &Url| {
            let same = home.scheme() == file.scheme()
                && home.host() == file.host()
                && home.port_or_known_default() == file.port_or_known_default();
            let rest = file.path().strip_prefix(home.path());
            let inside = rest.is_some_and(|rest| {
                rest.starts_with('/') || rest.is_empty() || home.path().ends_with('/')
            });
            same && inside
        };
        // An index keeps its files anywhere on its host; a folder keeps them in itself.
        let is_beside = |index: &Url| index.host().is_some() && index.origin() == file.origin();
        let pypi = |index: &Url| {
            index.host_str() == Some("pypi.org")
                && file.host_str() == Some("files.pythonhosted.org")
                && file.scheme() == "https"
        };
        self.files.iter().any(is_below)
            || self
                .allow
                .iter()
                .any(|index| is_beside(index) || is_below(index) || pypi(index))
    }
}

/// An index's address in one spelling; `None` for what is none.
fn address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

fn denied_fault(what: &str, objection: Objection<'_>) -> Fault {
    Fault::new(
        Code::POLICY_DENIED,
        format!("the policy does not let `{what}` in"),
    )
    .cause(reason(objection))
    .hint("choose another package or version, or ask whoever keeps the policy")
}

fn reason(objection: Objection<'_>) -> String {
    match objection {
        Objection::Denied(rule) => format!("`deny` has the rule `{rule}`"),
        Objection::NotAllowed => "no rule of `allow` takes it".to_owned(),
    }
}

/// The fault with who asked, as far as that is known.
fn asked_for(fault: Fault, requirement: &Requirement) -> Fault {
    let place = requirement.origin.to_string();
    let fault = if place.is_empty() {
        fault.cause(format!("`{}` is asked for directly", requirement.spec))
    } else {
        fault.cause(format!("{place} asks for `{}`", requirement.spec))
    };
    match &requirement.origin.span {
        Some(span) => fault.span(span.clone()),
        None => fault,
    }
}
