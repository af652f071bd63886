//! The text of a requirements file, and its logical lines.
//!
//! In: bytes. Out: lines with comments gone and continued ones joined, each with the way back to
//! its place. Never: says what a line means.

use std::borrow::Cow;

use pyrun_core::Span;

/// The text of a file: what its byte order mark says, else what a `coding:` comment in its first
/// two lines says, else UTF-8.
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |bytes: &[u8], from: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| from(*pair)).collect();
        String::from_utf16(&units)
            .ok()
            .filter(|_| rest.is_empty())
            .ok_or_else(|| "is not the UTF-16 text that its byte order mark says".to_owned())
    };
    let wider = |bytes: &[u8], from: fn([u8; 4]) -> u32| {
        let (fours, rest) = bytes.as_chunks::<4>();
        let text: Option<String> = fours
            .iter()
            .map(|four| char::from_u32(from(*four)))
            .collect();
        text.filter(|_| rest.is_empty())
            .ok_or_else(|| "is not the UTF-32 text that its byte order mark says".to_owned())
    };
    match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => wider(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => wider(rest, u32::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        plain => match coding(plain).as_deref() {
            None | Some("utf-8" | "utf8" | "ascii" | "us-ascii") => utf8(plain),
            Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1") => {
                Ok(plain.iter().copied().map(char::from).collect())
            }
            Some(other) => Err(format!(
                "says that it is written in `{other}`, which is not read here"
            )),
        },
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|error| format!("is not UTF-8 text, at byte {}", error.valid_up_to()))
}

/// The encoding that a comment of the first two lines names (PEP 263).
fn coding(bytes: &[u8]) -> Option<String> {
    let lines = bytes.split(|byte| *byte == b'\n').take(2);
    for line in lines.filter(|line| line.starts_with(b"#")) {
        let line = String::from_utf8_lossy(line);
        let Some((_, rest)) = line.split_once("coding") else {
            continue;
        };
        let Some(name) = rest.strip_prefix([':', '=']) else {
            continue;
        };
        let is_part = |each: char| each.is_ascii_alphanumeric() || "-_.".contains(each);
        let name: String = name
            .trim_start()
            .chars()
            .take_while(|each| is_part(*each))
            .collect();
        if !name.is_empty() {
            return Some(name.to_ascii_lowercase().replace('_', "-"));
        }
    }
    None
}

/// A logical line that says something.
#[derive(Debug)]
pub struct Line<'a> {
    file: &'a str,
    /// Its text: what stands in the file, joined where it is continued, without comments.
    pub text: String,
    /// Where each physical line's text begins in `text`: offset, number from 1, the line.
    pieces: Vec<(usize, u32, &'a str)>,
}

/// The logical lines that say something.
pub fn split<'a>(file: &'a str, text: &'a str) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for (index, raw) in physical(text).enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let mut line = open.take().unwrap_or_else(|| Line {
            file,
            text: String::new(),
            pieces: Vec::new(),
        });
        // As pip has it, a comment alone on its line ends what it stands in.
        let is_comment = raw.trim_start().starts_with('#');
        let continued = raw.strip_suffix('\\').filter(|_| !is_comment);
        line.pieces.push((line.text.len(), number, raw));
        if !is_comment {
            line.text.push_str(continued.unwrap_or(raw));
        }
        if continued.is_some() {
            open = Some(line);
        } else {
            lines.push(line);
        }
    }
    lines.extend(open);
    for line in &mut lines {
        let end = without_comment(&line.text).trim_end().len();
        line.text.truncate(end);
    }
    lines.retain(|line| !line.text.trim().is_empty());
    lines
}

/// Lines end as Python's universal newlines do.
fn physical(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('\r'))
}

/// A comment begins at the start of a line or after a space.
fn without_comment(text: &str) -> &str {
    let starts = text.match_indices('#').find(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(char::is_whitespace)
    });
    starts.map_or(text, |(at, _)| &text[..at])
}

