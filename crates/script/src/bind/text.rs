//! A word becomes a value of a kind.
//!
//! In: a [`Kind`] and a word. Out: the value, or what would have been taken instead.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::{json, number, time, wire};
use crate::annotation::{EnumClass, Kind};

/// A value that a kind does not take.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// Where inside the value, such as `[2]`; empty for the whole.
    pub path: String,
    /// What is taken, in words that follow "takes".
    pub expected: String,
    /// What was given.
    pub found: String,
}

impl Wrong {
    pub fn new(kind: &Kind, found: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            expected: kind.to_string(),
            found: found.into(),
        }
    }

    pub fn within(mut self, place: &str) -> Self {
        self.path.insert_str(0, place);
        self
    }
}

/// Converts a word.
pub(super) fn convert(kind: &Kind, word: &str) -> Result<Value, Wrong> {
    let wrong = || Wrong::new(kind, word);
    match kind {
        Kind::Any | Kind::Str => Ok(Value::from(word)),
        Kind::Int => number::int(word).ok_or_else(wrong),
        Kind::Float => number::float(word).ok_or_else(wrong),
        Kind::Bool => boolean(word).map(Value::Bool).ok_or_else(wrong),
        Kind::None => match word {
            "null" | "None" => Ok(Value::Null),
            _ => Err(wrong()),
        },
        Kind::Bytes => Ok(wire::tagged("bytes", BASE64.encode(word))),
        Kind::Path => Ok(wire::tagged("path", word)),
        Kind::DateTime => tagged("datetime", time::datetime(word)).ok_or_else(wrong),
        Kind::Date => tagged("date", time::date(word)).ok_or_else(wrong),
        Kind::Time => tagged("time", time::time(word)).ok_or_else(wrong),
        Kind::TimeDelta => tagged("timedelta", time::seconds(word)).ok_or_else(wrong),
        Kind::Decimal => tagged("decimal", number::decimal(word)).ok_or_else(wrong),
        Kind::Uuid => tagged("uuid", uuid(word)).ok_or_else(wrong),
        Kind::List(_) | Kind::Set(_) | Kind::Tuple(_) | Kind::FixedTuple(_) | Kind::Dict(..) => {
            json::read(kind, word).unwrap_or_else(|| Err(wrong()))
        }
        Kind::Union(kinds) => {
            union(kinds, |each| convert(each, word)).map_err(|inner| inner.unwrap_or_else(wrong))
        }
        Kind::Literal(values) => values
            .iter()
            .find(|value| is_literal(value, word))
            .cloned()
            .ok_or_else(wrong),
        Kind::Enum(class) => member(class, |value| is_literal(value, word), word).ok_or_else(wrong),
    }
}

/// Converts the words of a keyword for a kind that collects: each is an item, unless a single one
/// is a whole JSON array.
pub(super) fn collect(kind: &Kind, words: &[&str]) -> Result<Value, Wrong> {
    if let [only] = words
        && (only.trim_start().starts_with('[') || matches!(kind, Kind::Union(_)))
        && let Ok(value) = convert(kind, only)
    {
        return Ok(value);
    }
    collect_items(kind, words)
}

fn collect_items(kind: &Kind, words: &[&str]) -> Result<Value, Wrong> {
    let items = |item: &Kind| -> Result<Value, Wrong> {
        let converted: Result<Vec<Value>, Wrong> = words
            .iter()
            .enumerate()
            .map(|(index, word)| convert(item, word).map_err(|wrong| wrong.within(&at(index))))
            .collect();
        converted.map(Value::Array)
    };
    match kind {
        Kind::List(item) => items(item),
        Kind::Set(item) => items(item).map(|list| wire::tagged("set", list)),
        Kind::Tuple(item) => items(item).map(|list| wire::tagged("tuple", list)),
        Kind::Union(kinds) => {
            let collecting = kinds.iter().filter(|each| each.collects().is_some());
            let mut last = Wrong::new(kind, words.join(" "));
            for each in collecting {
                match collect_items(each, words) {
                    Ok(value) => return Ok(value),
                    Err(wrong) => last = wrong,
                }
            }
            Err(last)
        }
        _ => Err(Wrong::new(kind, words.join(" "))),
    }
}

/// The place of an item.
pub(super) fn at(index: usize) -> String {
    format!("[{index}]")
}

/// The first of a union's kinds that takes a value; `None` is tried last, since `null` may be
/// text. With one real kind, its own error says more than the union's when it is about an item.
pub(super) fn union(
    kinds: &[Kind],
    mut attempt: impl FnMut(&Kind) -> Result<Value, Wrong>,
) -> Result<Value, Option<Wrong>> {
    let mut about_items = Vec::new();
    let real = kinds.iter().filter(|each| **each != Kind::None);
    let real_count = real.clone().count();
    for each in real {
        match attempt(each) {
            Ok(value) => return Ok(value),
            Err(wrong) if !wrong.path.is_empty() => about_items.push(wrong),
            Err(_) => {}
        }
    }
    if kinds.contains(&Kind::None)
        && let Ok(value) = attempt(&Kind::None)
    {
        return Ok(value);
    }
    Err(about_items.pop().filter(|_| real_count == 1))
}

fn tagged(kind: &str, value: Option<impl Into<Value>>) -> Option<Value> {
    value.map(|value| wire::tagged(kind, value))
}

/// Words for yes and no.
pub(super) fn boolean(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Whether a word stands for a literal.
fn is_literal(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text == word,
        Value::Bool(value) => word.eq_ignore_ascii_case(&value.to_string()),
        Value::Null => matches!(word, "null" | "None"),
        Value::Number(number) if number.is_i64() => number::int(word).as_ref() == Some(value),
        other => number::float(word).as_ref() == Some(other),
    }
}

/// The member whose value is the one that is meant, else the one of that name.
pub(super) fn member(
    class: &EnumClass,
    is_value: impl Fn(&Value) -> bool,
    name: &str,
) -> Option<Value> {
    let by_value = class
        .members
        .iter()
        .find(|(_, value)| value.as_ref().is_some_and(&is_value));
    let by_name = || class.members.iter().find(|(member, _)| member == name);
    let (member, _) = by_value.or_else(by_name)?;
    Some(wire::member(&class.name, member))
}

/// 32 hex digits, as Python's `uuid.UUID` takes them: dashes, braces and `urn:uuid:` are left out.
pub(super) fn uuid(word: &str) -> Option<String> {
    let word = word.trim();
    let word = word.strip_prefix("urn:uuid:").unwrap_or(word);
    let word = word
        .strip_prefix('{')
        .and_then(|word| word.strip_suffix('}'))
        .unwrap_or(word);
    let digits: String = word
        .chars()
        .filter(|each| *each != '-')
        .map(|each| each.to_ascii_lowercase())
        .collect();
    let valid = digits.len() == 32 && digits.bytes().all(|each| each.is_ascii_hexdigit());
    valid.then(|| {
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &digits[range]);
        parts.join("-")
    })
}
