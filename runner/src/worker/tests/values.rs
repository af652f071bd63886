//! Arguments to Python and results to JSON, as docs/VALUES.md says.

use pyrun_core::Code;
use serde_json::{Value, json};

use super::support::{call, run};

/// (what is returned, the JSON that comes)
const RESULTS: &[(&str, &str)] = &[
    ("None", "null"),
    ("True", "true"),
    ("-7", "-7"),
    (
        "2**64",
        r#"{"$pyrun":"int","value":"18446744073709551616"}"#,
    ),
    ("1.5", "1.5"),
    ("[float('nan'), float('inf'), 1e308]", "[null,null,1e308]"),
    ("'ü\\n\\u2028'", r#""ü\n\u2028""#),
    ("'a\\ud800b'", "\"a\u{fffd}b\""),
    ("'\\ud83d\\ude00'", "\"😀\""),
    ("(1, (2,))", "[1,[2]]"),
    (
        "{1: 'a', None: 2, True: 3, 1.5: 4}",
        r#"{"1":3,"null":2,"1.5":4}"#,
    ),
    ("{3, 1, 2}", "[1,2,3]"),
    ("frozenset({'b', 1})", r#"["b",1]"#),
    ("b'\\x00\\xff'", r#""AP8=""#),
    ("[bytearray(b'a'), memoryview(b'b')]", r#"["YQ==","Yg=="]"#),
    (
        "datetime.datetime(2024, 5, 31, 12, tzinfo=datetime.timezone.utc)",
        r#""2024-05-31T12:00:00+00:00""#,
    ),
    (
        "[datetime.date(2024, 5, 31), datetime.time(1, 2)]",
        r#"["2024-05-31","01:02:00"]"#,
    ),
    ("datetime.timedelta(hours=1, milliseconds=5)", "3600.005"),
    (
        "[decimal.Decimal('1.10'), fractions.Fraction(1, 3)]",
        r#"["1.10","1/3"]"#,
    ),
    (
        "uuid.UUID(int=1)",
        r#""00000000-0000-0000-0000-000000000001""#,
    ),
    ("pathlib.Path('/a/b')", r#""/a/b""#),
    ("[Color.RED, Number.ONE]", r#"["red",1]"#),
    ("{Color.RED: 1}", r#"{"red":1}"#),
    ("list({'b': 1, 'a': {2}}.items())", r#"[["b",1],["a",[2]]]"#),
    ("1 + 2j", "[1.0,2.0]"),
    ("Point(1, {2})", r#"{"x":1,"y":[2]}"#),
    ("Pair(1, 2)", "[1,2]"),
    ("Model()", r#"{"mode":"json"}"#),
    ("range(3)", "[0,1,2]"),
    ("map(str, [1, 2])", r#"["1","2"]"#),
    (
        "[(i for i in range(2)), {'a': 1}.items()]",
        r#"[[0,1],[["a",1]]]"#,
    ),
    ("collections.deque([1])", "[1]"),
    ("collections.OrderedDict(b=1, a=2)", r#"{"b":1,"a":2}"#),
    ("types.MappingProxyType({'a': 1})", r#"{"a":1}"#),
    ("array.array('i', [1, 2])", "[1,2]"),
    ("Text('sub')", r#""sub""#),
    (
        "{'$pyrun': 'int', 'value': '1'}",
        r#"{"$pyrun":"dict","value":{"$pyrun":"int","value":"1"}}"#,
    ),
    ("[FakeScalar(), FakeArray()]", "[7,[null,1.0]]"),
    ("[FakeLong(), FakeBatch()]", r#"[1.5,[{"a":1}]]"#),
    ("{FakePeriod(): 1}", r#"{"2024-01":1}"#),
];

const PRELUDE: &str = "\
import array, collections, dataclasses, datetime, decimal, enum, fractions, pathlib, types, uuid
class Color(enum.Enum):
    RED = 'red'
class Number(enum.IntEnum):
    ONE = 1
@dataclasses.dataclass
class Point:
    x: int
    y: object
Pair = collections.namedtuple('Pair', 'a b')
class Model:
    def model_dump(self, mode):
        return {'mode': mode}
class Text(str):
    pass
class Type:
    kind = 'i'
class FakeScalar:
    dtype = Type
    def item(self):
        return 7
FakeScalar.__module__, FakeScalar.__name__ = 'numpy', 'generic'
class FakeArray:
    dtype = Type
    def tolist(self):
        return [float('nan'), 1.0]
FakeArray.__module__, FakeArray.__name__ = 'numpy', 'ndarray'
class FakeLong:
    class dtype:
        kind = 'f'
    def item(self):
        return self
    def __float__(self):
        return 1.5
FakeLong.__module__, FakeLong.__name__ = 'numpy', 'generic'
class FakeBatch:
    def to_pylist(self):
        return [{'a': 1}]
FakeBatch.__module__, FakeBatch.__name__ = 'pyarrow.lib', 'RecordBatch'
class FakePeriod:
    def __str__(self):
        return '2024-01'
import sys
sys.modules['pandas'] = types.SimpleNamespace(Period=FakePeriod)
";

#[tokio::test]
async fn results_become_json_as_the_table_says() {
    // One run for all of them; the top level, where some kinds differ, is tried below.
    let items: Vec<&str> = RESULTS.iter().map(|(source, _)| *source).collect();
    let source = format!("{PRELUDE}def f():\n    return [{}]", items.join(", "));
    let ran = run(&call(&source, vec![])).await;
    let found = ran.result().as_array().expect("a list").clone();
    assert_eq!(found.len(), RESULTS.len());
    for ((source, expected), found) in RESULTS.iter().zip(found) {
        let expected: Value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(found, expected, "{source}");
    }
    for (source, expected) in [("b'a'", json!("YQ==")), ("map(str, [1])", json!(["1"]))] {
        let source = format!("def f():\n    return {source}");
        assert_eq!(run(&call(&source, vec![])).await.result(), &expected);
    }
}

#[tokio::test]
async fn keys_keep_their_order() {
    for source in ["{'b': 1, 'a': 2}", "{'b': 1, 'a': {2}}"] {
        let ran = run(&call(&format!("def f(): return {source}"), vec![])).await;
        assert!(
            ran.result().to_string().starts_with("{\"b\""),
            "{:?}",
            ran.result()
        );
    }
}

#[tokio::test]
async fn results_without_a_form_are_named_by_their_path() {
    let deep = "x = []\n    for _ in range(200): x = [x]\n    return x";
    let loops = "x = {}\n    x['self'] = [x]\n    return x";
    for (body, message) in [
        (
            "return {'model': [1, 2, 3, object()]}",
            "`result[\"model\"][3]` is of the type `object`, which has no form in JSON",
        ),
        (
            "return f",
            "`result` is of the type `function`, which has no form in JSON",
        ),
        (
            "return [{(1, 2): 3}]",
            "a key of `result[0]` is of the type `tuple`, and JSON has text as keys",
        ),
        (
            loops,
            "`result[\"self\"][0]` contains itself, which JSON can't express",
        ),
        (deep, "the result is nested deeper than 100 levels"),
        (
            "x = []\n    for _ in range(200): x = [x]\n    yield x\n    yield 2",
            "the result is nested deeper than 100 levels",
        ),
    ] {
        let ran = run(&call(&format!("def f():\n    {body}"), vec![])).await;
        assert_eq!(ran.fault().code, Code::RUN_RESULT, "{body}");
        assert_eq!(ran.fault().message, message, "{body}");
    }
    let body = "def f():\n    class Odd:\n        def model_dump(self, mode): raise KeyError('gone')\n    return Odd()";
    let ran = run(&call(body, vec![])).await;
    assert_eq!(
        ran.fault().message,
        "turning the result into JSON raised KeyError: 'gone'"
    );
}

#[tokio::test]
async fn what_only_looks_like_a_list_is_refused_with_a_way_out() {
    let groups = "class Groups:\n    keys = None\n    def __getitem__(self, key): return key\n    \
                  def __iter__(self): return iter([1])\n    def __len__(self): return 1\n    \
                  def toarray(self): return [1]\n";
    for (module, hint) in [
        ("pandas.api.typing", "convert it to text"),
        ("scipy.sparse", "call `.toarray()` on it first"),
    ] {
        let source =
            format!("{groups}Groups.__module__ = '{module}'\ndef f():\n    return [Groups()]");
        let ran = run(&call(&source, vec![])).await;
        let message =
            format!("`result[0]` is of the type `{module}.Groups`, which has no form in JSON");
        assert_eq!(ran.fault().message, message);
        assert!(ran.fault().hints[0].starts_with(hint), "{:?}", ran.fault());
    }
    let ran = run(&call("def f():\n    return [dict]", vec![])).await;
    let message = "`result[0]` is the class `dict` itself, which has no form in JSON";
    assert_eq!(ran.fault().message, message);
}

#[tokio::test]
async fn arguments_arrive_as_their_kinds() {
    let tagged = |kind: &str, value: Value| json!({"$pyrun": kind, "value": value});
    let args = vec![
        tagged("path", json!("/a")),
        tagged("datetime", json!("2024-05-31T12:00:00+02:00")),
        tagged("date", json!("2024-05-31")),
        tagged("time", json!("12:00:00.500000")),
        tagged("timedelta", json!(1.5)),
        tagged("decimal", json!("1.10")),
        tagged("uuid", json!("00000000-0000-0000-0000-000000000001")),
        tagged("bytes", json!("AP8=")),
        tagged("float", json!("-inf")),
        tagged("int", json!("18446744073709551616")),
        tagged("tuple", json!([1, tagged("set", json!([2]))])),
        tagged(
            "dict",
            json!({"$pyrun": tagged("date", json!("2024-05-31"))}),
        ),
        tagged("dict", json!([[1, 2]])),
        json!({"$pyrun": "enum", "class": "Color", "name": "RED"}),
        json!([{"a": tagged("path", json!("b"))}]),
    ];
    let source = "\
import enum
class Color(enum.Enum):
    RED = 1
def f(*args):
    return [repr(arg) for arg in args]";
    let ran = run(&call(source, args)).await;
    let zone = "datetime.timezone(datetime.timedelta(seconds=7200))";
    assert_eq!(
        ran.result(),
        &json!([
            "PosixPath('/a')",
            format!("datetime.datetime(2024, 5, 31, 12, 0, tzinfo={zone})"),
            "datetime.date(2024, 5, 31)",
            "datetime.time(12, 0, 0, 500000)",
            "datetime.timedelta(seconds=1, microseconds=500000)",
            "Decimal('1.10')",
            "UUID('00000000-0000-0000-0000-000000000001')",
            "b'\\x00\\xff'",
            "-inf",
            "18446744073709551616",
            "(1, {2})",
            "{'$pyrun': datetime.date(2024, 5, 31)}",
            "{1: 2}",
            "<Color.RED: 1>",
            "[{'a': PosixPath('b')}]"
        ])
    );
}
