//! Which parameter a word reaches, and what is said when none fits.

use serde_json::{Value, json};

use super::{function, shown, wrong};
use crate::bind;

const HEAD: &str = "
from __future__ import annotations
import datetime
import typing as t
import uuid
from collections.abc import Sequence
from datetime import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union
class Color(Enum):
    RED = 'r'
    GREEN = 2
    _ignore_ = []
class Base(str, Enum):
    def shout(self): return self.upper()
class Word(Base):
    HELLO = 'hello'
Number = int | float
";

pub(super) fn declared(parameters: &str) -> crate::Function {
    function(&format!("{HEAD}\ndef f({parameters}): pass\n"))
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|&word| word.to_owned()).collect()
}

pub(super) fn call(parameters: &str, line: &[&str]) -> Value {
    let function = declared(parameters);
    match bind(&function, &words(line)) {
        Ok(call) => json!([call.args, call.kwargs]),
        Err(error) => panic!("{parameters} {line:?}\n{}", shown(error)),
    }
}

pub(super) fn message(parameters: &str, line: &[&str]) -> String {
    wrong(bind(&declared(parameters), &words(line))).message
}

#[test]
fn words_are_positional_or_keywords() {
    for (parameters, line, expected) in [
        ("x, y", &["1", "b c"][..], json!([["1", "b c"], {}])),
        ("x, y", &["-a", "--y", "-a=z"], json!([["--y", "z"], {}])),
        ("x, y", &["--y", "2", "1"], json!([["1"], {"y": "2"}])),
        (
            "x, y",
            &["--x=1=2", "-y", "3"],
            json!([[], {"x": "1=2", "y": "3"}]),
        ),
        ("x, y", &["-x=1", "--y="], json!([[], {"x": "1", "y": ""}])),
        (
            "a, args",
            &["--a", "5", "--args", "x"],
            json!([[], {"a": "5", "args": "x"}]),
        ),
        (
            "long_name",
            &["--long-name", "v"],
            json!([[], {"long_name": "v"}]),
        ),
        (
            "x, y, z",
            &["-5", "-1.5", "-.5"],
            json!([["-5", "-1.5", "-.5"], {}]),
        ),
        ("x, y", &["-", "--y", "-"], json!([["-"], {"y": "-"}])),
        ("x", &["--x", "--x"], json!([[], {"x": "--x"}])),
        ("x", &["--x", "--"], json!([[], {"x": "--"}])),
        ("x, y", &["--", "--x", "-a"], json!([["--x", "-a"], {}])),
        ("x: int", &["--x", "-5"], json!([[], {"x": -5}])),
        ("*rest: int", &["1", "2"], json!([[1, 2], {}])),
        (
            "x, *, y=1, **rest: int",
            &["1", "--other-name", "3"],
            json!([["1"], {"other_name": 3}]),
        ),
        (
            "x, /, **rest",
            &["1", "--x", "2"],
            json!([["1"], {"x": "2"}]),
        ),
        ("", &[], json!([[], {}])),
    ] {
        assert_eq!(call(parameters, line), expected, "{parameters} {line:?}");
    }
}

#[test]
fn flags_are_booleans() {
    for (parameters, line, expected) in [
        ("v: bool", &["--v"][..], json!([[], {"v": true}])),
        ("x, v: bool", &["--v", "a"], json!([["a"], {"v": true}])),
        ("v: bool", &["--v", "Off"], json!([[], {"v": false}])),
        ("v: bool", &["--v=0"], json!([[], {"v": false}])),
        ("v: bool", &["--no-v"], json!([[], {"v": false}])),
        ("v: bool | None = None", &["--v"], json!([[], {"v": true}])),
        ("v: bool | str", &["--v", "x"], json!([[], {"v": "x"}])),
        (
            "v: bool, no_v: str",
            &["--no-v", "x", "--v"],
            json!([[], {"v": true, "no_v": "x"}]),
        ),
        ("v: bool", &["yes"], json!([[true], {}])),
        (
            "x: bool, y: bool",
            &["--x", "--y"],
            json!([[], {"x": true, "y": true}]),
        ),
    ] {
        assert_eq!(call(parameters, line), expected, "{parameters} {line:?}");
    }
}

