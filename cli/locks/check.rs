//! Whether a lock still satisfies its requirements.
//!
//! In: a lock, requirements and how to resolve, metadata as far as it is known. Out: each reason
//! why it does not. Never: asks an index; takes what it can't tell for a reason.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::VersionOrUrl;
use pyrun_core::request::ResolveOptions;
use pyrun_core::request::without_credentials;
use pyrun_core::{
    ExtraName, Lock, LockedPackage, PackageName, Requirement, Sha256, Version, VersionSpecifiers,
};

use crate::graph::known::Known;

/// What a lock is to satisfy.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The requirements.
    pub requirements: &'a [Requirement],
    /// The file's own bound on Python.
    pub requires_python: Option<&'a VersionSpecifiers>,
    /// How to resolve.
    pub options: &'a ResolveOptions,
}

/// Every reason why the lock does not satisfy what is asked; none when it does.
pub fn reasons(lock: &Lock, asked: &Asked<'_>, known: &Known) -> Vec<String> {
    let mut check = Check {
        lock,
        asked,
        known,
        reasons: Vec::new(),
        extras: BTreeMap::new(),
        waiting: Vec::new(),
        is_whole: true,
    };
    check.python();
    check.direct();
    check.closure();
    check.unneeded();
    check.constraints();
    for (name, package) in &lock.packages {
        check.package(name, package);
    }
    check.reasons
}

struct Check<'a> {
    lock: &'a Lock,
    asked: &'a Asked<'a>,
    known: &'a Known,
    reasons: Vec<String>,
    /// What was reached, with the extras that are asked of it.
    extras: BTreeMap<PackageName, BTreeSet<ExtraName>>,
    waiting: Vec<PackageName>,
    /// Whether it is known of each package that was reached what it needs.
    is_whole: bool,
}

impl<'a> Check<'a> {
    fn say(&mut self, reason: String) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn applies(&self, requirement: &Requirement) -> bool {
        let markers = self.lock.target.markers();
        requirement.spec.evaluate_markers(&markers, &[])
    }

    fn python(&mut self) {
        let python = &self.lock.target.python;
        if let Some(bound) = self.asked.requires_python
            && !bound.contains(&python.full().only_release())
        {
            self.say(format!(
                "Python {bound} is asked for, and the lock is for Python {python}"
            ));
        }
    }

    fn direct(&mut self) {
        let asked: &'a [Requirement] = self.asked.requirements;
        for requirement in asked {
            if !self.applies(requirement) {
                continue;
            }
            let spec = &requirement.spec;
            let place = requirement.origin.to_string();
            let what = match place.as_str() {
                "" => format!("`{spec}` is asked for"),
                place => format!("{place} asks for `{spec}`"),
            };
            self.meet(
                &spec.name,
                &spec.extras,
                spec.version_or_url.as_ref(),
                &what,
            );
            self.hashes(requirement, &what);
        }
    }

    /// Sees that the lock has a package as it is asked for, and goes on from it.
    fn meet(
        &mut self,
        name: &PackageName,
        extras: &[ExtraName],
        versions: Option<&VersionOrUrl>,
        what: &str,
    ) {
        let over: Vec<&Requirement> = self
            .asked
            .options
            .overrides
            .iter()
            .filter(|over| over.spec.name == *name)
            .collect();
        let (mut extras, mut versions) = (extras.to_vec(), versions.cloned());
        if !over.is_empty() {
            let Some(over) = over.into_iter().find(|over| self.applies(over)) else {
                return;
            };
            extras.clone_from(&over.spec.extras);
            versions.clone_from(&over.spec.version_or_url);
        }
        let Some(package) = self.lock.packages.get(name) else {
            return self.say(format!("{what}, and the lock has no `{name}`"));
        };
        if let Some(found) = misfit(package, versions.as_ref()) {
            self.say(format!("{what}, and the lock has `{name}` {found}"));
        }
        let known = self.extras.get(name).map(BTreeSet::len);
        let of_it = self.extras.entry(name.clone()).or_default();
        of_it.extend(extras);
        if known != Some(of_it.len()) {
            self.waiting.push(name.clone());
        }
    }

    fn hashes(&mut self, requirement: &Requirement, what: &str) {
        let name = &requirement.spec.name;
        let Some(package) = self.lock.packages.get(name) else {
            return;
        };
        let sdist = package.sdist.as_ref().map(|sdist| sdist.sha256);
        let own: [Option<Sha256>; 2] = [Some(package.wheel.sha256), sdist];
        let fits = own
            .iter()
            .flatten()
            .any(|hash| requirement.hashes.contains(hash));
        if !requirement.hashes.is_empty() && !fits {
            self.say(format!(
                "{what}, and none of its hashes is that of `{}`",
                package.wheel.filename
            ));
        }
    }

