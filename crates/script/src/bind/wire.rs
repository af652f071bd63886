//! The forms of docs/VALUES.md for what JSON has no word for.

use serde_json::{Map, Value};

/// The key that marks such a form.
const KEY: &str = "$pyrun";
const KINDS: [&str; 14] = [
    "int",
    "float",
    "path",
    "datetime",
    "date",
    "time",
    "timedelta",
    "decimal",
    "uuid",
    "bytes",
    "tuple",
    "set",
    "dict",
    "enum",
];

/// `{"$pyrun": kind, "value": value}`.
pub(super) fn tagged(kind: &str, value: impl Into<Value>) -> Value {
    let mut map = Map::new();
    map.insert(KEY.to_owned(), Value::from(kind));
    map.insert("value".to_owned(), value.into());
    Value::Object(map)
}

/// A member of an enumeration.
pub(super) fn member(class: &str, name: &str) -> Value {
    let mut map = Map::new();
    map.insert(KEY.to_owned(), Value::from("enum"));
    map.insert("class".to_owned(), Value::from(class));
    map.insert("name".to_owned(), Value::from(name));
    Value::Object(map)
}

/// A dictionary with text for keys.
pub(super) fn object(map: Map<String, Value>) -> Value {
    if map.contains_key(KEY) {
        tagged("dict", Value::Object(map))
    } else {
        Value::Object(map)
    }
}

/// The kind of a value that is in one of the wire's forms.
pub(super) fn tag(value: &Value) -> Option<&str> {
    let map = value.as_object()?;
    let kind = map.get(KEY)?.as_str()?;
    let rest: &[&str] = if kind == "enum" {
        &["class", "name"]
    } else {
        &["value"]
    };
    let whole = map.len() == rest.len() + 1 && rest.iter().all(|key| map.contains_key(*key));
    (whole && KINDS.contains(&kind)).then_some(kind)
}
