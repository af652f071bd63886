//! `cargo xtask package`: programs that AWS Lambda can start, packed.
//!
//! In: architectures and a folder. Out: the zips and their listing in that folder. Never: lists a
//! zip whose program Lambda could not start, or one of another version.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyrun_core::Sha256;
use pyrun_core::protocol::PROTOCOL;

use crate::build::{self, Architecture, BuildError, Program};
use crate::elf::{ElfError, Executable};
use crate::listing::{self, Entry, Listing};
use crate::zips::{self, ZipError};

/// The version of the whole workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The programs can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A program is not for Lambda.
    #[error("{file}: {source}")]
    Program {
        /// Which.
        file: String,
        /// Why.
        source: ElfError,
    },
    /// A zip can't be made or read.
    #[error("{file}: {source}")]
    Zip {
        /// Which.
        file: String,
        /// Why.
        source: ZipError,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The listing is not what is there.
    #[error("{file}: {found}\n  hint: `cargo xtask package` makes it anew")]
    Stale {
        /// Which file.
        file: String,
        /// What is wrong with it.
        found: &'static str,
    },
}

/// Builds, checks and packs the programs for each architecture.
pub fn package(architectures: &[Architecture], out: &Path) -> Result<Listing, PackageError> {
    let root = root();
    let out = root.join(out);
    fs_err::create_dir_all(&out)?;
    let mut listing = Listing {
        version: VERSION.to_owned(),
        protocol: PROTOCOL,
        programs: kept(&out, architectures),
    };
    for &architecture in architectures {
        let built = build::build(&root, architecture)?;
        for (program, path) in Program::ALL.into_iter().zip(built) {
            let bytes = fs_err::read(path)?;
            let file = program.zip(architecture);
            let (zip, entry) = pack(program, architecture, &bytes)?;
            fs_err::write(out.join(&file), zip)?;
            listing.programs.insert(file, entry);
        }
    }
    fs_err::write(out.join(listing::SUMS), listing.to_sums())?;
    // The listing comes last: who finds it finds the zips.
    fs_err::write(out.join(listing::FILE), listing.to_json())?;
    Ok(listing)
}

/// Checks a folder that was packed before.
pub fn check(out: &Path) -> Result<Listing, PackageError> {
    let out = root().join(out);
    let stale = |file: &str, found| PackageError::Stale {
        file: file.to_owned(),
        found,
    };
    let text = fs_err::read_to_string(out.join(listing::FILE))?;
    let listing: Listing =
        serde_json::from_str(&text).map_err(|_| stale(listing::FILE, "it can't be read"))?;
    if listing.version != VERSION || listing.protocol != PROTOCOL {
        return Err(stale(listing::FILE, "it is of another version"));
    }
    if fs_err::read_to_string(out.join(listing::SUMS))? != listing.to_sums() {
        return Err(stale(listing::SUMS, "it is not what package.json says"));
    }
    for (file, entry) in &listing.programs {
        let zip = fs_err::read(out.join(file))?;
        let program = zips::unpack(&zip).map_err(|source| PackageError::Zip {
            file: file.clone(),
            source,
        })?;
        let executable = gate(file, &program)?;
        if describe(&entry.program, &executable, &program, &zip) != *entry {
            return Err(stale(file, "it is not what package.json says"));
        }
    }
    Ok(listing)
}

/// The workspace, whatever folder the task was started from.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("it is a member of the workspace")
        .into()
}

/// A program's zip and what is said of it.
fn pack(
    program: Program,
    architecture: Architecture,
    bytes: &[u8],
) -> Result<(Vec<u8>, Entry), PackageError> {
    let file = program.zip(architecture);
    let executable = gate(&file, bytes)?;
    if executable.architecture != architecture {
        return Err(PackageError::Stale {
            file,
            found: "the build left a program for another machine",
        });
    }
    let zip = zips::pack(bytes).map_err(|source| PackageError::Zip { file, source })?;
    let entry = describe(program.binary(), &executable, bytes, &zip);
    Ok((zip, entry))
}

fn gate(file: &str, program: &[u8]) -> Result<Executable, PackageError> {
    let read = Executable::read(program).and_then(|executable| {
        executable.gate()?;
        Ok(executable)
    });
    read.map_err(|source| PackageError::Program {
        file: file.to_owned(),
        source,
    })
}

