//! The docs say what the program does.

use pyrun_core::fault::CODES;

use crate::sources;
use crate::support::World;

fn read(path: &str) -> String {
    fs_err::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path)
}

#[test]
fn faults_md_is_the_table_of_codes() {
    let rows: Vec<String> = CODES
        .iter()
        .map(|entry| {
            format!(
                "| `{}` | {} | {} |",
                entry.code,
                entry.exit.status(),
                entry.meaning
            )
        })
        .collect();
    let text = read("docs/FAULTS.md");
    let written: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(written, rows);
}

#[test]
fn cache_key_md_names_the_format() {
    assert!(
        read("docs/CACHE-KEY.md").contains(&format!("The number is **{}**", pyrun_core::FORMAT))
    );
}

#[test]
fn the_guide_names_every_variable_and_the_help_every_verb() {
    let guide = read("docs/guide.md");
    let args = read("cli/args.rs") + &read("cli/args/look.rs") + &read("cli/args/resolve.rs");
    for variable in args
        .split("env = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(
            guide.contains(variable),
            "docs/guide.md does not name {variable}"
        );
    }
    let help = World::new().pyrun(&["--help"]).stdout;
    for verb in [
        "run",
        "lock",
        "tree",
        "why",
        "prewarm",
        "cache",
        "policy",
        "use",
        "completions",
    ] {
        assert!(help.contains(&format!("  {verb}")), "{help}");
    }
    assert!(
        !help.contains("finish"),
        "what is not for people is not shown: {help}"
    );
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = World::new().pyrun(&["completions", shell]);
        assert!(
            output.success() && output.stdout.contains("prewarm"),
            "{shell}"
        );
    }
}

#[test]
fn files_that_the_readme_links_exist() {
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/guide.md",
        "docs/SECURITY.md",
        "docs/policy.md",
    ] {
        let text = read(file);
        let folder = std::path::Path::new(file)
            .parent()
            .unwrap_or(std::path::Path::new(""));
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(folder)
                .join(target);
            assert!(path.exists(), "{file} links {target}");
        }
    }
}

#[test]
fn architecture_md_names_every_room() {
    let map = read("ARCHITECTURE.md");
    let words: Vec<&str> = map.split('`').skip(1).step_by(2).collect();
    for folder in [
        "cli",
        "builder/src",
        "runner/src",
        "runner/python",
        "crates",
        "tests",
    ] {
        let entries = fs_err::read_dir(sources::root().join(folder)).expect("a folder");
        for entry in entries.map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_stem().expect("a name").to_string_lossy();
            let is_room = entry.is_dir() || entry.extension().is_some_and(|ending| ending == "rs");
            if !is_room || ["lib", "main", "tests"].contains(&&*name) {
                continue;
            }
            let is_named =
                |word: &&str| word.trim_end_matches('/').rsplit('/').next() == Some(&*name);
            assert!(
                words.iter().any(is_named),
                "ARCHITECTURE.md does not name {folder}/{name}"
            );
        }
    }
}

#[test]
fn what_security_md_says_is_tested_has_a_test() {
    let security = read("docs/SECURITY.md");
    let table = security
        .split("## What is refused")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the table");
    let flaws = read("tests/kit/src/wheel/flaw.rs");
    let files = sources::below(&["builder/src", "crates/core/src", "cli", "tests/it"]);
    let code: String = files.into_values().collect();
    let mut met = 0;
    let rows = table.lines().filter(|line| line.starts_with("| "));
    for row in rows.skip(1) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next();
        for name in tests.unwrap_or_default().split('`').skip(1).step_by(2) {
            met += 1;
            let is_there = match name.strip_prefix("Flaw::") {
                Some(flaw) => flaws.contains(&format!("\n    {flaw},\n")),
                // A row of a table of lies is a test as well.
                None => {
                    code.contains(&format!("fn {name}()"))
                        || code.contains(&format!("    {name}: |bytes|"))
                }
            };
            assert!(is_there, "docs/SECURITY.md names the test `{name}`");
        }
    }
    assert!(met > 80, "the table names {met} tests");
}

#[test]
fn the_policy_that_the_docs_show_can_be_held_to() {
    let text = read("docs/policy.md");
    let shown = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let policy = pyrun_core::Policy::parse(shown.expect("a policy")).expect("it is valid");
    assert!(policy.words().len() > 8, "{:?}", policy.words());
}
