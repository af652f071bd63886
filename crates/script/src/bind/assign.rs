//! Arguments meet parameters, by Python's own rules.
//!
//! In: what was given by position and by name. Out: the call, with converted values; or the first
//! thing that does not fit: a name, the count, something missing, a value.

use std::collections::{BTreeMap, BTreeSet};

use pyrun_core::protocol::Call;
use serde_json::Value;

use super::text::Wrong;
use super::{Given, json, keyword_target, misfit, text};
use crate::error::{Problem, ScriptError, shorten};
use crate::function::Function;
use crate::signature::{Parameter, ParameterKind};

/// Checks and converts a whole call.
pub(super) fn assign(
    function: &Function,
    positional: Vec<Given>,
    keywords: Vec<(String, Given)>,
) -> Result<Call, ScriptError> {
    let mut filled = BTreeSet::new();
    let places = positional_targets(function, positional.len())?;
    filled.extend(places.iter().map(|parameter| parameter.name.as_str()));
    let mut named = Vec::new();
    for (name, given) in keywords {
        let target = keyword_target(function, &name)?;
        if target.kind != ParameterKind::VarKeyword && !filled.insert(target.name.as_str()) {
            let problem = Problem::new(format!(
                "`{name}` of `{}` is given twice: by position and by name",
                function.name
            ));
            return Err(misfit(function, problem));
        }
        named.push((name, target, given));
    }
    require_all(function, &filled)?;

    let mut call = Call::default();
    for (target, given) in places.into_iter().zip(positional) {
        call.args
            .push(convert(function, target, &target.name, given)?);
    }
    let mut kwargs = BTreeMap::new();
    for (name, target, given) in named {
        let value = convert(function, target, &name, given)?;
        kwargs.insert(name, value);
    }
    call.kwargs = kwargs;
    Ok(call)
}

/// The parameters that so many positional arguments fill.
fn positional_targets(function: &Function, count: usize) -> Result<Vec<&Parameter>, ScriptError> {
    let signature = &function.signature;
    let mut targets: Vec<&Parameter> = signature.positional().take(count).collect();
    let taken = targets.len();
    if taken == count {
        return Ok(targets);
    }
    if let Some(rest) = signature.first(ParameterKind::VarPositional) {
        targets.resize(count, rest);
        return Ok(targets);
    }
    let problem = Problem::new(format!(
        "`{}` takes {}, but {count} {} given",
        function.name,
        match taken {
            0 => "no positional argument".to_owned(),
            1 => "1 positional argument".to_owned(),
            more => format!("{more} positional arguments"),
        },
        if count == 1 { "was" } else { "were" },
    ));
    let problem = match signature.first(ParameterKind::KeywordOnly) {
        Some(only) => problem.hint(format!(
            "`{0}` can be given by name alone: `--{0} VALUE`",
            only.name
        )),
        None => problem,
    };
    Err(misfit(function, problem))
}

fn require_all(function: &Function, filled: &BTreeSet<&str>) -> Result<(), ScriptError> {
    let missing: Vec<&Parameter> = function
        .signature
        .parameters
        .iter()
        .filter(|each| each.is_required() && !filled.contains(each.name.as_str()))
        .collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let names: Vec<_> = missing
        .iter()
        .map(|each| format!("`{}`", each.name))
        .collect();
    let problem = Problem::new(format!(
        "`{}` needs a value for {}",
        function.name,
        names.join(", ")
    ));
    let name = &first.name;
    let problem = match first.kind {
        ParameterKind::PositionalOnly => problem.hint("give it by position: `-a VALUE`"),
        ParameterKind::KeywordOnly => problem.hint(format!("give it by name: `--{name} VALUE`")),
        _ => problem.hint(format!(
            "give it by position, `-a VALUE`, or by name, `--{name} VALUE`"
        )),
    };
    Err(misfit(function, problem))
}

fn convert(
    function: &Function,
    parameter: &Parameter,
    name: &str,
    given: Given,
) -> Result<Value, ScriptError> {
    let takes = &parameter.takes;
    let converted = match given {
        Given::Word(word) => text::convert(takes, word),
        Given::Words(words) => text::collect(takes, &words),
        Given::Flag(value) => Ok(Value::Bool(value)),
        Given::Json(Value::Null) if parameter.takes_none() => Ok(Value::Null),
        Given::Json(value) => json::convert(takes, value, json::Trust::Wire),
    };
    converted.map_err(|wrong| mismatch(function, name, &wrong))
}

fn mismatch(function: &Function, name: &str, wrong: &Wrong) -> ScriptError {
    let problem = Problem::new(format!(
        "`{name}{}` of `{}` takes {}, not `{}`",
        wrong.path,
        function.name,
        wrong.expected,
        shorten(&wrong.found)
    ));
    misfit(function, problem)
}
