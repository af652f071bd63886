//! A piece of literal text in a file, such as `'requests>=2'`, and the places inside it.
//!
//! In: string literals of Python and strings of TOML. Out: the text with a span for any part of
//! it. Where escapes make the text differ from what is written, the whole literal is the place.

use std::ops::Range;

use pyrun_core::Span;
use ruff_python_ast::Expr;
use ruff_text_size::Ranged;

use crate::source::Source;

/// Text that is written in a file.
pub(crate) struct Literal<'s> {
    /// What it says.
    pub text: String,
    /// Where it stands, with its quotes.
    range: Range<usize>,
    /// Where its first character stands, if it is written as it reads.
    inner: Option<usize>,
    source: &'s Source<'s>,
}

impl<'s> Literal<'s> {
    /// From a plain string literal; `None` for any other expression.
    pub fn of(expr: &Expr, source: &'s Source<'s>) -> Option<Self> {
        let Expr::StringLiteral(literal) = expr else {
            return None;
        };
        Some(Self::at(
            literal.value.to_str().to_owned(),
            literal.range().into(),
            source,
        ))
    }

    /// From the text that a literal at `range` stands for.
    pub fn at(text: String, range: Range<usize>, source: &'s Source<'s>) -> Self {
        let written = source.slice(range.clone());
        let inner = written
            .find(text.as_str())
            .filter(|start| {
                // One or three quotes on either side, and nothing between: `u'x'` has a prefix.
                let after = written.len() - start - text.len();
                matches!(after, 1 | 3) && written[..*start].ends_with(['\'', '"'])
            })
            .map(|start| range.start + start);
        Self {
            text,
            range,
            inner,
            source,
        }
    }

    /// The place of the whole literal.
    pub fn span(&self, label: impl Into<String>) -> Span {
        self.source.span(self.range.clone(), label)
    }

    /// The place of a part of its text.
    pub fn part(&self, part: Range<usize>, label: impl Into<String>) -> Span {
        match self.inner {
            Some(inner) if !self.text.is_empty() && part.start <= self.text.len() => self
                .source
                .span(inner + part.start..inner + part.end, label),
            _ => self.span(label),
        }
    }

    /// The place of a slice of [`Self::text`].
    pub fn slice(&self, slice: &str, label: impl Into<String>) -> Span {
        let start = (slice.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        match start {
            Some(start) if start + slice.len() <= self.text.len() => {
                self.part(start..start + slice.len(), label)
            }
            _ => self.span(label),
        }
    }
}
