//! What is asked of the builder: requirements in canonical form, a target, and how to resolve.
//!
//! [`Request::hash`] names the lock that answers it in the store. docs/CACHE-KEY.md lists what
//! enters it; where a requirement was written does not.

mod options;

use std::collections::BTreeSet;
use std::fmt;

use pep440_rs::VersionSpecifiers;
use pep508_rs::PackageName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Sha256;
use crate::fault::Span;
use crate::target::Target;

pub use options::{Prerelease, Resolution, ResolveOptions, Selection};

/// A PEP 508 requirement and where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The requirement itself.
    #[serde(deserialize_with = "checked")]
    pub spec: pep508_rs::Requirement,
    /// Where it was written.
    #[serde(default)]
    pub origin: Origin,
    /// The digests that its file may have (`--hash` of a requirements.txt); any when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<Sha256>,
}

impl Requirement {
    /// A requirement whose file may have any digest.
    pub fn new(spec: pep508_rs::Requirement, origin: Origin) -> Self {
        let hashes = Vec::new();
        Self {
            spec,
            origin,
            hashes,
        }
    }
}

/// A requirement from the wire, as strictly as from anywhere else.
fn checked<'de, D: Deserializer<'de>>(from: D) -> Result<pep508_rs::Requirement, D::Error> {
    let text = String::deserialize(from)?;
    crate::parse_requirement(&text).map_err(D::Error::custom)
}

/// Where a requirement was written, for messages alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// A file with a line, or a short name such as `command line`.
    #[serde(default)]
    pub place: String,
    /// The place as it looks, when it is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.span {
            Some(span) => write!(f, "{}:{}", span.file, span.line),
            None => f.write_str(&self.place),
        }
    }
}

/// A set of requirements for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// In the order in which they were written; the order never matters.
    pub requirements: Vec<Requirement>,
    /// The script's own bound on Python, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<VersionSpecifiers>,
    /// What it is for.
    pub target: Target,
    /// How to resolve.
    #[serde(default)]
    pub options: ResolveOptions,
}

impl Request {
    /// The requirements that have a say on the target, as text, sorted, each once. What stands in
    /// the place of an overridden one stands there whatever its marker, so its name enters always.
    pub fn canonical_requirements(&self) -> Vec<String> {
        let overridden: BTreeSet<&PackageName> = names(&self.options.overrides).collect();
        self.canonical_of(&self.requirements, |name| {
            overridden.contains(name).then(|| name.to_string())
        })
    }

    /// The overrides. One that is for other machines alone still takes away what it overrides.
    fn canonical_overrides(&self) -> Vec<String> {
        let overrides = &self.options.overrides;
        let markers = self.target.markers();
        let applies = |one: &&Requirement| one.spec.evaluate_markers(&markers, &[]);
        let replaced: BTreeSet<&PackageName> = names(overrides.iter().filter(applies)).collect();
        self.canonical_of(overrides, |name| {
            (!replaced.contains(name)).then(|| format!("{name}; never"))
        })
    }

    /// `elsewhere` tells what enters of a requirement that is for other machines.
    fn canonical_of(
        &self,
        requirements: &[Requirement],
        elsewhere: impl Fn(&PackageName) -> Option<String>,
    ) -> Vec<String> {
        let markers = self.target.markers();
        let mut lines: Vec<String> = requirements
            .iter()
            .filter_map(|requirement| {
                if requirement.spec.evaluate_markers(&markers, &[]) {
                    Some(canonical(requirement))
                } else {
                    elsewhere(&requirement.spec.name)
                }
            })
            .collect();
        lines.sort();
        lines.dedup();
        lines
    }

    /// The name of the lock that answers this request.
    pub fn hash(&self) -> Sha256 {
        #[derive(Serialize)]
        struct Canonical<'a> {
            requirements: Vec<String>,
            target: &'a Target,
            options: &'a ResolveOptions,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            constraints: Vec<String>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            overrides: Vec<String>,
        }
        let canonical = Canonical {
            requirements: self.canonical_requirements(),
            target: &self.target,
            options: &self.options.canonical(),
            constraints: self.canonical_of(&self.options.constraints, |_| None),
            overrides: self.canonical_overrides(),
        };
        let json = serde_json::to_string(&canonical).expect("plain values are JSON");
        Sha256::of(format!("pyrun request {}\n{json}\n", crate::FORMAT))
    }
}

fn names<'a>(
    requirements: impl IntoIterator<Item = &'a Requirement>,
) -> impl Iterator<Item = &'a PackageName> {
    requirements.into_iter().map(|one| &one.spec.name)
}

