//! `pyrun lock` and `pyrun prewarm`, from every kind of source.

use crate::support::{GREET, World, pins};

#[test]
fn every_kind_of_source_is_locked() {
    let world = World::new();
    world.context.write("script.py", GREET);
    world
        .context
        .write("requirements.txt", "greet  # a comment\n");
    world.context.write(
        "pyproject.toml",
        "[project]\nname = 'x'\ndependencies = ['greet']\n",
    );
    world.context.write(
        "block.py",
        "# /// script\n# dependencies = ['greet']\n# ///\n",
    );
    for source in [
        "script.py",
        "script.py:hello",
        "requirements.txt",
        "pyproject.toml",
        "block.py",
        "greet",
    ] {
        let output = world.pyrun(&["lock", source]);
        assert_eq!(
            pins(&output.stdout),
            ["greet 2.0", "words 2.0"],
            "{source}: {output:?}"
        );
    }
}

#[test]
fn a_lock_is_written_and_run_against() {
    let world = World::new();
    world.context.write("script.py", GREET);
    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "greet<2", "words<2"])
            .success()
    );
    let output = world.pyrun(&["run", "--lock", "pylock.toml", "script.py"]);
    assert_eq!(output.stdout, "hello 1.0, world\n", "{output:?}");
    assert!(world.pyrun(&["prewarm", "pylock.toml"]).success());
    assert_eq!(world.bundles().len(), 1);
}

#[test]
fn a_wheel_that_a_lock_names_by_a_path_lies_beside_it() {
    let world = World::new();
    let wheel = crate::support::words("2.0").build();
    let folder = world.context.work().join("kept");
    fs_err::create_dir_all(&folder).expect("a folder");
    wheel.write_into(&folder);
    let name = &wheel.filename;
    let entry = format!(
        "name = '{name}', path = '{name}', hashes = {{ sha256 = '{}' }}",
        wheel.sha256
    );
    let lock = format!(
        "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'words'\nversion = '2.0'\nwheels = [{{ {entry} }}]\n"
    );
    world.context.write("kept/pylock.toml", lock);
    world.context.write(
        "script.py",
        "@requirements({'words': ''})\ndef f():\n    import words\n    return words.WORD\n",
    );
    let output = world.pyrun(&["run", "--lock", "kept/pylock.toml", "script.py"]);
    assert_eq!(output.stdout, "hello 2.0\n", "{output:?}");
    assert_eq!(world.index.requests().len(), 0);
}

#[test]
fn the_same_lock_has_the_same_text_whenever_it_is_asked_for() {
    let world = World::new();
    let first = world.pyrun(&["lock", "greet"]).stdout;
    assert_eq!(
        world.pyrun(&["lock", "greet"]).stdout,
        first,
        "it is remembered with its time"
    );
}

#[test]
fn a_lock_is_for_one_set() {
    let world = World::new();
    world.context.write("script.py", GREET);
    let (status, said) = world.fails(&["lock", "script.py", "words"]);
    assert_eq!(status, 2, "{said}");
}

#[test]
fn prewarm_builds_each_function_s_bundle() {
    let world = World::new();
    world.context.write(
        "script.py",
        "@requirements({'words': '1.0'})\ndef one():\n    pass\n\n@requirements({'words': '2.0'})\ndef two():\n    pass\n",
    );
    let output = world.pyrun(&["prewarm", "script.py"]);
    assert_eq!(output.stdout.lines().count(), 2, "{output:?}");
    let bundles = world.bundles();
    assert_eq!(bundles.len(), 2);
    assert!(
        bundles
            .iter()
            .all(|row| row["bytecode"] == true && row["here"] == true),
        "{bundles:?}"
    );
}

#[test]
fn exclude_newer_and_resolution_are_honoured() {
    let world = World::new();
    let output = world.pyrun(&["lock", "--resolution", "lowest", "greet"]);
    assert_eq!(
        pins(&output.stdout),
        ["greet 1.0", "words 1.0"],
        "{output:?}"
    );
    let (status, said) = world.fails(&["lock", "--exclude-newer", "2001-01-01", "greet"]);
    assert_eq!(status, 3, "{said}");
}

#[test]
fn settings_come_from_pyrun_toml_too() {
    let world = World::new();
    world.context.write("pyrun.toml", "resolution = 'lowest'\n");
    assert_eq!(
        pins(&world.pyrun(&["lock", "greet"]).stdout),
        ["greet 1.0", "words 1.0"]
    );
    let flag = world.pyrun(&["lock", "--resolution", "highest", "greet"]);
    assert_eq!(
        pins(&flag.stdout),
        ["greet 2.0", "words 2.0"],
        "a flag wins"
    );
    world.context.write("pyrun.toml", "resolutoin = 'lowest'\n");
    let (status, said) = world.fails(&["lock", "greet"]);
    assert_eq!(status, 2);
    assert!(
        said.contains("config.invalid") && said.contains("resolutoin"),
        "{said}"
    );
}

#[test]
fn pip_accepts_the_lock() {
    // pip reads pylock.toml from 25.1 on; older ones are skipped aloud.
    let world = World::new();
    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "greet"])
            .success()
    );
    let python = pyrun_kit::python();
    let version = std::process::Command::new(&python)
        .args([
            "-c",
            "import pip; print(*map(int, pip.__version__.split('.')[:2]))",
        ])
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let numbers: Vec<u32> = text
        .split_whitespace()
        .filter_map(|part| part.parse().ok())
        .collect();
    if numbers.as_slice() < [25, 1].as_slice() {
        eprintln!("skipped: pip {text} does not read pylock.toml");
        return;
    }
    let status = std::process::Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            "site",
            "-r",
            "pylock.toml",
        ])
        .current_dir(world.context.work())
        .status()
        .expect("pip runs");
    assert!(status.success());
}
