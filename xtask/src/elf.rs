//! Which machine an executable is for, and which C library it needs.
//!
//! In: the bytes of an ELF file. Out: its machine and the newest version of glibc among the symbols
//! it wants (`.gnu.version_r`, as the Linux Standard Base describes it). Never: reads past the end,
//! whatever a header says.

use std::fmt;

use crate::build::Architecture;

/// A version of glibc, such as `(2, 34)`.
pub type Version = (u32, u32);

/// What Amazon Linux 2023 has.
pub const NEWEST_GLIBC: Version = (2, 34);

/// The type of a section that lists needed versions.
const NEEDED_VERSIONS: u32 = 0x6fff_fffe;
/// `EM_X86_64` and `EM_AARCH64`.
const MACHINES: [(u16, Architecture); 2] = [(62, Architecture::X86_64), (183, Architecture::Arm64)];

/// What is known of an executable.
#[derive(Debug, PartialEq, Eq)]
pub struct Executable {
    /// What it runs on.
    pub architecture: Architecture,
    /// The newest glibc that a symbol asks for; `None` when it is linked statically.
    pub glibc: Option<Version>,
}

/// Why a file is not a program for AWS Lambda.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ElfError {
    /// Something else.
    #[error("it is no ELF executable for 64 bits, little endian")]
    Foreign,
    /// It ends too early, or a header points outside.
    #[error("it is damaged: {0} lies outside of it")]
    Damaged(&'static str),
    /// For a machine that Lambda does not have.
    #[error("it is for a machine that AWS Lambda does not have (number {0})")]
    Machine(u16),
    /// It wants a newer C library than there is.
    #[error("it needs glibc {0}.{1}, and Amazon Linux 2023 has 2.34\n  hint: build on a distribution that has no newer one, or with cargo-zigbuild", found.0, found.1)]
    Glibc {
        /// What it wants.
        found: Version,
    },
}

impl Executable {
    /// Reads an executable.
    pub fn read(bytes: &[u8]) -> Result<Self, ElfError> {
        let file = File(bytes);
        // \x7fELF, 64 bits, little endian.
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return Err(ElfError::Foreign);
        }
        let number = file.u16(18, "the header")?;
        let architecture = MACHINES
            .iter()
            .find(|(machine, _)| *machine == number)
            .map(|(_, architecture)| *architecture)
            .ok_or(ElfError::Machine(number))?;
        Ok(Self {
            architecture,
            glibc: file.newest_glibc()?,
        })
    }

    /// That Lambda can run it.
    pub fn gate(&self) -> Result<(), ElfError> {
        match self.glibc {
            Some(found) if found > NEWEST_GLIBC => Err(ElfError::Glibc { found }),
            _ => Ok(()),
        }
    }

    /// The C library, in words.
    pub fn libc(&self) -> String {
        match self.glibc {
            Some((major, minor)) => format!("{major}.{minor}"),
            None => "static".to_owned(),
        }
    }
}

impl fmt::Display for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, glibc {}", self.architecture.name(), self.libc())
    }
}

/// The file, read by offsets.
struct File<'a>(&'a [u8]);

/// A section, as far as it matters here.
struct Section {
    kind: u32,
    offset: usize,
    link: usize,
    entries: usize,
}

impl File<'_> {
    fn array<const N: usize>(&self, at: usize, what: &'static str) -> Result<[u8; N], ElfError> {
        let end = at.checked_add(N).ok_or(ElfError::Damaged(what))?;
        let bytes = self.0.get(at..end).ok_or(ElfError::Damaged(what))?;
        Ok(bytes.try_into().expect("the range has N bytes"))
    }

    fn u16(&self, at: usize, what: &'static str) -> Result<u16, ElfError> {
        Ok(u16::from_le_bytes(self.array(at, what)?))
    }

    fn u32(&self, at: usize, what: &'static str) -> Result<u32, ElfError> {
        Ok(u32::from_le_bytes(self.array(at, what)?))
    }

    fn word(&self, at: usize, what: &'static str) -> Result<usize, ElfError> {
        let value = u64::from_le_bytes(self.array(at, what)?);
        usize::try_from(value).map_err(|_| ElfError::Damaged(what))
    }

    /// The text that begins at `at` and ends with a zero byte.
    fn text(&self, at: usize) -> Result<&str, ElfError> {
        let damaged = ElfError::Damaged("a name");
        let rest = self.0.get(at..).ok_or(damaged)?;
        let end = rest.iter().position(|byte| *byte == 0);
        let text = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        text.ok_or(ElfError::Damaged("a name"))
    }

    fn section(&self, index: usize) -> Result<Section, ElfError> {
        let what = "a section's header";
        let table = self.word(40, what)?;
        let size = usize::from(self.u16(58, what)?);
        let at = index
            .checked_mul(size)
            .and_then(|offset| table.checked_add(offset))
            .ok_or(ElfError::Damaged(what))?;
        Ok(Section {
            kind: self.u32(at.saturating_add(4), what)?,
            offset: self.word(at.saturating_add(24), what)?,
            link: self.u32(at.saturating_add(40), what)? as usize,
            entries: self.u32(at.saturating_add(44), what)? as usize,
        })
    }

    /// The newest `GLIBC_x.y` that any library's entry asks for.
    fn newest_glibc(&self) -> Result<Option<Version>, ElfError> {
        let mut newest = None;
        for index in 0..usize::from(self.u16(60, "the header")?) {
            let section = self.section(index)?;
            if section.kind != NEEDED_VERSIONS {
                continue;
            }
            let names = self.section(section.link)?.offset;
            let what = "a needed version";
            let mut library = section.offset;
            for _ in 0..section.entries {
                let versions = self.u16(library.saturating_add(2), what)?;
                let first = self.u32(library.saturating_add(8), what)? as usize;
                let mut version = library.saturating_add(first);
                for _ in 0..versions {
                    let name = self.u32(version.saturating_add(8), what)? as usize;
                    let name = self.text(names.saturating_add(name))?;
                    newest = newest.max(glibc(name));
                    match self.u32(version.saturating_add(12), what)? as usize {
                        0 => break,
                        next => version = version.saturating_add(next),
                    }
                }
                // The last entry says 0, whatever the counts say: a list always ends.
                match self.u32(library.saturating_add(12), what)? as usize {
                    0 => break,
                    next => library = library.saturating_add(next),
                }
            }
        }
        Ok(newest)
    }
}

