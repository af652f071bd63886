//! requirements.txt as pip reads it: requirements, markers, comments, continuations and `-r`.
//!
//! What would change the meaning of a build without being honoured here (`--hash`, `-c`, `-e`,
//! index options) is refused by name, never passed over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pyrun_core::{Code, Fault, Origin, Requirement, Span};

use super::{Requirements, parse_requirement, read_text};

/// Reads a requirements file and those it includes.
pub fn read(path: &str) -> Result<Requirements, Fault> {
    let mut requirements = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pending = vec![PathBuf::from(path)];
    while let Some(file) = pending.pop() {
        let known = file.canonicalize().unwrap_or_else(|_| file.clone());
        if !seen.insert(known) {
            continue;
        }
        let name = file.to_string_lossy().into_owned();
        for line in lines(&name, &read_text(&name)?) {
            match line.read()? {
                Read::Requirement(requirement) => requirements.push(*requirement),
                Read::Include(other) => {
                    pending.push(file.parent().unwrap_or(Path::new(".")).join(other));
                }
            }
        }
    }
    Ok(Requirements {
        list: requirements,
        ..Requirements::default()
    })
}

/// A logical line and where it begins.
#[derive(Debug)]
struct Line {
    text: String,
    span: Span,
}

enum Read {
    Requirement(Box<Requirement>),
    Include(String),
}

/// The logical lines that say something: continued lines joined, comments gone.
fn lines(file: &str, text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for (index, raw) in text.lines().enumerate() {
        let mut line = open.take().unwrap_or_else(|| Line {
            text: String::new(),
            span: Span {
                file: file.to_owned(),
                line: u32::try_from(index + 1).unwrap_or(u32::MAX),
                column: 1,
                length: 1,
                text: raw.to_owned(),
                label: String::new(),
            },
        });
        if let Some(continued) = raw.strip_suffix('\\') {
            line.text.push_str(continued);
            open = Some(line);
            continue;
        }
        line.text.push_str(raw);
        lines.push(line);
    }
    lines.extend(open);
    for line in &mut lines {
        line.text = without_comment(&line.text).trim().to_owned();
        let source = &line.span.text;
        let start = source.len() - source.trim_start().len();
        line.span.column = u32::try_from(start + 1).unwrap_or(1);
        let length = without_comment(source).trim().chars().count();
        line.span.length = u32::try_from(length).unwrap_or(1).max(1);
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// A comment begins at the start of a line or after a space.
fn without_comment(text: &str) -> &str {
    if text.trim_start().starts_with('#') {
        return "";
    }
    text.find(" #")
        .or_else(|| text.find("\t#"))
        .map_or(text, |at| &text[..at])
}

impl Line {
    fn read(self) -> Result<Read, Fault> {
        let (word, rest) = self.text.split_once([' ', '=']).unwrap_or((&self.text, ""));
        if matches!(word, "-r" | "--requirement") {
            return Ok(Read::Include(rest.trim().to_owned()));
        }
        if let Some(reason) = refusal(word, &self.text) {
            return Err(
                Fault::new(Code::REQUIREMENT_INVALID, format!("`{word}` {reason}")).span(self.span),
            );
        }
        let origin = Origin {
            place: self.span.file.clone(),
            span: Some(self.span),
        };
        parse_requirement(&self.text, origin).map(|found| Read::Requirement(Box::new(found)))
    }
}

/// Why a line is refused, if it is.
fn refusal(word: &str, text: &str) -> Option<&'static str> {
    match word {
        "-e" | "--editable" => {
            Some("names a source tree, and a bundle is made of published wheels")
        }
        "-c" | "--constraint" => Some("is not read here: write the bounds as requirements"),
        "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" | "--no-index" => {
            Some("is not read from a file: give it on the command line or in pyrun.toml")
        }
        _ if word.starts_with('-') => Some("is an option of pip that has no meaning here"),
        _ if text.contains(" --hash") => {
            Some("has `--hash`, which is not read here: a pylock.toml keeps hashes")
        }
        _ if word.starts_with(['.', '/']) => {
            Some("is a path, and a bundle is made of published wheels")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(text: &str) -> Result<Vec<String>, Fault> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("requirements.txt");
        fs_err::write(&path, text).expect("a file");
        let found = read(path.to_str().expect("UTF-8"))?;
        Ok(found
            .list
            .iter()
            .map(|requirement| requirement.spec.to_string())
            .collect())
    }

    #[test]
    fn what_pip_reads_is_read() {
        let text = "# comment\n\nrequests >=2, <3  # why\nnumpy; python_version < '3.13'\npandas[parquet] \\\n  >= 2\n";
        let found = specs(text).expect("requirements");
        assert_eq!(
            found,
            [
                "requests>=2,<3",
                "numpy ; python_full_version < '3.13'",
                "pandas[parquet]>=2"
            ]
        );
    }

    #[test]
    fn what_would_be_lost_is_refused_with_its_line() {
        for line in [
            "-e .",
            "a==1 --hash=sha256:00",
            "--index-url https://x",
            "./a.whl",
            "-c c.txt",
            "--pre",
        ] {
            let fault = specs(&format!("numpy\n{line}\n")).expect_err(line);
            assert_eq!(fault.spans[0].line, 2, "{line}");
        }
    }

    #[test]
    fn files_that_include_each_other_are_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("a.txt"), "-r b.txt\nnumpy\n").expect("a file");
        fs_err::write(folder.path().join("b.txt"), "-r a.txt\npandas\n").expect("a file");
        let found =
            read(folder.path().join("a.txt").to_str().expect("UTF-8")).expect("requirements");
        assert_eq!(found.list.len(), 2);
    }
}
