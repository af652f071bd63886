//! What is run, and what it needs.

use super::{gist, script, shown, wrong};
use crate::EntryKind;

const SEVERAL: &str = "
@requirements({'a': '1'})
def first(): pass
@requirements({'b': '2'})
def second(): pass
def plain(): pass
";

#[test]
fn the_default_is_the_only_decorated_function_or_the_program() {
    let one = script("def g(): pass\n@requirements({'a': ''})\ndef f(): pass\n");
    let entry = one.entry(None).expect("one is decorated");
    assert_eq!(entry.function().map(|each| each.name.as_str()), Some("f"));
    for text in [
        "",
        "print()\n",
        "def f(): pass\n",
        "# /// script\n# dependencies = ['a']\n# ///\n",
    ] {
        let script = script(text);
        let entry = script.entry(None).expect("a program");
        assert_eq!(entry.kind, EntryKind::Program, "{text}");
    }
}

#[test]
fn several_without_a_choice_are_listed() {
    let error = script(SEVERAL).entry(None).expect_err("no choice");
    insta::assert_snapshot!(shown(error), @r"
    script.function: `job.py` has several functions that could be run: `first`, `second`
      --> job.py:3:5
      | def first(): pass
      |     ^^^^^
      --> job.py:5:5
      | def second(): pass
      |     ^^^^^^
      hint: choose one: `job.py:first`
    ");
}

#[test]
fn a_function_is_chosen_by_name() {
    let script = script(SEVERAL);
    for name in ["first", "second", "plain"] {
        let entry = script.entry(Some(name)).expect(name);
        assert_eq!(entry.function().map(|each| each.name.as_str()), Some(name));
    }
    let fault = wrong(script.entry(Some("secnod")));
    assert_eq!(fault.message, "`job.py` has no function `secnod`");
    assert_eq!(fault.hints, ["did you mean `job.py:second`?"]);
    let fault = wrong(script.entry(Some("xyz")));
    assert_eq!(fault.causes, ["the file has `first`, `second`, `plain`"]);
    let fault = wrong(super::script("").entry(Some("f")));
    assert_eq!(fault.causes, ["the file has no function at its top level"]);
}

fn both(decorator: &str, dependencies: &str, python: &str) -> String {
    format!(
        "# /// script\n# dependencies = [{dependencies}]\n{python}# ///\n@requirements({decorator})\n\
         def f(): pass\ndef g(): pass\n"
    )
}

#[test]
fn both_forms_are_merged() {
    let script = script(&both(
        "{'a': '>=1', 'b': ''}, python='>=3.10'",
        "'a<2', 'c'",
        "# requires-python = '<3.13'\n",
    ));
    let names = |choice| -> Vec<String> {
        let entry = script.entry(choice).expect("an entry");
        let requirements = entry.requirements().expect("no contradiction");
        requirements
            .iter()
            .map(|each| each.spec.to_string())
            .collect()
    };
    assert_eq!(names(None), ["a>=1", "b", "a<2", "c"]);
    assert_eq!(names(Some("g")), ["a<2", "c"]);
    let python = |choice| {
        let entry = script.entry(choice).expect("an entry");
        let python = entry.requires_python().expect("no contradiction");
        python.map(|specifiers| specifiers.to_string())
    };
    assert_eq!(python(None).as_deref(), Some(">=3.10, <3.13"));
    assert_eq!(python(Some("g")).as_deref(), Some("<3.13"));
}

#[test]
fn a_contradiction_shows_both_places() {
    let script = script(&both(
        "{'a': '1.0'}, python='3.12'",
        "'A>=2'",
        "# requires-python = '>=3.13'\n",
    ));
    let entry = script.entry(None).expect("an entry");
    insta::assert_snapshot!(shown(entry.requirements().expect_err("contradiction")), @r"
    script.conflict: the decorator and the metadata block contradict each other about `a`
      --> job.py:5:16
      | @requirements({'a': '1.0'}, python='3.12')
      |                ^^^ the decorator
      --> job.py:2:19
      | # dependencies = ['A>=2']
      |                   ^^^^^^ the metadata block
      because no version satisfies both
      hint: name it in one of the two places alone
    ");
    let fault = wrong(entry.requires_python());
    assert_eq!(
        gist(&fault),
        (
            "script.conflict".to_owned(),
            "the decorator and the metadata block contradict each other about Python".to_owned(),
            vec!["'3.12'".to_owned(), "'>=3.13'".to_owned()],
        )
    );
}

#[test]
fn markers_that_exclude_each_other_keep_two_bounds_apart() {
    let script = script(&both(
        "{'a': '1; python_version < \"3.10\"'}",
        "\"a>=2; python_version >= '3.10'\"",
        "",
    ));
    let entry = script.entry(None).expect("an entry");
    assert_eq!(entry.requirements().expect("no contradiction").len(), 2);
}

#[test]
fn the_examples_are_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    for (name, function, requirements) in [
        (
            "myfile.py",
            Some("my_function(input_value: str, arg1: str = None)"),
            2,
        ),
        (
            "keywords.py",
            Some("my_function(input_value: str, arg1: str = None, arg2: str = None)"),
            2,
        ),
        (
            "frame.py",
            Some("summary(rows: int = 100, seed: int = 0)"),
            1,
        ),
        ("program.py", None, 1),
        (
            "fetch_async.py",
            Some("fetch(*names: str, pause: float = 0.1)"),
            1,
        ),
        (
            "countdown.py",
            Some("countdown(start: int = 3, word: str = 'lift-off')"),
            0,
        ),
    ] {
        let text = fs_err::read_to_string(format!("{folder}{name}")).expect("an example");
        let script = crate::read(name, &text).expect(name);
        let entry = script.entry(None).expect(name);
        let headline = entry.function().map(crate::Function::headline);
        assert_eq!(headline.as_deref(), function, "{name}");
        assert_eq!(
            entry.requirements().expect(name).len(),
            requirements,
            "{name}"
        );
        assert!(text.starts_with("# Run it"), "{name}");
    }
}
