//! Where results and errors go: `-o FILE`, `--format json`, and variables that are empty.

use pyrun_kit::Failure;

use crate::support::{GREET, World};

const NOTHING: &str = "@requirements({})\ndef f():\n    return None\n";

#[test]
fn a_result_goes_to_a_file_as_it_would_to_standard_output() {
    let world = World::new();
    world.context.write("script.py", GREET);
    world
        .context
        .write("out", "older and longer than the result");
    let output = world.pyrun(&["run", "-o", "out", "script.py"]);
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), ""));
    assert_eq!(world.context.read("out"), "hello 2.0, world\n");
    world.context.write("script.py", NOTHING);
    let output = world.pyrun(&["run", "-o", "out", "script.py"]);
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), ""));
    assert_eq!(world.context.read("out"), "");
}

#[test]
fn a_failed_run_leaves_the_file_as_it_was() {
    let world = World::new();
    let script = "@requirements({})\ndef f():\n    raise ValueError('no')\n";
    world.context.write("script.py", script);
    world.context.write("out", "old");
    let output = world.pyrun(&["run", "-o", "out", "script.py"]);
    assert_eq!(output.status, Some(1));
    assert_eq!(world.context.read("out"), "old");
    let mut files: Vec<_> = fs_err::read_dir(world.context.work())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["out", "script.py"], "nothing else is left");
}

#[test]
fn a_file_that_can_t_be_written_is_said_before_anything_is_done() {
    let world = World::new();
    let script = "@requirements({})\ndef f():\n    print('it runs')\n";
    world.context.write("script.py", script);
    let (status, said) = world.fails(&["run", "-o", "no/such/out", "script.py"]);
    assert_eq!(status, 2, "{said}");
    assert!(
        said.contains("no/such/out") && !said.contains("it runs"),
        "{said}"
    );
    let (status, said) = world.fails(&["lock", "words", "-o", "no/such/out"]);
    assert_eq!(status, 2, "{said}");
    assert_eq!(world.index.requests().len(), 0, "the index was asked");
}

#[test]
fn standard_output_by_its_name_is_written_as_it_is() {
    let world = World::new();
    world.context.write("script.py", GREET);
    let output = world.pyrun(&["run", "-o", "/dev/stdout", "script.py"]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
}

#[test]
fn a_wrong_command_line_is_a_frame_for_programs() {
    let world = World::new();
    for arguments in [
        &["run", "--format", "json", "--no-such-option", "script.py"][..],
        &["--format=json", "cache", "lss"],
    ] {
        let output = world.pyrun(arguments);
        assert_eq!((output.status, output.stderr.as_str()), (Some(2), ""));
        let frame = output.json();
        assert_eq!(frame["type"], "fault", "{frame}");
        assert_eq!(frame["code"], "usage", "{frame}");
    }
    let output = world.pyrun(&["run", "--no-such-option", "script.py"]);
    assert_eq!((output.status, output.stdout.as_str()), (Some(2), ""));
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let mut world = World::new();
    for name in [
        "PYRUN_STORE",
        "PYRUN_CACHE_DIR",
        "PYRUN_PYTHON_VERSION",
        "PYRUN_EXTRA_INDEX_URL",
        "PYRUN_EXCLUDE_NEWER",
        "PYRUN_PRERELEASE",
        "PYRUN_RESOLUTION",
        "PYRUN_OFFLINE",
        "PYRUN_TIMEOUT",
        "PYRUN_MEMORY",
        "PYRUN_COLOR",
    ] {
        world.context = world.context.env(name, "");
    }
    let output = world.run(GREET, &[]);
    assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
}

#[test]
fn a_wheel_that_was_damaged_in_the_store_does_not_keep_bytecode_away() {
    let world = World::new();
    let output = world.pyrun(&["prewarm", "--no-bytecode", "greet"]);
    assert!(output.success(), "{output:?}");
    let wheels = world.context.store().join("v1/wheels");
    let mut damaged = 0;
    for wheel in fs_err::read_dir(wheels).expect("a folder") {
        fs_err::write(wheel.expect("a wheel").path(), "no wheel").expect("written");
        damaged += 1;
    }
    assert_eq!(damaged, 2);
    world.index.clear();
    let output = world.pyrun(&["prewarm", "greet"]);
    assert!(output.success(), "{output:?}");
    assert_eq!(world.index.count(".whl"), 2, "both are fetched again");
    let bytecode = fs_err::read_dir(world.context.store().join("v1/bytecode"));
    assert_eq!(bytecode.map_or(0, Iterator::count), 2, "it is kept");

    // Without the index the bundle itself serves.
    let world = World::new();
    world.pyrun(&["prewarm", "--no-bytecode", "greet"]);
    fs_err::remove_dir_all(world.context.store().join("v1/wheels")).expect("removed");
    world.index.fail(Failure::Status(404).on(".whl"));
    let output = world.pyrun(&["prewarm", "greet"]);
    assert!(output.success(), "{output:?}");
    let companions = fs_err::read_dir(world.context.store().join("v1/bundles"))
        .expect("a folder")
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().ends_with(".pyc.zip")
        })
        .count();
    assert_eq!(companions, 1);
}
