//! What is read of a project's file.

use pyrun_core::Fault;
use pyrun_core::request::Selection;

use super::*;

const PROJECT: &str = r#"
[project]
name = "My.Project"
requires-python = ">=3.10"
dependencies = ["numpy>=2", "rich; extra == 'never'"]

[project.optional-dependencies]
web_ui = ["flask", "my-project[fast]; python_version < '3.13'"]
fast = ["uvloop", "my_project[web-ui]"]
all = ["my-project[fast,web.ui]"]

[dependency-groups]
Test = ["pytest", { include-group = "lint" }]
lint = ["ruff>=0.5"]
docs = ["my-project[fast]", "sphinx"]
loop = [{ include-group = "pool" }]
pool = [{ include-group = "loop" }]
typo = [{ include-group = "lnit" }]
odd = [1]
"#;

fn choice(extras: &[&str], groups: &[&str], only: &[&str]) -> Choice {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.parse().expect("a name"))
            .collect()
    };
    Choice {
        extras: names(extras),
        all_extras: false,
        groups: names(groups),
        only_groups: names(only),
    }
}

fn names(choice: &Choice) -> Result<Vec<String>, Fault> {
    let found = read("pyproject.toml", PROJECT, choice)?;
    let specs = found.list.iter().map(|each| each.spec.to_string());
    Ok(specs.collect())
}

#[test]
fn dependencies_and_the_bound_on_python_are_read() {
    let found = read("pyproject.toml", PROJECT, &Choice::default()).expect("requirements");
    assert_eq!(found.list.len(), 2);
    assert_eq!(found.list[0].origin.to_string(), "pyproject.toml:5");
    let span = found.list[0].origin.span.as_ref().expect("a place");
    assert_eq!((span.column, span.length), (17, 10));
    let bound = found.requires_python.map(|bound| bound.to_string());
    assert_eq!(bound.as_deref(), Some(">=3.10"));
}

#[test]
fn extras_may_name_the_project_itself() {
    let found = names(&choice(&["Web.UI"], &[], &[])).expect("an extra");
    assert_eq!(
        found[2..],
        ["flask", "uvloop ; python_full_version < '3.13'"],
        "markers on the way hold"
    );
    let found = names(&choice(&["all"], &[], &[])).expect("an extra");
    assert!(found.contains(&"uvloop".to_owned()) && found.contains(&"flask".to_owned()));
    let all = Choice {
        all_extras: true,
        ..Choice::default()
    };
    assert!(names(&all).expect("all").contains(&"flask".to_owned()));
}

#[test]
fn groups_include_each_other() {
    let found = names(&choice(&[], &["test"], &[])).expect("a group");
    assert_eq!(found[2..], ["pytest", "ruff>=0.5"]);
    assert_eq!(
        names(&choice(&[], &[], &["lint", "test"])).expect("groups"),
        ["ruff>=0.5", "pytest"],
        "without the project, each once"
    );
    let found = names(&choice(&[], &[], &["docs"])).expect("a group");
    assert!(found.contains(&"numpy>=2".to_owned()) && found.contains(&"uvloop".to_owned()));
}

#[test]
fn a_project_may_have_groups_alone() {
    let text = "[dependency-groups]\na = ['six']\n";
    let found = read("pyproject.toml", text, &choice(&[], &["a"], &[])).expect("a group");
    assert_eq!(found.list[0].origin.to_string(), "pyproject.toml:2");
    assert!(read("pyproject.toml", text, &Choice::default()).is_err());
}

#[test]
fn what_is_not_there_or_goes_round_is_named() {
    for (choice, part) in [
        (choice(&["nope"], &[], &[]), "no extra `nope`"),
        (choice(&[], &["tset"], &[]), "no group `tset`"),
        (choice(&[], &["loop"], &[]), "includes itself"),
        (choice(&[], &["typo"], &[]), "includes `lnit`"),
        (choice(&[], &["odd"], &[]), "texts and tables"),
    ] {
        let fault = names(&choice).expect_err(part);
        assert!(fault.message.contains(part), "{fault:?}");
    }
    let fault = names(&choice(&[], &["tset"], &[])).expect_err("a typo");
    assert_eq!(fault.hints, ["did you mean `test`?"]);
}

#[test]
fn what_can_t_be_read_is_shown() {
    for (text, part) in [
        ("[project]\ndependencies = [\"a b\"]\n", "a b"),
        ("[project]\ndynamic = [\"dependencies\"]\n", "dynamic"),
        ("[tool.x]\n", "[project]"),
        ("[project\n", "can't be read"),
        (
            "[project]\n[dependency-groups]\na-b = []\nA_B = []\n",
            "stands twice",
        ),
        ("[project]\nrequires-python = 'new'\n", "bound on Python"),
        (
            "[project]\ndependencies = ['a']\n[tool.uv]\nsources = { a = { git = 'https://x' } }\n",
            "`a` comes from a git repository",
        ),
        (
            "[project]\n[tool.uv]\nconstraint-dependencies = ['a b']\n",
            "`a b` is not a requirement",
        ),
    ] {
        let fault = read("pyproject.toml", text, &Choice::default()).expect_err(text);
        assert!(fault.message.contains(part), "{fault:?}");
    }
}

