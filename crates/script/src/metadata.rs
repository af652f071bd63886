//! The PEP 723 block of a script: `# /// script`.
//!
//! In: the lines of a file. Out: its dependencies, its bound on Python and its options. The block
//! is found exactly as the reference implementation's regular expression does ("Inline script
//! metadata", "Reference implementation"): what has no closing line is a comment like any other.

use std::ops::Range;

use pyrun_core::{Requirement, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Problem, ScriptError, uncapitalise};
use crate::literal::Literal;
use crate::options::{self, Options};
use crate::python::{self, PythonBound};
use crate::requirement;
use crate::source::Source;

/// What a PEP 723 block says.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// `dependencies`, in the order in which they stand.
    pub dependencies: Vec<Requirement>,
    /// `requires-python`.
    pub requires_python: Option<PythonBound>,
    /// `[tool.pyrun]`, and of `[tool.uv]` what decides which packages are chosen.
    pub options: Options,
}

/// A block's TOML, with the way back to the lines of the file.
pub(crate) struct Block<'s> {
    source: &'s Source<'s>,
    toml: String,
    /// Where each line begins: in `toml`, and in the file.
    lines: Vec<(usize, usize)>,
    /// The opening line.
    opening: Range<usize>,
}

/// Reads the block of a script, if it has one.
pub(crate) fn read(source: &Source) -> Result<Option<Metadata>, ScriptError> {
    let Some(block) = find_block(source)? else {
        return Ok(None);
    };
    let parsed = DeTable::parse(&block.toml).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default();
        let problem = Problem::new("the script's metadata is not valid TOML")
            .cause(uncapitalise(message))
            .span(block.span(error.span().unwrap_or_default(), ""));
        ScriptError::Metadata(problem.into())
    })?;
    let table = parsed.get_ref();
    let mut metadata = Metadata {
        dependencies: Vec::new(),
        requires_python: None,
        options: Options::default(),
    };
    if let Some(value) = find(table, "dependencies") {
        let DeValue::Array(items) = value.get_ref() else {
            return Err(block.wrong("dependencies", "an array of texts", value));
        };
        requirement::check_count(items.len(), || block.span(value.span(), ""))?;
        for item in items {
            let text = block.text(item, "dependencies")?;
            metadata.dependencies.push(requirement::whole(&text)?);
        }
    }
    if let Some(value) = find(table, "requires-python") {
        let text = block.text(value, "requires-python")?;
        metadata.requires_python = Some(python::read(&text)?);
    }
    if let Some(value) = find(table, "tool") {
        metadata.options = options::read(block.table(value, "tool")?, &block)?;
    }
    Ok(Some(metadata))
}

/// The one block of type `script`.
fn find_block<'s>(source: &'s Source<'s>) -> Result<Option<Block<'s>>, ScriptError> {
    let lines = source.lines();
    let text = |index: usize| &source.text[lines[index].clone()];
    let mut found: Option<Block> = None;
    let mut index = 0;
    while index < lines.len() {
        let Some(kind) = block_type(text(index)) else {
            index += 1;
            continue;
        };
        let opening = index;
        index += 1;
        let comment = (index..lines.len())
            .find(|line| !(text(*line) == "#" || text(*line).starts_with("# ")))
            .unwrap_or(lines.len());
        // The last closing line of the comment counts, and something must stand before it.
        let closing = (index + 1..comment)
            .rev()
            .find(|line| text(*line) == "# ///");
        let Some(closing) = closing else { continue };
        if kind == "script" {
            if let Some(first) = &found {
                let problem = Problem::new("the script has two metadata blocks")
                    .span(source.span(first.opening.clone(), "first here"))
                    .span(source.span(lines[opening].clone(), "and again here"))
                    .hint("put everything into one `# /// script` block");
                return Err(ScriptError::Metadata(problem.into()));
            }
            found = Some(Block::of(source, opening, index..closing));
        }
        index = closing + 1;
    }
    Ok(found)
}

/// `script` of `# /// script`.
fn block_type(line: &str) -> Option<&str> {
    let kind = line.strip_prefix("# /// ")?;
    let valid = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    valid.then_some(kind)
}

impl<'s> Block<'s> {
    fn of(source: &'s Source<'s>, opening: usize, content: Range<usize>) -> Self {
        let mut toml = String::new();
        let mut lines = Vec::new();
        for line in &source.lines()[content] {
            let text = &source.text[line.clone()];
            let text = text.strip_prefix("# ").unwrap_or(&text[1..]);
            lines.push((toml.len(), line.end - text.len()));
            toml.push_str(text);
            toml.push('\n');
        }
        Self {
            source,
            toml,
            lines,
            opening: source.lines()[opening].clone(),
        }
    }

    /// The place in the file of a range of the TOML.
    pub fn span(&self, range: Range<usize>, label: &str) -> Span {
        self.source.span(self.in_file(range), label)
    }

    fn in_file(&self, range: Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let line = self.lines.partition_point(|(start, _)| *start <= at);
            let (start, in_file) = self.lines[line.saturating_sub(1)];
            in_file + (at - start)
        };
        place(range.start)..place(range.end)
    }

    /// A value that must be text.
    pub fn text(&self, value: &Spanned<DeValue>, name: &str) -> Result<Literal<'s>, ScriptError> {
        match value.get_ref().as_str() {
            Some(text) => {
                let range = self.in_file(value.span());
                Ok(Literal::at(text.to_owned(), range, self.source))
            }
            None => Err(self.wrong(name, "text", value)),
        }
    }

    /// A value that must be a table.
    pub fn table<'t>(
        &self,
        value: &'t Spanned<DeValue<'t>>,
        name: &str,
    ) -> Result<&'t DeTable<'t>, ScriptError> {
        let table = value.get_ref().as_table();
        table.ok_or_else(|| self.wrong(name, "a table", value))
    }

    fn wrong(&self, name: &str, expected: &str, value: &Spanned<DeValue>) -> ScriptError {
        let problem = Problem::new(format!("`{name}` must be {expected}")).span(self.span(
            value.span(),
            &format!("this is of type {}", value.get_ref().type_str()),
        ));
        ScriptError::Metadata(problem.into())
    }
}

/// The value of a key.
pub(crate) fn find<'t>(table: &'t DeTable<'t>, name: &str) -> Option<&'t Spanned<DeValue<'t>>> {
    table
        .iter()
        .find(|(key, _)| key.get_ref() == name)
        .map(|(_, value)| value)
}