/// `(2, 34)` of `GLIBC_2.34`; the third number of old ones such as `GLIBC_2.2.5` does not matter.
fn glibc(name: &str) -> Option<Version> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a header, a table of two sections, and needed versions of one library.
    fn file(machine: u16, versions: &[&str]) -> Vec<u8> {
        const TABLE: usize = 64;
        const NEEDED: usize = TABLE + 2 * 64;
        let names_at = NEEDED + 16 + 16 * versions.len();
        let mut bytes = vec![0_u8; names_at];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"\x7fELF\x02\x01");
        put(18, &machine.to_le_bytes());
        put(40, &(TABLE as u64).to_le_bytes());
        put(58, &64_u16.to_le_bytes());
        put(60, &2_u16.to_le_bytes());
        // Section 0 holds the names, section 1 the needed versions.
        put(TABLE + 24, &(names_at as u64).to_le_bytes());
        put(TABLE + 64 + 4, &NEEDED_VERSIONS.to_le_bytes());
        put(TABLE + 64 + 24, &(NEEDED as u64).to_le_bytes());
        put(TABLE + 64 + 44, &1_u32.to_le_bytes());
        let count = u16::try_from(versions.len()).expect("few");
        put(NEEDED + 2, &count.to_le_bytes());
        put(NEEDED + 8, &16_u32.to_le_bytes());
        let mut name = 0_u32;
        for (index, version) in versions.iter().enumerate() {
            let at = NEEDED + 16 + 16 * index;
            put(at + 8, &name.to_le_bytes());
            put(at + 12, &16_u32.to_le_bytes());
            name += u32::try_from(version.len()).expect("short") + 1;
        }
        for version in versions {
            bytes.extend_from_slice(version.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn the_newest_version_counts_and_not_the_last() {
        let read = Executable::read(&file(62, &["GLIBC_2.34", "GCC_3.0", "GLIBC_2.2.5"]));
        let executable = read.expect("an executable");
        assert_eq!(executable.glibc, Some((2, 34)));
        assert_eq!(executable.architecture, Architecture::X86_64);
        assert_eq!(executable.gate(), Ok(()));
    }

    #[test]
    fn versions_are_numbers_and_not_texts() {
        let read = Executable::read(&file(183, &["GLIBC_2.9", "GLIBC_2.17"]));
        let executable = read.expect("an executable");
        assert_eq!(executable.glibc, Some((2, 17)));
        assert_eq!(executable.architecture, Architecture::Arm64);
    }

    #[test]
    fn a_newer_c_library_is_refused() {
        let executable = Executable::read(&file(62, &["GLIBC_2.35"])).expect("an executable");
        let error = executable.gate().expect_err("it would not start");
        assert_eq!(error, ElfError::Glibc { found: (2, 35) });
        assert!(error.to_string().contains("glibc 2.35"), "{error}");
    }

    #[test]
    fn a_static_program_needs_none() {
        let executable = Executable::read(&file(62, &[])).expect("an executable");
        assert_eq!(executable.glibc, None);
        assert_eq!(executable.gate(), Ok(()));
    }

    #[test]
    fn this_very_program_is_read() {
        let own = std::env::current_exe().expect("a path");
        let bytes = fs_err::read(own).expect("its bytes");
        let executable = Executable::read(&bytes).expect("an executable");
        assert!(executable.glibc.is_some_and(|version| version > (2, 2)));
    }

    #[test]
    fn damage_is_said_wherever_the_file_is_cut() {
        let whole = file(62, &["GLIBC_2.34"]);
        for length in 0..whole.len() {
            assert!(Executable::read(&whole[..length]).is_err(), "{length}");
        }
        assert_eq!(Executable::read(b"#!/bin/sh"), Err(ElfError::Foreign));
        assert_eq!(Executable::read(&file(8, &[])), Err(ElfError::Machine(8)));
    }

    #[test]
    fn headers_that_point_anywhere_end_in_an_error() {
        let whole = file(62, &["GLIBC_2.34"]);
        for at in 40..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            // Whatever it says, it says it.
            let _ = Executable::read(&bytes);
        }
    }
}
