//! `@requirements`: what is read, what is refused, and where the caret stands.

use super::{fault, function, gist, script, shown};
use crate::read;

fn asked(decorator: &str) -> Vec<String> {
    let text = format!("{decorator}\ndef f(): pass\n");
    let function = function(&text);
    assert!(function.decorated, "{decorator}");
    function
        .requirements
        .iter()
        .map(|requirement| requirement.spec.to_string())
        .collect()
}

#[test]
fn versions_are_read() {
    for (decorator, expected) in [
        (
            "@requirements({'requests': '2.30.0'})",
            vec!["requests==2.30.0"],
        ),
        (
            "@requirements({'a': '', 'b': '*', 'C_d': ' '})",
            vec!["a", "b", "c-d"],
        ),
        ("@requirements({'a': ' >=2, < 3 '})", vec!["a>=2,<3"]),
        (
            "@requirements({'a': '~=1.4', 'b': '2.*'})",
            vec!["a~=1.4", "b==2.*"],
        ),
        (
            "@requirements({'pandas[parquet, excel]': '2'})",
            vec!["pandas[parquet,excel]==2"],
        ),
        (
            "@requirements({'a': '1; python_version < \"3.11\"'})",
            vec!["a==1 ; python_full_version < '3.11'"],
        ),
        (
            "@requirements(['requests==2.30', 'x'])",
            vec!["requests==2.30", "x"],
        ),
        ("@requirements(('x',))", vec!["x"]),
        ("@requirements({'a' 'b': '1' '.0'})", vec!["ab==1.0"]),
        ("@requirements({})", vec![]),
        ("@requirements()", vec![]),
        (
            "@requirements(['a<2; sys_platform == \"linux\"', 'a>2; sys_platform != \"linux\"'])",
            vec![
                "a<2 ; sys_platform == 'linux'",
                "a>2 ; sys_platform != 'linux'",
            ],
        ),
    ] {
        assert_eq!(asked(decorator), expected, "{decorator}");
    }
}

#[test]
fn every_way_to_name_it_works() {
    for (before, decorator) in [
        ("", "requirements"),
        ("from pyrun import requirements", "requirements"),
        ("from pyrun import requirements as r", "r"),
        ("from pyrun import *", "requirements"),
        ("import pyrun", "pyrun.requirements"),
        ("import pyrun as p", "p.requirements"),
        (
            "try:\n    from pyrun import requirements\nexcept ImportError:\n    requirements = None",
            "requirements",
        ),
    ] {
        let text = format!("{before}\n@{decorator}({{'x': '1'}})\ndef f(): pass\n");
        assert!(function(&text).decorated, "{text}");
    }
}

#[test]
fn a_decorator_of_that_name_from_elsewhere_is_not_ours() {
    for (before, decorator) in [
        ("from other import requirements", "requirements"),
        ("import other", "other.requirements"),
        ("def requirements(x): return x", "requirements"),
        ("requirements = print", "requirements"),
    ] {
        let text = format!("{before}\n@{decorator}(open('x'))\ndef f(): pass\n");
        let script = script(&text);
        assert!(
            !script.functions.iter().any(|each| each.decorated),
            "{text}"
        );
    }
}

#[test]
fn options_are_read() {
    let function = function("@requirements({}, python='>=3.10', memo=True)\ndef f(): pass\n");
    let python = function.python.expect("a bound");
    assert_eq!(python.specifiers.to_string(), ">=3.10");
    assert!(function.memo);
    for (text, expected) in [("3.12", "==3.12.*"), ("3.12.1", "==3.12.1"), ("3", "==3.*")] {
        let text = format!("@requirements({{}}, python='{text}')\ndef f(): pass\n");
        let python = super::function(&text).python.expect("a bound");
        assert_eq!(python.specifiers.to_string(), expected);
    }
}

#[test]
fn what_only_a_run_could_tell_is_refused() {
    for (decorator, message, place) in [
        (
            "requirements(DEPS)",
            "the requirements must be a literal dictionary or list",
            "DEPS",
        ),
        (
            "requirements('requests')",
            "the requirements must be a literal dictionary or list",
            "'requests'",
        ),
        (
            "requirements",
            "the decorator needs its requirements in parentheses",
            "requirements",
        ),
        (
            "requirements({}, {'a': ''})",
            "the decorator takes one dictionary or list",
            "{'a': ''}",
        ),
        (
            "requirements({'a': V})",
            "a version must be literal text",
            "V",
        ),
        (
            "requirements({'a': f'{x}'})",
            "a version must be literal text",
            "f'{x}'",
        ),
        (
            "requirements({'a': str(2)})",
            "a version must be literal text",
            "str(2)",
        ),
        (
            "requirements({'a': 2})",
            "a version must be literal text",
            "2",
        ),
        (
            "requirements({'a' + 'b': ''})",
            "a package's name must be literal text",
            "'a' + 'b'",
        ),
        (
            "requirements({'a': '', **DEPS})",
            "a dictionary can't be unpacked into the requirements",
            "DEPS",
        ),
        (
            "requirements([*DEPS])",
            "a requirement must be literal text",
            "*DEPS",
        ),
        (
            "requirements({}, **OPTIONS)",
            "options can't be unpacked into the decorator",
            "OPTIONS",
        ),
        (
            "requirements({}, python=V)",
            "`python` must be literal text",
            "V",
        ),
        (
            "requirements({}, memo=1)",
            "`memo` must be `True` or `False`",
            "1",
        ),
    ] {
        let fault = fault(&format!("DEPS = {{}}\n@{decorator}\ndef f(): pass\n"));
        let expected = (
            "script.dynamic".to_owned(),
            message.to_owned(),
            vec![place.to_owned()],
        );
        assert_eq!(gist(&fault), expected, "{decorator}");
        assert_eq!(fault.spans[0].line, 2);
    }
}