impl Line<'_> {
    /// The file and the physical line of an offset of the text. Cheap, unlike a [`Span`], which
    /// holds the whole line: a line may have a hundred thousand options.
    pub fn place(&self, offset: usize) -> String {
        let at = self.piece(offset);
        format!("{}:{}", self.file, self.pieces[at].1)
    }

    /// The piece that an offset of the text is in.
    fn piece(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|(start, ..)| *start <= offset);
        // A piece always begins at 0.
        after.saturating_sub(1)
    }

    /// The place of a byte range of the text; of one that spans physical lines, its part on the
    /// first. What stands between `://` and an `@` is masked.
    pub fn span(&self, range: std::ops::Range<usize>) -> Span {
        let at = self.piece(range.start);
        let (start, line, raw) = self.pieces[at];
        // What continues a line is no part of what it says.
        let next = self.pieces.get(at + 1).map_or(usize::MAX, |piece| piece.0);
        let within = |offset: usize| raw.floor_char_boundary(offset.saturating_sub(start));
        let (from, to) = (within(range.start), within(range.end.min(next)));
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX - 1);
        Span {
            file: self.file.to_owned(),
            line,
            column: count(&raw[..from]) + 1,
            length: count(raw[from..to.max(from)].trim_end()).max(1),
            text: masked(raw).into_owned(),
            label: String::new(),
        }
    }
}

/// A line whose credentials are stars, as many as there were characters.
fn masked(line: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(line);
    let mut from = 0;
    while let Some(at) = line[from..].find("://") {
        let start = from + at + "://".len();
        let end = line[start..]
            .find(|each: char| each.is_whitespace() || "/?#".contains(each))
            .map_or(line.len(), |end| start + end);
        if let Some(last) = line[start..end].rfind('@') {
            let hidden: String = line[start..start + last].chars().map(|_| '*').collect();
            let shift = line.len() - shown.len();
            let (from, to) = (start - shift, start - shift + last);
            shown.to_mut().replace_range(from..to, &hidden);
        }
        from = end;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_that_pip_knows_by_its_mark_is_read() {
        let text = "é==1\n";
        let utf16: Vec<u16> = text.encode_utf16().collect();
        let wide = |from: fn(u16) -> [u8; 2]| utf16.iter().flat_map(move |unit| from(*unit));
        let le: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(wide(u16::to_le_bytes))
            .collect();
        let be: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain(wide(u16::to_be_bytes))
            .collect();
        let wider = text.chars().flat_map(|each| u32::from(each).to_le_bytes());
        let utf32: Vec<u8> = [0xff, 0xfe, 0, 0].into_iter().chain(wider).collect();
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        for bytes in [text.as_bytes(), &le, &be, &utf32, &marked] {
            assert_eq!(decode(bytes).as_deref(), Ok(text), "{bytes:?}");
        }
        let latin = decode(b"# -*- coding: latin_1 -*-\n# \xe9\n");
        assert_eq!(latin.as_deref(), Ok("# -*- coding: latin_1 -*-\n# é\n"));
        for bytes in [
            &b"\xff"[..],
            b"\xff\xfea",
            b"\xff\xfe\x00\xd8",
            b"\xff\xfe\0\0abc",
            b"# coding=koi8-r\n",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn lines_are_joined_and_comments_go() {
        let text = "# all\na==1 \\\n  --hash=x \\\n  # why\nb#c # d\n\\\n\r\ne\\";
        let lines = split("r.txt", text);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["a==1   --hash=x", "b#c", "e"]);
        let at = lines[0].text.find("--hash").expect("it is there");
        let span = lines[0].span(at..at + 8);
        assert_eq!((span.line, span.column, span.length), (3, 3, 8));
        assert_eq!(lines[2].span(0..1).line, 8);
    }

    #[test]
    fn no_password_is_shown() {
        let line = "-i https://u:p@h/x?y=a@b --extra-index-url http://é:secret@h ftp://h";
        let lines = split("r.txt", line);
        let span = lines[0].span(3..8);
        assert_eq!(
            span.text,
            "-i https://***@h/x?y=a@b --extra-index-url http://********@h ftp://h"
        );
    }
}
