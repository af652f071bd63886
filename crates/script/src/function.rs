//! The functions of a script.
//!
//! In: the parser's tree. Out: each function at the top level, with what its decorator asks for.
//! A decorated function anywhere else is an error: nobody could call it by its name.

use std::collections::BTreeMap;

use pyrun_core::{Requirement, Span};
use ruff_python_ast::statement_visitor::{StatementVisitor, walk_body, walk_stmt};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Decorator, Expr, Stmt, StmtFunctionDef};
use ruff_text_size::Ranged;

use crate::decorator::{self, Asked};
use crate::error::{Problem, ScriptError};
use crate::names::Names;
use crate::python::PythonBound;
use crate::signature::Signature;
use crate::source::Source;

/// A function at the top level of a script.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not depend on each other"
)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `def`, counted from 1.
    pub line: u32,
    /// Where its name stands.
    pub span: Span,
    /// Whether it carries `@requirements`.
    pub decorated: bool,
    /// Whether it is `async def`.
    pub is_async: bool,
    /// Whether its own body yields.
    pub is_generator: bool,
    /// What its decorator asks for, in the order in which it stands.
    pub requirements: Vec<Requirement>,
    /// The decorator's bound on Python.
    pub python: Option<PythonBound>,
    /// Whether its results may be remembered.
    pub memo: bool,
    /// Its parameters.
    pub signature: Signature,
    /// The first line of its docstring.
    pub summary: Option<String>,
}

impl Function {
    /// The function as one line: `my_function(input_value: str, arg1: str = None)`.
    pub fn headline(&self) -> String {
        format!("{}{}", self.name, self.signature)
    }
}

/// Reads the functions of a module.
pub(crate) fn read_all(suite: &[Stmt], source: &Source) -> Result<Vec<Function>, ScriptError> {
    let names = Names::of(suite);
    let mut functions: Vec<Function> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for stmt in suite {
        let Stmt::FunctionDef(definition) = stmt else {
            reject_decorated(std::slice::from_ref(stmt), &names, source)?;
            continue;
        };
        reject_decorated(&definition.body, &names, source)?;
        let function = read(definition, &names, source)?;
        if let Some(&place) = places.get(&function.name) {
            reject_both_decorated(&functions[place], &function)?;
            functions[place] = function;
        } else {
            places.insert(function.name.clone(), functions.len());
            functions.push(function);
        }
    }
    functions.sort_by_key(|function| function.line);
    Ok(functions)
}

fn read(
    definition: &StmtFunctionDef,
    names: &Names,
    source: &Source,
) -> Result<Function, ScriptError> {
    let mut asked: Option<Asked> = None;
    for decorator in &definition.decorator_list {
        if !decorator::is_ours(decorator, names) {
            continue;
        }
        let found = decorator::read(decorator, source)?;
        if let Some(first) = &asked {
            let problem = Problem::new(format!(
                "`{}` carries `@requirements` twice",
                definition.name.as_str()
            ))
            .span(first.span.clone())
            .span(found.span)
            .hint("put all requirements into one decorator");
            return Err(ScriptError::Requirement(problem.into()));
        }
        asked = Some(found);
    }
    let span = source.span(definition.name.range(), "");
    let decorated = asked.is_some();
    let (requirements, python, memo) = asked.map_or_else(Default::default, |asked| {
        (asked.requirements, asked.python, asked.memo)
    });
    Ok(Function {
        name: definition.name.as_str().to_owned(),
        line: span.line,
        span,
        decorated,
        is_async: definition.is_async,
        is_generator: yields(&definition.body),
        requirements,
        python,
        memo,
        signature: Signature::of(&definition.parameters, names, source)?,
        summary: summary(&definition.body),
    })
}

fn reject_both_decorated(first: &Function, second: &Function) -> Result<(), ScriptError> {
    if !(first.decorated && second.decorated) {
        return Ok(());
    }
    let label = |span: &Span, label: &str| Span {
        label: label.to_owned(),
        ..span.clone()
    };
    let problem = Problem::new(format!("`{}` is defined twice", first.name))
        .span(label(&first.span, "first here"))
        .span(label(&second.span, "and again here"))
        .hint("give one of them another name");
    Err(ScriptError::Requirement(problem.into()))
}

fn summary(body: &[Stmt]) -> Option<String> {
    let Some(Stmt::Expr(first)) = body.first() else {
        return None;
    };
    let Expr::StringLiteral(text) = &*first.value else {
        return None;
    };
    let text = text.value.to_str();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(str::to_owned)
}

fn reject_decorated(body: &[Stmt], names: &Names, source: &Source) -> Result<(), ScriptError> {
    let mut finder = DecoratedWithin { names, found: None };
    walk_body(&mut finder, body);
    let Some((name, decorator)) = finder.found else {
        return Ok(());
    };
    let problem = Problem::new(format!(
        "`{name}` carries `@requirements` but does not stand at the top level of the file"
    ))
    .span(source.span(
        decorator.range(),
        "only functions at the top level can be run",
    ))
    .hint("move the function to the top level: no class, function or block around it");
    Err(ScriptError::Dynamic(problem.into()))
}

struct DecoratedWithin<'n, 'a> {
    names: &'n Names<'n>,
    found: Option<(&'a str, &'a Decorator)>,
}

impl<'a> StatementVisitor<'a> for DecoratedWithin<'_, 'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let (name, decorators) = match stmt {
            Stmt::FunctionDef(function) => (&function.name, &function.decorator_list),
            Stmt::ClassDef(class) => (&class.name, &class.decorator_list),
            other => return walk_stmt(self, other),
        };
        let ours = decorators
            .iter()
            .find(|decorator| decorator::is_ours(decorator, self.names));
        match ours {
            Some(decorator) if self.found.is_none() => {
                self.found = Some((name.as_str(), decorator));
            }
            _ => walk_stmt(self, stmt),
        }
    }
}

/// Whether a body yields, not counting the functions inside it.
fn yields(body: &[Stmt]) -> bool {
    let mut finder = Yields { found: false };
    finder.visit_body(body);
    finder.found
}

struct Yields {
    found: bool,
}

impl<'a> Visitor<'a> for Yields {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if !self.found && !matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Yield(_) | Expr::YieldFrom(_) => self.found = true,
            Expr::Lambda(_) => {}
            other => visitor::walk_expr(self, other),
        }
    }
}
