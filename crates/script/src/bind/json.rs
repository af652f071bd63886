//! A JSON value becomes a value of a kind.
//!
//! In: a [`Kind`] and a value, or a word that holds JSON, as a user wrote it. Out: the value as the wire carries it, or what
//! would have been taken instead. Only what is meant beyond doubt is converted: text where a date
//! is declared is read as one, text where an integer is declared is an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pyrun_core::value::{Outline, to_json};
use serde_json::{Map, Value};

use super::text::{self, Wrong, at};
use super::{number, time, wire};
use crate::annotation::Kind;

/// Whether an object with the key `$pyrun` is one of the wire's forms.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Trust<'m> {
    /// It is plain data: a word of the command line. An integer that 64 bits can't hold is an
    /// object with this one key, which no other object has.
    Plain(&'m str),
    /// It is: a call that is given as the wire carries it.
    Wire,
}

/// Reads a word that holds JSON and converts it; `None` for one that holds none.
pub(super) fn read(kind: &Kind, word: &str) -> Option<Result<Value, Wrong>> {
    let outline = Outline::of(word);
    let mut mark = "wide".to_owned();
    if outline.has_wide_integers() {
        let rest = outline.with_wide_integers(|_| "null".to_owned());
        let rest: Value = serde_json::from_str(&rest).ok()?;
        while has_key(&rest, &mark) {
            mark.push('_');
        }
    }
    let marked = outline.with_wide_integers(|digits| format!(r#"{{"{mark}":"{digits}"}}"#));
    let value = serde_json::from_str(&marked).ok()?;
    let mark = if outline.has_wide_integers() {
        mark.as_str()
    } else {
        ""
    };
    Some(convert(kind, value, Trust::Plain(mark)))
}

fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|each| has_key(each, key)),
        Value::Object(map) => map
            .iter()
            .any(|(name, each)| name == key || has_key(each, key)),
        _ => false,
    }
}

/// The digits of an integer that 64 bits can't hold.
fn wide<'v>(value: &'v Value, trust: Trust) -> Option<&'v str> {
    match trust {
        Trust::Plain("") => None,
        Trust::Plain(mark) => value.as_object()?.get(mark)?.as_str(),
        Trust::Wire => (wire::tag(value)? == "int")
            .then(|| value["value"].as_str())
            .flatten(),
    }
}

/// Converts a value.
pub(super) fn convert(kind: &Kind, value: Value, trust: Trust) -> Result<Value, Wrong> {
    if let Some(digits) = wide(&value, trust) {
        if !matches!(kind, Kind::Union(_)) {
            return wide_integer(kind, digits).ok_or_else(|| Wrong::new(kind, digits));
        }
    } else if trust == Trust::Wire
        && let Some(tag) = wire::tag(&value)
    {
        return if takes_tag(kind, tag) {
            Ok(value)
        } else {
            Err(wrong(kind, &value, trust))
        };
    }
    match (kind, value) {
        (Kind::Any, value) => Ok(escape(value, trust)),
        (Kind::Union(kinds), value) => {
            text::union(kinds, |each| convert(each, value.clone(), trust))
                .map_err(|inner| inner.unwrap_or_else(|| wrong(kind, &value, trust)))
        }
        (Kind::List(item), Value::Array(list)) => items(item, list, trust).map(Value::Array),
        (Kind::Set(item), Value::Array(list)) => Ok(wire::tagged("set", items(item, list, trust)?)),
        (Kind::Tuple(item), Value::Array(list)) => {
            Ok(wire::tagged("tuple", items(item, list, trust)?))
        }
        (Kind::FixedTuple(kinds), Value::Array(list)) if kinds.len() == list.len() => {
            let converted: Result<Vec<Value>, Wrong> = kinds
                .iter()
                .zip(list)
                .enumerate()
                .map(|(index, (item, value))| {
                    convert(item, value, trust).map_err(|wrong| wrong.within(&at(index)))
                })
                .collect();
            Ok(wire::tagged("tuple", converted?))
        }
        (Kind::Dict(key, item), Value::Object(map)) => dictionary(key, item, map, trust),
        (kind, value) => scalar(kind, &value).ok_or_else(|| wrong(kind, &value, trust)),
    }
}

fn wrong(kind: &Kind, value: &Value, trust: Trust) -> Wrong {
    let found = match trust {
        Trust::Plain("") | Trust::Wire => value.to_string(),
        Trust::Plain(_) => to_json(&escape(value.clone(), trust)),
    };
    Wrong::new(kind, found)
}

/// An integer beyond 64 bits, of a kind.
fn wide_integer(kind: &Kind, digits: &str) -> Option<Value> {
    match kind {
        Kind::Any | Kind::Int => number::int(digits),
        Kind::Float => number::float(digits),
        Kind::Decimal => number::decimal(digits).map(|text| wire::tagged("decimal", text)),
        _ => None,
    }
}

