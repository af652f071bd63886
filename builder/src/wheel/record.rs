//! RECORD: the list of a wheel's files with their digests ("Recording installed projects").

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pyrun_core::Sha256;

use super::{WheelContents, WheelProblem};
use crate::install::Layout;
use crate::zip::{Entry, shown};

/// A digest in RECORD. The specification forbids MD5 and SHA-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256(Sha256),
    Sha384(Vec<u8>),
    Sha512(Vec<u8>),
}

/// What RECORD says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub digest: Option<Digest>,
    /// In bytes; some tools leave it out, and the digest says more.
    pub size: Option<u64>,
}

/// A member with what RECORD says of it.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    pub entry: &'a Entry,
    /// `None` for RECORD itself and its signatures alone.
    pub digest: Option<&'a Digest>,
}

fn wrong(problem: impl Into<String>) -> WheelProblem {
    WheelProblem::Record(problem.into())
}

/// RECORD's own signatures, which it may list before they are made.
const SIGNATURES: usize = 2;

/// Reads a RECORD of an archive that has so many members.
pub(super) fn parse(bytes: &[u8], members: usize) -> Result<BTreeMap<String, Row>, WheelProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))?;
    let mut rows = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() {
            continue;
        }
        let (path, row) = parse_line(line)
            .ok_or_else(|| wrong(format!("can't be understood in line {}", index + 1)))?;
        if rows.len() > members + SIGNATURES {
            return Err(wrong("lists more files than there are"));
        }
        let earlier = rows.insert(path.clone(), row.clone());
        if earlier.is_some_and(|earlier| earlier != row) {
            let path = shown(path.as_bytes());
            return Err(wrong(format!("contradicts itself about `{path}`")));
        }
    }
    Ok(rows)
}

fn parse_line(line: &str) -> Option<(String, Row)> {
    let (path, rest) = csv_field(line)?;
    let (digest, size) = rest.split_once(',')?;
    let digest = match digest {
        "" => None,
        text => Some(parse_digest(text)?),
    };
    let size = match size {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    Some((path, Row { digest, size }))
}

/// The first field of a CSV line, and what follows its comma. Only a path can need quotes.
fn csv_field(line: &str) -> Option<(String, &str)> {
    let Some(quoted) = line.strip_prefix('"') else {
        let (field, rest) = line.split_once(',')?;
        return Some((field.to_owned(), rest));
    };
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        if let Some(again) = after.strip_prefix('"') {
            field.push('"');
            rest = again;
        } else {
            return Some((field, after.strip_prefix(',')?));
        }
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let (algorithm, digest) = text.split_once('=')?;
    let bytes = URL_SAFE_NO_PAD.decode(digest.trim_end_matches('=')).ok()?;
    match (algorithm.to_ascii_lowercase().as_str(), bytes.len()) {
        ("sha256", 32) => {
            let bytes: [u8; 32] = bytes.try_into().ok()?;
            Some(Digest::Sha256(bytes.into()))
        }
        ("sha384", 48) => Some(Digest::Sha384(bytes)),
        ("sha512", 64) => Some(Digest::Sha512(bytes)),
        _ => None,
    }
}

/// Gives each file of the archive its row: all are listed, with a digest, and nothing else is.
pub(super) fn assign<'a>(
    entries: &'a [Entry],
    rows: &'a BTreeMap<String, Row>,
    layout: &Layout,
) -> Result<Vec<Listed<'a>>, WheelProblem> {
    let mut listed = Vec::with_capacity(entries.len());
    let mut met = 0;
    for entry in entries.iter().filter(|entry| !entry.is_directory()) {
        let name = || shown(entry.name.as_bytes());
        let row = rows.get(&entry.name);
        met += usize::from(row.is_some());
        if row.is_some_and(|row| row.size.is_some_and(|size| size != entry.size)) {
            return Err(wrong(format!("gives `{}` another size", name())));
        }
        let digest = row.and_then(|row| row.digest.as_ref());
        if digest.is_none() && !layout.is_record(&entry.name) {
            return Err(wrong(match row {
                Some(_) => format!("gives no digest of `{}`", name()),
                None => format!("does not list `{}`", name()),
            }));
        }
        listed.push(Listed { entry, digest });
    }
    if met == rows.len() {
        return Ok(listed);
    }
    let names: std::collections::BTreeSet<&str> =
        entries.iter().map(|entry| entry.name.as_str()).collect();
    // RECORD may list its own signatures before they are made.
    let absent = rows
        .keys()
        .find(|path| !names.contains(path.as_str()) && !layout.is_record(path));
    match absent {
        Some(path) => {
            let path = shown(path.as_bytes());
            Err(wrong(format!("lists `{path}`, which is not there")))
        }
        None => Ok(listed),
    }
}

/// The RECORD of a wheel as it is installed: one line for each file, sorted by path, and
/// its own without digest.
pub fn render(contents: &WheelContents) -> String {
    let own = format!("{}/RECORD", contents.dist_info);
    let mut rows: BTreeMap<&str, String> = contents
        .files
        .iter()
        .map(|file| {
            let digest = URL_SAFE_NO_PAD.encode(file.sha256.as_bytes());
            (file.path.as_str(), format!("sha256={digest},{}", file.size))
        })
        .collect();
    rows.insert(&own, ",".to_owned());
    let mut text = String::new();
    for (path, rest) in rows {
        let _ = if path.contains([',', '"']) {
            writeln!(text, "\"{}\",{rest}", path.replace('"', "\"\""))
        } else {
            writeln!(text, "{path},{rest}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_csv_has_them() {
        let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let text = format!("\"a,\"\"b\"\".py\",sha256={digest},0\r\nc,,\n\n");
        let rows = parse(text.as_bytes(), 2).expect("a record");
        assert_eq!(
            rows["a,\"b\".py"],
            Row {
                digest: Some(Digest::Sha256(Sha256::of(""))),
                size: Some(0)
            }
        );
        assert_eq!(rows["c"].digest, None);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            "a",
            "a,b",
            "a,md5=rL0Y20zC-Fzt72VPzMSk2A,3",
            "a,sha256=AAAA,3",
            "a,sha256=!,3",
            "\"a,,",
            "a,,1x",
            "a,,1\na,,2",
        ] {
            assert!(parse(text.as_bytes(), 9).is_err(), "{text}");
        }
        assert!(parse(b"\xff,,", 9).is_err());
    }
    #[test]
    fn a_list_that_is_longer_than_the_archive_is_not_kept() {
        let rows: Vec<String> = (0..100).map(|number| format!("{number},,")).collect();
        let text = rows.join("\n");
        assert!(parse(text.as_bytes(), 98).is_ok());
        assert!(parse(text.as_bytes(), 90).is_err());
    }
}
