//! A project's files in a compact binary form: a warm resolve reads these instead of pages.
//!
//! In: a [`Project`]. Out: bytes; and back. Never: trusts the bytes: whatever is wrong with them
//! makes the whole a miss. Versions and specifiers stand once in tables, and an address that ends
//! in the file's name is stored without it.

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::PackageName;
use pyrun_core::Sha256;
use std::collections::BTreeMap;

use crate::index::{Announced, File, FileKind, Project, ProjectStatus, Standing};

/// Packs the files and the status; name and index are the entry's key and are not repeated, and
/// what is not the index's is no part of its page.
pub(super) fn pack(project: &Project) -> Vec<u8> {
    let mut tables = Tables::default();
    let mut files = Writer::default();
    for file in &project.files {
        write_file(&mut files, &mut tables, file);
    }
    let mut out = Writer::default();
    out.status(project.status.as_ref());
    out.texts(&tables.versions);
    out.texts(&tables.specifiers);
    out.number(project.files.len() as u64);
    out.0.extend_from_slice(&files.0);
    out.0
}

/// Unpacks the files of a project; `None` when the bytes are not what [`pack`] writes.
pub(super) fn unpack(bytes: &[u8], name: &PackageName, index: &str) -> Option<Project> {
    let mut reader = Reader(bytes);
    let status = reader.status()?;
    let versions: Vec<Version> = reader.parsed()?;
    let specifiers: Vec<VersionSpecifiers> = reader.parsed()?;
    let count = reader.count()?;
    let mut files = Vec::with_capacity(count.min(PLAUSIBLE_FILES));
    for _ in 0..count {
        files.push(read_file(&mut reader, &versions, &specifiers)?);
    }
    reader.0.is_empty().then(|| Project {
        name: name.clone(),
        index: index.to_owned(),
        files,
        status,
    })
}

/// What is reserved at once, whatever a damaged count says.
const PLAUSIBLE_FILES: usize = 1 << 14;

const WHEEL: u8 = 1;
const SHA256: u8 = 1 << 1;
const SIZE: u8 = 1 << 2;
const PYTHON: u8 = 1 << 3;
const YANKED: u8 = 1 << 4;
const TIME: u8 = 1 << 5;
const METADATA: u8 = 1 << 6;
const METADATA_DIGEST: u8 = 1 << 7;

fn write_file(out: &mut Writer, tables: &mut Tables, file: &File) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.0.push(
        flag(file.kind == FileKind::Wheel, WHEEL)
            | flag(file.sha256.is_some(), SHA256)
            | flag(file.size.is_some(), SIZE)
            | flag(file.requires_python.is_some(), PYTHON)
            | flag(file.yanked.is_some(), YANKED)
            | flag(file.upload_time.is_some(), TIME)
            | flag(file.metadata != Announced::Silent, METADATA)
            | flag(
                matches!(file.metadata, Announced::Digest(_)),
                METADATA_DIGEST,
            ),
    );
    out.text(&file.filename);
    out.number(tables.version(&file.version));
    let start = file.url.strip_suffix(&*file.filename);
    out.number(start.is_some().into());
    out.text(start.unwrap_or(&file.url));
    if let Some(sha256) = &file.sha256 {
        out.0.extend_from_slice(sha256.as_bytes());
    }
    if let Some(size) = file.size {
        out.number(size);
    }
    if let Some(specifiers) = &file.requires_python {
        out.number(tables.specifiers(specifiers));
    }
    if let Some(reason) = &file.yanked {
        out.text(reason);
    }
    if let Some(time) = &file.upload_time {
        out.text(time);
    }
    if let Announced::Digest(digest) = &file.metadata {
        out.0.extend_from_slice(digest.as_bytes());
    }
}

fn read_file(
    reader: &mut Reader<'_>,
    versions: &[Version],
    specifiers: &[VersionSpecifiers],
) -> Option<File> {
    let flags = reader.take(1)?[0];
    let has = |bit: u8| flags & bit != 0;
    let filename = reader.text()?.to_owned();
    let version = versions.get(reader.index()?)?.clone();
    let url = match (reader.number()?, reader.text()?) {
        (0, whole) => whole.to_owned(),
        (1, start) => format!("{start}{filename}"),
        _ => return None,
    };
    let sha256 = when(has(SHA256), || reader.digest())?;
    let size = when(has(SIZE), || reader.number())?;
    let requires_python = when(has(PYTHON), || specifiers.get(reader.index()?).cloned())?;
    let yanked = when(has(YANKED), || reader.text().map(str::to_owned))?;
    let upload_time = when(has(TIME), || reader.text().map(str::to_owned))?;
    let metadata = match (has(METADATA), has(METADATA_DIGEST)) {
        (true, true) => Announced::Digest(reader.digest()?),
        (true, false) => Announced::Yes,
        (false, false) => Announced::Silent,
        (false, true) => return None,
    };
    let kind = if has(WHEEL) {
        FileKind::Wheel
    } else {
        FileKind::Sdist
    };
    Some(File {
        kind,
        filename,
        version,
        url,
        sha256,
        size,
        requires_python,
        yanked,
        upload_time,
        metadata,
        linked: false,
    })
}

