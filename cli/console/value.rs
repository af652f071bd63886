//! A result as text.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::Formatter;

/// The text of a result: a string as it is, everything else as JSON with the spacing that
/// Python's `json.dumps` gives it.
pub fn to_text(value: &Value) -> String {
    if let Value::String(text) = value {
        return text.clone();
    }
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => value.to_string(),
    }
}

/// One line, with a space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_looks_as_python_prints_json() {
        for (json, text) in [
            (r#""5""#, "5"),
            (r#"["5","this","that"]"#, r#"["5", "this", "that"]"#),
            (r#"{"b":1,"a":[1.5,null,true,"é"]}"#, r#"{"b": 1, "a": [1.5, null, true, "é"]}"#),
            ("[]", "[]"),
        ] {
            let value: Value = serde_json::from_str(json).expect(json);
            assert_eq!(to_text(&value), text);
        }
    }
}
