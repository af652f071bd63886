//! The text of a file, and the places in it.
//!
//! In: byte ranges of the parser. Out: [`Span`]s with lines and columns as people count them.
//! Never: a panic; a range that does not fit the text is moved to the nearest place that does.

use std::ops::Range;

use pyrun_core::Span;

/// A file's text with its lines. Line ends are `\n`, `\r\n` and `\r`, as Python reads them.
pub(crate) struct Source<'a> {
    /// The path, as the user named it.
    pub path: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// The byte range of each line without its end; a byte order mark is part of no line.
    lines: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let mut lines = Vec::new();
        let mut start = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let bytes = text.as_bytes();
        let mut at = start;
        while at < bytes.len() {
            let end = match (bytes[at], bytes.get(at + 1)) {
                (b'\r', Some(b'\n')) => at + 2,
                (b'\r' | b'\n', _) => at + 1,
                _ => {
                    at += 1;
                    continue;
                }
            };
            lines.push(start..at);
            start = end;
            at = end;
        }
        lines.push(start..bytes.len());
        Self { path, text, lines }
    }

    /// The byte range of each line, without its end.
    pub fn lines(&self) -> &[Range<usize>] {
        &self.lines
    }

    /// The text of a byte range of the parser.
    pub fn slice(&self, range: impl Into<Range<usize>>) -> &'a str {
        self.text.get(range.into()).unwrap_or_default()
    }

    /// The place of a byte range; of one that spans lines, its part on the first. A line that is
    /// too long to be shown is cut to what is around the place, and the column counts from there.
    pub fn span(&self, range: impl Into<Range<usize>>, label: impl Into<String>) -> Span {
        let range = range.into();
        let index = self
            .lines
            .partition_point(|line| line.start <= range.start)
            .saturating_sub(1);
        let line = &self.lines[index];
        let line = window(self.text, line, range.start);
        let text = &self.text[line.clone()];
        let within = |at: usize| text.floor_char_boundary(at.saturating_sub(line.start));
        let (start, end) = (within(range.start), within(range.end));
        let count = |part: &str| u32::try_from(part.chars().count()).unwrap_or(u32::MAX - 1);
        Span {
            file: self.path.to_owned(),
            line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            column: count(&text[..start]) + 1,
            length: count(text.get(start..end).unwrap_or_default()).max(1),
            text: text.to_owned(),
            label: label.into(),
        }
    }
}

/// The part of a line around a place that a span carries.
fn window(text: &str, line: &Range<usize>, at: usize) -> Range<usize> {
    const AROUND: usize = 200;
    if line.len() <= 2 * AROUND {
        return line.clone();
    }
    let at = at.min(line.end);
    let start = text.floor_char_boundary(at.saturating_sub(AROUND).max(line.start));
    let end = text.floor_char_boundary((at + AROUND).min(line.end));
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_cut_around_the_place() {
        let text = format!("{}here{}", "é".repeat(5000), "ü".repeat(5000));
        let at = text.find("here").expect("it is there");
        let span = Source::new("f.py", &text).span(at..at + 4, "");
        assert!(span.text.len() <= 400);
        let shown: String = span
            .text
            .chars()
            .skip(span.column as usize - 1)
            .take(4)
            .collect();
        assert_eq!((span.length, shown.as_str()), (4, "here"));
    }

    #[test]
    fn columns_are_characters_and_lines_end_as_python_says() {
        let source = Source::new("f.py", "\u{feff}é = 1\r\n\tü = 'x'\rz");
        let places: Vec<_> = ["é", "ü", "'x'", "z"]
            .iter()
            .map(|word| {
                let start = source.text.find(word).expect("it is there");
                let span = source.span(start..start + word.len(), "");
                (span.line, span.column, span.length, span.text)
            })
            .collect();
        assert_eq!(
            places,
            [
                (1, 1, 1, "é = 1".to_owned()),
                (2, 2, 1, "\tü = 'x'".to_owned()),
                (2, 6, 3, "\tü = 'x'".to_owned()),
                (3, 1, 1, "z".to_owned()),
            ]
        );
    }

    #[test]
    fn a_range_beyond_the_text_is_at_its_end() {
        let span = Source::new("f.py", "ab").span(7..9, "");
        assert_eq!((span.line, span.column, span.length), (1, 3, 1));
        let span = Source::new("f.py", "").span(0..0, "");
        assert_eq!((span.line, span.column, span.length), (1, 1, 1));
    }

    #[test]
    fn a_range_over_lines_ends_with_the_first() {
        let span = Source::new("f.py", "abc\ndef").span(1..6, "");
        assert_eq!((span.line, span.column, span.length), (1, 2, 2));
    }
}
