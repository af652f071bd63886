//! Python's grammar.
//!
//! In: a text whose nesting is bounded. Out: the parser's tree, or the first syntax error as
//! Python would say it. The newest grammar is taken: which interpreter will run the file is not
//! known here.

use std::thread;

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, Parameters, PythonVersion, Stmt, statement_visitor};
use ruff_python_parser::{Mode, ParseError, ParseErrorType, ParseOptions, Parsed};
use ruff_text_size::{Ranged, TextRange};

use crate::bounds::begins_statement;
use crate::error::{Problem, ScriptError, uncapitalise};
use crate::source::Source;

/// Stack for walking and dropping the deepest tree that the bounds let in, in bytes.
const ROOM: usize = 64 << 20;

/// Runs `work` on a stack that is large enough for any tree; a panic of the parser is an error.
pub(crate) fn with_room<T: Send>(
    work: impl FnOnce() -> Result<T, ScriptError> + Send,
) -> Result<T, ScriptError> {
    let broken = |message: &str| Err(ScriptError::Parser(Problem::new(message).into()));
    thread::scope(|scope| {
        let spawned = thread::Builder::new()
            .name("parser".to_owned())
            .stack_size(ROOM)
            .spawn_scoped(scope, work);
        match spawned.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => broken("the Python parser failed on this file"),
            Err(error) => broken(&format!("can't start a thread for the parser: {error}")),
        }
    })
}

/// Parses a whole file.
pub(crate) fn module(source: &Source) -> Result<Parsed<ModModule>, ScriptError> {
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::latest());
    let parsed = ruff_python_parser::parse_unchecked(source.text, options)
        .try_into_module()
        .expect("module mode gives a module");
    let first = parsed
        .errors()
        .iter()
        .min_by_key(|error| error.location.start());
    match first {
        None => Ok(parsed),
        Some(error) => {
            let problem = bracket_problem(&parsed, source)
                .unwrap_or_else(|| describe(error, parsed.suite(), source));
            Err(ScriptError::Syntax(problem.into()))
        }
    }
}

/// A bracket that has no partner says more than the error the parser meets later.
fn bracket_problem(parsed: &Parsed<ModModule>, source: &Source) -> Option<Problem> {
    let mut open: Vec<TextRange> = Vec::new();
    let never_closed = |range: TextRange| {
        let bracket = source.slice(range);
        Problem::new(format!("`{bracket}` was never closed")).span(source.span(range, ""))
    };
    for token in parsed.tokens() {
        match token.kind() {
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => open.push(token.range()),
            closing @ (TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace) => {
                let bracket = source.slice(token.range());
                let Some(opening) = open.pop() else {
                    return Some(
                        Problem::new(format!("unmatched `{bracket}`"))
                            .span(source.span(token.range(), "")),
                    );
                };
                if partner(closing) != source.slice(opening) {
                    let problem = Problem::new(format!(
                        "closing `{bracket}` does not match opening `{}`",
                        source.slice(opening)
                    ));
                    return Some(
                        problem
                            .span(source.span(token.range(), "closed here"))
                            .span(source.span(opening, "opened here")),
                    );
                }
            }
            kind if begins_statement(kind) => {
                if let Some(range) = open.pop() {
                    return Some(never_closed(range));
                }
            }
            _ => {}
        }
    }
    open.pop().map(never_closed)
}

fn partner(closing: TokenKind) -> &'static str {
    match closing {
        TokenKind::Rpar => "(",
        TokenKind::Rsqb => "[",
        _ => "{",
    }
}

fn describe(error: &ParseError, suite: &[Stmt], source: &Source) -> Problem {
    let place = |label: &str| source.span(error.location, label);
    match &error.error {
        ParseErrorType::NonDefaultParamAfterDefaultParam => {
            default_order(error.location, suite, source)
        }
        ParseErrorType::ExpectedToken {
            expected: TokenKind::Colon,
            ..
        } => Problem::new("expected `:`").span(place("")),
        ParseErrorType::ExpectedToken {
            expected: TokenKind::Indent,
            ..
        } => Problem::new("expected an indented block").span(place("")),
        ParseErrorType::UnexpectedIndentation => {
            Problem::new("unexpected indentation").span(place(""))
        }
        ParseErrorType::SimpleStatementsOnSameLine
        | ParseErrorType::SimpleAndCompoundStatementOnSameLine => {
            Problem::new("invalid syntax").span(place("this can't follow on the same line"))
        }
        ParseErrorType::UnexpectedIpythonEscapeCommand => {
            Problem::new("invalid syntax: IPython commands are not Python").span(place(""))
        }
        other => Problem::new(uncapitalise(&other.to_string())).span(place("")),
    }
}

/// `def f(a=None, b)`: says how to mend it, since callers of other languages expect it to work.
fn default_order(location: TextRange, suite: &[Stmt], source: &Source) -> Problem {
    let mut finder = ParametersAt {
        location,
        found: None,
    };
    statement_visitor::walk_body(&mut finder, suite);
    let declared = source.slice(location).trim();
    let name = declared.split([':', '=']).next().unwrap_or_default().trim();
    let problem = Problem::new(format!(
        "parameter `{name}` has no default but follows one that has: this is not valid Python"
    ))
    .span(source.span(location, "no default"));
    let before = finder.found.and_then(|parameters| {
        parameters
            .posonlyargs
            .iter()
            .chain(&parameters.args)
            .find(|parameter| parameter.default.is_some())
    });
    let Some(before) = before else {
        return problem.hint(format!("give `{name}` a default"));
    };
    let first = before.name().as_str();
    let assign = if declared.contains(':') { " = " } else { "=" };
    problem
        .span(source.span(before.range(), "has a default"))
        .hint(format!(
            "give `{name}` a default, such as `{declared}{assign}None`, or move it before `{first}`, or put `*` \
             before it so that it is given by name"
        ))
}

struct ParametersAt<'a> {
    location: TextRange,
    found: Option<&'a Parameters>,
}

impl<'a> statement_visitor::StatementVisitor<'a> for ParametersAt<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(function) = stmt
            && function.parameters.range().contains_range(self.location)
        {
            self.found = Some(&function.parameters);
        }
        statement_visitor::walk_stmt(self, stmt);
    }
}
