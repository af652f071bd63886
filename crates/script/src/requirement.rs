//! Requirements: from literal text to PEP 508, and whether two of them can hold at once.
//!
//! In: `'requests'` with `'2.30.0'`, or `'requests==2.30.0'`. Out: a [`Requirement`] with its
//! place. Never: what an index knows.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifier};
use pep508_rs::VersionOrUrl;
use pyrun_core::{Requirement, RequirementError, Span, VersionSpecifiers, parse_requirement};
use version_ranges::Ranges;

use crate::error::{Problem, ScriptError, shorten, uncapitalise};
use crate::literal::Literal;

/// The most requirements that one decorator or block may hold: each keeps its place in the file.
const MOST: usize = 2000;

/// Checks the number of requirements that stand at a place.
pub(crate) fn check_count(count: usize, place: impl Fn() -> Span) -> Result<(), ScriptError> {
    if count <= MOST {
        return Ok(());
    }
    let problem = Problem::new(format!("more than {MOST} requirements")).span(place());
    Err(ScriptError::Requirement(problem.into()))
}

/// A package and its version, as the two sides of a dictionary's item.
pub(crate) fn versioned(name: &Literal, version: &Literal) -> Result<Requirement, ScriptError> {
    let mut spec = parse(name)?;
    if spec.version_or_url.is_some() || !spec.marker.is_true() {
        let problem = Problem::new(format!(
            "`{}` is more than the name of a package",
            shorten(&name.text)
        ))
        .span(name.span("only a name and extras belong here"))
        .hint("write the version on the other side of the `:`");
        return Err(ScriptError::Requirement(problem.into()));
    }
    let (bound, marker) = match version.text.split_once(';') {
        Some((bound, marker)) => (bound, Some(marker)),
        None => (version.text.as_str(), None),
    };
    let found = specifiers(version, bound)?;
    if !found.is_empty() {
        spec.version_or_url = Some(VersionOrUrl::VersionSpecifier(found));
    }
    if let Some(marker) = marker {
        // A marker is read as part of a requirement with a name of one letter.
        let stand_in = parse_requirement(&format!("x;{marker}"));
        let offset = version.text.len() - marker.len();
        let parsed = stand_in.map_err(|error| {
            let start = (offset + error.start).saturating_sub("x;".len());
            invalid_requirement(version, start, &error)
        })?;
        spec.marker = parsed.marker;
    }
    Ok(Requirement::new(spec, crate::origin(name.span(""))))
}

/// A PEP 508 requirement in one text.
pub(crate) fn whole(literal: &Literal) -> Result<Requirement, ScriptError> {
    Ok(Requirement::new(
        parse(literal)?,
        crate::origin(literal.span("")),
    ))
}

fn parse(literal: &Literal) -> Result<pep508_rs::Requirement, ScriptError> {
    parse_requirement(&literal.text)
        .map_err(|error| invalid_requirement(literal, error.start, &error))
}

/// Version specifiers: `slice` is `''` or `'*'` for any, `'2.30.0'` for exactly that, or what
/// PEP 440 says. It is a part of `literal`'s text.
pub(crate) fn specifiers(literal: &Literal, slice: &str) -> Result<VersionSpecifiers, ScriptError> {
    let text = slice.trim();
    if text.is_empty() || text == "*" {
        return Ok(VersionSpecifiers::empty());
    }
    let bare = text
        .trim_start_matches(['v', 'V'])
        .starts_with(|first: char| first.is_ascii_digit());
    if bare {
        return format!("=={text}")
            .parse()
            .map_err(|_| invalid_version(literal, text));
    }
    // One by one, so that the caret points at the one that is wrong.
    text.split(',')
        .map(|part| {
            VersionSpecifier::from_str(part)
                .map_err(|error| invalid_specifier(literal, part.trim(), &error.to_string()))
        })
        .collect()
}

/// `text`, a part of `literal`, is no version.
pub(crate) fn invalid_version(literal: &Literal, text: &str) -> ScriptError {
    let problem = Problem::new(format!("`{}` is not a version (PEP 440)", shorten(text)))
        .span(literal.slice(text, "not a version"))
        .hint("write `'2.30.0'` for exactly that version, `'>=2,<3'` for a range, or `''` for any");
    ScriptError::Requirement(problem.into())
}

fn invalid_specifier(literal: &Literal, text: &str, reason: &str) -> ScriptError {
    let problem = Problem::new(format!(
        "`{}` is not a version specifier (PEP 440)",
        shorten(text)
    ))
    .cause(uncapitalise(reason.lines().next().unwrap_or_default()))
    .span(literal.slice(text, "not a specifier"));
    let digits = text.trim_start_matches(['^', '~', '=', '>', '<', '!', ' ']);
    let problem = match text.as_bytes() {
        [b'^' | b'~', ..] if !text.starts_with("~=") && !digits.is_empty() => {
            problem.hint(format!("write `~={digits}` for a compatible release"))
        }
        [b'=', second, ..] if *second != b'=' => {
            problem.hint(format!("write `=={digits}` for exactly that version"))
        }
        _ => problem.hint("write `'2.30.0'`, a specifier such as `'>=2,<3'`, or `''` for any"),
    };
    ScriptError::Requirement(problem.into())
}

fn invalid_requirement(literal: &Literal, start: usize, error: &RequirementError) -> ScriptError {
    let problem = Problem::new(format!(
        "`{}` is not a requirement (PEP 508)",
        shorten(&literal.text)
    ))
    .cause(uncapitalise(&error.reason))
    .span(literal.part(start..start + error.length, ""));
    ScriptError::Requirement(problem.into())
}

/// Whether no version could satisfy both.
pub(crate) fn contradict(one: &Requirement, other: &Requirement) -> bool {
    if one.spec.name != other.spec.name || one.spec.marker.is_disjoint(&other.spec.marker) {
        return false;
    }
    match (&one.spec.version_or_url, &other.spec.version_or_url) {
        (
            Some(VersionOrUrl::VersionSpecifier(one)),
            Some(VersionOrUrl::VersionSpecifier(other)),
        ) => disjoint(one, other),
        (Some(VersionOrUrl::Url(one)), Some(VersionOrUrl::Url(other))) => one != other,
        _ => false,
    }
}

/// Whether no version satisfies both.
pub(crate) fn disjoint(one: &VersionSpecifiers, other: &VersionSpecifiers) -> bool {
    let one = Ranges::<Version>::from(one.clone());
    let other = Ranges::<Version>::from(other.clone());
    one.intersection(&other).is_empty()
}
