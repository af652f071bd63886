//! The words after the file, or a call given as JSON, become a typed call.
//!
//! In: a function and what was given for it. Out: a [`Call`] whose values are as docs/VALUES.md
//! says. What does not fit is an error that names the parameter and shows the signature. Never: a
//! file; `@FILE` is the command line's affair.

mod assign;
mod json;
mod number;
mod text;
mod time;
mod wire;
mod words;

use pyrun_core::protocol::Call;
use serde_json::Value;

use crate::error::{Problem, ScriptError, did_you_mean};
use crate::function::Function;
use crate::signature::{Parameter, ParameterKind};

/// What was given for a parameter.
enum Given<'w> {
    /// A word.
    Word(&'w str),
    /// The words of a keyword for a parameter that collects.
    Words(Vec<&'w str>),
    /// A flag without a value.
    Flag(bool),
    /// A value of a call that is given as JSON.
    Json(Value),
}

/// Binds the words after the file to a function's parameters.
pub fn bind(function: &Function, words: &[String]) -> Result<Call, ScriptError> {
    let spoken = words::read(function, words)?;
    assign::assign(function, spoken.positional, spoken.keywords)
}

/// Checks a call that was given as JSON, and converts its values to what the parameters take.
pub fn check_call(function: &Function, call: Call) -> Result<Call, ScriptError> {
    let positional = call.args.into_iter().map(Given::Json).collect();
    let keywords = call
        .kwargs
        .into_iter()
        .map(|(name, value)| (name, Given::Json(value)))
        .collect();
    assign::assign(function, positional, keywords)
}

/// The parameter that a keyword reaches: one of that name, else `**kwargs`.
fn keyword_target<'f>(function: &'f Function, name: &str) -> Result<&'f Parameter, ScriptError> {
    let rest = function.signature.first(ParameterKind::VarKeyword);
    match (function.signature.named(name), rest) {
        (Some(parameter), _) if parameter.kind != ParameterKind::PositionalOnly => Ok(parameter),
        (_, Some(rest)) => Ok(rest),
        (Some(_), None) => {
            let problem = Problem::new(format!(
                "`{name}` of `{}` can't be given by name: it stands before the `/`",
                function.name
            ))
            .hint("give it by position: `-a VALUE`");
            Err(misfit(function, problem))
        }
        (None, None) => Err(unknown(function, name)),
    }
}

fn unknown(function: &Function, name: &str) -> ScriptError {
    let shown = crate::error::shorten(name);
    let problem = Problem::new(format!("`{}` has no parameter `{shown}`", function.name));
    let names: Vec<&str> = function
        .signature
        .parameters
        .iter()
        .filter(|each| {
            matches!(
                each.kind,
                ParameterKind::Standard | ParameterKind::KeywordOnly
            )
        })
        .map(|each| each.name.as_str())
        .collect();
    let problem = match did_you_mean(name, names) {
        Some(meant) => problem.hint(format!("did you mean `--{meant}`?")),
        None => {
            problem.hint("to give a word that begins with a dash by position, write `-a` before it")
        }
    };
    misfit(function, problem)
}

/// An error about a call, with the signature and the place of the function.
fn misfit(function: &Function, problem: Problem) -> ScriptError {
    let problem = problem
        .cause(format!("the function is `{}`", function.headline()))
        .span(function.span.clone());
    ScriptError::Arguments(problem.into())
}
