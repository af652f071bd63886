//! A result as text for a person or a pipe.
//!
//! In: a value as the wire carries it, where an integer beyond 64 bits is
//! `{"$pyrun": "int", "value": digits}` and an object with a key `$pyrun` of its own is
//! `{"$pyrun": "dict", "value": object}` (docs/VALUES.md). Out: JSON without those wrappings.
//! Never: loses a digit.

use serde_json::Value;

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// On one line, without spaces.
    Compact,
    /// An item a line, indented by two spaces.
    Pretty,
}

/// The value as JSON, without a line end.
pub fn to_json(value: &Value, layout: Layout) -> String {
    let mut text = String::new();
    write_value(&mut text, value, layout, 0);
    text
}

fn write_value(text: &mut String, value: &Value, layout: Layout, depth: usize) {
    match value {
        Value::Array(items) => write_items(
            text,
            ['[', ']'],
            layout,
            depth,
            items.iter(),
            |text, item| write_value(text, item, layout, depth + 1),
        ),
        Value::Object(fields) => match (fields.get("$pyrun"), fields.get("value")) {
            (Some(Value::String(kind)), Some(Value::String(digits)))
                if kind == "int" && is_integer(digits) =>
            {
                text.push_str(digits);
            }
            (Some(Value::String(kind)), Some(Value::Object(inner))) if kind == "dict" => {
                write_object(text, inner, layout, depth);
            }
            _ => write_object(text, fields, layout, depth),
        },
        plain => text.push_str(&plain.to_string()),
    }
}

fn write_object(
    text: &mut String,
    fields: &serde_json::Map<String, Value>,
    layout: Layout,
    depth: usize,
) {
    let colon = match layout {
        Layout::Compact => ":",
        Layout::Pretty => ": ",
    };
    write_items(
        text,
        ['{', '}'],
        layout,
        depth,
        fields.iter(),
        |text, (key, value)| {
            text.push_str(&Value::from(key.as_str()).to_string());
            text.push_str(colon);
            write_value(text, value, layout, depth + 1);
        },
    );
}

fn write_items<T>(
    text: &mut String,
    [open, close]: [char; 2],
    layout: Layout,
    depth: usize,
    items: impl ExactSizeIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    text.push(open);
    let many = items.len() > 0;
    let new_line = |text: &mut String, depth: usize| {
        if layout == Layout::Pretty && many {
            text.push('\n');
            text.push_str(&"  ".repeat(depth));
        }
    };
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        new_line(text, depth + 1);
        write(text, item);
    }
    new_line(text, depth);
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
            to_json(&value, Layout::Compact),
            r#"{"wide":[-1267650600228229401496703205376],"own":{"$pyrun":"int","value":"1"}}"#
        );
    }

    #[test]
    fn what_only_looks_like_a_wrapping_stays() {
        let value = json!({"$pyrun": "int", "value": "1; drop"});
        assert_eq!(to_json(&value, Layout::Compact), value.to_string());
    }

    #[test]
    fn both_layouts_are_those_of_serde_json() {
        let value = json!({"a": [1, "ü\n", {}, []], "b": {"c": null, "d": 1.5}});
        assert_eq!(to_json(&value, Layout::Compact), value.to_string());
        let pretty = serde_json::to_string_pretty(&value).expect("JSON");
        assert_eq!(to_json(&value, Layout::Pretty), pretty);
    }
}
