//! Words and JSON become calls.

use proptest::prelude::*;
use pyrun_core::protocol::Call;
use serde_json::{Value, json};

use super::{function, shown, wrong};
use crate::{bind, check_call};

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

fn declared(parameters: &str) -> crate::Function {
    function(&format!("{HEAD}\ndef f({parameters}): pass\n"))
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|&word| word.to_owned()).collect()
}

fn call(parameters: &str, line: &[&str]) -> Value {
    let function = declared(parameters);
    match bind(&function, &words(line)) {
        Ok(call) => json!([call.args, call.kwargs]),
        Err(error) => panic!("{parameters} {line:?}\n{}", shown(error)),
    }
}

fn message(parameters: &str, line: &[&str]) -> String {
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
fn values_are_converted_by_annotation() {
    let tagged = |kind: &str, value: Value| json!({"$pyrun": kind, "value": value});
    for (annotation, word, expected) in [
        ("str", "5", json!("5")),
        ("Any", "5", json!("5")),
        ("Unknown", "5", json!("5")),
        ("'int'", "5", json!(5)),
        ("int", "0xff", json!(255)),
        ("float", "5", json!(5.0)),
        ("float", "-inf", tagged("float", json!("-inf"))),
        ("bool", "TRUE", json!(true)),
        ("list", "[1, \"a\", null]", json!([1, "a", null])),
        ("list[int]", "[1, 2]", json!([1, 2])),
        ("t.List[float]", "[1]", json!([1.0])),
        ("Sequence[str]", "[\"a\"]", json!(["a"])),
        ("dict", "{\"a\": [1]}", json!({"a": [1]})),
        ("dict[str, float]", "{\"a\": 1}", json!({"a": 1.0})),
        (
            "dict[int, str]",
            "{\"1\": \"x\"}",
            tagged("dict", json!([[1, "x"]])),
        ),
        (
            "dict",
            "{\"$pyrun\": \"path\", \"value\": \"x\"}",
            tagged("dict", json!({"$pyrun": "path", "value": "x"})),
        ),
        (
            "list",
            "[{\"$pyrun\": 1}]",
            json!([tagged("dict", json!({"$pyrun": 1}))]),
        ),
        (
            "tuple[int, str]",
            "[1, \"a\"]",
            tagged("tuple", json!([1, "a"])),
        ),
        (
            "tuple[Path, ...]",
            "[\"a\"]",
            tagged("tuple", json!([tagged("path", json!("a"))])),
        ),
        ("tuple", "[]", tagged("tuple", json!([]))),
        ("set[int]", "[1, 1]", tagged("set", json!([1, 1]))),
        ("Optional[int]", "null", json!(null)),
        ("Optional[int]", "3", json!(3)),
        ("int | None", "None", json!(null)),
        ("Optional[str]", "null", json!("null")),
        ("None | str", "null", json!("null")),
        ("Union[int, str]", "3", json!(3)),
        ("Union[int, str]", "x", json!("x")),
        ("str | int", "3", json!("3")),
        ("Number", "1.5", json!(1.5)),
        ("list[int] | int", "4", json!(4)),
        ("Literal['a', 2, -1, None, True]", "a", json!("a")),
        ("Literal['a', 2, -1, None, True]", "2", json!(2)),
        ("Literal['a', 2, -1, None, True]", "-1", json!(-1)),
        ("Literal['a', 2, -1, None, True]", "true", json!(true)),
        ("Literal['a', 2, -1, None, True]", "None", json!(null)),
        (
            "Color",
            "r",
            json!({"$pyrun": "enum", "class": "Color", "name": "RED"}),
        ),
        (
            "Color",
            "GREEN",
            json!({"$pyrun": "enum", "class": "Color", "name": "GREEN"}),
        ),
        (
            "Color",
            "2",
            json!({"$pyrun": "enum", "class": "Color", "name": "GREEN"}),
        ),
        (
            "Word",
            "hello",
            json!({"$pyrun": "enum", "class": "Word", "name": "HELLO"}),
        ),
        ("Path", "a/b", tagged("path", json!("a/b"))),
        (
            "dt",
            "2024-05-31",
            tagged("datetime", json!("2024-05-31T00:00:00")),
        ),
        (
            "datetime.datetime",
            "2024-05-31T01:02Z",
            tagged("datetime", json!("2024-05-31T01:02:00+00:00")),
        ),
        (
            "datetime.date",
            "2024-05-31",
            tagged("date", json!("2024-05-31")),
        ),
        ("datetime.time", "01:02", tagged("time", json!("01:02:00"))),
        ("datetime.timedelta", "1m", tagged("timedelta", json!(60))),
        ("Decimal", "1.50", tagged("decimal", json!("1.50"))),
        (
            "uuid.UUID",
            "{12345678-1234-5678-1234-56781234ABCD}",
            tagged("uuid", json!("12345678-1234-5678-1234-56781234abcd")),
        ),
        ("bytes", "hé", tagged("bytes", json!("aMOp"))),
        ("Annotated[int, 'a note']", "5", json!(5)),
    ] {
        let expected = json!([[expected], {}]);
        assert_eq!(
            call(&format!("x: {annotation}"), &["-a", word]),
            expected,
            "{annotation} {word}"
        );
    }
}

#[test]
fn repeated_keywords_are_collected_or_refused() {
    for (annotation, line, expected) in [
        ("list[int]", &["--x", "1", "--x=2"][..], json!([1, 2])),
        ("list[int]", &["--x", "1"], json!([1])),
        ("list[int]", &["--x", "[1, 2]"], json!([1, 2])),
        ("list", &["--x", "a", "--x", "b"], json!(["a", "b"])),
        ("list[str]", &["--x", "[a"], json!(["[a"])),
        (
            "Optional[list[int]]",
            &["--x", "1", "--x", "2"],
            json!([1, 2]),
        ),
        ("Optional[list[int]]", &["--x", "null"], json!(null)),
        (
            "set[str]",
            &["--x", "a", "--x", "b"],
            json!({"$pyrun": "set", "value": ["a", "b"]}),
        ),
    ] {
        let expected = json!([[], {"x": expected}]);
        assert_eq!(
            call(&format!("x: {annotation}"), line),
            expected,
            "{annotation} {line:?}"
        );
    }
    assert_eq!(
        message("x", &["--x", "1", "--x", "2"]),
        "`x` of `f` is given twice"
    );
    assert_eq!(
        message("x: bool", &["--x", "--no-x"]),
        "`x` of `f` is given twice"
    );
    assert_eq!(
        message("x: list[int]", &["--x", "1", "--x", "b"]),
        "`x[1]` of `f` takes an integer, not `b`"
    );
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

fn checked(parameters: &str, args: Value, kwargs: Value) -> Result<Value, String> {
    let call: Call =
        serde_json::from_value(json!({"args": args, "kwargs": kwargs})).expect("a call");
    match check_call(&declared(parameters), call) {
        Ok(call) => Ok(json!([call.args, call.kwargs])),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_call_in_json_is_checked_and_converted() {
    let path = json!({"$pyrun": "path", "value": "x"});
    for (parameters, args, expected) in [
        ("x: float", json!([5]), json!([5.0])),
        (
            "x: float",
            json!(["nan"]),
            json!([{"$pyrun": "float", "value": "nan"}]),
        ),
        (
            "x: dt",
            json!(["2024-05-31"]),
            json!([{"$pyrun": "datetime", "value": "2024-05-31T00:00:00"}]),
        ),
        (
            "x: datetime.timedelta",
            json!([1.5]),
            json!([{"$pyrun": "timedelta", "value": 1.5}]),
        ),
        (
            "x: Decimal",
            json!([2]),
            json!([{"$pyrun": "decimal", "value": "2"}]),
        ),
        ("x: str = None", json!([null]), json!([null])),
        (
            "x: Color",
            json!([2]),
            json!([{"$pyrun": "enum", "class": "Color", "name": "GREEN"}]),
        ),
        ("x", json!([{"a": [1, null]}]), json!([{"a": [1, null]}])),
        ("x", json!([path]), json!([path])),
        ("x: Path", json!([path]), json!([path])),
        (
            "x",
            json!([{"$pyrun": "path"}]),
            json!([{"$pyrun": "dict", "value": {"$pyrun": "path"}}]),
        ),
    ] {
        let expected = json!([expected, {}]);
        assert_eq!(
            checked(parameters, args, json!({})),
            Ok(expected),
            "{parameters}"
        );
    }
    for (parameters, args, kwargs, expected) in [
        (
            "x: int",
            json!(["5"]),
            json!({}),
            "`x` of `f` takes an integer, not `\"5\"`",
        ),
        (
            "x: int",
            json!([true]),
            json!({}),
            "`x` of `f` takes an integer, not `true`",
        ),
        (
            "x: str",
            json!([5]),
            json!({}),
            "`x` of `f` takes text, not `5`",
        ),
        (
            "x: str",
            json!([null]),
            json!({}),
            "`x` of `f` takes text, not `null`",
        ),
        (
            "x: dt",
            json!([path]),
            json!({}),
            "`x` of `f` takes a date and time such as `2024-05-31T12:00:00`, not `{\"$pyrun\":\"path\",\"value\":\"x\"}`",
        ),
        (
            "x",
            json!([1, 2]),
            json!({}),
            "`f` takes 1 positional argument, but 2 were given",
        ),
        (
            "x",
            json!([1]),
            json!({"x": 2}),
            "`x` of `f` is given twice: by position and by name",
        ),
        (
            "x",
            json!([]),
            json!({"y-z": 2}),
            "`f` has no parameter `y-z`",
        ),
        ("x", json!([]), json!({}), "`f` needs a value for `x`"),
    ] {
        assert_eq!(
            checked(parameters, args, kwargs),
            Err(expected.to_owned()),
            "{parameters}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_survive(number in any::<i64>(), real in any::<f64>(), text in any::<String>()) {
        let function = function("def f(i: int, r: float, s: str): pass\n");
        let line = [number.to_string(), format!("--r={real:?}"), format!("--s={text}")];
        let call = bind(&function, &line).expect("it fits");
        prop_assert_eq!(&call.args, &[Value::from(number)]);
        prop_assert_eq!(call.kwargs["s"].as_str(), Some(text.as_str()));
        match call.kwargs["r"].as_f64() {
            Some(read) => prop_assert_eq!(read.to_bits(), real.to_bits()),
            None => {
                let word = call.kwargs["r"]["value"].as_str().unwrap_or_default();
                let read: f64 = word.parse().expect("a float");
                prop_assert!(read == real || (read.is_nan() && real.is_nan()));
            }
        }
    }

    #[test]
    fn words_never_panic(line in prop::collection::vec("[-a=xyv_0-9.\\[\\]{}\":é ]{0,8}", 0..6)) {
        let function = function(
            "import datetime\ndef f(a, x: list[int] = 0, *y: 'dict[str, float]', v: bool = 0, z: datetime.timedelta = 0): pass\n",
        );
        let _ = bind(&function, &line);
    }
}
