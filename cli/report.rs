//! The only code that renders a [`Fault`] for people.
//!
//! What failed, where, why, what to do next: readable without colour, and without a terminal.

use std::fmt::Write as _;

use pyrun_core::{Fault, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::console::{Paint, Tone, words};

/// The fault as text that ends with a line end.
pub fn render(fault: &Fault, paint: Paint) -> String {
    let mut text = String::new();
    if let Some(traceback) = &fault.traceback {
        // As Python prints it; the last line is the message.
        text.push_str(traceback.trim_end());
        text.push('\n');
    } else {
        let _ = writeln!(
            text,
            "{}: {} {}",
            paint.tone(Tone::Bad, "error"),
            indent(&fault.message),
            paint.tone(Tone::Dim, &format!("({})", fault.code)),
        );
        for span in &fault.spans {
            text.push_str(&excerpt(span, paint));
        }
    }
    for cause in &fault.causes {
        let _ = writeln!(
            text,
            "  {} {}",
            paint.tone(Tone::Dim, "because"),
            indent(cause)
        );
    }
    for hint in &fault.hints {
        let _ = writeln!(
            text,
            "  {} {}",
            paint.tone(Tone::Name, "hint:"),
            indent(hint)
        );
    }
    text
}

/// Lines after the first stand under the first.
fn indent(text: &str) -> String {
    words::plain(text.trim_end()).replace('\n', "\n    ")
}

/// The source line with a caret below what is meant.
fn excerpt(span: &Span, paint: Paint) -> String {
    let number = span.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint.tone(Tone::Dim, "|");
    // A tab is as wide as the terminal likes; four columns are as wide as we say.
    let line = words::plain(&span.text).replace('\t', "    ");
    let before: String = span
        .text
        .chars()
        .take(span.column.saturating_sub(1) as usize)
        .collect();
    let before = before.replace('\t', "    ");
    let marked: String = span
        .text
        .chars()
        .skip(span.column.saturating_sub(1) as usize)
        .take(span.length as usize)
        .collect();
    let carets = "^".repeat(marked.width().max(1));
    let mut text = String::new();
    let _ = writeln!(
        text,
        "  {margin}{} {}:{}:{}",
        paint.tone(Tone::Dim, "-->"),
        words::plain(&span.file),
        span.line,
        span.column
    );
    let _ = writeln!(text, "  {} {bar} {line}", paint.tone(Tone::Dim, &number));
    let _ = writeln!(
        text,
        "  {margin} {bar} {}{} {}",
        " ".repeat(before.width()),
        paint.tone(Tone::Bad, &carets),
        words::plain(&span.label)
    );
    // No line ends with a space.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join(
        "
",
    ) + "
"
}

#[cfg(test)]
mod tests {
    use pyrun_core::Code;

    use super::*;

    #[test]
    fn a_fault_says_what_where_why_and_what_next() {
        let fault = Fault::new(Code::REQUIREMENT_INVALID, "`2..0` is not a version")
            .cause("a version is numbers with dots between them")
            .hint("write it as `2.0`")
            .span(Span {
                file: "my.py".to_owned(),
                line: 12,
                column: 16,
                length: 6,
                text: "@requirements({'a': '2..0'})".to_owned(),
                label: "here".to_owned(),
            });
        assert_eq!(
            render(&fault, Paint::off()),
            "error: `2..0` is not a version (requirement.invalid)\n\
             \x20   --> my.py:12:16\n\
             \x20 12 | @requirements({'a': '2..0'})\n\
             \x20    |                ^^^^^^ here\n\
             \x20 because a version is numbers with dots between them\n\
             \x20 hint: write it as `2.0`\n"
        );
    }

    #[test]
    fn a_traceback_stands_as_python_prints_it() {
        let mut fault = Fault::new(Code::RUN_RAISED, "ValueError: no");
        fault.traceback = Some("Traceback (most recent call last):\nValueError: no\n".to_owned());
        assert_eq!(
            render(&fault, Paint::off()),
            "Traceback (most recent call last):\nValueError: no\n"
        );
    }
}
