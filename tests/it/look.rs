//! `pyrun tree` and `pyrun why`: who needs whom.

use pyrun_kit::{Packages, WheelBuilder};

use crate::support::{GREET, World, greet, words};

/// `app[fast]` needs `greet` and, for speed, `words`; `greet` needs `words`.
fn world() -> World {
    let app = WheelBuilder::new("app", "1.0")
        .requires("greet>=1,<3")
        .requires("words>=1; extra == 'fast'")
        .extra("fast");
    World::with(
        Packages::new()
            .with(words("2.0").build())
            .with(greet("2.0").requires("words>=2").build())
            .with(app.build()),
    )
}

/// Lines without their sizes.
fn without_sizes(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let parts = line.split("  ").filter(|part| !part.ends_with('B'));
        parts.collect::<Vec<_>>().join("  ")
    });
    lines.collect()
}

#[test]
fn a_tree_shows_who_needs_whom() {
    let world = world();
    world
        .context
        .write("requirements.txt", "# what it takes\napp[fast]>=1\n");
    let output = world.pyrun(&["tree", "--python-version", "3", "requirements.txt"]);
    let lines = without_sizes(&output.stdout);
    assert!(
        lines[0].starts_with("requirements.txt, Python 3."),
        "{output:?}"
    );
    assert_eq!(
        lines[1..],
        [
            "└── app[fast] 1.0  requirements.txt:2 app[fast]>=1",
            "    ├── greet 2.0  >=1,<3",
            "    │   └── words 2.0  >=2",
            "    └── words 2.0  >=1",
        ]
    );
    assert!(
        output.stderr.contains("3 packages, wheels of "),
        "{output:?}"
    );
    // Without a source, the usual one of the folder is looked at.
    assert_eq!(world.pyrun(&["tree"]).stdout, output.stdout);
    let cut = world.pyrun(&["tree", "--depth", "1"]);
    assert_eq!(cut.stdout.lines().count(), 2, "{cut:?}");
}

#[test]
fn a_tree_is_turned_around() {
    let world = world();
    world.context.write("requirements.txt", "app\n");
    let output = world.pyrun(&["tree", "--invert", "--package", "Words"]);
    assert_eq!(
        without_sizes(&output.stdout)[1..],
        [
            "└── words 2.0",
            "    └── greet 2.0  >=2",
            "        └── app 1.0  >=1,<3 (requirements.txt:1 app)",
        ]
    );
}

#[test]
fn a_lock_is_looked_at_without_an_index_or_a_python() {
    let world = world();
    assert!(world.pyrun(&["lock", "-o", "pylock.toml", "app"]).success());
    world.index.clear();
    let context = world.context.env("PATH", "");
    let output = context.run(["tree"]);
    assert!(output.success(), "{output:?}");
    assert_eq!(
        without_sizes(&output.stdout)[1],
        "└── app 1.0",
        "{output:?}"
    );
    let why = context.run(["why", "words"]);
    assert!(why.stdout.contains("greet 2.0 needs words>=2"), "{why:?}");
    assert_eq!(world.index.requests().len(), 0);
}

#[test]
fn a_lock_that_says_no_needs_is_completed_from_the_index() {
    let world = world();
    assert!(world.pyrun(&["lock", "-o", "pylock.toml", "app"]).success());
    let text = world.context.read("pylock.toml");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("dependencies"));
    world
        .context
        .write("pylock.toml", lines.collect::<Vec<_>>().join("\n"));
    let output = world.pyrun(&["tree", "--cache-dir", "another"]);
    assert_eq!(output.stdout.lines().count(), 4, "{output:?}");
    assert!(output.stdout.contains("    └── greet 2.0"), "{output:?}");
}

#[test]
fn why_tells_each_way_with_its_line() {
    let world = world();
    world.context.write("requirements.txt", "app\n");
    world.context.write("script.py", GREET);
    let output = world.pyrun(&["why", "words", "requirements.txt"]);
    assert_eq!(
        output.stdout,
        "words 2.0\n  requirements.txt:1 asks for app\n    app 1.0 needs greet>=1,<3\n      greet 2.0 needs words>=2\n",
        "{output:?}"
    );
    let output = world.pyrun(&["why", "words", "script.py", "--format", "json"]);
    let last = output.stdout.lines().last().expect("a line");
    let why: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(why["chains"][0]["place"], "script.py:1", "{why}");
    assert_eq!(why["chains"][0]["steps"][0]["needs"], "words>=2", "{why}");
}

#[test]
fn what_is_not_there_is_named_with_its_neighbour() {
    let world = world();
    let (status, said) = world.fails(&["why", "wrods", "app"]);
    assert_eq!(status, 2);
    assert!(said.contains("did you mean `words`?"), "{said}");
    let (status, said) = world.fails(&["tree"]);
    assert_eq!(status, 2);
    assert!(said.contains("no source is named"), "{said}");
}
