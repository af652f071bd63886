//! Chunks of an answer to its lines.
//!
//! In: bytes, cut anywhere. Out: lines of text without their ends. Never: keeps more than one line,
//! or a line longer than its bound.

/// The longest line that a function sends: longer frames go through the store.
pub(super) const MOST_LINE: usize = 16 << 20;

/// What comes in that is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// It has no end.
    #[error("a line of the answer is longer than {0} bytes")]
    TooLong(usize),
    /// It is not UTF-8.
    #[error("a line of the answer is not UTF-8 text")]
    NotText,
}

/// The line that is being read.
#[derive(Debug)]
pub(super) struct Lines {
    rest: Vec<u8>,
    most: usize,
}

impl Lines {
    /// Lines of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            rest: Vec::new(),
            most,
        }
    }

    /// The lines that end in `chunk`.
    pub(super) fn push(&mut self, mut chunk: &[u8]) -> Result<Vec<String>, LineError> {
        let mut lines = Vec::new();
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.extend(&chunk[..end])?;
            lines.push(text(std::mem::take(&mut self.rest))?);
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk)?;
        Ok(lines)
    }

    /// What stands after the last line end, if anything does.
    pub(super) fn finish(&mut self) -> Result<Option<String>, LineError> {
        let rest = text(std::mem::take(&mut self.rest))?;
        Ok(Some(rest).filter(|rest| !rest.trim().is_empty()))
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        if self.rest.len() + bytes.len() > self.most {
            return Err(LineError::TooLong(self.most));
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }
}

fn text(bytes: Vec<u8>) -> Result<String, LineError> {
    String::from_utf8(bytes).map_err(|_| LineError::NotText)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn where_an_answer_is_cut_does_not_matter(
            words in proptest::collection::vec("[a-zé☃ ]{0,12}", 0..12),
            cuts in proptest::collection::vec(0usize..200, 0..12),
            ended in any::<bool>(),
        ) {
            let mut text = words.join("\n");
            if ended {
                text.push('\n');
            }
            let bytes = text.as_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            places.sort_unstable();
            places.push(bytes.len());
            let mut reader = Lines::new(1 << 10);
            let (mut lines, mut from) = (Vec::new(), 0);
            for place in places {
                lines.extend(reader.push(&bytes[from..place]).expect("short text"));
                from = place;
            }
            lines.extend(reader.finish().expect("text"));
            let mut expected: Vec<String> = text.split('\n').map(str::to_owned).collect();
            if expected.last().is_some_and(|last| last.trim().is_empty()) {
                expected.pop();
            }
            prop_assert_eq!(lines, expected);
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_and_not_kept() {
        let mut reader = Lines::new(8);
        assert_eq!(reader.push(b"12345678\n"), Ok(vec!["12345678".to_owned()]));
        assert_eq!(reader.push(b"1234"), Ok(Vec::new()));
        assert_eq!(reader.push(b"56789"), Err(LineError::TooLong(8)));
        assert!(reader.rest.len() <= 8);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(Lines::new(8).push(b"\xff\n"), Err(LineError::NotText));
    }
}
