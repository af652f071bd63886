//! Markers that ask which extras and dependency groups are installed (PEP 751, "Marker
//! Expression Syntax").
//!
//! In: a marker. Out: the same with each such question answered, in the syntax of PEP 508. A lock
//! is read as an installer does that is asked for nothing special: no extra, and the lock's default
//! groups.

use std::borrow::Cow;

const TRUE: &str = "python_version >= '0'";
const FALSE: &str = "python_version < '0'";

/// The marker with `'x' in extras` and `'x' in dependency_groups` replaced by their answers.
pub(super) fn decided<'a>(marker: &'a str, groups: &[String]) -> Cow<'a, str> {
    if !marker.contains("extras") && !marker.contains("dependency_groups") {
        return marker.into();
    }
    let tokens = tokens(marker);
    let mut text = String::with_capacity(marker.len());
    let mut at = 0;
    while at < tokens.len() {
        let rest: Vec<&str> = tokens[at..].iter().take(4).copied().collect();
        let (name, set, negated, length) = match rest.as_slice() {
            [name, "in", set, ..] => (*name, *set, false, 3),
            [name, "not", "in", set] => (*name, *set, true, 4),
            _ => ("", "", false, 0),
        };
        let quoted = name.len() >= 2 && name.starts_with(['"', '\'']);
        let holds = match set {
            "extras" if quoted => Some(false),
            "dependency_groups" if quoted => {
                let name = normalised(&name[1..name.len() - 1]);
                Some(groups.iter().any(|group| normalised(group) == name))
            }
            _ => None,
        };
        if let Some(holds) = holds {
            text.push_str(if holds == negated { FALSE } else { TRUE });
            at += length;
        } else {
            text.push_str(tokens[at]);
            at += 1;
        }
        text.push(' ');
    }
    text.into()
}

/// Strings with their quotes, words, and single signs.
fn tokens(marker: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |at| at + 2),
            '<' | '>' | '=' | '!' | '~' => {
                rest.find(|c| !"<>=!~".contains(c)).unwrap_or(rest.len())
            }
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens
}

/// PEP 503, which PEP 735 uses for the names of groups.
fn normalised(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pep508::parse_marker;
    use crate::target::tests::target;

    #[test]
    fn groups_are_the_default_ones_and_extras_none() {
        let groups = ["Dev_Tools".to_owned()];
        for (marker, expected) in [
            ("'dev-tools' in dependency_groups", true),
            ("\"docs\" in dependency_groups", false),
            ("'docs' not in dependency_groups", true),
            ("'x' in extras", false),
            ("'x' in extras or 'dev-tools' in dependency_groups", true),
            ("sys_platform=='linux' and (\"x\" not in extras)", true),
            ("sys_platform == 'extras'", false),
            ("python_version >= '3' and 'lin' in sys_platform", true),
        ] {
            let plain = decided(marker, &groups);
            let read = parse_marker(&plain).unwrap_or_else(|| panic!("{marker}: {plain}"));
            assert_eq!(
                read.evaluate(&target().markers(), &[]),
                expected,
                "{marker}"
            );
        }
    }

    #[test]
    fn nonsense_stays_nonsense() {
        for marker in [
            "extras in",
            "'x in extras",
            "é in extras",
            "'x' in extras in extras",
        ] {
            let plain = decided(marker, &[]);
            assert!(parse_marker(&plain).is_none(), "{marker}: {plain}");
        }
    }
}
