//! Values between JSON text and the wire.
//!
//! In: a value as the wire carries it, where an integer beyond 64 bits is
//! `{"$pyrun": "int", "value": digits}` and an object with a key `$pyrun` of its own is
//! `{"$pyrun": "dict", "value": object}` (docs/VALUES.md). Out: JSON without those wrappings.
//! The other way, JSON text as somebody wrote it becomes text whose wide integers are wrapped.
//! Never: loses a digit.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

/// The value as JSON on one line, with a space after each comma and colon as Python's
/// `json.dumps` has it, and without a line end.
pub fn to_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            write_items(text, ['[', ']'], items.iter(), write_value);
        }
        Value::Object(fields) => match (fields.get("$pyrun"), fields.get("value")) {
            (Some(Value::String(kind)), Some(Value::String(digits)))
                if kind == "int" && is_integer(digits) =>
            {
                text.push_str(digits);
            }
            (Some(Value::String(kind)), Some(Value::Object(inner))) if kind == "dict" => {
                write_object(text, inner);
            }
            _ => write_object(text, fields),
        },
        plain => text.push_str(&plain.to_string()),
    }
}

fn write_object(text: &mut String, fields: &serde_json::Map<String, Value>) {
    write_items(text, ['{', '}'], fields.iter(), |text, (key, value)| {
        text.push_str(&Value::from(key.as_str()).to_string());
        text.push_str(": ");
        write_value(text, value);
    });
}

fn write_items<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    text.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write(text, item);
    }
    text.push(close);
}

fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The JSON text with each integer that 64 bits can't hold as the wire carries it. What is no JSON
/// is none afterwards.
pub fn with_wide_integers_tagged(json: &str) -> Cow<'_, str> {
    Outline::of(json).with_wide_integers_tagged()
}

/// What a look over a JSON text tells without reading it.
#[derive(Debug)]
pub struct Outline<'t> {
    json: &'t str,
    depth: usize,
    /// Integers that 64 bits can't hold.
    wide: Vec<Range<usize>>,
}

impl<'t> Outline<'t> {
    /// Looks over a text once.
    pub fn of(json: &'t str) -> Self {
        let bytes = json.as_bytes();
        let mut outline = Self {
            json,
            depth: 0,
            wide: Vec::new(),
        };
        let (mut at, mut depth) = (0usize, 0usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => at = end_of_text(bytes, at),
                b'[' | b'{' => {
                    depth += 1;
                    outline.depth = outline.depth.max(depth);
                    at += 1;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let end = end_of_number(bytes, at);
                    if is_wide(&json[at..end]) {
                        outline.wide.push(at..end);
                    }
                    at = end;
                }
                _ => at += 1,
            }
        }
        outline
    }

    /// How deep arrays and objects nest.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether an integer is there that 64 bits can't hold.
    pub fn has_wide_integers(&self) -> bool {
        !self.wide.is_empty()
    }

    /// The text with each wide integer as the wire carries it.
    pub fn with_wide_integers_tagged(&self) -> Cow<'t, str> {
        self.with_wide_integers(|digits| format!(r#"{{"$pyrun":"int","value":"{digits}"}}"#))
    }

    /// The text with each wide integer written as `write` has it, which is given its digits with
    /// their sign.
    pub fn with_wide_integers(&self, write: impl Fn(&str) -> String) -> Cow<'t, str> {
        if self.wide.is_empty() {
            return Cow::Borrowed(self.json);
        }
        let mut written = String::with_capacity(self.json.len() + self.wide.len() * 32);
        let mut done = 0;
        for range in &self.wide {
            written.push_str(&self.json[done..range.start]);
            written.push_str(&write(&self.json[range.clone()]));
            done = range.end;
        }
        written.push_str(&self.json[done..]);
        Cow::Owned(written)
    }
}

/// The byte after the text that begins here.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    start
        + bytes[start..]
            .iter()
            .take_while(|byte| is_part(byte))
            .count()
}

fn is_wide(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    // A leading zero makes it no JSON, which wrapping it would hide.
    digits.len() >= 19
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && number.parse::<i64>().is_err()
        && number.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrappings_are_taken_off() {
        let value = json!({
            "wide": [{"$pyrun": "int", "value": "-1267650600228229401496703205376"}],
            "own": {"$pyrun": "dict", "value": {"$pyrun": "int", "value": "1"}},
        });
        assert_eq!(
            to_json(&value),
            r#"{"wide": [-1267650600228229401496703205376], "own": {"$pyrun": "int", "value": "1"}}"#
        );
    }

    #[test]
    fn what_only_looks_like_a_wrapping_stays() {
        let value = json!({"$pyrun": "int", "value": "1; drop"});
        assert_eq!(to_json(&value), r#"{"$pyrun": "int", "value": "1; drop"}"#);
    }

    #[test]
    fn it_looks_as_python_prints_it_and_reads_back_the_same() {
        let value = json!({"b": [1, "ü\n", {}, []], "a": {"c": null, "d": 1.5}});
        let text = to_json(&value);
        assert_eq!(
            text,
            r#"{"b": [1, "ü\n", {}, []], "a": {"c": null, "d": 1.5}}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn wide_integers_are_wrapped_wherever_they_stand() {
        let wide = "123456789012345678901234567890";
        let text = format!(r#"["{wide}", {{"{wide}": -{wide}}}, 18446744073709551615, {wide}.0]"#);
        let value: Value =
            serde_json::from_str(&with_wide_integers_tagged(&text)).expect("it is JSON still");
        assert_eq!(
            value,
            json!([
                wide,
                {wide: {"$pyrun": "int", "value": format!("-{wide}")}},
                u64::MAX,
                123_456_789_012_345_678_901_234_567_890.0,
            ])
        );
        assert!(matches!(
            with_wide_integers_tagged("[1, \"1\"]"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn what_is_no_json_is_none_afterwards() {
        let wide = "9".repeat(30);
        for text in [
            format!("[{wide}"),
            format!("0{wide}"),
            format!("[{wide}{wide}e]"),
            format!("\"{wide}"),
            format!("[\\{wide}]"),
        ] {
            let tagged = with_wide_integers_tagged(&text);
            assert!(serde_json::from_str::<Value>(&tagged).is_err(), "{text}");
        }
    }
}