    /// What each package that was reached needs in its turn.
    fn closure(&mut self) {
        let markers = self.lock.target.markers();
        while let Some(name) = self.waiting.pop() {
            let package = &self.lock.packages[&name];
            let Some(metadata) = self.known.get(&name) else {
                self.is_whole &= !package.dependencies.is_empty();
                for need in &package.dependencies {
                    let what = format!("`{name}` {} needs `{need}`", package.version);
                    self.meet(need, &[], None, &what);
                }
                continue;
            };
            let extras = self.extras.get(&name).cloned().unwrap_or_default();
            for need in &metadata.requires_dist {
                let with = |extra: &ExtraName| {
                    need.evaluate_markers(&markers, std::slice::from_ref(extra))
                };
                if need.name == name {
                    // An extra may stand for other extras of the same package.
                    if extras.iter().any(with) {
                        let what = format!("`{name}` {} needs itself", package.version);
                        self.meet(&need.name, &need.extras, None, &what);
                    }
                } else if need.evaluate_markers(&markers, &[]) || extras.iter().any(with) {
                    let bare = pep508_rs::Requirement {
                        marker: pep508_rs::MarkerTree::default(),
                        ..need.clone()
                    };
                    let what = format!("`{name}` {} needs `{bare}`", package.version);
                    self.meet(
                        &need.name,
                        &need.extras,
                        need.version_or_url.as_ref(),
                        &what,
                    );
                }
            }
        }
    }

    fn unneeded(&mut self) {
        // A lock of a tool that writes down no needs can't tell who is needed.
        let tells = self
            .lock
            .packages
            .values()
            .any(|package| !package.dependencies.is_empty());
        if !self.is_whole && !tells {
            return;
        }
        for (name, package) in &self.lock.packages {
            if !self.extras.contains_key(name) {
                self.say(format!(
                    "nothing needs `{name}` {}, which the lock has",
                    package.version
                ));
            }
        }
    }

    fn constraints(&mut self) {
        let options: &'a ResolveOptions = self.asked.options;
        for bound in &options.constraints {
            let name = &bound.spec.name;
            let Some(package) = self.lock.packages.get(name).filter(|_| self.applies(bound)) else {
                continue;
            };
            if let Some(found) = misfit(package, bound.spec.version_or_url.as_ref()) {
                let place = bound.origin.to_string();
                self.say(format!(
                    "{place} bounds `{}`, and the lock has `{name}` {found}",
                    bound.spec
                ));
            }
        }
    }

    /// What can be told of a package by itself.
    fn package(&mut self, name: &PackageName, package: &LockedPackage) {
        let what = format!("`{name}` {}", package.version);
        let python = self.lock.target.python.full().only_release();
        let bound = package.requires_python.as_ref();
        let bound = bound.and_then(|text| text.parse::<VersionSpecifiers>().ok());
        if let Some(bound) = bound.filter(|bound| !bound.contains(&python)) {
            self.say(format!(
                "{what} is for Python {bound}, and the lock for Python {python}"
            ));
        }
        let options = self.asked.options;
        if options.only_binary.contains(name) && package.sdist.is_some() {
            self.say(format!(
                "{what} is built from source, and only wheels are asked for"
            ));
        }
        if options.no_binary.contains(name) && package.sdist.is_none() {
            self.say(format!(
                "{what} is a published wheel, and one built from source is asked for"
            ));
        }
        if let Some(index) = options.index_of.get(name) {
            let (asked, own) = (without_credentials(index), package.index.as_str());
            if asked.trim_end_matches('/') != own.trim_end_matches('/') {
                self.say(format!(
                    "{what} comes from `{own}`, and is asked for from `{asked}`"
                ));
            }
        }
        if options.require_hashes {
            let mut all = self.asked.requirements.iter();
            if !all.any(|asked| asked.spec.name == *name && !asked.hashes.is_empty()) {
                self.say(format!(
                    "hashes are required, and no requirement has one of {what}"
                ));
            }
        }
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
        let limit = options.exclude_newer.as_deref().and_then(time);
        let uploaded = package.wheel.upload_time.as_deref().and_then(time);
        if let (Some(limit), Some(uploaded)) = (limit, uploaded)
            && uploaded >= limit
        {
            self.say(format!(
                "{what} was uploaded on {uploaded}, and nothing after {limit} is asked for"
            ));
        }
    }
}

