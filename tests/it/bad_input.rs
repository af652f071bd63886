//! What goes wrong: each has its own fault and exit status, and the next run works.

use pyrun_kit::{Failure, Flaw, IndexFile, IndexServer, Packages, TestContext, WheelBuilder};

use crate::support::{GREET, PYRUN, World, greet, words};

/// Runs a script that fails, and gives its status and what it said.
fn fails(world: &World, script: &str, words: &[&str]) -> (i32, String) {
    world.context.write("script.py", script);
    let mut arguments = vec!["run", "script.py"];
    arguments.extend(words);
    world.fails(&arguments)
}

/// A function with these requirements.
fn with(requirements: &str) -> String {
    format!("@requirements({requirements})\ndef f():\n    return 1\n")
}

#[track_caller]
fn assert_said(outcome: &(i32, String), status: i32, parts: &[&str]) {
    assert_eq!(outcome.0, status, "{}", outcome.1);
    for part in parts {
        assert!(
            outcome.1.contains(part),
            "`{part}` is missing in:\n{}",
            outcome.1
        );
    }
}

#[test]
fn an_unknown_package_is_named() {
    let world = World::new();
    let outcome = fails(&world, &with("{'no-such-thing': ''}"), &[]);
    assert_said(
        &outcome,
        3,
        &["package.unknown", "no-such-thing", "script.py:1"],
    );
}

#[test]
fn an_unknown_version_is_named_with_its_neighbours() {
    let world = World::new();
    let outcome = fails(&world, &with("{'words': '1.5'}"), &[]);
    assert_said(&outcome, 3, &["package.no-version", "words", "1.5", "2.0"]);
}

#[test]
fn a_conflict_says_which_requirement_brought_which() {
    let world = World::new();
    let outcome = fails(&world, &with("{'greet': '2.0', 'words': '<2'}"), &[]);
    assert_said(&outcome, 3, &["resolve.conflict", "greet", "words"]);
}

#[test]
fn a_package_without_a_wheel_is_named() {
    let world = World::with(Packages::new().with(IndexFile::sdist("old", "1.0", "x")));
    world.context.write("script.py", with("{'old': ''}"));
    let outcome = world.fails(&["run", "--no-build", "script.py"]);
    assert_said(&outcome, 3, &["package.no-wheel", "old"]);
}

#[test]
fn a_python_that_is_not_here_is_named() {
    let world = World::new();
    let script = "# /// script\n# requires-python = '>=3.99'\n# ///\nprint(1)\n";
    assert_said(
        &fails(&world, script, &[]),
        3,
        &["python.not-found", "3.99"],
    );
}

#[test]
fn a_syntax_error_is_shown_where_it_is() {
    let world = World::new();
    let outcome = fails(&world, "@requirements({})\ndef f(:\n    pass\n", &[]);
    assert_said(&outcome, 3, &["script.syntax", "script.py:2", "^"]);
}

#[test]
fn a_signature_that_people_write_is_explained() {
    let world = World::new();
    let script =
        "@requirements({})\ndef f(input_value: str, arg1: str=None, arg2: str):\n    return 1\n";
    let outcome = fails(&world, script, &[]);
    assert_said(&outcome, 3, &["script.syntax", "arg2", "default"]);
}

#[test]
fn a_computed_requirement_is_shown() {
    let world = World::new();
    let outcome = fails(&world, &with("{'words': VERSION}"), &[]);
    assert_said(&outcome, 3, &["script.dynamic", "script.py:1", "^^^^^^^"]);
}

