//! A script's bound on Python: `python='>=3.10'` and `requires-python`.
//!
//! In: literal text. Out: specifiers (PEP 440) with their place. A bare version is what people
//! mean by it: `3.12` is any 3.12, `3.12.1` exactly that.

use pyrun_core::{Span, VersionSpecifiers};

use crate::error::ScriptError;
use crate::literal::Literal;
use crate::requirement;

/// A bound on Python and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonBound {
    /// The bound.
    pub specifiers: VersionSpecifiers,
    /// Where it was written.
    pub span: Span,
}

/// Reads a bound on Python.
pub(crate) fn read(literal: &Literal) -> Result<PythonBound, ScriptError> {
    let text = literal.text.trim();
    let bare = text.starts_with(|first: char| first.is_ascii_digit());
    let only_minor = bare && text.matches('.').count() <= 1 && !text.ends_with('*');
    let specifiers = if only_minor {
        let widened = format!("=={text}.*");
        widened
            .parse()
            .map_err(|_| requirement::invalid_version(literal, text))?
    } else {
        requirement::specifiers(literal, text)?
    };
    Ok(PythonBound {
        specifiers,
        span: literal.span(""),
    })
}