fn items(kind: &Kind, list: Vec<Value>, trust: Trust) -> Result<Vec<Value>, Wrong> {
    list.into_iter()
        .enumerate()
        .map(|(index, value)| convert(kind, value, trust).map_err(|wrong| wrong.within(&at(index))))
        .collect()
}

/// A dictionary: an object, or pairs when its keys are not text.
fn dictionary(
    key: &Kind,
    item: &Kind,
    map: Map<String, Value>,
    trust: Trust,
) -> Result<Value, Wrong> {
    let mut pairs = Vec::new();
    for (name, value) in map {
        let place = format!("[{name:?}]");
        let value = convert(item, value, trust).map_err(|wrong| wrong.within(&place))?;
        let key = text::convert(key, &name).map_err(|wrong| wrong.within(&place))?;
        pairs.push((name, key, value));
    }
    let text_keys = pairs
        .iter()
        .all(|(name, key, _)| key.as_str() == Some(name));
    if text_keys {
        let map = pairs.into_iter().map(|(name, _, value)| (name, value));
        return Ok(wire::object(map.collect()));
    }
    let pairs = pairs
        .into_iter()
        .map(|(_, key, value)| Value::Array(vec![key, value]))
        .collect();
    Ok(wire::tagged("dict", Value::Array(pairs)))
}

fn scalar(kind: &Kind, value: &Value) -> Option<Value> {
    let word = value.as_str();
    match kind {
        Kind::Str => word.map(Value::from),
        Kind::Int => (value.is_i64() || value.is_u64()).then(|| value.clone()),
        Kind::Float => match value {
            Value::Number(number) => number.as_f64().and_then(number::real),
            _ => word
                .and_then(number::float)
                .filter(|value| !value.is_number()),
        },
        Kind::Bool => value.as_bool().map(Value::Bool),
        Kind::None => value.is_null().then_some(Value::Null),
        Kind::Bytes => word.map(|word| wire::tagged("bytes", BASE64.encode(word))),
        Kind::Path => word.map(|word| wire::tagged("path", word)),
        Kind::DateTime => word
            .and_then(time::datetime)
            .map(|text| wire::tagged("datetime", text)),
        Kind::Date => word
            .and_then(time::date)
            .map(|text| wire::tagged("date", text)),
        Kind::Time => word
            .and_then(time::time)
            .map(|text| wire::tagged("time", text)),
        Kind::TimeDelta => match value {
            Value::Number(_) => Some(wire::tagged("timedelta", value.clone())),
            _ => word
                .and_then(time::seconds)
                .map(|seconds| wire::tagged("timedelta", seconds)),
        },
        Kind::Decimal => match value {
            Value::Number(number) => Some(wire::tagged("decimal", number.to_string())),
            _ => word
                .and_then(number::decimal)
                .map(|text| wire::tagged("decimal", text)),
        },
        Kind::Uuid => word
            .and_then(text::uuid)
            .map(|text| wire::tagged("uuid", text)),
        Kind::Literal(values) => values.iter().find(|each| *each == value).cloned(),
        Kind::Enum(class) => text::member(class, |each| each == value, word.unwrap_or_default()),
        _ => None,
    }
}

/// Whether a value in the wire's form, other than an integer's, is of a kind; what is inside it is not looked into.
fn takes_tag(kind: &Kind, tag: &str) -> bool {
    match kind {
        Kind::Any => true,
        Kind::Union(kinds) => kinds.iter().any(|each| takes_tag(each, tag)),
        Kind::Float => tag == "float",
        Kind::Bytes => tag == "bytes",
        Kind::Path => tag == "path",
        Kind::DateTime => tag == "datetime",
        Kind::Date => tag == "date",
        Kind::Time => tag == "time",
        Kind::TimeDelta => tag == "timedelta",
        Kind::Decimal => tag == "decimal",
        Kind::Uuid => tag == "uuid",
        Kind::Set(_) => tag == "set",
        Kind::Tuple(_) | Kind::FixedTuple(_) => tag == "tuple",
        Kind::Dict(..) => tag == "dict",
        Kind::Enum(_) => tag == "enum",
        Kind::Str | Kind::Int | Kind::Bool | Kind::None | Kind::List(_) | Kind::Literal(_) => false,
    }
}

/// A value of no declared kind, with dictionaries that look like the wire's forms escaped.
fn escape(value: Value, trust: Trust) -> Value {
    if let Some(digits) = wide(&value, trust) {
        return wire::tagged("int", digits);
    }
    match value {
        value if trust == Trust::Wire && wire::tag(&value).is_some() => value,
        Value::Array(list) => list.into_iter().map(|each| escape(each, trust)).collect(),
        Value::Object(map) => wire::object(
            map.into_iter()
                .map(|(key, each)| (key, escape(each, trust)))
                .collect(),
        ),
        other => other,
    }
}