#[test]
fn uvs_table_is_honoured() {
    let text = r#"
[project]
dependencies = ["torch", "six>=1", "plain"]
[project.optional-dependencies]
gpu = ["cuda"]
[tool.uv]
constraint-dependencies = ["plain<3"]
override-dependencies = ["deep==1"]
no-build = true
find-links = ["wheels"]
[[tool.uv.index]]
name = "torch-cpu"
url = "https://torch/cpu"
explicit = true
[tool.uv.sources]
torch = [{ index = "torch-cpu", marker = "sys_platform == 'linux'" }]
six = { url = "https://x/six-1-py3-none-any.whl", marker = "sys_platform == 'linux'" }
unneeded = { git = "https://x" }
cuda = { workspace = true, extra = "gpu" }
"#;
    let found = read("/p/pyproject.toml", text, &Choice::default()).expect("requirements");
    let settings = &found.settings;
    assert_eq!(settings.pins[0].index, "https://torch/cpu");
    assert!(!settings.pins[0].marker.is_true());
    assert_eq!(settings.constraints.len() + settings.overrides.len(), 2);
    assert_eq!(settings.formats.only_binary, Selection::All);
    assert_eq!(settings.find_links, ["/p/wheels"]);
    let specs: Vec<String> = found
        .list
        .iter()
        .map(|each| each.spec.to_string())
        .collect();
    assert_eq!(
        specs,
        [
            "torch",
            "six>=1 ; sys_platform != 'linux'",
            "plain",
            "six @ https://x/six-1-py3-none-any.whl ; sys_platform == 'linux'"
        ]
    );
    let fault = read("/p/pyproject.toml", text, &choice(&["gpu"], &[], &[])).expect_err("a member");
    assert!(
        fault.message.contains("member of this workspace"),
        "{fault:?}"
    );
    assert_eq!(fault.spans.len(), 1);
}

#[test]
fn a_file_of_one_long_line_is_read_quickly_and_its_places_stay_small() {
    let names: Vec<String> = (0..20_000).map(|at| format!("'package-{at}'")).collect();
    let list = names.join(", ");
    let text = format!(
        "[project]\nname = 'p'\ndependencies = [{list}]\n[dependency-groups]\ng = [{list}]\n"
    );
    let found = read("pyproject.toml", &text, &choice(&[], &["g"], &[])).expect("requirements");
    assert_eq!(found.list.len(), 40_000);
    for (at, line) in [(19_999, 3), (39_999, 5)] {
        let span = found.list[at].origin.span.as_ref().expect("a place");
        assert_eq!((span.line, span.column, span.length), (line, 1, 15));
        assert!(span.text.starts_with("'package-19999'"), "{span:?}");
    }
    let spans = found
        .list
        .iter()
        .filter_map(|each| each.origin.span.as_ref());
    let bytes: usize = spans.map(|span| span.text.len()).sum();
    assert!(bytes <= 40_000 * LONGEST_SHOWN);
}

#[test]
fn members_of_a_group_are_found_where_they_stand() {
    let text =
        "[dependency-groups]\ng = ['a', # 'b' is next\n  \"b\", 'ab', 'b',\n  \"\\u0063\", 'd']\n";
    let found = read("p", text, &choice(&[], &[], &["g"])).expect("a group");
    let places = found
        .list
        .iter()
        .filter_map(|each| each.origin.span.as_ref());
    let places: Vec<(u32, u32)> = places.map(|span| (span.line, span.column)).collect();
    assert_eq!(places[..1], [(2, 6)]);
    assert_eq!(places[2..4], [(3, 8), (3, 14)]);
    assert_eq!(
        places[4..],
        [(2, 5), (2, 5)],
        "those behind an escape are at the list"
    );
}

#[test]
fn a_source_for_an_extra_is_not_one_for_a_group_of_its_name() {
    let text = "[project]\nname = 'p'\ndependencies = ['torch']\n\
        [project.optional-dependencies]\ncpu = []\n[dependency-groups]\ncpu = []\n\
        [tool.uv.sources]\ntorch = { url = 'https://h/torch-1-py3-none-any.whl', extra = 'cpu' }\n";
    let asked = |choice: &Choice| {
        let found = read("pyproject.toml", text, choice).expect("requirements");
        found.list[0].spec.to_string()
    };
    assert_eq!(asked(&choice(&[], &["cpu"], &[])), "torch");
    assert!(asked(&choice(&["cpu"], &[], &[])).contains("https://h/"));
    let text = text.replace("extra = 'cpu'", "group = 'cpu'");
    let asked = |choice: &Choice| {
        let found = read("pyproject.toml", &text, choice).expect("requirements");
        found.list[0].spec.to_string()
    };
    assert_eq!(asked(&choice(&["cpu"], &[], &[])), "torch");
    assert!(asked(&choice(&[], &["cpu"], &[])).contains("https://h/"));
}
