//! What a build says: its last lines, and what they give away.
//!
//! In: bytes of any number and kind. Out: a few lines that can be shown, and hints. Never: keeps
//! more than the end; lets a control character through.

use std::collections::VecDeque;
use std::path::Path;

/// Bytes that are kept of an output.
const KEPT: usize = 32 << 10;
/// Lines that are shown.
const LINES: usize = 15;
/// Characters of a line that are shown.
const WIDTH: usize = 300;

/// The end of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    bytes: VecDeque<u8>,
    total: u64,
}

impl Said {
    /// Takes more of the output.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.total += piece.len() as u64;
        let piece = &piece[piece.len().saturating_sub(KEPT)..];
        let over = (self.bytes.len() + piece.len()).saturating_sub(KEPT);
        self.bytes.drain(..over);
        self.bytes.extend(piece);
    }

    /// Bytes of the whole output.
    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The lines that are kept, printable; the first may be cut.
    fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .map(plain)
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// The last lines as one text, if there are any.
    pub(super) fn shown(&self) -> Option<String> {
        let lines = self.lines();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        (!last.is_empty()).then(|| format!("it said last:\n{}", last.join("\n")))
    }
}

/// A line as it may be shown: escape sequences are taken out whole.
fn plain(line: &str) -> String {
    let mut shown = String::new();
    let mut characters = line.trim_end().chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A sequence ends with a letter, but for its introducer.
            if characters.next() == Some('[') {
                let _ = characters.by_ref().find(char::is_ascii_alphabetic);
            }
        } else if character == '\t' {
            shown.push_str("    ");
        } else if !character.is_control() {
            shown.push(character);
        }
        if shown.len() >= WIDTH {
            shown.push('…');
            break;
        }
    }
    shown
}

/// What the last lines give away of the cause.
pub(super) fn hints(said: &Said) -> Vec<String> {
    let lines = said.lines();
    let mut hints: Vec<String> = Vec::new();
    let mut add = |hint: String| {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    };
    for line in &lines {
        if let Some(program) = missing_program(line) {
            add(format!(
                "`{program}` is not installed here, and the build needs it"
            ));
        }
        if let Some(header) = missing_header(line) {
            add(format!(
                "the C header `{header}` is not installed here: the development package of its library has it"
            ));
        }
        let lower = line.to_lowercase();
        let wants_network = [
            "name resolution",
            "network is unreachable",
            "name or service not known",
            "operation not permitted: socket",
            "urlopen error",
            "failed to establish a new connection",
        ];
        if wants_network.iter().any(|words| lower.contains(words)) {
            add(
                "the build wants to download something, and a build here has no network".to_owned(),
            );
        }
        if let Some(module) = missing_module(line) {
            add(format!(
                "its build needs the Python module `{module}` and does not say so in `[build-system]`: another version may"
            ));
        }
    }
    hints.truncate(3);
    hints
}

/// The program in `command 'gcc' failed: No such file or directory` and its likes.
fn missing_program(line: &str) -> Option<String> {
    let absent = line.contains("No such file or directory")
        || line.contains("unable to execute")
        || line.contains("command not found")
        || line.contains(": not found");
    let start = ["command '", "unable to execute '", "directory: '"]
        .iter()
        .find_map(|words| line.find(words).map(|at| at + words.len()));
    let known = [
        ("can't find Rust compiler", "rustc"),
        ("pg_config executable not found", "pg_config"),
        ("Could not find CMake", "cmake"),
        ("CMake must be installed", "cmake"),
    ];
    if let Some((_, program)) = known.iter().find(|(words, _)| line.contains(words)) {
        return Some((*program).to_owned());
    }
    if !absent {
        return None;
    }
    let name = match start {
        Some(start) => line[start..].split('\'').next()?,
        // What shells say: `sh: 1: cmake: not found`.
        None => line
            .split(": not found")
            .next()?
            .rsplit([' ', ':'])
            .next()?,
    };
    is_name(name).then(|| name.to_owned())
}

fn missing_header(line: &str) -> Option<String> {
    let before = line.split(": No such file or directory").next()?;
    if before.len() == line.len() || !line.contains("fatal error") {
        return None;
    }
    let header = before.rsplit(": ").next()?;
    let ending = Path::new(header).extension();
    let is_header = ending.is_some_and(|ending| ending == "h" || ending == "hpp");
    (is_header && header.len() < 100).then(|| header.to_owned())
}

fn missing_module(line: &str) -> Option<String> {
    let rest = line
        .split("ModuleNotFoundError: No module named '")
        .nth(1)?;
    let name = rest.split('\'').next()?;
    is_name(name).then(|| name.to_owned())
}

fn is_name(text: &str) -> bool {
    let safe = |each: char| each.is_ascii_alphanumeric() || "._+-/".contains(each);
    !text.is_empty() && text.len() < 80 && text.chars().all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        let mut said = Said::default();
        said.add(text.as_bytes());
        said
    }

    #[test]
    fn only_the_end_is_kept_and_it_is_printable() {
        let mut long = Said::default();
        for number in 0..100_000 {
            long.add(format!("line {number}\n").as_bytes());
        }
        long.add(b"\x1b[31mred\x1b[0m \x07bell\xff\n");
        assert!(long.bytes.len() <= KEPT && long.total() > 1_000_000);
        let shown = long.shown().expect("something");
        assert!(shown.ends_with("line 99999\nred bell\u{fffd}"), "{shown}");
        assert_eq!(shown.lines().count(), LINES + 1);
        assert_eq!(said("\n\n").shown(), None);
        let wide = said(&"x".repeat(5000)).shown().expect("something");
        assert!(wide.len() < 400);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, expected) in [
            (
                "error: command 'gcc' failed: No such file or directory",
                "`gcc`",
            ),
            (
                "unable to execute 'x86_64-linux-gnu-gcc': No such file or directory",
                "`x86_64-linux-gnu-gcc`",
            ),
            (
                "FileNotFoundError: [Errno 2] No such file or directory: 'cmake'",
                "`cmake`",
            ),
            ("sh: 1: pkg-config: not found", "`pkg-config`"),
            ("error: can't find Rust compiler", "`rustc`"),
            ("Error: pg_config executable not found.", "`pg_config`"),
            (
                "src/x.c:3:10: fatal error: ffi.h: No such file or directory",
                "`ffi.h`",
            ),
            ("ModuleNotFoundError: No module named 'numpy'", "`numpy`"),
            (
                "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
                "no network",
            ),
        ] {
            let hints = hints(&said(line));
            assert!(
                hints.iter().any(|hint| hint.contains(expected)),
                "{line}: {hints:?}"
            );
        }
        assert!(hints(&said("all is well")).is_empty());
    }
}
