//! `pyrun lock --check` and `--diff`, and locks of other tools.

use pyrun_kit::{IndexFile, Packages, WheelBuilder};

use crate::support::{World, greet, words};

#[test]
fn a_lock_is_checked_without_asking_an_index() {
    let world = World::new();
    world.context.write("requirements.txt", "greet\n");
    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "requirements.txt"])
            .success()
    );
    world.index.clear();
    let output = world.pyrun(&["lock", "--check", "pylock.toml", "requirements.txt"]);
    assert!(output.success() && output.stdout.is_empty(), "{output:?}");
    assert!(
        output
            .stderr
            .contains("pylock.toml satisfies requirements.txt"),
        "{output:?}"
    );

    world
        .context
        .write("requirements.txt", "greet<2\nnew\nwords>=1\n");
    let (status, said) = world.fails(&["lock", "--check", "pylock.toml", "requirements.txt"]);
    assert_eq!(status, 3);
    for part in [
        "lock.outdated",
        "requirements.txt:1 asks for `greet<2`, and the lock has `greet` 2.0",
        "requirements.txt:2 asks for `new`, and the lock has no `new`",
        "pyrun lock -o pylock.toml requirements.txt",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    world.context.write("requirements.txt", "words\n");
    let (status, said) = world.fails(&["lock", "--check", "pylock.toml", "requirements.txt"]);
    assert_eq!(status, 3);
    assert!(said.contains("nothing needs `greet` 2.0"), "{said}");
    assert_eq!(world.index.requests().len(), 0);
}

#[test]
fn the_needs_of_extras_are_asked_for_where_they_are_not_known() {
    let extra = WheelBuilder::new("app", "1.0")
        .requires("words>=2; extra == 'x'")
        .extra("x");
    let world = World::with(
        Packages::new()
            .with(extra.build())
            .with(words("2.0").build()),
    );
    world.context.write("requirements.txt", "app\n");
    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "requirements.txt"])
            .success()
    );
    world.context.write("requirements.txt", "app[x]\n");
    let check = ["lock", "--check", "pylock.toml", "requirements.txt"];
    for cache in ["cache", "another"] {
        let mut check = check.to_vec();
        check.extend(["--cache-dir", cache]);
        let (status, said) = world.fails(&check);
        assert_eq!(status, 3);
        assert!(
            said.contains("`app` 1.0 needs `words>=2`, and the lock has no `words`"),
            "{said}"
        );
    }
}

#[test]
fn a_lock_for_another_python_does_not_satisfy() {
    let world = World::new();
    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "greet"])
            .success()
    );
    let text = world.context.read("pylock.toml");
    let elsewhere = text.replace("requires-python = \">=3.", "requires-python = \">=4.");
    world.context.write("pylock.toml", elsewhere);
    world.context.write("requirements.txt", "greet\n");
    let (status, said) = world.fails(&["lock", "--check", "pylock.toml", "requirements.txt"]);
    assert_eq!(status, 3, "{said}");
}

fn publisher(repository: &str) -> String {
    format!(
        "{{\"version\": 1, \"attestation_bundles\": [{{\"publisher\": {{\"kind\": \"GitHub\", \"repository\": \"{repository}\"}}, \"attestations\": []}}]}}"
    )
}

#[test]
fn a_difference_tells_versions_publishers_licences_and_age() {
    let now = jiff::Timestamp::now().to_string();
    let licensed = |version: &str| words(version).header("License-Expression", "MIT").build();
    let world = World::with(
        Packages::new()
            .with(IndexFile::from(licensed("1.0")).provenance(publisher("us/words")))
            .with(
                IndexFile::from(licensed("2.0"))
                    .uploaded(now)
                    .provenance(publisher("evil/words")),
            )
            .with(greet("1.0").requires("words").build()),
    );
    assert!(world.pyrun(&["lock", "-o", "old.toml", "words<2"]).status == Some(0));
    let old = world.context.read("old.toml");
    world.context.write("pylock.old.toml", old);
    let output = world.pyrun(&["lock", "--diff", "pylock.old.toml", "greet"]);
    assert_eq!(
        output.stdout,
        "+ greet 1.0\n    its licence is not known\n\
         ~ words 1.0 → 2.0\n    uploaded less than a day ago\n    published by GitHub evil/words instead of GitHub us/words\n",
        "{output:?}"
    );
    assert!(
        output.stderr.contains("1 changed, 1 new, 0 removed"),
        "{output:?}"
    );

    let output = world.pyrun(&[
        "lock",
        "--diff",
        "pylock.old.toml",
        "greet",
        "--format",
        "json",
    ]);
    let last = output.stdout.lines().last().expect("a line");
    let diff: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(
        diff["changes"][1]["notes"][1]["sign"], "publisher",
        "{diff}"
    );

    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "greet"])
            .success()
    );
    let back = world.pyrun(&["lock", "--diff", "pylock.toml", "pylock.old.toml"]);
    assert!(
        back.stdout
            .starts_with("- greet 1.0\n~ words 2.0 → 1.0\n    a lower version than before\n"),
        "{back:?}"
    );
    let same = world.pyrun(&["lock", "--diff", "pylock.toml", "greet"]);
    assert!(
        same.stdout.is_empty() && same.stderr.contains("Nothing changes"),
        "{same:?}"
    );

    // What the index does not tell is no failure.
    world
        .index
        .fail(pyrun_kit::Failure::Status(500).on(".provenance"));
    let output = world.pyrun(&["lock", "--diff", "pylock.old.toml", "greet"]);
    assert!(output.success(), "{output:?}");
    assert!(
        output.stderr.contains("who published `words` is not known"),
        "{output:?}"
    );
}