fn describe(name: &str, executable: &Executable, program: &[u8], zip: &[u8]) -> Entry {
    Entry {
        program: name.to_owned(),
        architecture: executable.architecture.name().to_owned(),
        sha256: Sha256::of(zip),
        bytes: zip.len() as u64,
        unpacked: program.len() as u64,
        glibc: executable.libc(),
    }
}

/// The entries of architectures that are not built now and whose zips are still there as they were.
fn kept(out: &Path, built: &[Architecture]) -> BTreeMap<String, Entry> {
    let text = fs_err::read_to_string(out.join(listing::FILE)).unwrap_or_default();
    let Ok(before) = serde_json::from_str::<Listing>(&text) else {
        return BTreeMap::new();
    };
    if before.version != VERSION || before.protocol != PROTOCOL {
        return BTreeMap::new();
    }
    let mut entries = before.programs;
    entries.retain(|file, entry| {
        let now = built
            .iter()
            .any(|architecture| architecture.name() == entry.architecture);
        let there =
            || fs_err::read(out.join(file)).is_ok_and(|zip| Sha256::of(zip) == entry.sha256);
        !now && there()
    });
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test's own executable stands in for a program.
    fn own_program() -> Vec<u8> {
        fs_err::read(std::env::current_exe().expect("a path")).expect("its bytes")
    }

    /// A folder as `package` leaves it, with one zip.
    fn packed(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let program = own_program();
        let executable = Executable::read(&program).expect("an executable");
        let architecture = executable.architecture;
        let zip = zips::pack(&program).expect("a zip");
        let entry = describe("pyrun-runner", &executable, &program, &zip);
        let file = Program::Runner.zip(architecture);
        let listing = Listing {
            version: version.to_owned(),
            protocol: PROTOCOL,
            programs: BTreeMap::from([(file.clone(), entry)]),
        };
        fs_err::write(folder.path().join(file), zip).expect("written");
        fs_err::write(folder.path().join(listing::SUMS), listing.to_sums()).expect("written");
        fs_err::write(folder.path().join(listing::FILE), listing.to_json()).expect("written");
        folder
    }

    #[test]
    fn what_was_changed_since_is_found() {
        // This executable is linked against the C library of this machine, which may be newer than
        // Lambda's; all that comes before that gate is checked here all the same.
        let folder = packed(VERSION);
        let sound = check(folder.path());
        let newer = matches!(
            sound,
            Err(PackageError::Program {
                source: ElfError::Glibc { .. },
                ..
            })
        );
        assert!(sound.is_ok() || newer, "{sound:?}");

        fs_err::write(folder.path().join(listing::SUMS), "").expect("written");
        assert!(matches!(
            check(folder.path()),
            Err(PackageError::Stale { .. })
        ));

        let folder = packed("0.0.0");
        assert!(matches!(
            check(folder.path()),
            Err(PackageError::Stale { .. })
        ));
    }

    #[test]
    fn only_sound_zips_of_this_version_and_of_other_machines_are_kept() {
        let folder = packed(VERSION);
        assert_eq!(kept(folder.path(), &[]).len(), 1);
        let both = [Architecture::X86_64, Architecture::Arm64];
        assert!(kept(folder.path(), &both).is_empty(), "built anew");

        let file = kept(folder.path(), &[]).into_keys().next().expect("one");
        fs_err::write(folder.path().join(file), "another zip").expect("written");
        assert!(kept(folder.path(), &[]).is_empty(), "it is not what it was");
        assert!(kept(packed("0.0.0").path(), &[]).is_empty(), "too old");
    }

    #[test]
    fn a_program_for_another_machine_is_not_packed() {
        let program = own_program();
        let own = Executable::read(&program)
            .expect("an executable")
            .architecture;
        let other = match own {
            Architecture::X86_64 => Architecture::Arm64,
            Architecture::Arm64 => Architecture::X86_64,
        };
        assert!(pack(Program::Builder, other, &program).is_err());
        assert!(matches!(
            pack(Program::Builder, own, b"#!/bin/sh\n"),
            Err(PackageError::Program { .. })
        ));
    }
}
