//! The rules of ARCHITECTURE.md and STYLE.md that a machine can hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::sources::{self, root};

/// The repository's own Rust files, by their path from its root.
fn sources() -> BTreeMap<String, String> {
    let files = sources::below(&[
        "cli", "builder", "runner", "crates", "tests", "benches", "xtask",
    ]);
    assert!(files.len() > 50, "the walk found {} files", files.len());
    files
}

/// The names of a manifest's own `[dependencies]`.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = fs_err::read_to_string(root().join(manifest)).expect("a manifest");
    let manifest: toml::Table = toml::from_str(&text).expect("TOML");
    manifest["dependencies"]
        .as_table()
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 8] = [
        ("crates/core/Cargo.toml", &[]),
        ("crates/script/Cargo.toml", &["pyrun-core"]),
        ("crates/store/Cargo.toml", &["pyrun-core"]),
        ("crates/aws/Cargo.toml", &["pyrun-core", "pyrun-store"]),
        ("xtask/Cargo.toml", &["pyrun-core"]),
        // The two functions' programs stand on crates/aws, the libraries do not.
        (
            "builder/Cargo.toml",
            &["pyrun-core", "pyrun-store", "pyrun-aws"],
        ),
        (
            "runner/Cargo.toml",
            &["pyrun-core", "pyrun-store", "pyrun-aws"],
        ),
        (
            "Cargo.toml",
            &[
                "pyrun-aws",
                "pyrun-core",
                "pyrun-store",
                "pyrun-script",
                "pyrun-builder",
                "pyrun-runner",
            ],
        ),
    ];
    for (manifest, allowed) in allowed {
        let found = dependencies(Path::new(manifest));
        let ours: Vec<&String> = found
            .iter()
            .filter(|name| name.starts_with("pyrun-"))
            .collect();
        assert!(
            ours.iter().all(|name| allowed.contains(&name.as_str())),
            "{manifest}: {ours:?}"
        );
    }
    for name in ["tokio", "reqwest", "fs-err", "async-trait", "tempfile"] {
        assert!(
            !dependencies(Path::new("crates/core/Cargo.toml")).contains(name),
            "core does no I/O: {name}"
        );
    }
}

#[test]
fn one_crate_names_the_aws_sdk_and_the_libraries_stand_without_it() {
    for (name, text) in sources() {
        let may = name.starts_with("crates/aws/") || name == "tests/it/tidy.rs";
        for word in ["aws_sdk_", "aws_config", "aws_smithy", "lambda_runtime"] {
            assert!(may || !text.contains(word), "{name} says {word}");
        }
        let program = name == "builder/src/main.rs" || name == "runner/src/main.rs";
        if (name.starts_with("builder/") || name.starts_with("runner/")) && !program {
            assert!(!text.contains("pyrun_aws"), "{name} says pyrun_aws");
        }
    }
}

#[test]
fn only_the_console_prints() {
    for (name, text) in sources() {
        let ours = !name.starts_with("tests/")
            && !name.contains("/tests")
            && !name.contains("/benches/")
            && !name.starts_with("benches/");
        let may = name.starts_with("cli/console/")
            || name == "crates/aws/src/function/log.rs"
            || name == "xtask/src/main.rs";
        if ours && !may {
            for word in ["println!", "print!(", "io::stdout()", "io::stderr()"] {
                // A test module may print why it is skipped.
                let code = text.split("#[cfg(test)]").next().unwrap_or("");
                assert!(!code.contains(word), "{name} says {word}");
            }
        }
    }
}

#[test]
fn every_module_says_what_it_is() {
    for (name, text) in sources() {
        assert!(text.starts_with("//!"), "{name} does not begin with `//!`");
    }
}

#[test]
fn unsafe_stands_where_processes_are_spawned_only() {
    for (name, text) in sources() {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let found = code
            .filter(|line| line.contains("unsafe {") || line.contains("unsafe fn"))
            .count();
        let may = name.starts_with("runner/src/worker/");
        assert!(
            found == 0 || may || name == "tests/it/tidy.rs",
            "{name} has unsafe code"
        );
    }
}

#[test]
fn files_are_small_enough_to_hold_in_the_head() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= 500,
            "{name} has {lines} lines: it wants to be two rooms"
        );
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (name, text) in sources() {
        if name == "tests/it/tidy.rs" {
            continue;
        }
        for word in ["todo!(", "unimplemented!(", "FIXME", "TODO", "for now"] {
            assert!(!text.contains(word), "{name} says {word}");
        }
    }
}

#[test]
fn every_dependency_has_a_reason() {
    let text = fs_err::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let table = text
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("the table");
    for line in table
        .lines()
        .filter(|line| line.contains('=') && !line.contains("path ="))
    {
        assert!(line.contains('#'), "no reason stands beside `{line}`");
    }
}
