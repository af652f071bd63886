//! The tables of a PEP 723 block that say how to run and resolve: `[tool.pyrun]`, and of `[tool.uv]`
//! what decides which packages are chosen.
//!
//! In: the parsed block. Out: [`Options`]. An option of `[tool.pyrun]` that is not known is an
//! error; of other tools' tables nothing is said, except where leaving it out would install
//! something else than is asked for.

use pyrun_core::{MarkerTree, Pin, Requirement, Wishes, units};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Problem, ScriptError, did_you_mean, shorten};
use crate::metadata::{Block, find};
use crate::requirement;
use crate::uv::{self, UvSource};

const NAMES: [&str; 12] = [
    "memory",
    "timeout",
    "data",
    "index",
    "index-for",
    "find-links",
    "constraints",
    "overrides",
    "no-binary",
    "only-binary",
    "exclude-newer",
    "require-hashes",
];

/// How a script wants to be run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Memory, in bytes: a number with a unit, as [`units::bytes`] reads it.
    pub memory_bytes: Option<u64>,
    /// Wall time, in milliseconds. A number alone counts seconds.
    pub timeout_ms: Option<u64>,
    /// Names of data sets that the script reads.
    pub data: Vec<String>,
    /// How its requirements are to be resolved.
    pub wishes: Wishes,
    /// Where packages come from that the block itself asks for (`[tool.uv.sources]`).
    pub sources: Vec<UvSource>,
}

/// Reads the `tool` table.
pub(crate) fn read(tool: &DeTable, block: &Block) -> Result<Options, ScriptError> {
    let mut options = Options::default();
    if let Some(uv) = find(tool, "uv") {
        let table = block.table(uv, "tool.uv")?;
        let found = uv::read(table, &|range| block.span(range, ""))
            .map_err(|problem| ScriptError::Metadata(problem.into()))?;
        options.wishes = found.wishes;
        options.sources = found.sources;
    }
    if let Some(own) = find(tool, "pyrun") {
        read_own(block.table(own, "tool.pyrun")?, block, &mut options)?;
    }
    Ok(options)
}

fn read_own(table: &DeTable, block: &Block, options: &mut Options) -> Result<(), ScriptError> {
    let mut own = Wishes::default();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "memory" => options.memory_bytes = Some(quantity(value, "memory", block)?),
            "timeout" => options.timeout_ms = Some(quantity(value, "timeout", block)?),
            "data" => options.data = words(value, "data", block)?,
            "index" => own.indexes = words(value, "index", block)?,
            "index-for" => own.pins = pins(value, block)?,
            "find-links" => own.find_links = words(value, "find-links", block)?,
            "constraints" => own.constraints = requirements(value, "constraints", block)?,
            "overrides" => own.overrides = requirements(value, "overrides", block)?,
            name @ ("no-binary" | "only-binary") => formats(value, name, block, &mut own)?,
            "exclude-newer" => {
                own.exclude_newer = Some(match value.get_ref() {
                    DeValue::Datetime(time) => time.to_string(),
                    _ => block.text(value, "exclude-newer")?.text,
                });
            }
            "require-hashes" => {
                own.require_hashes = value.get_ref().as_bool().ok_or_else(|| {
                    wrong("`require-hashes` must be `true` or `false`", value, block)
                })?;
            }
            unknown => {
                let message = format!("`{}` is no option of `[tool.pyrun]`", shorten(unknown));
                let problem = Problem::new(message).span(block.span(key.span(), "unknown option"));
                let problem = match did_you_mean(unknown, NAMES) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => problem.hint(format!("the options are `{}`", NAMES.join("`, `"))),
                };
                return Err(ScriptError::Metadata(problem.into()));
            }
        }
    }
    // pyrun's own words win over uv's.
    options.wishes.then(own);
    Ok(())
}

fn wrong(message: impl Into<String>, value: &Spanned<DeValue>, block: &Block) -> ScriptError {
    let problem = Problem::new(message).span(block.span(value.span(), ""));
    ScriptError::Metadata(problem.into())
}

/// The packages that come from an index of their own: `{ torch = "https://…" }`.
fn pins(value: &Spanned<DeValue>, block: &Block) -> Result<Vec<Pin>, ScriptError> {
    let table = block.table(value, "index-for")?;
    let pin = |(name, index): (&Spanned<_>, &Spanned<DeValue>)| {
        let name: &std::borrow::Cow<'_, str> = name.get_ref();
        let message = || format!("`{}` is not the name of a package", shorten(name));
        Ok(Pin {
            package: name.parse().map_err(|_| wrong(message(), index, block))?,
            index: block.text(index, "index-for")?.text,
            marker: MarkerTree::TRUE,
        })
    };
    table.iter().map(pin).collect()
}

fn requirements(
    value: &Spanned<DeValue>,
    name: &str,
    block: &Block,
) -> Result<Vec<Requirement>, ScriptError> {
    let DeValue::Array(items) = value.get_ref() else {
        return Err(wrong(
            format!("`{name}` must be an array of texts"),
            value,
            block,
        ));
    };
    requirement::check_count(items.len(), || block.span(value.span(), ""))?;
    let read = |item| requirement::whole(&block.text(item, name)?);
    items.iter().map(read).collect()
}

fn formats(
    value: &Spanned<DeValue>,
    name: &str,
    block: &Block,
    own: &mut Wishes,
) -> Result<(), ScriptError> {
    for word in words(value, name, block)? {
        let taken = if name == "no-binary" {
            own.formats.no_binary(&word)
        } else {
            own.formats.only_binary(&word)
        };
        taken.map_err(|error| wrong(error.to_string(), value, block))?;
    }
    Ok(())
}

/// A size in bytes or a time in milliseconds, from text with a unit or a number.
fn quantity(value: &Spanned<DeValue>, name: &str, block: &Block) -> Result<u64, ScriptError> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.trim().to_owned(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', ""),
        DeValue::Float(number) => number.as_str().replace('_', ""),
        _ => String::new(),
    };
    let (amount, example) = if name == "memory" {
        (units::bytes(&text), "`512MB` or `2GB`")
    } else {
        (units::milliseconds(&text), "`30s` or `5m`")
    };
    amount.ok_or_else(|| {
        let problem = Problem::new(format!("`{name}` is not an amount such as {example}"));
        ScriptError::Metadata(problem.span(block.span(value.span(), "")).into())
    })
}

/// One text, or an array of texts.
fn words(value: &Spanned<DeValue>, name: &str, block: &Block) -> Result<Vec<String>, ScriptError> {
    match value.get_ref() {
        DeValue::Array(items) => items
            .iter()
            .map(|item| block.text(item, name).map(|text| text.text))
            .collect(),
        _ => Ok(vec![block.text(value, name)?.text]),
    }
}
