//! What a snapshot leaves out.
//!
//! In: a program's text. Out: the same without ports, times, digests and Python versions.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Patterns, with what stands in their place; each sees what those before it left.
const FILTERS: &[(&str, &str)] = &[
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"\b[0-9a-f]{64}\b", "[HASH]"),
    (r"\b\d+m ?\d+(?:\.\d+)?s\b", "[TIME]"),
    (r"\b\d+(?:\.\d+)? ?(?:ns|us|µs|ms|s)\b", "[TIME]"),
    (r"(?i)\b((?:c?python)[ -]?)3\.\d+(?:\.\d+)?", "${1}3.[X]"),
    (r"\bcp3\d+\b", "cp3[X]"),
];

/// What may be the first twelve digits of a digest.
const SHORT_DIGEST: &str = r"\b[0-9a-f]{12}\b";

/// Filters a text.
pub(crate) fn filter(text: &str) -> String {
    static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        FILTERS
            .iter()
            .map(|(find, put)| (compile(find), *put))
            .collect()
    });
    static SHORT: LazyLock<Regex> = LazyLock::new(|| compile(SHORT_DIGEST));
    let short = |found: &Captures<'_>| {
        let text = &found[0];
        // A word or a number of twelve signs is no digest.
        let mixed = text.contains(|sign: char| sign.is_ascii_digit())
            && text.contains(|sign: char| sign.is_ascii_alphabetic());
        if mixed {
            "[HASH]".to_owned()
        } else {
            text.to_owned()
        }
    };
    let text = SHORT.replace_all(text, short).into_owned();
    COMPILED.iter().fold(text, |text, (find, put)| {
        find.replace_all(&text, *put).into_owned()
    })
}

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are tested")
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn what_differs_between_runs_is_left_out() {
        let digest = "0123456789abcdef".repeat(4);
        let cases = [
            (
                "http://127.0.0.1:54321/simple",
                "http://127.0.0.1:[PORT]/simple",
            ),
            (&*format!("lock {digest}"), "lock [HASH]"),
            ("lock 0123456789ab, done", "lock [HASH], done"),
            ("resolved in 12ms", "resolved in [TIME]"),
            ("took 1.2s, then 3 ms", "took [TIME], then [TIME]"),
            ("1m 02s", "[TIME]"),
            (
                "Python 3.12.4 and python3.11",
                "Python 3.[X] and python3.[X]",
            ),
            ("CPython 3.12, cp312-cp312", "CPython 3.[X], cp3[X]-cp3[X]"),
        ];
        for (text, expected) in cases {
            assert_eq!(filter(text), expected);
        }
    }

    #[test]
    fn what_is_the_same_in_every_run_stays() {
        for text in [
            "requests==3.1.2",
            "1234567 bytes",
            "deadbeef",
            "123456789012",
            "12 files",
        ] {
            assert_eq!(filter(text), text);
        }
    }
}