/// What the lock has instead of what is asked for; `None` when it fits.
fn misfit(package: &LockedPackage, asked: Option<&VersionOrUrl>) -> Option<String> {
    let version: &Version = &package.version;
    match asked {
        None => None,
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            (!specifiers.contains(version)).then(|| version.to_string())
        }
        Some(VersionOrUrl::Url(url)) => {
            let plain = |url: &str| {
                let url = without_credentials(url);
                url.split('#').next().unwrap_or_default().to_owned()
            };
            let own = package.sdist.as_ref().map(|sdist| &sdist.url);
            let own = own.unwrap_or(&package.wheel.url);
            (plain(&url.to_string()) != plain(own)).then(|| format!("{version} from `{own}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::testing::{known, lock, requirements};

    fn told(lock: &Lock, specs: &[&str], options: &ResolveOptions, known: &Known) -> Vec<String> {
        let requirements = requirements(specs);
        let asked = Asked {
            requirements: &requirements,
            requires_python: None,
            options,
        };
        reasons(lock, &asked, known)
    }

    fn sample() -> Lock {
        lock(&[("app", "1.5", &["lib"]), ("lib", "2.0", &[])])
    }

    #[test]
    fn what_is_satisfied_has_no_reason() {
        let options = ResolveOptions::default();
        let none: Vec<String> = Vec::new();
        let known = known(&[("app", "1.5", "Requires-Dist: lib>=1"), ("lib", "2.0", "")]);
        for specs in [
            &["app"][..],
            &["app>=1,<2", "lib==2.*"],
            &["app", "gone; python_version<'3'"],
        ] {
            assert_eq!(
                told(&sample(), specs, &options, &Known::new()),
                none,
                "{specs:?}"
            );
            assert_eq!(told(&sample(), specs, &options, &known), none, "{specs:?}");
        }
    }

    #[test]
    fn every_reason_is_told_with_its_place() {
        let options = ResolveOptions::default();
        assert_eq!(
            told(
                &sample(),
                &["app>=2", "new", "app @ https://h/app.whl"],
                &options,
                &Known::new()
            ),
            [
                "r.txt:1 asks for `app>=2`, and the lock has `app` 1.5",
                "r.txt:2 asks for `new`, and the lock has no `new`",
                "r.txt:3 asks for `app @ https://h/app.whl`, and the lock has `app` 1.5 from `https://h/app-1.5-py3-none-any.whl`",
            ]
        );
        assert_eq!(
            told(&sample(), &["lib"], &options, &known(&[("lib", "2.0", "")])),
            ["nothing needs `app` 1.5, which the lock has"]
        );
        let known = known(&[(
            "app",
            "1.5",
            "Requires-Dist: lib>=3\nRequires-Dist: more; extra == 'x'",
        )]);
        assert_eq!(
            told(&sample(), &["app[x]"], &options, &known),
            [
                "`app` 1.5 needs `lib>=3`, and the lock has `lib` 2.0",
                "`app` 1.5 needs `more`, and the lock has no `more`",
            ]
        );
    }

    #[test]
    fn options_are_held_to_as_well() {
        use pyrun_core::request::Selection;
        let mut options = ResolveOptions {
            constraints: requirements(&["lib<2"]),
            no_binary: Selection::All,
            exclude_newer: Some("2019-01-01T00:00:00Z".to_owned()),
            ..ResolveOptions::default()
        };
        options.index_of.insert(
            "app".parse().expect("a name"),
            "https://i/simple".to_owned(),
        );
        let told_all = told(&sample(), &["app"], &options, &Known::new());
        assert_eq!(told_all.len(), 6, "{told_all:#?}");
        options = ResolveOptions {
            overrides: requirements(&["lib>=3"]),
            ..ResolveOptions::default()
        };
        assert_eq!(
            told(&sample(), &["app"], &options, &Known::new()),
            ["`app` 1.5 needs `lib`, and the lock has `lib` 2.0"]
        );
    }

    #[test]
    fn hashes_and_pythons_must_fit() {
        let mut lock = sample();
        let options = ResolveOptions {
            require_hashes: true,
            ..ResolveOptions::default()
        };
        for package in lock.packages.values_mut() {
            package.requires_python = Some(">=3.13".to_owned());
        }
        let mut requirements = requirements(&["app", "lib"]);
        requirements[0].hashes = vec![Sha256::of("other")];
        requirements[1].hashes = vec![Sha256::of("lib 2.0")];
        let bound = ">=3.13".parse().expect("a bound");
        let asked = Asked {
            requirements: &requirements,
            requires_python: Some(&bound),
            options: &options,
        };
        let told = reasons(&lock, &asked, &Known::new());
        assert_eq!(told.len(), 4, "{told:#?}");
        assert!(told[1].contains("none of its hashes"), "{told:#?}");
    }
}
