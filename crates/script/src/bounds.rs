//! Bounds that a text must keep before it is parsed.
//!
//! In: any text. Out: nothing, or the error that says which bound it goes over. The parser's tree
//! is as deep as its text is nested, and walking or dropping it takes stack: what passes here is
//! never deeper than [`DEEPEST`] levels. Bounds on brackets and indentation are Python's own, so
//! no file that Python takes is refused for them.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

use crate::error::{Problem, ScriptError};
use crate::source::Source;

/// The largest script, in bytes: what is sent to a runner in one request.
const LARGEST: usize = 4 << 20;
/// As `MAXLEVEL` of Python's tokenizer: brackets inside brackets.
const BRACKETS: usize = 200;
/// As `MAXINDENT` of Python's tokenizer: blocks inside blocks.
const INDENTS: usize = 100;
/// Operators that can stand inside each other. Python's compiler gives up at about as many.
const DEEPEST: usize = 3000;

/// Checks a whole file.
pub(crate) fn check(source: &Source) -> Result<(), ScriptError> {
    if source.text.len() > LARGEST {
        let problem = Problem::new(format!("the script is larger than {} MiB", LARGEST >> 20))
            .hint("keep data in a file of its own");
        return Err(ScriptError::Syntax(problem.into()));
    }
    if let Some(at) = source.text.find('\0') {
        let problem = Problem::new("source code can't contain null bytes")
            .span(source.span(at..at + 1, "a null byte"));
        return Err(ScriptError::Syntax(problem.into()));
    }
    match excess(source.text) {
        None => Ok(()),
        Some(message) => {
            let line = source.lines()[first_line_in_excess(source)].clone();
            let problem = Problem::new(message).span(source.span(line, "here"));
            Err(ScriptError::Syntax(problem.into()))
        }
    }
}

/// Which bound on nesting `text` goes over, if any.
pub(crate) fn excess(text: &str) -> Option<&'static str> {
    let mut nesting = Nesting::default();
    let mut lexer = lexer::lex(text, Mode::Module);
    loop {
        let kind = lexer.next_token();
        if kind == TokenKind::EndOfFile {
            return None;
        }
        if let Some(message) = nesting.add(kind) {
            return Some(message);
        }
    }
}

/// The lexer tells no places; but the text up to a line goes over a bound exactly if that line is
/// at or behind the place, so it can be searched for.
fn first_line_in_excess(source: &Source) -> usize {
    let (mut below, mut above) = (0, source.lines().len() - 1);
    while below < above {
        let middle = usize::midpoint(below, above);
        if excess(&source.text[..source.lines()[middle].end]).is_some() {
            above = middle;
        } else {
            below = middle + 1;
        }
    }
    above
}

/// How deep the text is nested at a token.
#[derive(Default)]
struct Nesting {
    indents: usize,
    /// For each open bracket, and for the line around them, the operators since the last comma.
    open: Vec<Level>,
    line: Level,
    /// All operators of `open` and `line`.
    operators: usize,
    /// A bracket was never closed.
    unclosed: bool,
}

#[derive(Default, Clone, Copy)]
struct Level {
    operators: usize,
    /// Commas do not end a lambda: its parameters hold some.
    lambdas: usize,
}

impl Nesting {
    fn add(&mut self, kind: TokenKind) -> Option<&'static str> {
        match kind {
            TokenKind::Indent => {
                self.indents += 1;
                if self.indents >= INDENTS {
                    return Some("too many levels of indentation");
                }
            }
            TokenKind::Dedent => self.indents = self.indents.saturating_sub(1),
            TokenKind::Newline | TokenKind::Semi => self.start_line(),
            TokenKind::Comma => {
                let level = self.level();
                let counted = std::mem::take(&mut level.operators);
                self.operators -= counted;
            }
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                self.count(kind);
                self.open.push(Level::default());
                if self.open.len() > BRACKETS {
                    return Some("too many nested parentheses");
                }
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if let Some(level) = self.open.pop() {
                    self.operators -= level.operators + level.lambdas;
                }
            }
            _ if begins_statement(kind) && (self.unclosed || !self.open.is_empty()) => {
                // From here on the lexer takes every line for a part of the bracket.
                self.unclosed = true;
                self.start_line();
            }
            _ => self.count(kind),
        }
        (self.operators > DEEPEST).then_some("too many operators inside each other")
    }

    fn start_line(&mut self) {
        self.open.clear();
        self.line = Level::default();
        self.operators = 0;
    }

    fn level(&mut self) -> &mut Level {
        self.open.last_mut().unwrap_or(&mut self.line)
    }

    fn count(&mut self, kind: TokenKind) {
        let level = self.level();
        match kind {
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => return,
            TokenKind::Lambda => level.lambdas += 1,
            _ => level.operators += 1,
        }
        self.operators += 1;
    }
}

/// Whether no expression can hold the token: inside a bracket it tells that the bracket was never
/// closed, and the parser goes on as if a new line had begun.
pub(crate) fn begins_statement(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Def
            | TokenKind::Class
            | TokenKind::Return
            | TokenKind::Import
            | TokenKind::While
            | TokenKind::With
            | TokenKind::Try
            | TokenKind::Raise
            | TokenKind::Pass
            | TokenKind::Assert
            | TokenKind::Del
            | TokenKind::Global
            | TokenKind::Nonlocal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Option<&'static str> {
        excess(text)
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        let many = 100_000;
        for (text, message) in [
            ("(".repeat(many), "too many nested parentheses"),
            ("[{(".repeat(many), "too many nested parentheses"),
            ("f'{".repeat(many), "too many nested parentheses"),
            ("-~".repeat(many), "too many operators inside each other"),
            ("not ".repeat(many), "too many operators inside each other"),
            ("x.".repeat(many), "too many operators inside each other"),
            ("f()".repeat(many), "too many operators inside each other"),
            (
                "lambda a, b: ".repeat(many),
                "too many operators inside each other",
            ),
            (
                "if x: ".repeat(many),
                "too many operators inside each other",
            ),
            (
                "1 if x else ".repeat(many),
                "too many operators inside each other",
            ),
            ("x = ".repeat(many), "too many operators inside each other"),
        ] {
            assert_eq!(verdict(&text), Some(message), "{}", &text[..12]);
        }
        let blocks: Vec<String> = (0..200)
            .map(|depth| {
                " ".repeat(depth)
                    + "if x:
"
            })
            .collect();
        let blocks = blocks.concat();
        assert_eq!(verdict(&blocks), Some("too many levels of indentation"));
    }

    #[test]
    fn what_is_long_but_flat_is_taken() {
        let table = format!("x = [{}]\n", "(-1, 'a', f(2)), ".repeat(50_000));
        let text = format!("x = ({})\n", "'line'\n".repeat(50_000));
        let lines = "x = -1 + y\n".repeat(50_000);
        let unclosed = format!(
            "x = (1 +\n{}",
            "def f(a: int): return a.b.c + 1\n".repeat(5_000)
        );
        for text in [table, text, lines, unclosed] {
            assert_eq!(verdict(&text), None, "{}", &text[..12]);
        }
    }

    #[test]
    fn the_place_is_found() {
        let text = format!("x = 1\n'''\n\n'''\ny = {}\nz = 1\n", "(".repeat(300));
        let error = check(&Source::new("f.py", &text)).expect_err("too deep");
        assert_eq!(error.problem().spans[0].line, 5);
    }
}
