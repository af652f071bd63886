//! `@requirements(...)`, read without running it.
//!
//! In: a decorator. Out: its requirements, its bound on Python and its options. Only literals are
//! taken: what would need a run is an error that points at the expression.

use std::collections::BTreeMap;

use pyrun_core::{Requirement, Span};
use ruff_python_ast::{Decorator, Expr, ExprDict, Keyword};
use ruff_text_size::Ranged;

use crate::error::{Problem, ScriptError, did_you_mean};
use crate::literal::Literal;
use crate::names::Names;
use crate::python::{self, PythonBound};
use crate::requirement;
use crate::source::Source;

const OPTIONS: [&str; 2] = ["python", "memo"];

/// What a decorator asks for.
pub(crate) struct Asked {
    pub requirements: Vec<Requirement>,
    pub python: Option<PythonBound>,
    pub memo: bool,
    pub span: Span,
}

/// Whether it is pyrun's decorator, called or not.
pub(crate) fn is_ours(decorator: &Decorator, names: &Names) -> bool {
    match &decorator.expression {
        Expr::Call(call) => names.is_requirements(&call.func),
        other => names.is_requirements(other),
    }
}

/// Reads a decorator that [`is_ours`].
pub(crate) fn read(decorator: &Decorator, source: &Source) -> Result<Asked, ScriptError> {
    let mut asked = Asked {
        requirements: Vec::new(),
        python: None,
        memo: false,
        span: source.span(decorator.range(), ""),
    };
    let Expr::Call(call) = &decorator.expression else {
        return Err(dynamic(
            "the decorator needs its requirements in parentheses",
            &decorator.expression,
            source,
        ));
    };
    match &*call.arguments.args {
        [] => {}
        [only] => asked.requirements = read_requirements(only, source)?,
        [_, second, ..] => {
            return Err(dynamic(
                "the decorator takes one dictionary or list",
                second,
                source,
            ));
        }
    }
    for keyword in &call.arguments.keywords {
        read_option(keyword, &mut asked, source)?;
    }
    Ok(asked)
}

fn read_requirements(expr: &Expr, source: &Source) -> Result<Vec<Requirement>, ScriptError> {
    match expr {
        Expr::Dict(dict) => read_dict(dict, source),
        Expr::List(list) => read_list(expr, &list.elts, source),
        Expr::Tuple(tuple) => read_list(expr, &tuple.elts, source),
        other => Err(dynamic(
            "the requirements must be a literal dictionary or list",
            other,
            source,
        )),
    }
}

fn read_dict(dict: &ExprDict, source: &Source) -> Result<Vec<Requirement>, ScriptError> {
    let mut requirements = Vec::new();
    requirement::check_count(dict.items.len(), || source.span(dict.range(), ""))?;
    for item in &dict.items {
        let Some(key) = &item.key else {
            let message = "a dictionary can't be unpacked into the requirements";
            return Err(dynamic(message, &item.value, source));
        };
        let name = literal(key, "a package's name must be literal text", source)?;
        let version = literal(&item.value, "a version must be literal text", source)?;
        requirements.push(requirement::versioned(&name, &version)?);
    }
    reject_twice(&requirements)?;
    Ok(requirements)
}

fn read_list(
    list: &Expr,
    items: &[Expr],
    source: &Source,
) -> Result<Vec<Requirement>, ScriptError> {
    let mut requirements = Vec::new();
    requirement::check_count(items.len(), || source.span(list.range(), ""))?;
    for item in items {
        let text = literal(item, "a requirement must be literal text", source)?;
        requirements.push(requirement::whole(&text)?);
    }
    reject_twice(&requirements)?;
    Ok(requirements)
}

fn literal<'s>(
    expr: &Expr,
    message: &str,
    source: &'s Source<'s>,
) -> Result<Literal<'s>, ScriptError> {
    Literal::of(expr, source).ok_or_else(|| dynamic(message, expr, source))
}

/// One package twice, unless markers keep the two apart.
fn reject_twice(requirements: &[Requirement]) -> Result<(), ScriptError> {
    let mut seen: BTreeMap<_, Vec<&Requirement>> = BTreeMap::new();
    for requirement in requirements {
        let same = seen.entry(&requirement.spec.name).or_default();
        let marker = &requirement.spec.marker;
        if let Some(first) = same.iter().find(|old| !old.spec.marker.is_disjoint(marker)) {
            let name = &requirement.spec.name;
            let mut problem = Problem::new(format!("`{name}` stands twice in the requirements"))
                .hint("keep one of the two, or give them markers that exclude each other");
            for (place, label) in [(*first, "first here"), (requirement, "and again here")] {
                problem
                    .spans
                    .extend(place.origin.span.clone().map(|span| Span {
                        label: label.to_owned(),
                        ..span
                    }));
            }
            return Err(ScriptError::Requirement(problem.into()));
        }
        same.push(requirement);
    }
    Ok(())
}

fn read_option(keyword: &Keyword, asked: &mut Asked, source: &Source) -> Result<(), ScriptError> {
    let Some(name) = &keyword.arg else {
        let message = "options can't be unpacked into the decorator";
        return Err(dynamic(message, &keyword.value, source));
    };
    match name.as_str() {
        "python" => {
            let text = literal(&keyword.value, "`python` must be literal text", source)?;
            asked.python = Some(python::read(&text)?);
        }
        "memo" => match &keyword.value {
            Expr::BooleanLiteral(value) => asked.memo = value.value,
            other => return Err(dynamic("`memo` must be `True` or `False`", other, source)),
        },
        unknown => {
            let problem = Problem::new(format!("`{unknown}` is no option of the decorator"))
                .span(source.span(name.range(), "unknown option"));
            let problem = match did_you_mean(unknown, OPTIONS) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint("the options are `python` and `memo`"),
            };
            return Err(ScriptError::Requirement(problem.into()));
        }
    }
    Ok(())
}

fn dynamic(message: &str, expr: &Expr, source: &Source) -> ScriptError {
    let problem = Problem::new(message)
        .cause("the decorator is read without running the file")
        .span(source.span(expr.range(), "not a literal"))
        .hint(
            "write the requirements out in the decorator itself: \
             `@requirements({'requests': '2.30.0'})`",
        );
    ScriptError::Dynamic(problem.into())
}
