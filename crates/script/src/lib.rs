//! A script's text becomes its functions, their requirements and the Python they want; the words
//! of a command line become a typed call.
//!
//! In: the text of a file and the words that follow it. Out: a [`Script`], an [`EntryPoint`], a
//! [`Call`](pyrun_core::protocol::Call). Never: I/O, the environment, a run of the script. This is
//! the only crate that knows a Python parser, and no type of the parser leaves it.

mod annotation;
mod bind;
mod bounds;
mod decorator;
mod entry;
mod error;
mod function;
mod literal;
mod metadata;
mod names;
mod options;
mod parse;
mod python;
mod requirement;
mod signature;
mod source;
pub mod uv;

use pyrun_core::Span;

pub use annotation::{EnumClass, Kind};
pub use bind::{bind, check_call};
pub use entry::{EntryKind, EntryPoint};
pub use error::{Problem, ScriptError};
pub use function::Function;
pub use metadata::Metadata;
pub use options::Options;
pub use python::PythonBound;
pub use signature::{Parameter, ParameterKind, Signature};

use source::Source;

/// What a script says of itself, without being run.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The path, as the user named it.
    pub path: String,
    /// The functions at the top level of the file, in the order in which they stand; of two with
    /// one name, the last.
    pub functions: Vec<Function>,
    /// The PEP 723 block, if there is one.
    pub metadata: Option<Metadata>,
}

/// Reads a script. `path` is used in messages alone.
pub fn read(path: &str, text: &str) -> Result<Script, ScriptError> {
    let source = Source::new(path, text);
    bounds::check(&source)?;
    let metadata = metadata::read(&source)?;
    let functions = parse::with_room(|| {
        let parsed = parse::module(&source)?;
        function::read_all(parsed.suite(), &source)
    })?;
    Ok(Script {
        path: path.to_owned(),
        functions,
        metadata,
    })
}

/// The origin of something that stands at `span`.
fn origin(span: Span) -> pyrun_core::Origin {
    pyrun_core::Origin {
        place: format!("{}:{}", span.file, span.line),
        span: Some(span),
    }
}

#[cfg(test)]
mod tests;
