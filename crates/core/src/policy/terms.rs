//! The parts of a policy besides names and indexes: sources, age, sizes, licences, vulnerabilities.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pep440_rs::Version;
use pep508_rs::PackageName;

use super::refusal::{Part, Refusal};
use super::rule::{Pattern, Rule};
use crate::licence::Expression;
use crate::manifest::About;
use crate::osv::{Severity, Vulnerability};

/// What may be built from source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Sdists {
    /// Nothing.
    #[default]
    None,
    /// All.
    All,
    /// What one of these rules takes.
    Only(Vec<Rule>),
}

impl Sdists {
    pub(super) fn allow(&self, name: &PackageName) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(rules) => rules.iter().any(|rule| rule.is_of(name)),
        }
    }

    pub(super) fn check(&self, name: &PackageName, version: &Version) -> Option<Refusal> {
        if self.allow(name) {
            return None;
        }
        let refusal = Refusal::of(Part::Sdists, name, Some(version));
        let reason = "`allow` of `[sdists]` does not name it, and it is built from source";
        Some(
            refusal
                .because(reason)
                .hint("choose a version with a wheel for the target, or let whoever keeps the policy name it in `[sdists]`"),
        )
    }
}

/// How old a release must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Age {
    /// As it was written.
    pub(super) text: String,
    pub(super) seconds: u64,
    /// Who may be younger.
    pub(super) exempt: Vec<Rule>,
}

impl Age {
    pub(super) fn is_exempt(&self, name: &PackageName) -> bool {
        self.exempt.iter().any(|rule| rule.is_of(name))
    }

    /// What was uploaded at or after it is too young.
    pub(super) fn bound(&self, now: Timestamp) -> Timestamp {
        let age = SignedDuration::from_secs(i64::try_from(self.seconds).unwrap_or(i64::MAX));
        now.checked_sub(age).unwrap_or(Timestamp::MIN)
    }

    /// Whether what was uploaded then is old enough; what has no time never is.
    pub(super) fn is_reached(&self, uploaded: Option<&str>, now: Timestamp) -> bool {
        let time = uploaded.and_then(|text| text.parse::<Timestamp>().ok());
        time.is_some_and(|time| time < self.bound(now))
    }

    pub(super) fn check(
        &self,
        name: &PackageName,
        version: &Version,
        about: &About,
        now: Timestamp,
    ) -> Option<Refusal> {
        let uploaded = about.uploaded.as_deref();
        if self.is_exempt(name) || self.is_reached(uploaded, now) {
            return None;
        }
        let refusal = Refusal::of(Part::Age, name, Some(version));
        Some(match uploaded {
            Some(time) => refusal
                .because(format!(
                    "it was uploaded on {time}, and `minimum-age` is {}",
                    self.text
                ))
                .hint("lock again with `--upgrade`, which passes over what is too young, or wait"),
            None => refusal
                .because(format!(
                    "`minimum-age` is {}, and nothing says when it was uploaded",
                    self.text
                ))
                .hint("use an index that gives upload times (PEP 700), or name it in `exempt`"),
        })
    }
}

/// How much it may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) packages: Option<u64>,
    /// Bytes, and as it was written.
    pub(super) wheel: Option<(u64, String)>,
    pub(super) bundle: Option<(u64, String)>,
}

impl Limits {
    pub(super) fn check_wheel(
        &self,
        name: &PackageName,
        version: &Version,
        about: &About,
    ) -> Option<Refusal> {
        let ((limit, text), size) = (self.wheel.as_ref()?, about.size?);
        (size > *limit).then(|| {
            Refusal::of(Part::Limits, name, Some(version)).because(format!(
                "its wheel has {size} bytes, and `wheel` of `[limits]` is {text}"
            ))
        })
    }

    /// `bytes` is what the whole has, as far as it is known.
    pub(super) fn check_all(&self, packages: usize, bytes: u64) -> Vec<Refusal> {
        let all = || {
            Refusal::of_all(Part::Limits, "this set of packages").hint(
                "ask for fewer or smaller packages, or whoever keeps the policy for more room",
            )
        };
        let count = self.packages.filter(|limit| packages as u64 > *limit);
        let count = count.map(|limit| {
            all().because(format!(
                "it has {packages} packages, and `packages` of `[limits]` is {limit}"
            ))
        });
        let bundle = self.bundle.as_ref().filter(|(limit, _)| bytes > *limit);
        let bundle = bundle.map(|(_, text)| {
            all().because(format!(
                "it has {bytes} bytes, and `bundle` of `[limits]` is {text}"
            ))
        });
        count.into_iter().chain(bundle).collect()
    }
}

/// Which licences are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Licences {
    pub(super) allow: Option<Vec<Pattern>>,
    pub(super) deny: Vec<Pattern>,
    /// Whether a package is let in that states none which can be understood.
    pub(super) unknown: bool,
    /// Who may have any.
    pub(super) exempt: Vec<Rule>,
}

impl Licences {
    fn accepts(&self, id: &str, exception: Option<&str>) -> bool {
        let takes = |list: &[Pattern]| {
            let whole = exception.map(|exception| format!("{id} WITH {exception}"));
            let names = [Some(id.to_owned()), whole];
            let mut names = names.iter().flatten();
            names.any(|name| list.iter().any(|pattern| pattern.takes(name)))
        };
        self.allow.as_ref().is_none_or(|allow| takes(allow)) && !takes(&self.deny)
    }

    pub(super) fn check(
        &self,
        name: &PackageName,
        version: &Version,
        about: &About,
    ) -> Option<Refusal> {
        if self.exempt.iter().any(|rule| rule.is_of(name)) {
            return None;
        }
        let stated = about.licence.as_deref();
        let read = stated.and_then(|text| Expression::parse(text).ok());
        let reason = match read {
            None if self.unknown => return None,
            None => {
                "its licence is not known, and `unknown` of `[licences]` is \"deny\"".to_owned()
            }
            Some(licence) if licence.is_satisfied(&|id, with| self.accepts(id, with)) => {
                return None;
            }
            Some(licence) => format!("`[licences]` does not take its licence, `{licence}`"),
        };
        Some(Refusal::of(Part::Licences, name, Some(version)).because(reason))
    }
}

/// Which known vulnerabilities are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vulnerable {
    /// From which severity on; `None` for any.
    pub(super) deny: Option<Severity>,
    /// Records, by any of their names, that don't count.
    pub(super) ignore: BTreeSet<String>,
}

impl Vulnerable {
    pub(super) fn check(&self, found: &Vulnerability) -> Option<Refusal> {
        let mut names = found.aliases.iter().chain([&found.id]);
        if names.any(|name| self.ignore.contains(name)) {
            return None;
        }
        // One whose severity is not known may be the worst.
        if let (Some(from), Some(severity)) = (self.deny, found.severity)
            && severity < from
        {
            return None;
        }
        let severity = found
            .severity
            .map_or_else(|| "of unknown severity".to_owned(), |text| text.to_string());
        let refusal = Refusal::of(Part::Vulnerabilities, &found.package, Some(&found.version));
        let refusal = refusal.because(format!("`{}` ({severity}): {}", found.id, found.summary));
        Some(match &found.fixed {
            Some(fixed) => refusal.hint(format!("`{}` {fixed} mends it", found.package)),
            None => refusal.hint("no release is known to mend it: choose another package, or name the record in `ignore`"),
        })
    }
}