#[test]
fn wrong_arguments_name_the_parameter() {
    let world = World::new();
    let script = "@requirements({})\ndef f(count: int, *, name: str = ''):\n    return count\n";
    for (words, part) in [
        (&["many"][..], "count"),
        (&[], "count"),
        (&["1", "2"], "f(count: int"),
        (&["1", "--nmae", "x"], "name"),
    ] {
        assert_said(&fails(&world, script, words), 2, &["usage.arguments", part]);
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let world = World::new();
    assert_said(
        &world.fails(&["run", "missing.py"]),
        2,
        &["script.unreadable", "missing.py"],
    );
    world.context.write("binary.py", [0xff, 0xfe, 0x00]);
    assert_said(
        &world.fails(&["run", "binary.py"]),
        2,
        &["script.unreadable", "UTF-8"],
    );
}

#[test]
fn a_misspelt_option_is_not_taken_for_a_file() {
    let world = World::new();
    assert_said(
        &world.fails(&["run", "--timout", "3s", "x.py"]),
        2,
        &["--timout"],
    );
}

#[test]
fn a_file_in_the_place_of_a_verb_is_understood() {
    let world = World::new();
    assert_said(
        &world.fails(&["script.py:f", "1"]),
        2,
        &["pyrun run script.py:f"],
    );
    assert_said(
        &world.fails(&[]),
        2,
        &["Usage:", "Run a function or a script"],
    );
}

#[test]
fn no_network_says_so_and_what_is_here_still_runs() {
    let world = World::new();
    assert_eq!(world.run(GREET, &[]).status, Some(0));
    let context = TestContext::new(PYRUN).env("PYRUN_INDEX_URL", IndexServer::nowhere());
    context.write("script.py", GREET);
    let output = context.run(["run", "script.py"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("index.unreachable"), "{output:?}");
    // The first world's index goes away: what is locked and built needs none.
    world.index.fail(Failure::Close);
    assert_eq!(world.run(GREET, &[]).stdout, "hello 2.0, world\n");
}

#[test]
fn offline_asks_nobody() {
    let world = World::new();
    world.context.write("script.py", GREET);
    let outcome = world.fails(&["run", "--offline", "script.py"]);
    assert_said(&outcome, 4, &["index.offline"]);
    assert_eq!(world.index.requests().len(), 0);
}

#[test]
fn locked_refuses_to_resolve() {
    let world = World::new();
    world.context.write("script.py", GREET);
    assert_said(
        &world.fails(&["run", "--locked", "script.py"]),
        3,
        &["lock.stale"],
    );
    assert_eq!(world.run(GREET, &[]).status, Some(0));
    assert_eq!(
        world.pyrun(&["run", "--locked", "script.py"]).stdout,
        "hello 2.0, world\n"
    );
}

#[test]
fn a_wheel_with_other_bytes_is_refused_and_not_kept() {
    let world = World::new();
    world
        .index
        .fail(Failure::WrongBytes.when(|path| path.ends_with("words-2.0-py3-none-any.whl")));
    let outcome = fails(&world, GREET, &[]);
    assert_said(&outcome, 3, &["wheel.hash", "words"]);
    world.index.heal();
    assert_eq!(world.run(GREET, &[]).stdout, "hello 2.0, world\n");
}

#[test]
fn metadata_with_other_bytes_is_refused_and_no_older_version_taken() {
    let world = World::new();
    world
        .index
        .fail(Failure::WrongBytes.on("words-2.0-py3-none-any.whl.metadata"));
    assert_said(&fails(&world, GREET, &[]), 3, &["wheel.hash", "words"]);
}

#[test]
fn a_server_that_stumbles_is_asked_again() {
    let world = World::new();
    world
        .index
        .fail(Failure::Status(503).on("/simple/").times(2));
    assert_eq!(world.run(GREET, &[]).stdout, "hello 2.0, world\n");
}

#[test]
fn an_exception_shows_the_user_s_own_traceback() {
    let world = World::new();
    let script = "@requirements({})\ndef f():\n    raise ValueError('no luck')\n";
    let outcome = fails(&world, script, &[]);
    assert_said(
        &outcome,
        1,
        &["script.py\", line 3, in f", "ValueError: no luck"],
    );
    assert!(!outcome.1.contains("pyrun_worker"), "{}", outcome.1);
}

#[test]
fn a_result_that_json_can_t_hold_is_named() {
    let world = World::new();
    let script = "@requirements({})\ndef f():\n    return {'a': [object()]}\n";
    assert_said(&fails(&world, script, &[]), 1, &["run.result", "object"]);
}

#[test]
fn a_run_that_takes_too_long_ends() {
    let world = World::new();
    world.context.write(
        "script.py",
        "@requirements({})\ndef f():\n    import time\n    time.sleep(60)\n",
    );
    assert_said(
        &world.fails(&["run", "--timeout", "300ms", "script.py"]),
        124,
        &["run.timeout"],
    );
}

#[test]
fn a_store_that_can_t_be_written_is_named() {
    let world = World::new();
    let file = world.context.write("a-file", "");
    let context = TestContext::new(PYRUN)
        .index(&world.index)
        .env("PYRUN_STORE", file);
    context.write("script.py", GREET);
    let output = context.run(["run", "script.py"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("store.un"), "{output:?}");
}

#[test]
fn a_corrupt_bundle_is_built_again() {
    let world = World::new();
    assert_eq!(world.run(GREET, &[]).status, Some(0));
    let bundles = world.context.store().join("v1/bundles");
    for entry in fs_err::read_dir(&bundles).expect("bundles") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "zip") {
            let mut bytes = fs_err::read(&path).expect("a bundle");
            bytes[40] ^= 1;
            fs_err::write(&path, bytes).expect("a bundle");
        }
    }
    // What is unpacked is whole; only a fresh unpacking meets the corrupt bytes.
    fs_err::remove_dir_all(world.context.cache().join("runner")).expect("the runner's folder");
    let output = world.run(GREET, &[]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
}

#[test]
fn a_corrupt_lock_is_made_anew() {
    let world = World::new();
    assert_eq!(world.run(GREET, &[]).status, Some(0));
    for entry in fs_err::read_dir(world.context.store().join("v1/locks")).expect("locks") {
        fs_err::write(entry.expect("an entry").path(), "lock-version = [").expect("a lock");
    }
    let output = world.run(GREET, &[]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
    assert!(output.stderr.contains("warning"), "{output:?}");
}

#[test]
fn an_upgrade_takes_what_is_new() {
    let world = World::with(
        Packages::new()
            .with(words("1.0").build())
            .with(greet("1.0").requires("words").build()),
    );
    assert_eq!(world.run(GREET, &[]).stdout, "hello 1.0, world\n");
    world.index.add(words("3.0").build());
    assert_eq!(
        world.run(GREET, &[]).stdout,
        "hello 1.0, world\n",
        "what is locked stays"
    );
    assert_eq!(
        world.pyrun(&["run", "--upgrade", "script.py"]).stdout,
        "hello 3.0, world\n"
    );
    assert_eq!(
        world.run(GREET, &[]).stdout,
        "hello 3.0, world\n",
        "and is remembered"
    );
}

#[test]
fn an_index_s_password_is_shown_nowhere() {
    let world = World::new();
    let url = world.index.url().replace("http://", "http://me:s3cret@");
    world
        .context
        .write("script.py", with("{'no-such-thing': ''}"));
    for arguments in [
        &["run", "--index-url", &url, "script.py"][..],
        &[
            "run",
            "--index-url",
            "ftp://me:s3cret@host/simple",
            "script.py",
        ],
    ] {
        let (_, said) = world.fails(arguments);
        assert!(!said.contains("s3cret"), "{said}");
    }
    let lock = world.pyrun(&["lock", "--index-url", &url, "greet"]);
    assert!(
        lock.success() && !lock.stdout.contains("s3cret"),
        "{lock:?}"
    );
}

#[test]
fn a_wheel_that_was_damaged_in_the_store_is_fetched_again() {
    let world = World::new();
    assert_eq!(world.run(GREET, &[]).status, Some(0));
    for entry in fs_err::read_dir(world.context.store().join("v1/wheels")).expect("wheels") {
        fs_err::write(entry.expect("an entry").path(), "damaged").expect("a wheel");
    }
    fs_err::remove_dir_all(world.context.store().join("v1/bundles")).expect("bundles");
    let output = world.run(GREET, &[]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
}

#[test]
fn what_a_terminal_obeys_is_shown_and_not_sent() {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}";
    let lies = WheelBuilder::new("lies", "1.0")
        .requires(format!("words {evil}"))
        .build();
    let yanked = IndexFile::from(WheelBuilder::new("yanked", "1.0").file("y.py", "").build());
    let world = World::with(
        Packages::new().with(lies).with(yanked.yanked(evil)).with(
            WheelBuilder::new("odd", "1.0")
                .flaw(Flaw::EscapeInName)
                .build(),
        ),
    );
    for (requirement, status) in [("lies", 3), ("odd", 3), ("yanked==1.0", 0)] {
        let output = world.pyrun(&["prewarm", "--no-bytecode", "--build-only", requirement]);
        let failed = output.status == Some(4) || output.status == Some(status);
        assert!(failed, "{requirement}: {output:?}");
        let is_obeyed = |each: char| each.is_control() && each != '\n' || each == '\u{202e}';
        assert!(
            !output.stderr.contains(is_obeyed),
            "{requirement}: {output:?}"
        );
    }
}