#[test]
fn what_does_not_fit_names_the_parameter() {
    for (parameters, line, expected) in [
        (
            "x, y=1",
            &["1", "2", "3"][..],
            "`f` takes 2 positional arguments, but 3 were given",
        ),
        (
            "x",
            &["1", "2"],
            "`f` takes 1 positional argument, but 2 were given",
        ),
        (
            "",
            &["1"],
            "`f` takes no positional argument, but 1 was given",
        ),
        (
            "*, y=1",
            &["1"],
            "`f` takes no positional argument, but 1 was given",
        ),
        ("x, y, z=1", &[], "`f` needs a value for `x`, `y`"),
        ("*, y", &[], "`f` needs a value for `y`"),
        ("x", &["--y", "1"], "`f` has no parameter `y`"),
        (
            "x, /",
            &["--x", "1"],
            "`x` of `f` can't be given by name: it stands before the `/`",
        ),
        (
            "x",
            &["1", "--x", "2"],
            "`x` of `f` is given twice: by position and by name",
        ),
        ("x", &["--x"], "`--x` needs a value after it"),
        ("x", &["-a"], "`-a` needs a value after it"),
        ("x", &["--é!", "1"], "`--é!` is not the name of a parameter"),
        ("x", &["---x", "1"], "`f` has no parameter `_x`"),
        ("x: int", &["1.5"], "`x` of `f` takes an integer, not `1.5`"),
        (
            "x: bool",
            &["maybe"],
            "`x` of `f` takes `true` or `false`, not `maybe`",
        ),
        (
            "x: bool",
            &["--x=maybe"],
            "`x` of `f` takes `true` or `false`, not `maybe`",
        ),
        (
            "x: Literal['a', 2]",
            &["b"],
            "`x` of `f` takes one of `a`, `2`, not `b`",
        ),
        (
            "x: Color",
            &["blue"],
            "`x` of `f` takes a member of `Color`: `RED`, `GREEN`, not `blue`",
        ),
        (
            "x: list[int]",
            &["[1, \"a\"]"],
            "`x[1]` of `f` takes an integer, not `\"a\"`",
        ),
        (
            "x: list[int]",
            &["1,2"],
            "`x` of `f` takes a JSON array such as `[1, 2]`, not `1,2`",
        ),
        (
            "x: dict[str, list[int]]",
            &["{\"k\": [true]}"],
            "`x[\"k\"][0]` of `f` takes an integer, not `true`",
        ),
        (
            "x: tuple[int, int]",
            &["[1]"],
            "`x` of `f` takes a JSON array of 2 items, not `[1]`",
        ),
        (
            "x: int | None",
            &["x"],
            "`x` of `f` takes an integer or `null`, not `x`",
        ),
        (
            "x: Optional[list[int]]",
            &["[\"a\"]"],
            "`x[0]` of `f` takes an integer, not `\"a\"`",
        ),
        (
            "x: dt",
            &["tomorrow"],
            "`x` of `f` takes a date and time such as `2024-05-31T12:00:00`, not `tomorrow`",
        ),
        (
            "*rest: int",
            &["1", "b"],
            "`rest` of `f` takes an integer, not `b`",
        ),
        (
            "**rest: int",
            &["--k", "b"],
            "`k` of `f` takes an integer, not `b`",
        ),
    ] {
        assert_eq!(message(parameters, line), expected, "{parameters} {line:?}");
    }
}

#[test]
fn an_argument_error_shows_the_signature_and_what_to_do() {
    let function = function("def my_function(input_value: str, arg1: str = None): pass\n");
    let error = bind(&function, &words(&["x", "--arg2", "y"])).expect_err("no such parameter");
    insta::assert_snapshot!(shown(error), @r"
    usage.arguments: `my_function` has no parameter `arg2`
      --> job.py:1:5
      | def my_function(input_value: str, arg1: str = None): pass
      |     ^^^^^^^^^^^
      because the function is `my_function(input_value: str, arg1: str = None)`
      hint: did you mean `--arg1`?
    ");
    for (parameters, line, hint) in [
        (
            "x, *, y=1",
            &["1", "2"][..],
            "`y` can be given by name alone: `--y VALUE`",
        ),
        ("x, /", &["--x", "1"], "give it by position: `-a VALUE`"),
        (
            "x",
            &[],
            "give it by position, `-a VALUE`, or by name, `--x VALUE`",
        ),
        (
            "x, v=False",
            &["1", "--v"],
            "declare `v: bool` to use it as a flag without a value",
        ),
    ] {
        assert_eq!(
            wrong(bind(&declared(parameters), &words(line))).hints,
            [hint]
        );
    }
}

#[test]
fn signatures_read_as_they_are_written() {
    for (written, expected) in [
        ("", "f()"),
        ("a, b=1, *, c: int = 2", "f(a, b=1, *, c: int = 2)"),
        ("a, /", "f(a, /)"),
        (
            "a, /, b, *rest: str, c, **more",
            "f(a, /, b, *rest: str, c, **more)",
        ),
        ("a:'t.Any'=  (1,\n   2)", "f(a: 't.Any' = (1, 2))"),
    ] {
        assert_eq!(declared(written).headline(), expected);
    }
}