/// An address without the name and password that may stand before its host: for messages, locks
/// and keys.
pub fn without_credentials(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = &url[start..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// A requirement without its marker, its extras, specifiers and digests sorted.
fn canonical(requirement: &Requirement) -> String {
    use std::fmt::Write as _;

    use pep508_rs::VersionOrUrl;

    let spec = &requirement.spec;
    let mut text = spec.name.to_string();
    let mut extras: Vec<String> = spec.extras.iter().map(ToString::to_string).collect();
    extras.sort();
    extras.dedup();
    if !extras.is_empty() {
        let _ = write!(text, "[{}]", extras.join(","));
    }
    match &spec.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            let mut parts: Vec<String> = specifiers.iter().map(ToString::to_string).collect();
            parts.sort();
            parts.dedup();
            text.push_str(&parts.join(","));
        }
        Some(VersionOrUrl::Url(url)) => {
            let _ = write!(text, " @ {}", without_credentials(&url.to_string()));
        }
        None => {}
    }
    let hashes: BTreeSet<&Sha256> = requirement.hashes.iter().collect();
    for hash in hashes {
        let _ = write!(text, " --hash=sha256:{hash}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::target;

    fn request(specs: &[&str]) -> Request {
        Request {
            requirements: specs
                .iter()
                .map(|spec| {
                    Requirement::new(spec.parse().expect("a requirement"), Origin::default())
                })
                .collect(),
            requires_python: None,
            target: target(),
            options: ResolveOptions::default(),
        }
    }

    #[test]
    fn how_it_is_written_does_not_matter() {
        let one = request(&[
            "Requests>=2,<3",
            "pandas[parquet, excel]",
            "six; python_version < '3'",
        ]);
        let two = request(&[
            "pandas[excel,parquet]",
            "requests <3, >=2",
            "requests<3,>=2",
        ]);
        assert_eq!(one.hash(), two.hash());
        assert_eq!(
            one.canonical_requirements(),
            ["pandas[excel,parquet]", "requests<3,>=2"]
        );
    }

    #[test]
    fn bounds_matter_and_their_places_do_not() {
        let base = request(&["requests"]);
        let mut bounded = base.clone();
        bounded.options.constraints = request(&["six<2"]).requirements;
        assert_ne!(base.hash(), bounded.hash());
        let mut elsewhere = bounded.clone();
        elsewhere.options.constraints[0].origin.place = "c.txt".to_owned();
        assert_eq!(bounded.hash(), elsewhere.hash());
        let mut replaced = base.clone();
        replaced.options.overrides = bounded.options.constraints.clone();
        assert_ne!(bounded.hash(), replaced.hash());
    }

    #[test]
    fn a_package_that_is_named_counts_before_all_of_them() {
        let name = |text: &str| text.parse::<PackageName>().expect("a name");
        let mut options = ResolveOptions {
            only_binary: Selection::All,
            no_binary: Selection::Only([name("a")].into()),
            ..ResolveOptions::default()
        };
        assert!(options.takes_sdists(&name("a")) && !options.takes_wheels(&name("a")));
        assert!(!options.takes_sdists(&name("b")) && options.takes_wheels(&name("b")));
        options.no_binary = Selection::None;
        assert!(!options.takes_sdists(&name("a")) && options.takes_wheels(&name("a")));
    }

    #[test]
    fn what_is_asked_does_matter() {
        let base = request(&["requests"]);
        let mut named = base.clone();
        named.options.indexes = vec!["https://me:s3cret@pypi.org/simple".to_owned()];
        assert_eq!(base.hash(), named.hash(), "who asks does not enter");
        let mut hashed = base.clone();
        hashed.requirements[0].hashes = vec![Sha256::of("")];
        assert_ne!(base.hash(), hashed.hash());
        let mut other = base.clone();
        other.options.prerelease = Prerelease::Allow;
        assert_ne!(base.hash(), other.hash());
        let mut other = base.clone();
        other.target.python = "3.12.2".parse().expect("a version");
        assert_ne!(base.hash(), other.hash());
        assert_ne!(base.hash(), request(&["requests>=2"]).hash());
    }
    #[test]
    fn the_hashes_of_plain_requests_stay() {
        let plain = request(&[
            "pandas[excel,parquet]>=2,<3",
            "six; python_version < '3'",
            "a @ https://h/a-1-py3-none-any.whl?x=a@b#sha256=00",
        ]);
        let mut bounded = plain.clone();
        bounded.options.constraints = request(&["numpy<2", "six<1; os_name == 'nt'"]).requirements;
        let mut replaced = plain.clone();
        replaced.options.overrides = request(&["numpy==1.26"]).requirements;
        let hashes = [plain, bounded, replaced].map(|request| request.hash().to_string());
        assert_eq!(
            hashes,
            [
                "106098ad0eae998cc3bfd2736c2103a80aca740522632c9c050376307e84e95e",
                "3a62b0974d32d0609ec66f64508792eaa947ed310257142ff604341e29fa04e4",
                "b4b813e49317a81a7a4d2aca8977b9bbad92c875cdcbce4d5222d38a0628b2ea",
            ]
        );
    }
    #[test]
    fn an_override_enters_whatever_the_markers() {
        let never = "six==1; python_version < '3'";
        let overridden = |specs: &[&str], overrides: &[&str]| {
            let mut asked = request(specs);
            asked.options.overrides = request(overrides).requirements;
            asked.hash()
        };
        // It takes away what it overrides, and stands in its place whatever the place's marker.
        assert_ne!(overridden(&["a"], &[never]), overridden(&["a"], &[]));
        assert_ne!(overridden(&[never], &["six"]), overridden(&[], &["six"]));
        // Where another one holds, it says nothing.
        assert_eq!(
            overridden(&["a"], &[never, "six==2"]),
            overridden(&["a"], &["six==2"])
        );
    }

    #[test]
    fn no_password_enters() {
        let named = request(&["a @ https://me:s3cret@h/a-1-py3-none-any.whl#sha256=00"]);
        let plain = request(&["a @ https://h/a-1-py3-none-any.whl#sha256=00"]);
        assert_eq!(named.hash(), plain.hash());
        assert_eq!(
            named.canonical_requirements(),
            plain.canonical_requirements()
        );
    }
}
