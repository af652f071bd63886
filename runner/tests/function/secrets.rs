//! What the user's code can learn of the function that it runs in.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use pyrun_core::LockHash;
use pyrun_kit::{FunctionProcess, FunctionSetup};
use serde_json::{Value, json};

use crate::world::{RUNNER, World, ask, result, run};

/// Looks for the words in its own environment and in that of every process above it, and tries to
/// open their memory.
const HOSTILE: &str = "
import os
def f(words):
    found, opened, closed = [], [], []
    for name, value in os.environ.items():
        if any(word in name or word in value for word in words):
            found.append(name)
    pid = os.getppid()
    while pid > 1:
        try:
            with open(f'/proc/{pid}/environ', 'rb') as file:
                text = file.read()
            if any(word.encode() in text for word in words):
                found.append(pid)
        except OSError:
            pass
        try:
            open(f'/proc/{pid}/mem', 'rb').close()
            opened.append(pid)
        except OSError:
            closed.append(pid)
        with open(f'/proc/{pid}/stat') as file:
            pid = int(file.read().rsplit(')', 1)[1].split()[1])
    return {'found': found, 'opened': opened, 'closed': closed}
";

const WORDS: [&str; 5] = [
    "AKIDSECRET",
    "verysecret",
    "tokensecret",
    "AWS_LAMBDA_RUNTIME_API",
    "PYRUN_STORE",
];

fn looked(setup: &FunctionSetup, lock: &LockHash) -> (Value, u32) {
    let mut function = FunctionProcess::start(setup);
    let frames = ask(&mut function, &run(lock, HOSTILE, &[json!(WORDS)]));
    (result(&frames).0.clone(), function.id())
}

#[test]
fn credentials_are_in_no_environment_that_a_run_can_read() {
    let world = World::new();
    let lock = world.bundle("small");
    let (saw, _) = looked(&world.setup(), &lock);
    assert_eq!(saw["found"], json!([]), "{saw}");
}

fn give_away(path: &Path, user: u32) {
    chown(path, Some(user), None).expect("only root comes here");
    if path.is_dir() {
        for entry in fs_err::read_dir(path).expect("a folder") {
            give_away(&entry.expect("an entry").path(), user);
        }
    }
}

/// As on AWS Lambda, where no process is root: only root can choose to be another user here.
#[test]
fn the_functions_memory_is_closed_to_its_own_user() {
    const NOBODY: u32 = 65_534;
    let world = World::new();
    let lock = world.bundle("small");
    let python = Path::new("/usr/bin/python3");
    give_or_skip(&world, python, |world| {
        let program = world.path("program");
        fs_err::copy(RUNNER, &program).expect("a copy");
        let open = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(world.folder.path(), open).expect("its own folder");
        give_away(world.folder.path(), NOBODY);
        let mut setup = world.setup().env("PYRUN_PYTHON", python.to_string_lossy());
        setup.program = program;
        setup.user = Some(NOBODY);
        let (saw, id) = looked(&setup, &lock);
        assert_eq!(saw["found"], json!([]), "{saw}");
        assert_eq!(saw["opened"], json!([]), "{saw}");
        let closed = saw["closed"].as_array().expect("a list");
        assert!(
            closed.contains(&json!(id)),
            "it did not look at {id}: {saw}"
        );
    });
}

fn give_or_skip(world: &World, python: &Path, test: impl FnOnce(&World)) {
    let probe = world.path("probe");
    fs_err::write(&probe, "").expect("writable");
    if !python.exists() || chown(&probe, Some(65_534), None).is_err() {
        eprintln!("skipped: it needs root and {}", python.display());
        return;
    }
    test(world);
}
