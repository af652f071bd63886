//! A result as text.

use pyrun_core::value::to_json;
use serde_json::Value;

/// The text of a result: a string as it is, everything else as JSON on one line.
pub fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => to_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_as_it_is_and_all_else_as_json() {
        for (json, text) in [
            (r#""5""#, "5"),
            (r#"["5","this","that"]"#, r#"["5", "this", "that"]"#),
            (
                r#"{"b":1,"a":[1.5,null,true,"é"]}"#,
                r#"{"b": 1, "a": [1.5, null, true, "é"]}"#,
            ),
        ] {
            let value: Value = serde_json::from_str(json).expect(json);
            assert_eq!(to_text(&value), text);
        }
    }
}
