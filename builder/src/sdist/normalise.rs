//! A wheel that was built, in the one form that equal content has.
//!
//! In: any wheel that passes all checks. Out: the same members, sorted, with one time and two modes,
//! none of them compressed, and a RECORD written anew. Never: changes what a member holds; leaves to a
//! compressor's version what the bytes are.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pyrun_core::Sha256;
use sha2::Digest as _;

use crate::wheel::WheelContents;
use crate::zip::{self, Archive, Entry, Inflater, Member, Method, Writer, ZipError};

/// Writes the normal form of the wheel `from`, which was checked as `contents`, to `to`.
pub(super) fn normalise(from: &Path, contents: &WheelContents, to: &Path) -> Result<(), ZipError> {
    let source = fs_err::File::open(from)?;
    let (source, mut entries) = Archive::open(source, &zip::Limits::default())?.into_parts();
    let record = format!("{}/RECORD", contents.dist_info);
    // A signature vouches for the RECORD that was.
    let signatures = [format!("{record}.jws"), format!("{record}.p7s")];
    entries.retain(|entry| {
        !entry.is_directory() && entry.name != record && !signatures.contains(&entry.name)
    });
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let out = fs_err::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(to)?;
    let mut writer = Writer::new(BufWriter::new(out));
    let (mut inflater, mut rows) = (Inflater::default(), String::new());
    for entry in &entries {
        let digest = copy(&source, entry, &mut inflater, &mut writer)?;
        row(
            &mut rows,
            &entry.name,
            &format!("sha256={digest},{}", entry.size),
        );
    }
    row(&mut rows, &record, ",");
    writer.stored(&record, rows.as_bytes())?;
    let mut out = writer.finish()?;
    out.flush()?;
    Ok(())
}

/// Writes a member as it is once unpacked, and gives its digest as RECORD has it.
fn copy(
    source: &fs_err::File,
    entry: &Entry,
    inflater: &mut Inflater,
    writer: &mut Writer<BufWriter<fs_err::File>>,
) -> Result<String, ZipError> {
    writer.start(&Member {
        name: entry.name.clone(),
        method: Method::Stored,
        crc32: entry.crc32,
        compressed: entry.size,
        size: entry.size,
        executable: entry.mode & 0o111 != 0,
    })?;
    let mut sha256 = sha2::Sha256::new();
    let mut written: io::Result<()> = Ok(());
    inflater.visit(source, entry, &mut |piece| {
        sha256.update(piece);
        if written.is_ok() {
            written = writer.data(piece);
        }
    })?;
    written?;
    Ok(URL_SAFE_NO_PAD.encode(Sha256::finish(sha256).as_bytes()))
}

/// A line of RECORD.
fn row(rows: &mut String, path: &str, rest: &str) {
    let _ = if path.contains([',', '"']) {
        writeln!(rows, "\"{}\",{rest}", path.replace('"', "\"\""))
    } else {
        writeln!(rows, "{path},{rest}")
    };
}

#[cfg(test)]
mod tests {
    use pyrun_kit::{Layout, Wheel, WheelBuilder};

    use super::*;
    use crate::wheel::{Limits, check};

    fn normal(wheel: &Wheel) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let from = wheel.write_into(folder.path());
        let filename = wheel.filename.parse().expect("a wheel's name");
        let contents = check(&from, &filename, &Limits::default()).expect("a good wheel");
        let to = folder.path().join("normal");
        fs_err::write(&to, "").expect("written");
        normalise(&from, &contents, &to).expect("normalised");
        let again = check(&to, &filename, &Limits::default()).expect("still a good wheel");
        assert_eq!(
            contents
                .files
                .iter()
                .map(|file| (&file.path, file.sha256, file.executable))
                .collect::<Vec<_>>(),
            again
                .files
                .iter()
                .map(|file| (&file.path, file.sha256, file.executable))
                .collect::<Vec<_>>(),
        );
        fs_err::read(&to).expect("bytes")
    }

    #[test]
    fn equal_content_gives_equal_bytes_however_it_was_packed() {
        let builder = || {
            WheelBuilder::new("a", "1.0")
                .file("a/b,c.py", "x = 1\n".repeat(1000))
                .executable("a/tool", "#!/bin/sh\n")
                .script("run", "#!python\n")
        };
        let plain = normal(&builder().build());
        for layout in Layout::ALL {
            assert_eq!(
                normal(&builder().layout(*layout).build()),
                plain,
                "{layout:?}"
            );
        }
        let reordered = WheelBuilder::new("a", "1.0")
            .script("run", "#!python\n")
            .executable("a/tool", "#!/bin/sh\n")
            .file("a/b,c.py", "x = 1\n".repeat(1000))
            .build();
        assert_eq!(normal(&reordered), plain);
        let other = builder().file("a/d.py", "").build();
        assert_ne!(normal(&other), plain);
    }
}
