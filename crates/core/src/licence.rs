//! Licences as SPDX expressions.
//!
//! In: what METADATA says (`License-Expression` of PEP 639, else the classifiers). Out: an
//! expression, and whether a choice of licences satisfies it. Never: guesses from the free text of
//! `License`; calls unknown anything that it does not understand.
//!
//! An expression is `A OR B`, `A AND B`, `A WITH exception`, brackets (SPDX 2.3, annex D).

use std::fmt;

/// Longer than any expression that means something.
const LONGEST: usize = 2_000;
/// Each bracket is a level of the parser's stack.
const DEEPEST: usize = 32;

/// A licence expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// One licence, with the exception that may come with it.
    Licence {
        /// Its identifier, such as `Apache-2.0`.
        id: String,
        /// What comes after `WITH`.
        exception: Option<String>,
    },
    /// All of them hold.
    All(Vec<Expression>),
    /// One may be chosen.
    Any(Vec<Expression>),
}

/// Text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SPDX licence expression")]
pub struct ExpressionError(String);

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let wrong = || ExpressionError(text.chars().take(100).collect());
        if text.len() > LONGEST {
            return Err(wrong());
        }
        let words = words(text);
        let mut parser = Parser {
            words: &words,
            depth: 0,
        };
        let expression = parser.any().ok_or_else(wrong)?;
        if parser.words.is_empty() {
            Ok(expression)
        } else {
            Err(wrong())
        }
    }

    /// Whether licences that `accepted` takes suffice: each of an `AND`, one of an `OR`.
    pub fn is_satisfied(&self, accepted: &dyn Fn(&str, Option<&str>) -> bool) -> bool {
        match self {
            Self::Licence { id, exception } => accepted(id, exception.as_deref()),
            Self::All(parts) => parts.iter().all(|part| part.is_satisfied(accepted)),
            Self::Any(parts) => parts.iter().any(|part| part.is_satisfied(accepted)),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Licence {
                id,
                exception: None,
            } => return f.write_str(id),
            Self::Licence {
                id,
                exception: Some(exception),
            } => return write!(f, "{id} WITH {exception}"),
            Self::All(parts) => (parts, " AND "),
            Self::Any(parts) => (parts, " OR "),
        };
        for (at, part) in parts.iter().enumerate() {
            let bind = matches!((self, part), (Self::All(_), Self::Any(_)));
            let (open, close) = if bind { ("(", ")") } else { ("", "") };
            let word = if at == 0 { "" } else { word };
            write!(f, "{word}{open}{part}{close}")?;
        }
        Ok(())
    }
}

/// Brackets, and what stands between them and white space.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for part in text.split_whitespace() {
        let mut rest = part;
        while let Some(at) = rest.find(['(', ')']) {
            if at > 0 {
                words.push(&rest[..at]);
            }
            words.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            words.push(rest);
        }
    }
    words
}

struct Parser<'a> {
    words: &'a [&'a str],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is = self
            .words
            .first()
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        if is {
            self.words = &self.words[1..];
        }
        is
    }

    fn any(&mut self) -> Option<Expression> {
        let mut parts = vec![self.all()?];
        while self.takes("OR") {
            parts.push(self.all()?);
        }
        Some(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Option<Expression> {
        let mut parts = vec![self.one()?];
        while self.takes("AND") {
            parts.push(self.one()?);
        }
        Some(one_or(parts, Expression::All))
    }

    fn one(&mut self) -> Option<Expression> {
        if self.takes("(") {
            self.depth += 1;
            if self.depth > DEEPEST {
                return None;
            }
            let inside = self.any()?;
            self.depth -= 1;
            return self.takes(")").then_some(inside);
        }
        let id = identifier(self.next()?)?;
        let exception = if self.takes("WITH") {
            Some(identifier(self.next()?)?)
        } else {
            None
        };
        Some(Expression::Licence { id, exception })
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn identifier(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.+:".contains(c);
    let keyword = ["AND", "OR", "WITH"]
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word));
    (!keyword && !word.is_empty() && word.chars().all(plain)).then(|| word.to_owned())
}

/// The licence that METADATA states: its expression, else what its classifiers come to. `None`
/// where it says none that can be understood.
pub fn stated<'a>(
    expression: Option<&str>,
    classifiers: impl Iterator<Item = &'a str>,
) -> Option<String> {
    if let Some(text) = expression {
        return Some(Expression::parse(text).ok()?.to_string());
    }
    let mut found: Vec<&str> = Vec::new();
    for classifier in classifiers.filter(|text| text.starts_with("License ::")) {
        let leaf = classifier.rsplit("::").next().unwrap_or_default().trim();
        match CLASSIFIERS.iter().find(|(name, _)| *name == leaf) {
            Some((_, id)) => found.push(id),
            // A heading, such as `OSI Approved`, says nothing that the others don't.
            None if leaf == "OSI Approved" => {}
            None => return None,
        }
    }
    found.sort_unstable();
    found.dedup();
    // Classifiers don't say whether one may choose: all of them are taken to hold.
    (!found.is_empty()).then(|| found.join(" AND "))
}

