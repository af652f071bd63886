//! `pyrun cache`.

use crate::support::{GREET, World};

/// A world with one bundle that ran twice.
fn used() -> World {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(world.run(GREET, &[]).status, Some(0));
    }
    world
}

#[test]
fn ls_shows_what_is_there_and_how_it_is_used() {
    let world = used();
    let bundles = world.bundles();
    assert_eq!(bundles.len(), 1);
    assert_eq!(bundles[0]["runs"], 2);
    assert_eq!(
        bundles[0]["packages"],
        serde_json::json!(["greet 2.0", "words 2.0"])
    );
    let table = world.pyrun(&["cache", "ls"]).stdout;
    for part in ["HASH", "PYTHON", "greet 2.0", "just now"] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn ls_sorts_by_the_column_asked_for() {
    let world = used();
    assert!(
        world
            .pyrun(&["prewarm", "--no-bytecode", "words"])
            .success()
    );
    let packages = |sort: &[&str]| {
        let mut arguments = vec!["cache", "ls", "--format", "json", "--sort", "packages"];
        arguments.extend(sort);
        let output = world.pyrun(&arguments);
        let count = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).expect(line);
            row["packages"].as_array().map(Vec::len)
        };
        output.stdout.lines().map(count).collect::<Vec<_>>()
    };
    assert_eq!(packages(&[]), [Some(2), Some(1)]);
    assert_eq!(packages(&["--reverse"]), [Some(1), Some(2)]);
}

