//! What a version specifier admits, names and pins (PEP 440).
//!
//! `pep440_rs` answers most of it. Its `<` refuses the pre-releases below a pre-release bound and
//! forgets the epoch, and its `.*` matches a release shorter than the prefix; both are done here.

use std::cmp::Ordering;

use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

/// Whether all specifiers admit the version.
pub(super) fn admit(specifiers: &VersionSpecifiers, version: &Version) -> bool {
    specifiers
        .iter()
        .all(|specifier| admits(specifier, version))
}

/// Pages have thousands of versions and walks down them ask for each anew, so what is asked most
/// is answered without taking a version apart.
fn admits(specifier: &VersionSpecifier, version: &Version) -> bool {
    let bound = specifier.version();
    match specifier.operator() {
        // No bound lies between a version and its own local versions.
        Operator::GreaterThanEqual => version >= bound,
        Operator::LessThan => is_below(version, bound),
        Operator::LessThanEqual if version.is_local() => version.clone().without_local() <= *bound,
        Operator::LessThanEqual => version <= bound,
        Operator::Equal if !version.is_local() => version == bound,
        Operator::NotEqual if !version.is_local() => version != bound,
        Operator::EqualStar => has_prefix(version, bound, bound.release()),
        Operator::NotEqualStar => !has_prefix(version, bound, bound.release()),
        Operator::TildeEqual => {
            let series = bound
                .release()
                .split_last()
                .map_or(&[][..], |(_, series)| series);
            version >= bound && has_prefix(version, bound, series)
        }
        _ => specifier.contains(version),
    }
}

/// `<V` leaves out V's own pre-releases, unless V is one itself.
fn is_below(version: &Version, bound: &Version) -> bool {
    let own_prerelease = || {
        version.any_prerelease()
            && version.epoch() == bound.epoch()
            && compare_releases(version, bound) == Ordering::Equal
    };
    version < bound && (bound.any_prerelease() || !own_prerelease())
}

fn has_prefix(version: &Version, bound: &Version, prefix: &[u64]) -> bool {
    let padded = version
        .release()
        .iter()
        .copied()
        .chain(std::iter::repeat(0));
    version.epoch() == bound.epoch() && prefix.iter().copied().zip(padded).all(|(a, b)| a == b)
}

fn compare_releases(one: &Version, two: &Version) -> Ordering {
    let length = one.release().len().max(two.release().len());
    let padded = |version: &Version| {
        let zeros = std::iter::repeat(0);
        version
            .release()
            .to_vec()
            .into_iter()
            .chain(zeros)
            .take(length)
    };
    padded(one).cmp(padded(two))
}

/// Whether a specifier names a pre-release as something that it would take.
///
/// `<2.0.dev0` and `!=2.0rc1` name one to keep it out, so they don't count.
pub(super) fn names_prerelease(specifiers: &VersionSpecifiers) -> bool {
    specifiers.iter().any(|specifier| {
        specifier.any_prerelease()
            && !matches!(
                specifier.operator(),
                Operator::LessThan | Operator::NotEqual | Operator::NotEqualStar
            )
    })
}

/// Whether a specifier pins exactly this version: what lets a yanked one in (PEP 592).
pub(super) fn pin(specifiers: &VersionSpecifiers, version: &Version) -> bool {
    specifiers.iter().any(|specifier| {
        matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual)
            && specifier.contains(version)
    })
}

/// Whether `Requires-Python` admits an interpreter. As in pip, a pre-release of Python counts as
/// the release that it leads to.
pub(super) fn python_fits(specifiers: &VersionSpecifiers, python: &Version) -> bool {
    admit(specifiers, &python.only_release())
}

/// Specifiers as people write them: no spaces.
pub(super) fn show(specifiers: &VersionSpecifiers) -> String {
    let parts: Vec<String> = specifiers.iter().map(ToString::to_string).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(specifiers: &str, version: &str) -> bool {
        let specifiers = specifiers.parse().expect("specifiers");
        admit(&specifiers, &version.parse().expect("a version"))
    }

    #[test]
    fn pep_440_is_followed_where_it_surprises() {
        for (specifiers, yes, no) in [
            ("==1.0", "1.0+cpu", "1.0.post1"),
            ("==1.0", "1.0.0", "1.0.1"),
            ("==1.0+cpu", "1.0+cpu", "1.0"),
            ("===1.0", "1.0", "1.0.0"),
            ("==1.1.*", "1.1.2", "1"),
            ("==1.0.*", "1", "1.1"),
            ("==1.1.*", "1.1rc1", "1!1.1"),
            ("!=1.1.*", "1", "1.1.3"),
            ("<2.0", "1.9", "2.0rc1"),
            ("<2.0rc2", "2.0rc1", "2.0rc2"),
            ("<1!1.0", "1.0b1", "1!1.0b1"),
            (">1.0", "1.0.1", "1.0.post1"),
            (">1.0.post1", "1.0.post2", "1.0.post1"),
            (">1.0", "1.1", "1.0+local"),
            ("<=1.0", "1.0+local", "1.0.post1"),
            (">=1.0", "1.0+local", "1.0rc1"),
            ("!=1.0", "1.1", "1.0+local"),
            ("<1.0.post1", "1.0+local", "1.0.post1+local"),
            ("~=1.0", "1.0+local", "1!1.0"),
            ("~=1.4.2", "1.4.9", "1.5"),
            ("~=1.4", "1.9", "2.0"),
            (">=1!0", "1!0.1", "2024.1"),
            ("~=1.4.5a4", "1.4.5rc1", "1.4.5a3"),
        ] {
            assert!(fits(specifiers, yes), "{specifiers} takes {yes}");
            assert!(!fits(specifiers, no), "{specifiers} refuses {no}");
        }
    }

    #[test]
    fn only_what_would_be_taken_names_a_prerelease() {
        for (specifiers, expected) in [
            (">=2.0b1", true),
            ("==2.0rc1", true),
            ("<=2.0.dev1", true),
            ("<2.0.dev0", false),
            ("!=2.0rc1", false),
            (">=1,<2", false),
        ] {
            let parsed = specifiers.parse().expect("specifiers");
            assert_eq!(names_prerelease(&parsed), expected, "{specifiers}");
        }
    }

    #[test]
    fn a_prerelease_of_python_counts_as_its_release() {
        let specifiers = ">=3.14".parse().expect("specifiers");
        assert!(python_fits(
            &specifiers,
            &"3.14.0rc2".parse().expect("a version")
        ));
    }
}
