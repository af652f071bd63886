//! The packaged programs of the two functions.
//!
//! In: a folder, or nothing. Out: the zips for one processor, with their digests and version.
//! Never: builds anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyrun_core::protocol::PROTOCOL;
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::{Key, catalog};
use serde::Deserialize;

/// The programs for one processor.
#[derive(Debug, Clone)]
pub struct Package {
    /// Their version.
    pub version: String,
    /// The builder.
    pub builder: Program,
    /// The runner.
    pub runner: Program,
}

/// A program as a zip.
#[derive(Debug, Clone)]
pub struct Program {
    /// The zip.
    pub zip: Vec<u8>,
    /// Where it stands in the store.
    pub key: Key,
}

/// What `package.json` says of the zips beside it.
#[derive(Debug, Deserialize)]
struct About {
    version: String,
    protocol: u32,
    /// By the zip's file name.
    #[serde(default)]
    programs: BTreeMap<String, Listed>,
}

/// What it says of one zip.
#[derive(Debug, Deserialize)]
struct Listed {
    sha256: Sha256,
}

/// The file that makes a folder one of packages.
const ABOUT: &str = "package.json";

impl Package {
    /// Reads the programs for `arch` from `given`, or from where they usually are.
    pub fn find(given: Option<&Path>, arch: &str) -> Result<Self, Fault> {
        let folders = match given {
            Some(folder) => vec![folder.to_owned()],
            None => usual(std::env::current_exe().ok().as_deref()),
        };
        let found = folders.iter().find(|folder| folder.join(ABOUT).is_file());
        let Some(folder) = found else {
            let looked: Vec<String> = folders
                .iter()
                .map(|folder| format!("`{}`", folder.display()))
                .collect();
            return Err(missing("the packaged functions are not here")
                .cause(format!("there is no {ABOUT} in {}", looked.join(", "))));
        };
        Self::read(folder, arch)
    }

    fn read(folder: &Path, arch: &str) -> Result<Self, Fault> {
        let path = folder.join(ABOUT);
        let text = fs_err::read_to_string(&path).map_err(|error| missing(&error.to_string()))?;
        let about: About = serde_json::from_str(&text).map_err(|error| {
            missing(&format!("`{}` can't be used", path.display())).cause(error.to_string())
        })?;
        if about.protocol != PROTOCOL {
            return Err(Fault::new(
                Code::REMOTE_SKEW,
                format!(
                    "the packaged functions speak protocol {}, this pyrun speaks {PROTOCOL}",
                    about.protocol
                ),
            )
            .hint("take functions and command from one release"));
        }
        Ok(Self {
            builder: Program::read(folder, &format!("pyrun-builder-{arch}.zip"), &about)?,
            runner: Program::read(folder, &format!("pyrun-runner-{arch}.zip"), &about)?,
            version: about.version,
        })
    }

    /// Bytes of both.
    pub fn size(&self) -> u64 {
        (self.builder.zip.len() + self.runner.zip.len()) as u64
    }
}

impl Program {
    fn read(folder: &Path, name: &str, about: &About) -> Result<Self, Fault> {
        let path = folder.join(name);
        let zip = fs_err::read(&path).map_err(|error| missing(&error.to_string()))?;
        let sha256 = Sha256::of(&zip);
        if about
            .programs
            .get(name)
            .is_some_and(|listed| listed.sha256 != sha256)
        {
            return Err(missing(&format!(
                "`{}` is not the file that {ABOUT} beside it speaks of",
                path.display()
            )));
        }
        Ok(Self {
            key: catalog::code(&sha256),
            zip,
        })
    }
}

/// Beside the command, where an installation puts it, and where a checkout builds it.
fn usual(command: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(folder) = command.and_then(Path::parent) {
        folders.push(folder.to_owned());
        folders.push(folder.join("../share/pyrun"));
        // `target/release/pyrun` has its packages in `target/package`.
        folders.push(folder.join("../package"));
    }
    folders.push(PathBuf::from("target/package"));
    folders
}

fn missing(message: &str) -> Fault {
    Fault::new(Code::USAGE, message.to_owned())
        .hint("in a checkout, `cargo xtask package` makes them")
        .hint("name their folder with `--artifacts DIR` or PYRUN_ARTIFACTS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(protocol: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let about = format!("{{\"version\": \"9.9.9\", \"protocol\": {protocol}, \"more\": []}}");
        for (name, content) in [
            (ABOUT, about.as_str()),
            ("pyrun-builder-arm64.zip", "b"),
            ("pyrun-runner-arm64.zip", "r"),
        ] {
            fs_err::write(folder.path().join(name), content).expect("a file");
        }
        folder
    }

    #[test]
    fn programs_are_named_by_their_digests() {
        let folder = folder(PROTOCOL);
        let package = Package::find(Some(folder.path()), "arm64").expect("a package");
        assert_eq!(package.version, "9.9.9");
        assert_eq!(package.builder.key, catalog::code(&Sha256::of("b")));
        assert_eq!(package.size(), 2);
    }

    #[test]
    fn what_is_missing_is_named_with_the_way_to_make_it() {
        let folder = folder(PROTOCOL);
        let fault = Package::find(Some(folder.path()), "x86_64").expect_err("another processor");
        assert!(
            fault.message.contains("pyrun-builder-x86_64.zip"),
            "{fault}"
        );
        let empty = tempfile::tempdir().expect("a folder");
        let fault = Package::find(Some(empty.path()), "arm64").expect_err("nothing there");
        assert!(fault.hints[0].contains("cargo xtask package"), "{fault:?}");
    }

    #[test]
    fn a_zip_that_is_not_the_listed_one_is_refused() {
        let folder = folder(PROTOCOL);
        let listed = |digest: &Sha256| {
            format!(
                "{{\"version\": \"1\", \"protocol\": {PROTOCOL}, \"programs\": {{\"pyrun-runner-arm64.zip\": {{\"sha256\": \"{digest}\"}}}}}}"
            )
        };
        fs_err::write(folder.path().join(ABOUT), listed(&Sha256::of("r"))).expect("a file");
        Package::find(Some(folder.path()), "arm64").expect("the listed one");
        fs_err::write(folder.path().join(ABOUT), listed(&Sha256::of("x"))).expect("a file");
        let fault = Package::find(Some(folder.path()), "arm64").expect_err("another one");
        assert!(fault.message.contains("pyrun-runner-arm64.zip"), "{fault}");
    }

    #[test]
    fn functions_that_speak_another_protocol_are_refused() {
        let folder = folder(PROTOCOL + 1);
        let fault = Package::find(Some(folder.path()), "arm64").expect_err("another protocol");
        assert_eq!(fault.code, Code::REMOTE_SKEW);
    }
}