#[test]
fn info_takes_the_beginning_of_a_hash() {
    let world = used();
    let hash = world.bundles()[0]["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    let output = world.pyrun(&["cache", "info", &hash[..6]]);
    assert!(
        output.success() && output.stdout.contains(&hash),
        "{output:?}"
    );
    let (status, said) = world.fails(&["cache", "info", "zz"]);
    assert_eq!(status, 2, "{said}");
}

#[test]
fn rm_removes_and_the_next_run_builds_again() {
    let world = used();
    let hash = world.bundles()[0]["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    assert!(world.pyrun(&["cache", "rm", &hash]).success());
    assert!(world.bundles().is_empty());
    world.index.clear();
    assert_eq!(world.run(GREET, &[]).stdout, "hello 2.0, world\n");
    assert_eq!(
        world.index.count(".whl"),
        0,
        "its wheels are still here: {:?}",
        world.index.paths()
    );
}

#[test]
fn rm_all_leaves_nothing_behind() {
    let world = used();
    assert!(world.pyrun(&["cache", "rm", "--all"]).success());
    let left: Vec<_> = files(&world.context.store().join("v1"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn gc_keeps_what_was_used_and_removes_what_was_not() {
    let world = used();
    assert!(world.pyrun(&["cache", "gc"]).success());
    assert_eq!(world.bundles().len(), 1);
    let dry = world.pyrun(&[
        "cache",
        "gc",
        "--max-size",
        "1B",
        "--dry-run",
        "--format",
        "json",
    ]);
    assert_eq!(dry.json()["bundles"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.bundles().len(), 1, "a dry run removes nothing");
    assert!(world.pyrun(&["cache", "gc", "--max-size", "1B"]).success());
    assert!(world.bundles().is_empty());
}

#[test]
fn gc_removes_what_killed_builds_left_half_made() {
    let world = used();
    let scratch = world.context.cache().join("scratch");
    for (name, age) in [("wheel-old", 7200), ("wheel-new", 0)] {
        let file = fs_err::File::create(scratch.join(name)).expect("creates");
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        file.file().set_modified(time).expect("sets the time");
    }
    assert!(world.pyrun(&["cache", "gc", "--dry-run"]).success());
    assert!(
        scratch.join("wheel-old").exists(),
        "a dry run removes nothing"
    );
    assert!(world.pyrun(&["cache", "gc"]).success());
    assert!(!scratch.join("wheel-old").exists());
    assert!(
        scratch.join("wheel-new").exists(),
        "it may belong to a build that goes on"
    );
}

#[test]
fn verify_tells_good_from_wrong() {
    let world = used();
    let output = world.pyrun(&["cache", "verify", "--rebuild"]);
    assert!(
        output.success() && output.stdout.contains("good"),
        "{output:?}"
    );
    for path in files(&world.context.store().join("v1/bundles")) {
        if path.extension().is_some_and(|ending| ending == "zip")
            && !path.to_string_lossy().contains(".pyc.")
        {
            let mut bytes = fs_err::read(&path).expect("a bundle");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs_err::write(&path, bytes).expect("a bundle");
        }
    }
    let output = world.pyrun(&["cache", "verify"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stdout.contains("wrong"), "{output:?}");
    assert!(world.bundles().is_empty(), "what is wrong is set aside");
    assert_eq!(world.run(GREET, &[]).stdout, "hello 2.0, world\n");
}

#[test]
fn verify_looks_at_bytecode_too() {
    let world = World::new();
    assert!(world.pyrun(&["prewarm", "greet"]).success());
    let companion = files(&world.context.store().join("v1/bundles"))
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(".pyc.zip"))
        .expect("bytecode");
    assert!(world.pyrun(&["cache", "verify"]).success());
    let mut bytes = fs_err::read(&companion).expect("bytecode");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs_err::write(&companion, bytes).expect("bytecode");
    let output = world.pyrun(&["cache", "verify"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stdout.contains("bytecode set aside"), "{output:?}");
    assert!(!companion.exists(), "it is set aside");
    assert_eq!(world.bundles().len(), 1, "the bundle itself is good");
}

#[test]
fn what_is_in_use_stays_and_that_is_said() {
    let world = World::new();
    let script = "@requirements({'greet': ''})\ndef f():\n    import time\n    print('runs', flush=True)\n    time.sleep(600)\n";
    world.context.write("script.py", script);
    let mut command = world.context.command(["run", "script.py"]);
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let stderr = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut lines = std::io::BufRead::lines(stderr).map(|line| line.expect("text"));
    assert!(lines.any(|line| line == "runs"), "it runs");
    let hash = world.bundles()[0]["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    let output = world.pyrun(&["cache", "rm", &hash]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("bundle.busy"), "{output:?}");
    assert_eq!(world.bundles().len(), 1);

    let bundle = world.context.store().join(format!("v1/bundles/{hash}.zip"));
    fs_err::write(bundle, "no bundle").expect("written");
    let output = world.pyrun(&["cache", "verify"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stdout.contains("in use and stays"), "{output:?}");
    assert!(!output.stderr.contains("set aside"), "{output:?}");
    assert_eq!(world.bundles().len(), 1, "nothing was removed");
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
}

#[test]
fn gc_sees_bundles_whose_record_is_gone() {
    let world = World::new();
    assert!(world.pyrun(&["prewarm", "greet"]).success());
    let hash = world.bundles()[0]["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    let bundles = world.context.store().join("v1/bundles");
    fs_err::remove_file(bundles.join(format!("{hash}.json"))).expect("removed");
    let runner = world.context.cache().join("runner/v1");
    let site = runner.join("sites").join(&hash);
    assert!(site.is_dir(), "it is unpacked");
    let bundle = bundles.join(format!("{hash}.zip"));
    assert!(world.pyrun(&["cache", "gc"]).success());
    assert!(bundle.exists(), "it may be one that is being built");
    assert!(
        site.exists(),
        "it was unpacked a moment ago, from whatever store"
    );

    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(24 * 60);
    for path in files(&bundles).into_iter().chain([site.clone()]) {
        let file = fs_err::File::open(path).expect("opens");
        file.file().set_modified(long_ago).expect("sets the time");
    }
    let dry = world.pyrun(&["cache", "gc", "--dry-run", "--format", "json"]);
    assert_eq!(dry.json()["unpacked"], serde_json::json!([hash]));
    assert!(
        bundle.exists() && site.exists(),
        "a dry run removes nothing"
    );
    assert!(world.pyrun(&["cache", "gc"]).success());
    assert!(files(&bundles).is_empty(), "{:?}", files(&bundles));
    assert!(!site.exists());
}

#[test]
fn dir_is_the_folder() {
    let world = World::new();
    let output = world.pyrun(&["cache", "dir"]);
    assert_eq!(
        output.stdout.trim_end(),
        world.context.cache().to_str().expect("UTF-8")
    );
}

#[test]
fn an_empty_cache_is_no_error() {
    let world = World::new();
    for arguments in [
        &["cache", "ls"][..],
        &["cache", "gc"],
        &["cache", "verify"],
        &["cache", "rm", "--all"],
    ] {
        assert!(world.pyrun(arguments).success(), "{arguments:?}");
    }
}

/// All files below a folder; none when it is not there.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs_err::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}
