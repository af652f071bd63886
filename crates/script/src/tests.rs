//! What a reader of a script relies on, seen from outside the crate.

mod arguments;
mod decorators;
mod entries;
mod hostile;
mod metadata;
mod syntax;
mod values;

use pyrun_core::{Fault, Span};

use crate::{Function, Script, ScriptError, read};

/// The script of a text that must be right.
fn script(text: &str) -> Script {
    match read("job.py", text) {
        Ok(script) => script,
        Err(error) => panic!("{}", shown(error)),
    }
}

/// The first function of a text.
fn function(text: &str) -> Function {
    let mut functions = script(text).functions;
    assert!(!functions.is_empty(), "no function in {text}");
    functions.remove(0)
}

/// The fault of a text that must be wrong.
fn fault(text: &str) -> Fault {
    read("job.py", text).expect_err(text).into()
}

/// What a span's caret underlines.
fn underlined(span: &Span) -> String {
    let skipped = usize::try_from(span.column - 1).expect("a column");
    let length = usize::try_from(span.length).expect("a length");
    span.text.chars().skip(skipped).take(length).collect()
}

/// A fault's code, message and underlined places.
fn gist(fault: &Fault) -> (String, String, Vec<String>) {
    (
        fault.code.to_string(),
        fault.message.clone(),
        fault.spans.iter().map(underlined).collect(),
    )
}

/// An error as a reader sees it.
fn shown(error: impl Into<Fault>) -> String {
    let fault: Fault = error.into();
    let mut lines = vec![format!("{}: {}", fault.code, fault.message)];
    for span in &fault.spans {
        let column = usize::try_from(span.column - 1).expect("a column");
        let length = usize::try_from(span.length).expect("a length");
        let caret = format!(
            "{}{} {}",
            " ".repeat(column),
            "^".repeat(length),
            span.label
        );
        lines.push(format!("  --> {}:{}:{}", span.file, span.line, span.column));
        lines.push(format!("  | {}", span.text));
        lines.push(format!("  | {}", caret.trim_end()));
    }
    lines.extend(
        fault
            .causes
            .iter()
            .map(|cause| format!("  because {cause}")),
    );
    lines.extend(fault.hints.iter().map(|hint| format!("  hint: {hint}")));
    lines.join("\n")
}

/// The error of a result that must be one.
fn wrong<T: std::fmt::Debug>(result: Result<T, ScriptError>) -> Fault {
    result.expect_err("it does not fit").into()
}
