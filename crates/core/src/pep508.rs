//! Requirements from text that anyone may have written.
//!
//! In: a PEP 508 requirement, from a script or from a wheel's METADATA. Out: the requirement, or
//! why it is none and where. Never: a panic, a deep stack or a look at the environment, to which
//! the parser behind it can be led: what would do so is refused before.

mod weight;

use std::str::FromStr as _;

use pep508_rs::{MarkerTree, Requirement};

/// Longer than any requirement that is published; marker trees grow faster than their text.
const LONGEST: usize = 16 << 10;
/// Each bracket of a marker is a level of the parser's stack.
const BRACKETS: usize = 100;
/// The heaviest marker that is parsed: it takes some 15 MB, which the parser never gives back.
const HEAVIEST: u64 = 1 << 17;

/// Text that is not a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RequirementError {
    /// Why.
    pub reason: String,
    /// Where, in bytes of the text.
    pub start: usize,
    /// How many bytes of it.
    pub length: usize,
}

/// Parses a requirement (PEP 508).
pub fn parse_requirement(text: &str) -> Result<Requirement, RequirementError> {
    refuse_what_breaks(text)?;
    Requirement::from_str(text).map_err(|error| {
        let reason = error.message.to_string();
        RequirementError {
            reason: reason.lines().next().unwrap_or_default().to_owned(),
            start: error.start,
            length: error.len,
        }
    })
}

/// Parses a marker (PEP 508); `None` when it is none.
pub fn parse_marker(text: &str) -> Option<MarkerTree> {
    refuse_what_breaks(text).ok()?;
    let is_bearable = text.is_ascii() && weight::of_marker(text) <= HEAVIEST;
    is_bearable.then(|| text.parse().ok())?
}

/// About how much work the marker of a requirement makes, told from its text: whoever parses many
/// that a stranger wrote bounds their sum.
pub fn marker_weight(requirement: &str) -> u64 {
    let marker = requirement.split_once(';').map(|(_, marker)| marker);
    marker.map_or(0, weight::of_marker)
}

fn refuse_what_breaks(text: &str) -> Result<(), RequirementError> {
    let refuse = |reason: &str, start, length| {
        Err(RequirementError {
            reason: reason.to_owned(),
            start,
            length,
        })
    };
    if text.len() > LONGEST {
        return refuse("it is too long", 0, text.len());
    }
    if let Some((at, _)) = text.match_indices('(').nth(BRACKETS) {
        return refuse("it has too many brackets", at, 1);
    }
    // The parser would put in the variable's value, on whichever machine it runs.
    if let Some(at) = text.find("${") {
        return refuse("variables can't be used", at, 2);
    }
    // PEP 508 has markers of ASCII alone, and the parser takes the length of others for another.
    let marker = text.find(';').map_or(text.len(), |at| at + 1);
    if let Some((at, other)) = text[marker..].char_indices().find(|(_, c)| !c.is_ascii()) {
        return refuse(
            "its marker holds a character that none has",
            marker + at,
            other.len_utf8(),
        );
    }
    if marker_weight(text) > HEAVIEST {
        let start = marker;
        return refuse("its marker is too tangled", start, text.len() - start);
    }
    if let Some((start, name)) = names(text)
        .into_iter()
        .find(|(_, name)| name.ends_with(['-', '_', '.']))
    {
        let reason = format!("`{name}` must end with a letter or a digit");
        return refuse(&reason, start, name.len());
    }
    Ok(())
}

/// The name and the extras, each with its place.
fn names(text: &str) -> Vec<(usize, &str)> {
    let is_part = |each: char| each.is_ascii_alphanumeric() || "-_.".contains(each);
    let start = text.len() - text.trim_start().len();
    let end = text[start..]
        .find(|each| !is_part(each))
        .map_or(text.len(), |end| start + end);
    let mut names = vec![(start, &text[start..end])];
    let rest = text[end..].trim_start();
    if let Some(inside) = rest.strip_prefix('[') {
        let mut at = text.len() - inside.len();
        let extras = inside.split(']').next().unwrap_or_default();
        for extra in extras.split(',') {
            let blank = extra.len() - extra.trim_start().len();
            // The parser looks at a name before it sees that more stands behind it.
            let name = extra.trim_start();
            let end = name.find(|each| !is_part(each)).unwrap_or(name.len());
            names.push((at + blank, &name[..end]));
            at += extra.len() + 1;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_the_parser_is_refused_at_its_place() {
        for (text, start, length) in [
            ("a- ", 0, 2),
            (" a_>=2", 1, 2),
            ("a.; os_name == 'x'", 0, 2),
            ("a [b, c-]", 6, 2),
            ("a[b_,c]==1", 2, 2),
            ("a[b,c- d", 4, 2),
            ("a @ file:///${HOME}", 12, 2),
            ("a; os_name == 'éé' or'é'", 15, 2),
            ("", 0, 1),
            ("a b", 2, 1),
        ] {
            let error = parse_requirement(text).expect_err(text);
            assert_eq!(
                (error.start, error.length),
                (start, length),
                "{text}: {error}"
            );
        }
        let deep = format!("a; {}os_name == 'x'{}", "(".repeat(5000), ")".repeat(5000));
        assert!(parse_requirement(&deep).is_err());
        let pair = |number| format!("extra == 'a{number}' and extra == 'b{number}'");
        let pairs = (0..40).map(pair).collect::<Vec<_>>().join(" or ");
        let error = parse_requirement(&format!("a; {pairs}")).expect_err("it would not end");
        assert_eq!((error.start, error.reason.contains("tangled")), (2, true));
        assert_eq!(parse_marker(&pairs), None);
        assert_eq!(parse_marker("os_name == 'x' 'éé'"), None);
        assert!(parse_requirement(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn requirements_are_read() {
        for text in [
            "Requests[socks, use-chardet.on_py3] >=2,<3 ; python_version < '3.12'",
            " a ",
            "a[]",
            "a (>=1)",
            "a @ https://example.org/a-1-py3-none-any.whl",
        ] {
            assert!(parse_requirement(text).is_ok(), "{text}");
        }
    }
}
