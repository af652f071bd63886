//! Texts that nobody writes in good faith.

use proptest::prelude::*;

use super::{fault, script};
use crate::{bind, read};

#[test]
fn nesting_without_end_is_an_error() {
    for text in [
        "(".repeat(100_000),
        "[".repeat(100_000) + &"]".repeat(100_000),
        "x = ".to_owned() + &"-".repeat(100_000) + "1",
        "@requirements({'a': ".to_owned() + &"(".repeat(100_000),
    ] {
        assert_eq!(fault(&text).code.as_str(), "script.syntax");
    }
    let large = "x = 1\n".repeat(1_000_000);
    assert_eq!(fault(&large).message, "the script is larger than 4 MiB");
}

#[test]
fn what_the_bounds_let_in_does_not_overflow_the_stack() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{1:", "}"), ("f(", ")")] {
        let text = format!("x = {}1{}\n", open.repeat(190), close.repeat(190));
        script(&format!("def f():\n    {text}"));
    }
    for operator in ["-", "not ", "1+", "x.", "1 if x else ", "1**", "lambda: "] {
        let text = format!("def f():\n    y = {}1\n", operator.repeat(990));
        let _ = read("job.py", &text);
    }
}

#[test]
fn annotations_that_grow_without_end_are_given_up() {
    let mut text = String::new();
    for level in 0..60 {
        let next = level + 1;
        text = format!("{text}A{level} = tuple[A{next}, A{next}]\n");
    }
    text.push_str("B = B | B\nC = 'C'\ndef f(a: A0, b: B, c: C, d: 'list[\"int\"]'): pass\n");
    let function = super::function(&text);
    assert_eq!(function.signature.parameters.len(), 4);

    let annotation = format!("def f(a: '{}'): pass\n", "list[".repeat(10_000));
    assert!(bind(&super::function(&annotation), &["x".to_owned()]).is_ok());
}

#[test]
fn a_text_full_of_requirements_is_an_error() {
    let many = "'a',".repeat(5000);
    assert_eq!(
        fault(&format!("@requirements([{many}])\ndef f(): pass\n")).message,
        "more than 2000 requirements"
    );
    let many = format!("# /// script\n# dependencies = [{many}]\n# ///\n");
    assert_eq!(fault(&many).message, "more than 2000 requirements");
}

#[test]
fn a_marker_with_brackets_without_end_is_an_error() {
    let deep = "(".repeat(50_000);
    for text in [
        format!("@requirements({{'a': '1; {deep}'}})\ndef f(): pass\n"),
        format!("# /// script\n# dependencies = ['a; {deep}']\n# ///\n"),
    ] {
        assert_eq!(fault(&text).code.as_str(), "requirement.invalid");
    }
}

/// Pieces that reach more of the readers than arbitrary characters do.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "@requirements(",
            "{",
            "}",
            "(",
            ")",
            "[",
            "]",
            "'a'",
            "'a[b]; c'",
            ": ",
            ", ",
            "=",
            "\n",
            "\r\n",
            "\r",
            "\n    ",
            "\t",
            "def f(",
            "a: int",
            "*",
            "/",
            "**k",
            "class A(Enum):",
            "import enum\n",
            "from pyrun import requirements as r\n",
            "f'{",
            "}'",
            "'''",
            "\"",
            "# /// script\n",
            "# ///\n",
            "# dependencies = ['a', \"b>=1\"]\n",
            "# [tool.pyrun]\n",
            "# memory = '1GB'\n",
            "lambda ",
            "yield ",
            "python='3.12'",
            "\\",
            "\u{feff}",
            "é",
            "\0",
            "async ",
            "if ",
            "else",
            "Literal['x', 1]",
            " | None",
            "'list[int]'",
            "type X = ",
            ">=1,<2",
            "@ file:///x",
            "; os_name == 'a'",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        if let Err(error) = read("job.py", &pieces.concat()) {
            let code = error.code();
            prop_assert_ne!(code.as_str(), "internal");
        }
    }

    #[test]
    fn a_requirement_never_panics(name in "[-a-z0-9_. \\[\\],;é(]{0,12}", version in "[-~=<>!.*,; 0-9a-zé'\"@]{0,16}") {
        let text = format!("@requirements({{{name:?}: {version:?}}})\ndef f(): pass\n");
        if let Err(error) = read("job.py", &text) {
            let code = error.code();
            prop_assert_ne!(code.as_str(), "internal");
        }
    }
}

/// A bracket that is never closed lets the bounds start anew: the parser must do so too.
#[test]
fn recovery_from_errors_stays_flat() {
    for text in [
        "(\ndef f():\n    pass\n".to_owned() + &"while x: ".repeat(20_000),
        "( def ".to_owned() + &"class A: ".repeat(20_000),
        "( def ".to_owned() + &"def f(): ".repeat(20_000),
        "( def ".to_owned() + &"with x: ".repeat(20_000),
        "( def ".to_owned() + &"try: ".repeat(20_000),
        "( def ".to_owned() + &"( def ".repeat(20_000),
        "( def ".to_owned() + &"f( return [ ".repeat(20_000),
        "( def ".to_owned() + &"lambda: pass ".repeat(20_000),
        "( def ".to_owned() + &"- return ".repeat(20_000),
        "( def ".to_owned() + &"x = {assert ".repeat(20_000),
    ] {
        assert_eq!(fault(&text).code.as_str(), "script.syntax");
    }
}
