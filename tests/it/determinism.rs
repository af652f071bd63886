//! Same lock, same bytes: in other folders, at other times, under another umask, locale and zone.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pyrun_core::Sha256;

use crate::support::{PYRUN, World};

/// Builds one set of requirements in a world of its own, and gives the store's bundle files.
fn build(world: &World, variables: &[(&str, &str)], umask: &str) -> Vec<(String, Sha256)> {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("umask {umask}; exec \"$0\" prewarm greet"))
        .arg(PYRUN)
        .current_dir(world.context.work())
        .envs(variables.iter().copied())
        .process_group(0);
    for (name, value) in world.context.command(["x"]).get_envs() {
        match value {
            Some(value) if !variables.iter().any(|(other, _)| *other == name) => {
                command.env(name, value);
            }
            _ => {}
        }
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let mut files: Vec<(String, Sha256)> = zips(world)
        .into_iter()
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, Sha256::of(fs_err::read(&path).expect("a bundle")))
        })
        .collect();
    files.sort();
    files
}

fn zips(world: &World) -> Vec<PathBuf> {
    fs_err::read_dir(world.context.store().join("v1/bundles"))
        .expect("bundles")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "zip"))
        .collect()
}

#[test]
fn a_bundle_and_its_bytecode_are_the_same_bytes_everywhere() {
    let one = build(&World::new(), &[], "022");
    let two = build(
        &World::new(),
        &[
            ("TZ", "Pacific/Kiritimati"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("LANG", "tr_TR.UTF-8"),
            ("PYTHONHASHSEED", "7"),
        ],
        "077",
    );
    assert_eq!(one.len(), 2, "a bundle and its companion: {one:?}");
    assert_eq!(one, two);
}

#[test]
fn every_zip_reader_accepts_a_bundle_and_unzip_makes_it_importable() {
    let world = World::new();
    build(&world, &[], "022");
    let python = pyrun_kit::python();
    for bundle in zips(&world) {
        let test = Command::new("unzip")
            .arg("-tq")
            .arg(&bundle)
            .output()
            .expect("unzip runs");
        assert!(test.status.success(), "{test:?}");
        let check =
            "import sys, zipfile; sys.exit(zipfile.ZipFile(sys.argv[1]).testzip() is not None)";
        let status = Command::new(&python)
            .args(["-c", check])
            .arg(&bundle)
            .status()
            .expect("python runs");
        assert!(status.success(), "{}", bundle.display());
    }
    let bundle = zips(&world)
        .into_iter()
        .find(|path| !path.to_string_lossy().contains(".pyc."))
        .expect("a bundle");
    let site = world.context.root().join("site");
    let unzip = Command::new("unzip")
        .arg("-q")
        .arg(&bundle)
        .arg("-d")
        .arg(&site)
        .status()
        .expect("unzip runs");
    assert!(unzip.success());
    assert_eq!(imported(&python, &site), "hello 2.0, you 2.0");
    assert_proves_its_name(&bundle, &site);
}

/// What a plain interpreter finds in an unzipped bundle.
fn imported(python: &Path, site: &Path) -> String {
    let code =
        "import greet, importlib.metadata as m; print(greet.greet('you'), m.version('greet'))";
    let output = Command::new(python)
        .args(["-S", "-c", code])
        .env("PYTHONPATH", site)
        .output()
        .expect("python runs");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// docs/CACHE-KEY.md: the canonical lock in the bundle has the bundle's name as its digest.
fn assert_proves_its_name(bundle: &Path, site: &Path) {
    let lock = fs_err::read(site.join("pylock.toml")).expect("the lock in the bundle");
    let name = bundle
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert_eq!(Sha256::of(lock).to_string(), name);
}