/// Trove classifiers that mean one licence, by their last part. Those that leave the version or
/// the variant open (`BSD License` means two or three clauses) get the name that SPDX tools give a
/// family of their own (`LicenseRef-`).
const CLASSIFIERS: &[(&str, &str)] = &[
    ("Academic Free License (AFL)", "LicenseRef-AFL"),
    ("Apache Software License", "Apache-2.0"),
    ("Artistic License", "LicenseRef-Artistic"),
    ("BSD License", "LicenseRef-BSD"),
    ("Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
    (
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
        "CC0-1.0",
    ),
    ("Eclipse Public License 1.0 (EPL-1.0)", "EPL-1.0"),
    ("Eclipse Public License 2.0 (EPL-2.0)", "EPL-2.0"),
    ("European Union Public Licence 1.2 (EUPL 1.2)", "EUPL-1.2"),
    ("GNU Affero General Public License v3", "AGPL-3.0-only"),
    (
        "GNU Affero General Public License v3 or later (AGPLv3+)",
        "AGPL-3.0-or-later",
    ),
    ("GNU General Public License (GPL)", "LicenseRef-GPL"),
    ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    (
        "GNU General Public License v2 or later (GPLv2+)",
        "GPL-2.0-or-later",
    ),
    ("GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
    (
        "GNU General Public License v3 or later (GPLv3+)",
        "GPL-3.0-or-later",
    ),
    (
        "GNU Lesser General Public License v2 (LGPLv2)",
        "LGPL-2.0-only",
    ),
    (
        "GNU Lesser General Public License v2 or later (LGPLv2+)",
        "LGPL-2.0-or-later",
    ),
    (
        "GNU Lesser General Public License v3 (LGPLv3)",
        "LGPL-3.0-only",
    ),
    (
        "GNU Lesser General Public License v3 or later (LGPLv3+)",
        "LGPL-3.0-or-later",
    ),
    (
        "GNU Library or Lesser General Public License (LGPL)",
        "LicenseRef-LGPL",
    ),
    ("Historical Permission Notice and Disclaimer (HPND)", "HPND"),
    ("ISC License (ISCL)", "ISC"),
    ("MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("Mozilla Public License 1.1 (MPL 1.1)", "MPL-1.1"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("Other/Proprietary License", "LicenseRef-Proprietary"),
    ("Public Domain", "LicenseRef-Public-Domain"),
    ("Python Software Foundation License", "PSF-2.0"),
    ("The Unlicense (Unlicense)", "Unlicense"),
    ("Universal Permissive License (UPL)", "UPL-1.0"),
    ("Zope Public License", "LicenseRef-ZPL"),
    ("zlib/libpng License", "Zlib"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_and_written() {
        for (text, shown) in [
            ("MIT", "MIT"),
            (
                "mit or (Apache-2.0 and  BSD-3-Clause)",
                "mit OR Apache-2.0 AND BSD-3-Clause",
            ),
            ("(MIT OR X11) AND GPL-2.0+", "(MIT OR X11) AND GPL-2.0+"),
            (
                "GPL-3.0-only with GCC-exception-3.1",
                "GPL-3.0-only WITH GCC-exception-3.1",
            ),
        ] {
            let read = Expression::parse(text).expect(text);
            assert_eq!(read.to_string(), shown);
            assert_eq!(Expression::parse(shown), Ok(read));
        }
        let deep = format!("{}MIT{}", "(".repeat(500), ")".repeat(500));
        for text in [
            "",
            "MIT Apache",
            "(MIT",
            "MIT)",
            "OR",
            "MIT AND",
            "a/b",
            "BSD License",
            &deep,
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_of_a_choice_suffices_and_all_of_a_sum_are_needed() {
        let satisfied = |text: &str, accepted: &[&str]| {
            let read = Expression::parse(text).expect(text);
            read.is_satisfied(&|id, _| accepted.contains(&id))
        };
        assert!(satisfied("MIT OR GPL-3.0-only", &["MIT"]));
        assert!(!satisfied("MIT AND GPL-3.0-only", &["MIT"]));
        assert!(satisfied("(A OR B) AND C", &["B", "C"]));
        assert!(!satisfied("(A OR B) AND C", &["A", "B"]));
    }

    #[test]
    fn classifiers_stand_in_for_a_missing_expression() {
        let of = |lines: &[&str]| stated(None, lines.iter().copied());
        assert_eq!(
            of(&[
                "Programming Language :: Python",
                "License :: OSI Approved",
                "License :: OSI Approved :: MIT License"
            ]),
            Some("MIT".to_owned())
        );
        assert_eq!(
            of(&[
                "License :: OSI Approved :: MIT License",
                "License :: Public Domain"
            ]),
            Some("LicenseRef-Public-Domain AND MIT".to_owned())
        );
        assert_eq!(of(&["License :: Something New"]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(stated(Some("Apache 2.0"), std::iter::empty()), None);
        assert_eq!(
            stated(Some("MIT"), ["License :: Public Domain"].into_iter()),
            Some("MIT".to_owned())
        );
        for (_, id) in CLASSIFIERS {
            assert!(Expression::parse(id).is_ok(), "{id}");
        }
    }
}
