//! Requirements in every form that people keep them in, through the command.

use pyrun_core::Lock;
use pyrun_kit::Packages;

use crate::support::{World, greet, pins, words};

fn locked(world: &World, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["lock"];
    all.extend(arguments);
    let output = world.pyrun(&all);
    assert!(output.success(), "{arguments:?}: {output:?}");
    pins(&output.stdout)
}

/// A world whose index is named by no variable.
fn without_index() -> World {
    let mut world = World::new();
    world.context = world.context.env("PYRUN_INDEX_URL", "");
    world
}

#[test]
fn a_requirements_file_brings_its_own_index() {
    let world = without_index();
    let url = world.index.url();
    world.context.write(
        "requirements.txt",
        format!("# where\n--index-url {url}  # ours\n-r more.txt\nwords \\\n  <2\n"),
    );
    world
        .context
        .write("more.txt", "greet ; python_version > '3'\n");
    assert_eq!(
        locked(&world, &["requirements.txt"]),
        ["greet 1.0", "words 1.0"]
    );
    let (status, said) = world.fails(&[
        "lock",
        "--index-url",
        "http://127.0.0.1:9/simple",
        "requirements.txt",
    ]);
    assert_eq!(status, 4, "a flag wins over the file: {said}");
}

#[test]
fn a_mistake_in_a_requirements_file_is_shown_with_its_place() {
    let world = World::new();
    world
        .context
        .write("requirements.txt", "greet\n-e ./here\n");
    let (status, said) = world.fails(&["lock", "requirements.txt"]);
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("requirements.txt:2:1") && said.contains("source tree"),
        "{said}"
    );
}

#[test]
fn what_is_passed_over_is_said() {
    let world = World::new();
    world
        .context
        .write("requirements.txt", "--trusted-host example.org\ngreet\n");
    let output = world.pyrun(&["lock", "requirements.txt"]);
    assert!(output.success(), "{output:?}");
    assert!(
        output.stderr.contains("`--trusted-host` is passed over"),
        "{output:?}"
    );
}

#[test]
fn extras_and_groups_of_a_project_are_chosen() {
    let world = World::new();
    world.context.write(
        "pyproject.toml",
        "[project]\nname = 'app'\ndependencies = []\n[project.optional-dependencies]\nx = ['greet<2']\ny = ['app[x]']\n\
         [dependency-groups]\ndev = ['words<2', {include-group = 'more'}]\nmore = ['greet']\n",
    );
    assert_eq!(locked(&world, &["pyproject.toml"]), [""; 0]);
    for arguments in [
        &["--extra", "y", "pyproject.toml"][..],
        &["--all-extras", "pyproject.toml"],
        &["--group", "dev", "pyproject.toml", "--extra", "x"],
    ] {
        let found = locked(&world, arguments);
        assert_eq!(found[0], "greet 1.0", "{arguments:?}");
    }
    assert_eq!(
        locked(&world, &["--only-group", "dev", "pyproject.toml"]),
        ["greet 1.0", "words 1.0"]
    );
    let (status, said) = world.fails(&["lock", "--group", "nope", "pyproject.toml"]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("no group `nope`"), "{said}");
    let (status, said) = world.fails(&["lock", "--extra", "x", "greet"]);
    assert_eq!(status, 2, "{said}");
}

/// A uv.lock whose one dependency is `words` 2.0 of the world's index.
fn uv_lock(world: &World) -> String {
    let wheel = words("2.0").build();
    let url = world.index.url();
    format!(
        "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1\"\n\
         source = {{ virtual = \".\" }}\ndependencies = [{{ name = \"words\" }}]\n\n[[package]]\nname = \"words\"\n\
         version = \"2.0\"\nsource = {{ registry = \"{url}\" }}\nwheels = [{{ path = \"{}\", hash = \"sha256:{}\" }}]\n",
        wheel.filename, wheel.sha256
    )
}

#[test]
fn a_uv_lock_is_locked_prewarmed_and_run_against() {
    let world = World::new();
    let folder = world.context.work().join("project");
    fs_err::create_dir_all(&folder).expect("a folder");
    words("2.0").build().write_into(&folder);
    let lock = uv_lock(&world);
    // uv names a registry that is a folder by its path from the lock.
    let lock = lock.replace(
        &format!("registry = \"{}\"", world.index.url()),
        "registry = \".\"",
    );
    world.context.write("project/uv.lock", lock);
    world.context.write(
        "script.py",
        "@requirements({'words': ''})\ndef f():\n    import words\n    return words.WORD\n",
    );
    assert_eq!(locked(&world, &["project/uv.lock"]), ["words 2.0"]);
    let output = world.pyrun(&["run", "--lock", "project/uv.lock", "script.py"]);
    assert_eq!(output.stdout, "hello 2.0\n", "{output:?}");
    assert!(world.pyrun(&["prewarm", "project/uv.lock"]).success());
    assert_eq!(world.bundles().len(), 1);
    world.context.write("uv.lock", "version = 2\n");
    let (status, said) = world.fails(&["lock", "uv.lock"]);
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("version 2") && said.contains("uv export"),
        "{said}"
    );
}

