//! Specifiers as they are found in the wild, to specifiers as PEP 440 wants them.
//!
//! In: text that a strict parser has refused. Out: what its author can only have meant, or the
//! same text where there is room for doubt.

use pep440_rs::VersionSpecifiers;
use pep508_rs::Requirement;
use pyrun_core::parse_requirement;

/// Version specifiers; `None` when even the repaired text is none.
pub(super) fn specifiers(text: &str) -> Option<VersionSpecifiers> {
    text.parse().ok().or_else(|| repair(text)?.parse().ok())
}

/// A requirement; `None` when even the repaired text is none.
///
/// What names a variable of the environment is refused: the parser would put the variable's value
/// in its place, and metadata comes from strangers.
pub(super) fn requirement(text: &str) -> Option<Requirement> {
    // Deep nesting could exhaust the stack of a recursive parser.
    let nesting = text.bytes().filter(|byte| *byte == b'(').count();
    if text.len() > MAX_LINE || nesting > MAX_NESTING || text.contains("${") {
        return None;
    }
    parse_requirement(text)
        .ok()
        .or_else(|| parse_requirement(&repair_requirement(text)?).ok())
}

const MAX_LINE: usize = 8 * 1024;
const MAX_NESTING: usize = 64;

/// Repairs the specifiers between a requirement's name (with extras) and its marker.
fn repair_requirement(text: &str) -> Option<String> {
    let marker = text.find(';').unwrap_or(text.len());
    let extras_end = text[..marker].find(']').map_or(0, |at| at + 1);
    let start = extras_end + text[extras_end..marker].find(['<', '>', '=', '!', '~', '('])?;
    let specifiers = text[start..marker].trim();
    let bare = specifiers
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(specifiers);
    let repaired = repair(bare)?;
    Some(format!(
        "{} {repaired} {}",
        text[..start].trim_end(),
        &text[marker..]
    ))
}

/// Takes specifiers apart into operators and versions, whatever stands between them, repairs each
/// and joins them with commas. `None` where an operator has no version or the reverse.
fn repair(text: &str) -> Option<String> {
    let is_operator = |c: char| matches!(c, '<' | '>' | '=' | '!' | '~');
    let between = |c: char| c == ',' || c.is_whitespace() || c == '"' || c == '\'';
    let mut rest = text.trim_matches(between);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let version_at = rest.find(|c| !is_operator(c))?;
        let operator = &rest[..version_at];
        let after = rest[version_at..].trim_start_matches(between);
        let end = after
            .find(|c| is_operator(c) || between(c))
            .unwrap_or(after.len());
        parts.push(repair_one(operator, &after[..end])?);
        rest = after[end..].trim_start_matches(between);
    }
    Some(parts.join(","))
}

fn repair_one(operator: &str, version: &str) -> Option<String> {
    let operator = match operator {
        "=" => "==",
        "=>" => ">=",
        "=<" => "<=",
        "!=~" | "!~" => "!=",
        known @ ("==" | ">=" | "<=" | "!=" | "~=" | "<" | ">" | "===") => known,
        _ => return None,
    };
    let (number, star) = match version.strip_suffix('*') {
        Some(number) => (number, matches!(operator, "==" | "!=")),
        None => (version, false),
    };
    let number = number.trim_end_matches('.');
    let star = if star { ".*" } else { "" };
    (!number.is_empty()).then(|| format!("{operator}{number}{star}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_understood() {
        for (found, meant) in [
            (">=2.7.*", ">=2.7"),
            (">=2.7, !=3.0.*,", ">=2.7, !=3.0.*"),
            (">=3.6 <4", ">=3.6, <4"),
            (">=3.6<4", ">=3.6, <4"),
            (">='3.6'", ">=3.6"),
            ("\">=3.6\"", ">=3.6"),
            ("==3.6*", "==3.6.*"),
            ("=>3.6", ">=3.6"),
            ("=3.6", "==3.6"),
            (">=3.6.", ">=3.6"),
            ("!=~5.0", "!=5.0"),
            ("~=3.7.*", "~=3.7"),
        ] {
            let meant: VersionSpecifiers = meant.parse().expect(meant);
            assert_eq!(specifiers(found), Some(meant), "{found}");
        }
        for (found, meant) in [
            ("torch (>=1.9.*)", "torch>=1.9"),
            (
                "numpy[x] >=1.0 <2 ; extra == 'a'",
                "numpy[x]>=1.0,<2; extra == 'a'",
            ),
            ("six>=1.0,", "six>=1.0"),
        ] {
            let meant: Requirement = meant.parse().expect(meant);
            assert_eq!(requirement(found), Some(meant), "{found}");
        }
    }

    #[test]
    fn what_is_in_doubt_stays_refused() {
        for text in ["3.6", ">=", ">=a.b", ">=*", "<>3"] {
            assert_eq!(specifiers(text), None, "{text}");
        }
        let nested = format!("a; {}x{}", "(".repeat(5000), ")".repeat(5000));
        for text in ["a>=", ">=1", "a ? 1", &nested, &"a".repeat(10_000)] {
            assert_eq!(requirement(text), None, "{text}");
        }
    }

    #[test]
    fn a_requirement_can_not_read_the_environment() {
        assert_eq!(requirement("a @ https://h/${HOME}/a.zip"), None);
    }
}
