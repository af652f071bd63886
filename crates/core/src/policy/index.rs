//! The part of a policy on indexes: which are asked, and which packages come from which.

use pep440_rs::Version;
use pep508_rs::{PackageName, VersionOrUrl};
use url::Url;

use super::asked_for;
use super::refusal::{Part, Refusal};
use super::rule::Rule;
use crate::request::{Requirement, ResolveOptions, without_credentials};

/// Where packages may come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Indexes {
    /// No other index; any when it is `None`.
    pub(super) allow: Option<Vec<Url>>,
    /// Where else files of these indexes lie.
    pub(super) files: Vec<Url>,
    /// Packages that come from one index alone. The first rule that takes a name decides.
    pub(super) pins: Vec<Pin>,
}

/// Packages that come from one index alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) rule: Rule,
    pub(super) index: Url,
}

impl Indexes {
    fn pin_of(&self, name: &PackageName) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.rule.is_of(name))
    }

    pub(super) fn pin(&self, options: &mut ResolveOptions, asked: Vec<PackageName>) {
        let named = self.pins.iter().filter_map(|pin| pin.rule.one_name());
        for name in asked.into_iter().chain(named) {
            let Some(pin) = self.pin_of(&name) else {
                continue;
            };
            // The address as the caller has it may bring credentials.
            let own = options.indexes.iter();
            let mut own = own
                .filter(|index| address(&without_credentials(index)).as_ref() == Some(&pin.index));
            let index = own.next().cloned();
            let index = index.unwrap_or_else(|| pin.index.to_string());
            options.index_of.entry(name).or_insert(index);
        }
    }

    pub(super) fn check_options(&self, options: &ResolveOptions) -> Vec<Refusal> {
        let mut refusals: Vec<Refusal> = Vec::new();
        refusals.extend(
            options
                .indexes
                .iter()
                .filter_map(|index| self.check_index(index)),
        );
        for (name, index) in &options.index_of {
            refusals.extend(match self.pin_of(name) {
                Some(pin) => pinned(pin, name, None, index),
                None => self.check_index(index),
            });
        }
        for links in &options.find_links {
            let shown = without_credentials(links);
            let refusal = Refusal::of_all(Part::Indexes, format!("the files of `{shown}`"));
            refusals.extend(self.check_home(refusal, links));
        }
        refusals
    }

    pub(super) fn check_index(&self, index: &str) -> Option<Refusal> {
        let shown = without_credentials(index);
        let allow = self.allow.as_ref()?;
        if address(&shown).is_some_and(|url| allow.contains(&url)) {
            return None;
        }
        let allowed: Vec<String> = allow.iter().map(|url| format!("`{url}`")).collect();
        let refusal = Refusal::of_all(Part::Indexes, format!("the index `{shown}`"))
            .may_not("be asked")
            .because("it is not among `allow` of `[indexes]`");
        Some(match allowed.as_slice() {
            [] => refusal.hint("the policy allows no index at all"),
            _ => refusal.hint(format!("use {}", allowed.join(" or "))),
        })
    }

    /// A requirement with an address of its own asks no index.
    pub(super) fn check_address(&self, requirement: &Requirement) -> Option<Refusal> {
        let Some(VersionOrUrl::Url(url)) = &requirement.spec.version_or_url else {
            return None;
        };
        let name = &requirement.spec.name;
        let url = url.to_string();
        let refusal = match self.pin_of(name) {
            Some(pin) => self.check_pinned_home(pin, name, None, &url),
            None => self.check_home(Refusal::of(Part::Indexes, name, None), &url),
        };
        refusal.map(|refusal| asked_for(refusal, requirement))
    }

    /// A lock may come from anybody: what it says of its index counts only together with where its
    /// files are.
    pub(super) fn check_origin(
        &self,
        name: &PackageName,
        version: &Version,
        index: &str,
        file: &str,
    ) -> Option<Refusal> {
        let refused = self.check_index_of(name, version, index);
        refused.or_else(|| match self.pin_of(name) {
            Some(pin) => self.check_pinned_home(pin, name, Some(version), file),
            None => self.check_home(Refusal::of(Part::Indexes, name, Some(version)), file),
        })
    }

    /// Whether a package comes from the index that it is tied to, or from one that may be asked;
    /// from none at all where it has an address of its own.
    pub(super) fn check_index_of(
        &self,
        name: &PackageName,
        version: &Version,
        index: &str,
    ) -> Option<Refusal> {
        match self.pin_of(name) {
            Some(pin) => pinned(pin, name, Some(version), index),
            None if index.is_empty() => None,
            None => self.check_index(index),
        }
    }

    /// Refuses a file that lies where no allowed index keeps its files.
    fn check_home(&self, refusal: Refusal, file: &str) -> Option<Refusal> {
        let shown = without_credentials(file);
        let allow = self.allow.as_ref()?;
        if address(&shown).is_some_and(|url| hold(allow, &self.files, &url)) {
            return None;
        }
        Some(
            refusal
                .may_not(format!("come from `{shown}`"))
                .because("no index of `allow` and no address of `files` in `[indexes]` is its home")
                .hint("lock it again from an index that the policy allows"),
        )
    }

    fn check_pinned_home(
        &self,
        pin: &Pin,
        name: &PackageName,
        version: Option<&Version>,
        file: &str,
    ) -> Option<Refusal> {
        let shown = without_credentials(file);
        let homes = std::slice::from_ref(&pin.index);
        if address(&shown).is_some_and(|url| hold(homes, &self.files, &url)) {
            return None;
        }
        Some(
            Refusal::of(Part::Indexes, name, version)
                .may_not(format!("come from `{shown}`"))
                .because(format!(
                    "`[indexes.of]` ties `{}` to `{}`, and that is not its home",
                    pin.rule, pin.index
                ))
                .hint(format!("lock it again with `--index-url {}`", pin.index)),
        )
    }
}

fn pinned(
    pin: &Pin,
    name: &PackageName,
    version: Option<&Version>,
    index: &str,
) -> Option<Refusal> {
    let shown = without_credentials(index);
    if address(&shown).as_ref() == Some(&pin.index) {
        return None;
    }
    let refusal = Refusal::of(Part::Indexes, name, version);
    let refusal = match shown.as_str() {
        "" => refusal.may_not("come from elsewhere than its index"),
        _ => refusal.may_not(format!("come from `{shown}`")),
    };
    Some(
        refusal
            .because(format!(
                "`[indexes.of]` ties `{}` to `{}`",
                pin.rule, pin.index
            ))
            .hint(format!(
                "ask that index first, with `--extra-index-url {}`",
                pin.index
            )),
    )
}

/// Whether a file lies where one of the indexes, or an address of `files`, has its own.
fn hold(indexes: &[Url], files: &[Url], file: &Url) -> bool {
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
    files.iter().any(is_below)
        || indexes
            .iter()
            .any(|index| is_beside(index) || is_below(index) || pypi(index))
}

/// An index's address in one spelling; `None` for what is none.
pub(super) fn address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}