#[test]
fn what_other_tools_wrote_into_a_lock_stays_there() {
    let world = World::new();
    assert!(
        world
            .pyrun(&["lock", "-o", "pylock.toml", "greet"])
            .success()
    );
    let text = world.context.read("pylock.toml");
    let text = text.replacen(
        "\n[[packages]]",
        "future = { b = 1, a = [true] }\n\n[[packages]]",
        1,
    );
    let text = text.replacen(
        "\nname = \"words\"\n",
        "\nname = \"words\"\nsigned-by = \"us\"\n",
        1,
    );
    let text = text.replacen(
        "\n[tool.pyrun]",
        "\n[tool.other]\nkey = \"value\"\n\n[tool.pyrun]",
        1,
    );
    world.context.write("pylock.theirs.toml", &text);
    let output = world.pyrun(&["lock", "pylock.theirs.toml", "-o", "pylock.ours.toml"]);
    assert!(output.success(), "{output:?}");
    let ours = world.context.read("pylock.ours.toml");
    for part in [
        "\nfuture = { a = [true], b = 1 }\n",
        "\nsigned-by = \"us\"\n",
        "\n[tool]\nother = { key = \"value\" }\n",
    ] {
        assert!(ours.contains(part), "{part}\n{ours}");
    }
    let again = world.pyrun(&["lock", "pylock.ours.toml"]);
    assert_eq!(again.stdout, ours);
    assert!(world.pyrun(&["prewarm", "pylock.ours.toml"]).success());
}

#[test]
fn the_index_that_a_package_is_tied_to_says_who_published_it() {
    let world = World::with(
        Packages::new()
            .with(IndexFile::from(words("1.0").build()).provenance(publisher("us/words")))
            .with(IndexFile::from(words("2.0").build()).provenance(publisher("evil/words"))),
    );
    let usual = pyrun_kit::IndexServer::start(Packages::new());
    let (index, tied) = (usual.url(), format!("words={}", world.index.url()));
    let options = ["--index-url", &index, "--index-for", &tied];
    let pyrun = |words: &[&str]| {
        let words: Vec<&str> = words.iter().chain(&options).copied().collect();
        world.pyrun(&words)
    };
    assert!(pyrun(&["lock", "-o", "pylock.toml", "words<2"]).success());
    let output = pyrun(&["lock", "--diff", "pylock.toml", "words"]);
    assert!(
        output
            .stdout
            .contains("published by GitHub evil/words instead of GitHub us/words"),
        "{output:?}"
    );
}

#[test]
fn a_lock_is_looked_at_and_checked_for_the_platform_that_is_asked_for() {
    let world = World::new();
    let arm = ["--platform", "aarch64-manylinux_2_28"];
    let on = |words: &[&'static str], more: &[&'static str]| {
        let words: Vec<&str> = words.iter().chain(more).copied().collect();
        world.pyrun(&words)
    };
    world.context.write("requirements.txt", "words\n");
    assert!(on(&["lock", "-o", "pylock.toml", "requirements.txt"], &arm).success());
    let tree = on(&["tree", "pylock.toml"], &arm);
    assert!(tree.success(), "{tree:?}");
    let x86 = ["--platform", "x86_64-manylinux_2_28"];
    let tree = on(&["tree", "pylock.toml"], &x86);
    assert_eq!(tree.status, Some(3), "{tree:?}");
    let check = ["lock", "--check", "pylock.toml", "requirements.txt"];
    assert!(on(&check, &[]).success());
    assert!(on(&check, &arm).success());
    let refused = on(&check, &x86);
    assert_eq!(refused.status, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("lock.outdated"), "{refused:?}");
}
