//! A program as the zip that AWS Lambda takes.
//!
//! In: the program's bytes. Out: a zip with the one member `bootstrap`. Never: puts a time, an owner
//! or a path of this machine into it: the same program gives the same zip.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// What Lambda starts. `pyrun_aws::names::PROGRAM` is the same word.
pub const MEMBER: &str = "bootstrap";
/// Everybody may read and start it.
const MODE: u32 = 0o755;

/// Why a zip can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// It is no zip, or a damaged one.
    #[error("it is no readable zip: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// It can't be written or read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Lambda would not start it.
    #[error("it has to hold the one file `{MEMBER}`, with the mode 0755")]
    Shape,
}

/// Packs a program.
pub fn pack(program: &[u8]) -> Result<Vec<u8>, ZipError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(MODE);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(MEMBER, options)?;
    writer.write_all(program)?;
    Ok(writer.finish()?.into_inner())
}

/// The program of a zip.
pub fn unpack(zip: &[u8]) -> Result<Vec<u8>, ZipError> {
    let mut archive = ZipArchive::new(Cursor::new(zip))?;
    if archive.len() != 1 {
        return Err(ZipError::Shape);
    }
    let mut member = archive.by_index(0)?;
    let mode = member.unix_mode().unwrap_or_default() & 0o777;
    if member.name()? != MEMBER || mode != MODE {
        return Err(ZipError::Shape);
    }
    let mut program = Vec::new();
    member.read_to_end(&mut program)?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_gives_the_same_zip() {
        let program: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let zip = pack(&program).expect("a zip");
        assert_eq!(zip, pack(&program).expect("a zip"));
        assert!(zip.len() < program.len());
        assert_eq!(unpack(&zip).expect("the program"), program);
    }

    #[test]
    fn nothing_of_this_moment_is_in_it() {
        let zip = pack(b"program").expect("a zip");
        let mut archive = ZipArchive::new(Cursor::new(zip)).expect("a zip");
        let member = archive.by_index(0).expect("a member");
        assert_eq!(member.last_modified(), Some(DateTime::default()));
        assert_eq!(member.unix_mode(), Some(0o100_755));
    }

    #[test]
    fn a_zip_that_lambda_would_not_start_is_refused() {
        let other = |name: &str, mode: u32| {
            let options = SimpleFileOptions::default().unix_permissions(mode);
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.start_file(name, options).expect("started");
            writer.write_all(b"program").expect("written");
            writer.finish().expect("finished").into_inner()
        };
        assert!(unpack(&other(MEMBER, 0o755)).is_ok());
        for (name, mode) in [("program", 0o755), (MEMBER, 0o644)] {
            assert!(matches!(unpack(&other(name, mode)), Err(ZipError::Shape)));
        }
        assert!(matches!(unpack(b"no zip"), Err(ZipError::Zip(_))));
    }
}