#[test]
fn what_is_not_a_requirement_is_refused_at_its_place() {
    for (decorator, message, place) in [
        (
            "{'requests': '2.30.x'}",
            "`2.30.x` is not a version (PEP 440)",
            "2.30.x",
        ),
        (
            "{'a': '>=1,~2'}",
            "`~2` is not a version specifier (PEP 440)",
            "~2",
        ),
        (
            "{'a': '^1.2'}",
            "`^1.2` is not a version specifier (PEP 440)",
            "^1.2",
        ),
        (
            "{'a': 'latest'}",
            "`latest` is not a version specifier (PEP 440)",
            "latest",
        ),
        (
            "{'a>=2': ''}",
            "`a>=2` is more than the name of a package",
            "'a>=2'",
        ),
        ("{'-a': ''}", "`-a` is not a requirement (PEP 508)", "-"),
        ("{'': ''}", "`` is not a requirement (PEP 508)", "''"),
        ("['a b']", "`a b` is not a requirement (PEP 508)", "b"),
        (
            "{'a': '1; nonsense == 2'}",
            "`1; nonsense == 2` is not a requirement (PEP 508)",
            "nonsense",
        ),
        (
            "{}, pyhton='3.12'",
            "`pyhton` is no option of the decorator",
            "pyhton",
        ),
        (
            "{}, python='three'",
            "`three` is not a version specifier (PEP 440)",
            "three",
        ),
    ] {
        let fault = fault(&format!("@requirements({decorator})\ndef f(): pass\n"));
        let expected = (
            "requirement.invalid".to_owned(),
            message.to_owned(),
            vec![place.to_owned()],
        );
        assert_eq!(gist(&fault), expected, "{decorator}");
    }
}

#[test]
fn hints_say_how_to_mend_it() {
    for (decorator, hint) in [
        ("{'a': '^1.2'}", "write `~=1.2` for a compatible release"),
        ("{'a': '~1.2'}", "write `~=1.2` for a compatible release"),
        ("{'a': '=1.2'}", "write `==1.2` for exactly that version"),
        ("{}, pyhton=''", "did you mean `python`?"),
    ] {
        let fault = fault(&format!("@requirements({decorator})\ndef f(): pass\n"));
        assert_eq!(fault.hints, [hint], "{decorator}");
    }
}

#[test]
fn a_package_that_stands_twice_is_shown_at_both_places() {
    let text = "@requirements({\n    'Foo_Bar': '1',\n    'foo-bar': '2',\n})\ndef f(): pass\n";
    let error = read("job.py", text).expect_err("twice");
    insta::assert_snapshot!(shown(error), @r"
    requirement.invalid: `foo-bar` stands twice in the requirements
      --> job.py:2:5
      |     'Foo_Bar': '1',
      |     ^^^^^^^^^ first here
      --> job.py:3:5
      |     'foo-bar': '2',
      |     ^^^^^^^^^ and again here
      hint: keep one of the two, or give them markers that exclude each other
    ");
}

#[test]
fn it_must_stand_at_the_top_level_and_once() {
    for (text, code) in [
        (
            "class A:\n    @requirements({})\n    def f(self): pass\n",
            "script.dynamic",
        ),
        (
            "def g():\n    @requirements({})\n    def f(): pass\n",
            "script.dynamic",
        ),
        (
            "if True:\n    @requirements({})\n    def f(): pass\n",
            "script.dynamic",
        ),
        ("@requirements({})\nclass A: pass\n", "script.dynamic"),
        (
            "@requirements({})\ndef f(): pass\n@requirements({})\ndef f(): pass\n",
            "requirement.invalid",
        ),
        (
            "@requirements({})\n@requirements({})\ndef f(): pass\n",
            "requirement.invalid",
        ),
    ] {
        assert_eq!(fault(text).code.as_str(), code, "{text}");
    }
}

#[test]
fn of_two_functions_with_one_name_the_last_counts() {
    let text = "@requirements({'a': ''})\ndef f(x): pass\ndef f(y): pass\n";
    let functions = script(text).functions;
    assert_eq!(functions.len(), 1);
    assert_eq!(functions[0].headline(), "f(y)");
    assert!(!functions[0].decorated);
}

#[test]
fn functions_tell_what_they_are() {
    let text = r"
async def a():
    '''

    First line.  
    Second line.
    '''
def b():
    for x in y:
        z = yield x
def c():
    def inner(): yield 1
    return lambda: (yield 2)
async def d():
    yield from_somewhere
";
    let found: Vec<_> = script(text)
        .functions
        .into_iter()
        .map(|each| {
            (
                each.name,
                each.line,
                each.is_async,
                each.is_generator,
                each.summary,
            )
        })
        .collect();
    let first_line = Some("First line.".to_owned());
    assert_eq!(
        found,
        [
            ("a".to_owned(), 2, true, false, first_line),
            ("b".to_owned(), 8, false, true, None),
            ("c".to_owned(), 11, false, false, None),
            ("d".to_owned(), 14, true, true, None),
        ]
    );
}

#[test]
fn a_requirement_knows_where_it_was_written() {
    let function = function(
        "# comment\r\n@requirements({'ünï': '1'} if 0 else {})\r\ndef f(): pass\r\n"
            .replace("{'ünï': '1'} if 0 else {}", "{\t'x': '1'}")
            .as_str(),
    );
    let origin = &function.requirements[0].origin;
    assert_eq!(origin.to_string(), "job.py:2");
    let span = origin.span.as_ref().expect("a place");
    assert_eq!((span.column, span.length), (17, 3));
    assert_eq!(span.text, "@requirements({\t'x': '1'})");
}