#[test]
fn a_bundle_for_another_machine_is_locked_and_built() {
    let world = World::new();
    for (platform, arch) in [
        ("aarch64-manylinux_2_28", "aarch64"),
        ("x86_64-musllinux_1_2", "x86_64"),
        ("macos-arm64", "aarch64"),
    ] {
        let output = world.pyrun(&[
            "lock",
            "--platform",
            platform,
            "--python-version",
            "3.13",
            "greet",
        ]);
        assert!(output.success(), "{output:?}");
        let lock = Lock::from_toml(&output.stdout, None).expect("a lock");
        assert_eq!(lock.target.python.to_string(), "3.13.0");
        assert_eq!(lock.target.arch.as_str(), arch);
    }
    // No such Python can be here: nothing is compiled, and nothing unpacked.
    let output = world.pyrun(&[
        "prewarm",
        "--platform",
        "aarch64",
        "--python-version",
        "3.8",
        "greet",
    ]);
    assert!(output.success(), "{output:?}");
    assert!(
        output.stderr.contains("the bytecode is left out"),
        "{output:?}"
    );
    let bundles = world.bundles();
    assert_eq!(bundles.len(), 1, "{bundles:?}");
    assert_eq!(bundles[0]["here"], false, "{bundles:?}");
    assert_eq!(bundles[0]["bytecode"], false, "{bundles:?}");
    // That of a version that is here is the same on every machine.
    let output = world.pyrun(&["prewarm", "--platform", "aarch64", "greet"]);
    assert!(output.success(), "{output:?}");
    let compiled = |row: &serde_json::Value| row["bytecode"] == true && row["here"] == false;
    assert!(world.bundles().iter().any(compiled), "{output:?}");
}

#[test]
fn a_run_is_for_the_machine_it_happens_on() {
    let world = World::new();
    world.context.write("script.py", crate::support::GREET);
    let (status, said) = world.fails(&["run", "--platform", "aarch64", "script.py"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("is not for runs"), "{said}");
    let (status, said) = world.fails(&["lock", "--platform", "windows", "greet"]);
    assert_eq!(status, 2, "{said}");
}

#[test]
fn what_bounds_makes_a_request_of_its_own() {
    // Whether it is followed is for the resolver to show.
    let world = World::new();
    world.context.write("c.txt", "words<2\n");
    assert_eq!(locked(&world, &["words"]), ["words 2.0"]);
    let know = |arguments: &[&str]| {
        let mut all = vec!["lock", "--locked", "words"];
        all.extend(arguments);
        world.pyrun(&all).status
    };
    assert_eq!(know(&[]), Some(0));
    for arguments in [
        &["--constraint", "c.txt"][..],
        &["--override", "c.txt"],
        &["--no-binary", "words"],
        &["--no-build"],
        &["--find-links", "wheels"],
        &["--index-for", "words=https://example.org/simple"],
        &[
            "--index",
            "x=https://example.org/simple",
            "--index-for",
            "words=x",
        ],
        &["--exclude-newer", "7 days"],
        &["--require-hashes"],
        &["--no-index"],
    ] {
        assert_eq!(know(arguments), Some(3), "{arguments:?}");
    }
    world.context.write(
        "pyrun.toml",
        "constraint = ['c.txt']\n[index]\nx = 'https://example.org/simple'\n[index-for]\nwords = 'x'\n",
    );
    assert_eq!(know(&[]), Some(3), "pyrun.toml says the same");
}

#[test]
fn a_script_bounds_its_requirements_itself() {
    let world = World::new();
    world.context.write("c.txt", "words<2\n");
    let script =
        |table: &str| format!("# /// script\n# dependencies = ['words']\n# {table}\n# ///\n");
    world.context.write("plain.py", script("[tool.pyrun]"));
    assert!(world.pyrun(&["lock", "plain.py"]).success());
    for (name, table) in [
        ("own.py", "[tool.pyrun]\n# constraints = ['words<2']"),
        (
            "pinned.py",
            "[tool.pyrun]\n# index-for = { words = 'https://example.org/simple' }",
        ),
        (
            "uv.py",
            "[tool.uv]\n# override-dependencies = ['words==1.0']",
        ),
    ] {
        world.context.write(name, script(table));
        let (status, said) = world.fails(&["lock", "--locked", name]);
        assert_eq!(status, 3, "{name}: {said}");
        assert!(said.contains("lock.stale"), "{name}: {said}");
    }
    let git = "[tool.uv.sources]\n# words = { git = 'https://example.org/x' }";
    world.context.write("git.py", script(git));
    let (status, said) = world.fails(&["lock", "git.py"]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("comes from a git repository"), "{said}");
}

#[test]
fn mistakes_in_settings_are_usage() {
    let world = World::new();
    for arguments in [
        &["--index", "a=https://x/simple"][..],
        &["--index-for", "words=unnamed"],
        &["--exclude-newer", "1 month"],
        &["--only-binary", ":some:"],
        &["--constraint", "missing.txt"],
    ] {
        let mut all = vec!["lock", "words"];
        all.extend(arguments);
        let (status, said) = world.fails(&all);
        assert_eq!(status, 2, "{arguments:?}: {said}");
    }
}

#[test]
fn a_wheel_is_named_by_its_path() {
    let world = World::with(Packages::new().with(greet("1.0").build()));
    let (status, said) = world.fails(&["lock", "./missing-1.0-py3-none-any.whl"]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("no file that is there"), "{said}");
}
