//! The tables of a PEP 723 block that say how to run: `[tool.pyrun]`, and of `[tool.uv]` what
//! concerns the index.
//!
//! In: the parsed block. Out: [`Options`]. An option of `[tool.pyrun]` that is not known is an
//! error; of other tools' tables nothing is said, except where leaving it out would install
//! something else than is asked for.

use pyrun_core::{ResolveOptions, units};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Problem, ScriptError, did_you_mean, shorten};
use crate::metadata::{Block, find};

const NAMES: [&str; 4] = ["memory", "timeout", "data", "index"];

/// How a script wants to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Memory, in bytes: a number with a unit, as [`units::bytes`] reads it.
    pub memory_bytes: Option<u64>,
    /// Wall time, in milliseconds. A number alone counts seconds.
    pub timeout_ms: Option<u64>,
    /// Names of data sets that the script reads.
    pub data: Vec<String>,
    /// Base addresses of indexes, all that are to be asked, in order. Empty: the caller's.
    pub indexes: Vec<String>,
    /// An RFC 3339 time or a date: files uploaded at or after it do not exist.
    pub exclude_newer: Option<String>,
}

/// Reads the `tool` table.
pub(crate) fn read(tool: &DeTable, block: &Block) -> Result<Options, ScriptError> {
    let mut options = Options::default();
    if let Some(uv) = find(tool, "uv") {
        read_uv(block.table(uv, "tool.uv")?, block, &mut options)?;
    }
    if let Some(own) = find(tool, "pyrun") {
        read_own(block.table(own, "tool.pyrun")?, block, &mut options)?;
    }
    Ok(options)
}

fn read_own(table: &DeTable, block: &Block, options: &mut Options) -> Result<(), ScriptError> {
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "memory" => options.memory_bytes = Some(quantity(value, "memory", block)?),
            "timeout" => options.timeout_ms = Some(quantity(value, "timeout", block)?),
            "data" => options.data = words(value, "data", block)?,
            "index" => options.indexes = words(value, "index", block)?,
            unknown => {
                let message = format!("`{}` is no option of `[tool.pyrun]`", shorten(unknown));
                let problem = Problem::new(message).span(block.span(key.span(), "unknown option"));
                let problem = match did_you_mean(unknown, NAMES) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => problem.hint("the options are `memory`, `timeout`, `data` and `index`"),
                };
                return Err(ScriptError::Metadata(problem.into()));
            }
        }
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

/// uv's words for the index, so that a script that uv runs finds the same packages here.
fn read_uv(table: &DeTable, block: &Block, options: &mut Options) -> Result<(), ScriptError> {
    if let Some(sources) = find(table, "sources") {
        let problem = Problem::new("`[tool.uv.sources]` can't be used here")
            .cause("packages come from an index alone, not from a repository or a folder")
            .span(block.span(sources.span(), ""))
            .hint("remove the table if the index has the packages");
        return Err(ScriptError::Metadata(problem.into()));
    }
    if let Some(value) = find(table, "exclude-newer") {
        options.exclude_newer = Some(match value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            _ => block.text(value, "exclude-newer")?.text,
        });
    }
    let mut first = Vec::new();
    let mut default = None;
    if let Some(DeValue::Array(entries)) = find(table, "index").map(Spanned::get_ref) {
        for entry in entries
            .iter()
            .filter_map(|entry| entry.get_ref().as_table())
        {
            let holds = |name| find(entry, name).and_then(|value| value.get_ref().as_bool());
            let Some(url) = find(entry, "url") else {
                continue;
            };
            let url = block.text(url, "url")?.text;
            if holds("default") == Some(true) {
                default.get_or_insert(url);
            } else if holds("explicit") != Some(true) {
                first.push(url);
            }
        }
    }
    if let Some(value) = find(table, "extra-index-url") {
        first.extend(words(value, "extra-index-url", block)?);
    }
    if let Some(value) = find(table, "index-url") {
        default.get_or_insert(block.text(value, "index-url")?.text);
    }
    if !first.is_empty() || default.is_some() {
        first.push(default.unwrap_or_else(|| ResolveOptions::DEFAULT_INDEX.to_owned()));
        options.indexes = first;
    }
    Ok(())
}
