//! This room's readers under plain names, for [`crate::strange`].
//!
//! In: any bytes. Out: what they hold. Never: asks a server.

use pep508_rs::PackageName;
use url::Url;

use super::directory::{self, ArchiveError};
use super::packed;
use super::page::{self, PageOrigin};

/// METADATA from the bytes of a whole wheel, by the way that goes from the wheel's end.
pub(crate) fn metadata_inside(bytes: &[u8], project: &str) -> Result<Vec<u8>, ArchiveError> {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let cut = || ArchiveError::Unsound("it is cut");
    let part = |start: u64, end: u64| bytes.get(index(start)..index(end)).ok_or_else(cut);
    let found = directory::locate(bytes, bytes.len() as u64)?.ok_or_else(cut)?;
    let member = directory::find_metadata(part(found.start, found.end)?, project)?;
    let (start, _) = member.reach(0);
    let extra = member.extra(part(start, bytes.len() as u64)?)?;
    let (start, end) = member.reach(extra);
    member.inflate(part(start, end)?)
}

/// A page, and what the cache would make of it.
pub(crate) fn page(body: &[u8], kind: Option<&str>, project: &PackageName) {
    let base: Url = "https://index.test/simple/a/".parse().expect("an address");
    let origin = PageOrigin {
        project,
        index: "https://index.test/simple",
        base: &base,
        content_type: kind,
    };
    if let Ok(found) = page::read(body, &origin) {
        let kept = packed::pack(&found);
        let again = packed::unpack(&kept, &found.name, &found.index);
        assert_eq!(
            again.as_ref(),
            Some(&found),
            "what is kept is what was read"
        );
    }
    // The cache is a file that anyone may have changed.
    let _ = packed::unpack(body, project, "https://index.test/simple");
}
