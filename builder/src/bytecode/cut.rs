//! A wheel's sources from its share of a bundle, where the wheel itself is gone.
//!
//! In: a bundle and one of its segments. Out: the Python sources in it, as places of data in the
//! bundle. Never: takes a byte of a segment whose digest is not the manifest's.
//!
//! A bundle does not say which files a wheel brought as data, so what lies below none of the
//! names that the wheel lets Python import is taken for data; nor what another wheel's file has
//! taken the place of. What is compiled from here is right for this bundle, and may be more than
//! the wheels would give: it serves one companion, and is not kept as the wheel's.

use std::path::Path;

use pyrun_core::{Segment, Sha256};
use sha2::Digest as _;

use super::BytecodeError;
use super::archive::is_source;
use crate::wheel::{self, InstalledFile};
use crate::zip::{self, Inflater};

/// The sources of the segment. Blocks for as long as it takes to read it twice.
pub(super) fn sources(
    bundle: &Path,
    segment: &Segment,
) -> Result<Vec<InstalledFile>, BytecodeError> {
    let file = fs_err::File::open(bundle)?;
    let end = segment.offset.saturating_add(segment.length);
    if file.metadata()?.len() < end
        || wheel::digest_of(&file, segment.offset..end)? != segment.sha256
    {
        return Err(BytecodeError::Corrupt(
            "a bundle is not what its record says",
        ));
    }
    let archive = zip::Archive::open(file, &zip::Limits::default())?;
    let mut inflater = Inflater::default();
    let mut sources = Vec::new();
    for entry in archive.entries() {
        let is_inside = (segment.offset..end).contains(&entry.data_offset);
        if !is_inside || !is_source(&entry.name) {
            continue;
        }
        let mut sha256 = sha2::Sha256::new();
        inflater.visit(archive.source(), entry, &mut |piece| sha256.update(piece))?;
        sources.push(InstalledFile {
            path: entry.name.clone(),
            executable: false,
            library: is_importable(&entry.name, &segment.imports),
            method: entry.method,
            crc32: entry.crc32,
            compressed: entry.compressed,
            size: entry.size,
            data_offset: entry.data_offset,
            sha256: Sha256::finish(sha256),
        });
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

/// Whether a source lies below one of the names that Python may import.
fn is_importable(path: &str, imports: &[String]) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    let top = top.strip_suffix(".py").unwrap_or(top);
    imports.iter().any(|name| name == top)
}