/// `Some(None)` where there is nothing to read, `None` where reading fails.
#[expect(
    clippy::option_option,
    reason = "the outer one is the failure that `?` passes on, the inner one the field"
)]
fn when<T>(present: bool, read: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if present {
        read().map(Some)
    } else {
        Some(None)
    }
}

/// Texts that many files share, each once.
#[derive(Default)]
struct Tables {
    versions: Vec<String>,
    version_numbers: BTreeMap<String, u64>,
    specifiers: Vec<String>,
    specifier_numbers: BTreeMap<String, u64>,
}

impl Tables {
    /// By text: `1.0` and `1.0.0` are equal and yet two spellings.
    fn version(&mut self, version: &Version) -> u64 {
        number(
            &mut self.versions,
            &mut self.version_numbers,
            version.to_string(),
        )
    }

    fn specifiers(&mut self, specifiers: &VersionSpecifiers) -> u64 {
        let text = specifiers.to_string();
        number(&mut self.specifiers, &mut self.specifier_numbers, text)
    }
}

fn number(texts: &mut Vec<String>, numbers: &mut BTreeMap<String, u64>, text: String) -> u64 {
    let next = texts.len() as u64;
    *numbers.entry(text).or_insert_with_key(|text| {
        texts.push(text.clone());
        next
    })
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, lowest first.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn status(&mut self, status: Option<&ProjectStatus>) {
        self.number(match status.map(|status| status.standing) {
            None => 0,
            Some(Standing::Archived) => 1,
            Some(Standing::Quarantined) => 2,
            Some(Standing::Deprecated) => 3,
        });
        if let Some(status) = status {
            self.text(&status.reason);
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn index(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    /// A number of things to come, each of at least one byte: never more than there are bytes.
    fn count(&mut self) -> Option<usize> {
        self.index().filter(|count| *count <= self.0.len())
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    #[expect(clippy::option_option, reason = "as of `when`")]
    fn status(&mut self) -> Option<Option<ProjectStatus>> {
        let standing = match self.number()? {
            0 => return Some(None),
            1 => Standing::Archived,
            2 => Standing::Quarantined,
            3 => Standing::Deprecated,
            _ => return None,
        };
        let reason = self.text()?.to_owned();
        Some(Some(ProjectStatus { standing, reason }))
    }

    fn digest(&mut self) -> Option<Sha256> {
        let bytes: [u8; 32] = self.take(32)?.try_into().ok()?;
        Some(bytes.into())
    }

    fn parsed<T: std::str::FromStr>(&mut self) -> Option<Vec<T>> {
        let count = self.count()?;
        (0..count).map(|_| self.text()?.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        let digest = Sha256::of("x");
        let file = |name: &str, metadata| File {
            kind: FileKind::Wheel,
            filename: name.to_owned(),
            version: "1!2.0rc1.post3+local".parse().expect("a version"),
            url: format!("https://h/a/{name}"),
            sha256: Some(digest),
            size: Some(u64::from(u32::MAX) * 5),
            requires_python: Some(">=3.8,<4".parse().expect("specifiers")),
            yanked: Some("ünsafe".to_owned()),
            upload_time: Some("2024-01-02T03:04:05Z".to_owned()),
            metadata,
            linked: false,
        };
        let bare = File {
            kind: FileKind::Sdist,
            url: "https://h/elsewhere".to_owned(),
            sha256: None,
            size: None,
            requires_python: None,
            yanked: None,
            upload_time: None,
            ..file("b", Announced::Silent)
        };
        Project {
            name: "p".parse().expect("a name"),
            index: "https://h/simple".to_owned(),
            files: vec![
                file("a", Announced::Digest(digest)),
                bare,
                file("c", Announced::Yes),
            ],
            status: Some(ProjectStatus {
                standing: Standing::Quarantined,
                reason: "it stole keys".to_owned(),
            }),
        }
    }

    #[test]
    fn what_is_packed_unpacks_the_same() {
        let project = project();
        let bytes = pack(&project);
        assert_eq!(unpack(&bytes, &project.name, &project.index), Some(project));
    }

    #[test]
    fn cut_or_changed_bytes_never_panic_and_cut_ones_are_a_miss() {
        let project = project();
        let bytes = pack(&project);
        for end in 0..bytes.len() {
            assert_eq!(
                unpack(&bytes[..end], &project.name, &project.index),
                None,
                "{end}"
            );
            for value in [0, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[end] = value;
                let _ = unpack(&changed, &project.name, &project.index);
            }
        }
    }
}
