//! What a marker would cost to parse, told from its text.
//!
//! In: a marker that nobody has parsed yet. Out: a bound on the work. Never: parses it.
//!
//! The parser makes decision diagrams of markers. Their size depends on how comparisons are mixed:
//! `a1 and b1 or a2 and b2 or …` over 30 extras takes a thousand million nodes, in a line of a
//! kilobyte. Two bounds are reckoned here, and the lower one counts: how many states can be open at
//! once by the marker's structure, and how many there are of the variables that it names.

use std::collections::{BTreeMap, BTreeSet};

/// More brackets than any marker has that is parsed.
const DEEPEST: usize = 200;

/// Units of work for a marker: about as many nodes of diagrams are made. Saturates.
pub(super) fn of_marker(text: &str) -> u64 {
    // Each may be a level of the stack, here as in the parser.
    if text.bytes().filter(|byte| *byte == b'(').count() > DEEPEST {
        return u64::MAX;
    }
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        leaves: 0,
        variables: BTreeMap::new(),
    };
    let mut width: u64 = 1;
    // What no marker has, such as a bracket too many, is read as another one.
    while reader.at < reader.tokens.len() {
        width = width.saturating_mul(reader.alternatives());
        reader.at += 1;
    }
    let states = reader.states();
    let leaves = reader.leaves;
    let chain = leaves.saturating_mul(leaves);
    chain.saturating_add(leaves.saturating_mul(width.min(states)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Word(&'a str),
    Literal(&'a str),
    /// Whatever else stands there, such as `==`.
    Sign(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_word = |each: char| each.is_ascii_alphanumeric() || each == '_' || each == '.';
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => {
                let inside = &rest[1..];
                let end = inside.find(first).unwrap_or(inside.len());
                tokens.push(Token::Literal(&inside[..end]));
                (end + 2).min(rest.len())
            }
            '(' | ')' => {
                tokens.push(if first == '(' {
                    Token::Open
                } else {
                    Token::Close
                });
                1
            }
            _ if is_word(first) => {
                let end = rest.find(|each| !is_word(each)).unwrap_or(rest.len());
                tokens.push(match &rest[..end] {
                    "and" => Token::And,
                    "or" => Token::Or,
                    word => Token::Word(word),
                });
                end
            }
            other => {
                tokens.push(Token::Sign(&rest[..other.len_utf8()]));
                other.len_utf8()
            }
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    leaves: u64,
    /// The literals that each variable is compared with.
    variables: BTreeMap<&'a str, BTreeSet<Vec<&'a str>>>,
}

/// What stands between two operators: how many states it can be in while it is not decided, and
/// whether it is a single comparison.
struct Part {
    width: u64,
    is_leaf: bool,
}

impl Reader<'_> {
    fn alternatives(&mut self) -> u64 {
        self.list(Token::Or, |reader| {
            let (width, is_leaf) = reader.list_of(Token::And, Self::part);
            Part { width, is_leaf }
        })
    }

    fn list(&mut self, between: Token<'_>, part: impl FnMut(&mut Self) -> Part) -> u64 {
        self.list_of(between, part).0
    }

    /// Parts with an operator between them. A chain of comparisons is decided or not, and that is
    /// all; of longer parts every combination of their states may be open.
    fn list_of(
        &mut self,
        between: Token<'_>,
        mut part: impl FnMut(&mut Self) -> Part,
    ) -> (u64, bool) {
        let mut width: u64 = 1;
        let (mut leaves, mut parts) = (0, 0);
        loop {
            let found = part(self);
            parts += 1;
            if found.is_leaf {
                leaves += 1;
            } else {
                width = width.saturating_mul(found.width);
            }
            if self.tokens.get(self.at) != Some(&between) {
                break;
            }
            self.at += 1;
        }
        if leaves > 0 {
            width = width.saturating_mul(2);
        }
        (width, leaves == 1 && parts == 1)
    }

    fn part(&mut self) -> Part {
        if self.tokens.get(self.at) == Some(&Token::Open) {
            self.at += 1;
            let width = self.alternatives();
            if self.tokens.get(self.at) == Some(&Token::Close) {
                self.at += 1;
            }
            return Part {
                width,
                is_leaf: false,
            };
        }
        self.comparison();
        Part {
            width: 2,
            is_leaf: true,
        }
    }

    fn comparison(&mut self) {
        let start = self.at;
        let is_inside = |token: &Token<'_>| {
            matches!(token, Token::Word(_) | Token::Literal(_) | Token::Sign(_))
        };
        while self.tokens.get(self.at).is_some_and(is_inside) {
            self.at += 1;
        }
        self.leaves += 1;
        let comparison = &self.tokens[start..self.at];
        let word = comparison.iter().find_map(|token| match token {
            Token::Word(word) if !matches!(*word, "in" | "not") => Some(*word),
            _ => None,
        });
        let literals = comparison.iter().filter_map(|token| match token {
            Token::Literal(text) | Token::Sign(text) => Some(*text),
            // `in` makes a variable of its own of each literal.
            Token::Word("in") => Some("in"),
            _ => None,
        });
        let literals = literals.collect();
        self.variables
            .entry(word.unwrap_or(""))
            .or_default()
            .insert(literals);
    }

    /// How many states all variables together have: an extra is there or not, and so is what `in`
    /// asks for; anything else lies at, before, between or behind the literals.
    fn states(&self) -> u64 {
        let mut states: u64 = 1;
        for (name, comparisons) in &self.variables {
            let is_flag = |literals: &&Vec<&str>| *name == "extra" || literals.contains(&"in");
            let flags = comparisons.iter().filter(is_flag).count();
            let places = (comparisons.len() - flags) as u64;
            let flags = u32::try_from(flags).unwrap_or(u32::MAX);
            states = states
                .saturating_mul(2u64.saturating_pow(flags))
                .saturating_mul(2 * places + 1);
        }
        states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: usize) -> String {
        let pair = |number| format!("extra=='a{number}'and extra=='b{number}'");
        (0..count).map(pair).collect::<Vec<_>>().join(" or ")
    }

    #[test]
    fn what_people_write_is_light() {
        let many = (0..40).map(|number| format!("extra == 'e{number}'"));
        let many = many.collect::<Vec<_>>().join(" or ");
        let clause = |number: usize| {
            format!(
                "(python_full_version >= '3.{number}' and sys_platform == 'linux' and platform_machine != 'x86_64')"
            )
        };
        let exported = (0..25).map(clause).collect::<Vec<_>>().join(" or ");
        for marker in [
            "",
            "python_version < '3.12'",
            "extra == 'a' and (os_name == 'nt' or 'linux' in sys_platform)",
            &format!("python_version >= '3.8' and python_version < '4.0' and ({many})"),
            &exported,
        ] {
            assert!(
                of_marker(marker) < 50_000,
                "{marker}: {}",
                of_marker(marker)
            );
        }
    }

    #[test]
    fn what_would_not_end_is_heavy() {
        assert!(of_marker(&pairs(10)) < 1 << 20);
        let inside = (0..40).map(|n| format!("('a{n}' in sys_platform and '{n}' in os_name)"));
        let both = inside.collect::<Vec<_>>().join(" or ");
        for marker in [pairs(20), pairs(1000), both, pairs(20).replace('\'', "\"")] {
            assert!(of_marker(&marker) > 1 << 20, "{marker}");
        }
    }

    #[test]
    fn no_text_makes_it_fail() {
        let deep = "(".repeat(100_000);
        for marker in [
            &deep,
            "(((",
            ")))",
            "'",
            "and and",
            "or",
            "'é' == é and",
            ")(",
            "a'b",
        ] {
            of_marker(marker);
        }
    }
}
