//! A function's signature: its parameters in the order in which they stand.
//!
//! In: the parser's parameters. Out: a [`Signature`] that calls are checked against, and that
//! reads as one line.

use std::collections::BTreeSet;
use std::fmt;

use ruff_python_ast as ast;
use ruff_text_size::Ranged;

use crate::annotation::Kind;
use crate::error::{Problem, ScriptError};
use crate::names::Names;
use crate::source::Source;

/// The parameters of a function. Shown, it is one line: `(input_value: str, arg1: str = None)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signature {
    /// In the order in which they stand.
    pub parameters: Vec<Parameter>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, without stars.
    pub name: String,
    /// How it can be given.
    pub kind: ParameterKind,
    /// What it takes.
    pub takes: Kind,
    /// Its annotation, as it is written.
    pub annotation: Option<String>,
    /// Its default, as it is written.
    pub default: Option<String>,
}

/// How a parameter can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// By position alone: it stands before `/`.
    PositionalOnly,
    /// By position or by name.
    Standard,
    /// `*args`.
    VarPositional,
    /// By name alone: it stands after `*`.
    KeywordOnly,
    /// `**kwargs`.
    VarKeyword,
}

impl Parameter {
    /// Whether a call must give it.
    pub fn is_required(&self) -> bool {
        self.default.is_none()
            && !matches!(
                self.kind,
                ParameterKind::VarPositional | ParameterKind::VarKeyword
            )
    }

    /// Whether `None` may be given: its annotation says so, or its default is `None`.
    pub fn takes_none(&self) -> bool {
        self.takes.takes_none() || self.default.as_deref() == Some("None")
    }
}

impl Signature {
    pub(crate) fn of(
        parameters: &ast::Parameters,
        names: &Names,
        source: &Source,
    ) -> Result<Self, ScriptError> {
        use ParameterKind as Is;
        let mut found: Vec<Parameter> = Vec::new();
        let make = |parameter: &ast::Parameter, default: Option<&ast::Expr>, kind| Parameter {
            name: parameter.name.as_str().to_owned(),
            kind,
            takes: parameter
                .annotation()
                .map_or(Kind::Any, |annotation| Kind::of(annotation, names)),
            annotation: parameter
                .annotation()
                .map(|annotation| one_line(source.slice(annotation.range()))),
            default: default.map(|default| one_line(source.slice(default.range()))),
        };
        let with_default = |list: &[ast::ParameterWithDefault], kind| {
            list.iter()
                .map(|each| make(&each.parameter, each.default(), kind))
                .collect::<Vec<_>>()
        };
        found.extend(with_default(&parameters.posonlyargs, Is::PositionalOnly));
        found.extend(with_default(&parameters.args, Is::Standard));
        if let Some(rest) = &parameters.vararg {
            found.push(make(rest, None, Is::VarPositional));
        }
        found.extend(with_default(&parameters.kwonlyargs, Is::KeywordOnly));
        if let Some(rest) = &parameters.kwarg {
            found.push(make(rest, None, Is::VarKeyword));
        }
        reject_twice(parameters, source)?;
        Ok(Self { parameters: found })
    }

    /// The parameter of a name; not `*args` or `**kwargs`.
    pub fn named(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| {
            parameter.name == name
                && !matches!(
                    parameter.kind,
                    ParameterKind::VarPositional | ParameterKind::VarKeyword
                )
        })
    }

    /// The parameters that positional arguments fill, in order.
    pub fn positional(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| {
            matches!(
                parameter.kind,
                ParameterKind::PositionalOnly | ParameterKind::Standard
            )
        })
    }

    /// The first parameter of a kind.
    pub fn first(&self, kind: ParameterKind) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| parameter.kind == kind)
    }
}

fn reject_twice(parameters: &ast::Parameters, source: &Source) -> Result<(), ScriptError> {
    let mut seen = BTreeSet::new();
    for parameter in parameters {
        let name = parameter.name();
        if !seen.insert(name.as_str()) {
            let problem = Problem::new(format!(
                "duplicate argument `{}` in function definition",
                name.as_str()
            ))
            .span(source.span(name.range(), "given twice"));
            return Err(ScriptError::Syntax(problem.into()));
        }
    }
    Ok(())
}

/// Source text with every run of white space as one space, cut where it is long.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ParameterKind as Is;
        f.write_str("(")?;
        let mut parts: Vec<String> = Vec::new();
        let mut before = None;
        for parameter in &self.parameters {
            if before == Some(Is::PositionalOnly) && parameter.kind != Is::PositionalOnly {
                parts.push("/".to_owned());
            }
            let starred = matches!(before, Some(Is::VarPositional | Is::KeywordOnly));
            if parameter.kind == Is::KeywordOnly && !starred {
                parts.push("*".to_owned());
            }
            parts.push(parameter.to_string());
            before = Some(parameter.kind);
        }
        if before == Some(Is::PositionalOnly) {
            parts.push("/".to_owned());
        }
        write!(f, "{})", parts.join(", "))
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stars = match self.kind {
            ParameterKind::VarPositional => "*",
            ParameterKind::VarKeyword => "**",
            _ => "",
        };
        write!(f, "{stars}{}", self.name)?;
        match (&self.annotation, &self.default) {
            (Some(annotation), Some(default)) => write!(f, ": {annotation} = {default}"),
            (Some(annotation), None) => write!(f, ": {annotation}"),
            (None, Some(default)) => write!(f, "={default}"),
            (None, None) => Ok(()),
        }
    }
}
