//! Values of every kind, from words and from JSON.

use proptest::prelude::*;
use pyrun_core::protocol::Call;
use serde_json::{Value, json};

use super::arguments::{call, declared, message};
use super::function;
use crate::{bind, check_call};

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
fn integers_inside_json_keep_every_digit() {
    const WIDE: &str = "123456789012345678901234567890";
    let int = |digits: &str| json!({"$pyrun": "int", "value": digits});
    let list = |items: Value| json!([[items], {}]);
    for (annotation, word, expected) in [
        (
            "list",
            format!("[{WIDE}, -{WIDE}, 1]"),
            json!([int(WIDE), int(&format!("-{WIDE}")), 1]),
        ),
        ("list[int]", format!("[{WIDE}]"), json!([int(WIDE)])),
        (
            "list[float]",
            format!("[{WIDE}]"),
            json!([1.234_567_890_123_456_8e29]),
        ),
        (
            "list[Decimal]",
            format!("[{WIDE}]"),
            json!([{"$pyrun": "decimal", "value": WIDE}]),
        ),
        (
            "list[int | None]",
            format!("[{WIDE}, null]"),
            json!([int(WIDE), null]),
        ),
        (
            "dict[str, int]",
            format!(r#"{{"{WIDE}": {WIDE}}}"#),
            json!({WIDE: int(WIDE)}),
        ),
        ("list", format!("[\"{WIDE}\"]"), json!([WIDE])),
        // What looks like a wide integer, in whatever form, stays what it is.
        (
            "list",
            format!(r#"[{WIDE}, {{"$pyrun": "int", "value": "5"}}, {{"wid\u0065": "5"}}]"#),
            json!([
                int(WIDE),
                {"$pyrun": "dict", "value": {"$pyrun": "int", "value": "5"}},
                {"wide": "5"}
            ]),
        ),
    ] {
        let got = call(&format!("x: {annotation}"), &["-a", &word]);
        assert_eq!(got, list(expected), "{annotation} {word}");
    }
    assert_eq!(
        message("x: list[str]", &["-a", &format!("[{WIDE}]")]),
        format!("`x[0]` of `f` takes text, not `{WIDE}`")
    );
    assert_eq!(
        message(
            "x: list[list[str]]",
            &["-a", &format!("[{{\"a\": {WIDE}}}]")]
        ),
        format!("`x[0]` of `f` takes a JSON array such as `[1, 2]`, not `{{\"a\": {WIDE}}}`")
    );
    for (annotation, expected) in [
        ("int", int(WIDE)),
        ("float", json!(1.234_567_890_123_456_8e29)),
        ("Decimal", json!({"$pyrun": "decimal", "value": WIDE})),
        (
            "Optional[Decimal]",
            json!({"$pyrun": "decimal", "value": WIDE}),
        ),
        ("Any", int(WIDE)),
    ] {
        assert_eq!(
            checked(&format!("x: {annotation}"), &json!([int(WIDE)]), &json!({})),
            Ok(list(expected)),
            "{annotation}"
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

fn checked(parameters: &str, args: &Value, kwargs: &Value) -> Result<Value, String> {
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
            checked(parameters, &args, &json!({})),
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
            checked(parameters, &args, &kwargs),
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
        let read = &call.kwargs["r"];
        let word = read["value"].as_str().and_then(|word| word.parse().ok());
        let read: f64 = read.as_f64().or(word).expect("a float");
        prop_assert!(read.to_bits() == real.to_bits() || (read.is_nan() && real.is_nan()));
    }

    #[test]
    fn words_never_panic(line in prop::collection::vec("[-a=xyv_0-9.\\[\\]{}\":é ]{0,8}", 0..6)) {
        let function = function(
            "import datetime\ndef f(a, x: list[int] = 0, *y: 'dict[str, float]', v: bool = 0, z: datetime.timedelta = 0): pass\n",
        );
        let _ = bind(&function, &line);
    }
}
