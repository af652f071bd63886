//! Syntax errors, as Python would say them.

use super::{fault, gist, shown};
use crate::read;

#[test]
fn a_parameter_without_a_default_after_one_with_says_how_to_mend_it() {
    let text = "@requirements({})\ndef f(input_value: str, arg1: str=None, arg2: str):\n    pass\n";
    let error = read("job.py", text).expect_err("not Python");
    insta::assert_snapshot!(shown(error), @r"
    script.syntax: parameter `arg2` has no default but follows one that has: this is not valid Python
      --> job.py:2:41
      | def f(input_value: str, arg1: str=None, arg2: str):
      |                                         ^^^^^^^^^ no default
      --> job.py:2:25
      | def f(input_value: str, arg1: str=None, arg2: str):
      |                         ^^^^^^^^^^^^^^ has a default
      hint: give `arg2` a default, such as `arg2: str = None`, or move it before `arg1`, or put `*` before it so that it is given by name
    ");
}

#[test]
fn the_first_error_is_shown_at_its_place() {
    for (text, message, place, line) in [
        (
            "x = (1 +\ndef f():\n    pass\n",
            "`(` was never closed",
            "(",
            1,
        ),
        ("x = [1, 2\n", "`[` was never closed", "[", 1),
        ("x = 1)\n", "unmatched `)`", ")", 1),
        (
            "\nx = (1]\n",
            "closing `]` does not match opening `(`",
            "]",
            2,
        ),
        ("def f()\n    pass\n", "expected `:`", "\n", 1),
        (
            "def f():\npass\n",
            "expected an indented block after function definition",
            "pass",
            2,
        ),
        ("x = 1\n  y = 2\n", "unexpected indentation", "  ", 2),
        ("x = 1 2\n", "invalid syntax", "2", 1),
        (
            "x = 'é\n",
            "missing closing quote in string literal",
            "'é",
            1,
        ),
        (
            "def f(a, b, a): pass\n",
            "duplicate argument `a` in function definition",
            "a",
            1,
        ),
        ("x = 1\0\n", "source code can't contain null bytes", "\0", 1),
    ] {
        let fault = fault(text);
        let (code, said, places) = gist(&fault);
        assert_eq!(code, "script.syntax", "{text}");
        assert_eq!(said, message, "{text}");
        assert_eq!(fault.spans[0].line, line, "{text}");
        let place = if place == "\n" { "" } else { place };
        assert_eq!(places[0], place, "{text}");
    }
}

#[test]
fn the_newest_grammar_is_taken() {
    for text in [
        "type A = int\ndef f[T](x: T) -> T: return x\n",
        "match x:\n    case [1, *_]: pass\n",
        "try: pass\nexcept A, B: pass\n",
        "x = t'{y}'\n",
        "print(f'{x!r:>{width}} {'nested'}')\n",
        "try: pass\nexcept* E: pass\n",
    ] {
        assert!(read("job.py", text).is_ok(), "{text}");
    }
}
