//! Bytes of an output stream to pieces of text.
//!
//! In: bytes as they come. Out: whole lines, and pieces of lines that are too long or were left
//! open for a while. Never: holds more than one piece; cuts a character in two; fails, since what
//! is no UTF-8 becomes U+FFFD.

/// The longest piece, in bytes.
pub(super) const LONGEST: usize = 64 << 10;

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Without its line end.
    pub(super) text: String,
    /// Whether a line end followed.
    pub(super) newline: bool,
}

/// The line that is not yet complete.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes bytes; gives each piece that they complete to `emit`.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Piece)) {
        while !bytes.is_empty() {
            let room = LONGEST - self.open.len();
            let window = &bytes[..bytes.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                self.open.extend_from_slice(&window[..end]);
                emit(self.take(self.open.len(), true));
                bytes = &bytes[end + 1..];
            } else {
                self.open.extend_from_slice(window);
                bytes = &bytes[window.len()..];
                if self.open.len() == LONGEST {
                    emit(self.take(whole_characters(&self.open), false));
                }
            }
        }
    }

    /// Whether a line is open.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The open line so far, but for the beginning of a character.
    pub(super) fn flush(&mut self) -> Option<Piece> {
        let length = whole_characters(&self.open);
        (length > 0).then(|| self.take(length, false))
    }

    /// All that is left at the stream's end.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        self.is_open().then(|| self.take(self.open.len(), false))
    }

    fn take(&mut self, length: usize, newline: bool) -> Piece {
        let rest = self.open.split_off(length);
        let text = String::from_utf8(std::mem::replace(&mut self.open, rest))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Piece { text, newline }
    }
}

/// How many bytes stand before a character that only began.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return bytes.len(),
        };
        return if needed > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |piece| found.push((piece.text, piece.newline)));
        }
        found.extend(lines.finish().map(|piece| (piece.text, piece.newline)));
        found
    }

    #[test]
    fn a_line_may_come_in_parts_and_the_last_may_be_open() {
        assert_eq!(
            pieces(&[b"a", b"b\n\nc\r", b"d"]),
            [
                ("ab".to_owned(), true),
                (String::new(), true),
                ("c\rd".to_owned(), false)
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(
            pieces(&[b"a\xff\xfeb\n"]),
            [("a\u{fffd}\u{fffd}b".to_owned(), true)]
        );
    }

    #[test]
    fn a_flush_waits_for_the_rest_of_a_character() {
        let mut lines = Lines::default();
        lines.push("né".as_bytes().split_last().expect("bytes").1, |_| ());
        assert_eq!(lines.flush().map(|piece| piece.text), Some("n".to_owned()));
        assert_eq!(lines.flush(), None);
        let mut found = Vec::new();
        lines.push(b"\xa9\n", |piece| found.push(piece));
        assert_eq!(found[0].text, "é");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "€".repeat(LONGEST);
        let found = pieces(&[long.as_bytes(), b"\n"]);
        assert!(found.iter().all(|(text, _)| text.len() <= LONGEST));
        let joined: String = found.iter().map(|(text, _)| text.as_str()).collect();
        assert!(joined == long, "something was lost or replaced");
        assert_eq!(found.iter().filter(|(_, newline)| *newline).count(), 1);
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(text in "[aé€𝄞\n]{0,40}", at in 0usize..160) {
            let bytes = text.as_bytes();
            let (left, right) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(pieces(&[left, right]), pieces(&[bytes]));
        }
    }
}
