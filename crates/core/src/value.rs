//! A result as text for a person or a pipe.
//!
//! In: a value as the wire carries it, where an integer beyond 64 bits is
//! `{"$pyrun": "int", "value": digits}` and an object with a key `$pyrun` of its own is
//! `{"$pyrun": "dict", "value": object}` (docs/VALUES.md). Out: JSON without those wrappings.
//! Never: loses a digit.

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
}
