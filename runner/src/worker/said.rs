//! What the worker says, one line at a time.
//!
//! In: bytes from a process that runs a stranger's code. Out: one of five sayings, or garbage.
//! Never: takes a word, a fault code or a value that the worker has no business saying; loses a
//! digit of an integer.

use std::fmt::Write as _;

use pyrun_core::{Code, Fault, Phase};
use serde_json::Value;

/// How deep a value may nest: its reader at the far end stops at 128.
const DEEPEST: usize = 102;

/// The faults that a run itself can have.
const CODES: &[Code] = &[
    Code::RUN_RAISED,
    Code::RUN_EXITED,
    Code::RUN_RESULT,
    Code::RUN_OUTPUT,
    Code::RUN_MEMORY,
    Code::SCRIPT_SYNTAX,
    Code::SCRIPT_FUNCTION,
];

/// A line of the worker.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// A phase begins.
    Phase(Phase),
    /// The generator yielded a value.
    Yield(Value),
    /// The function's outcome.
    Last(Last),
    /// A value that can't be passed on: the run's outcome, whatever the worker says next.
    Unfit(Fault),
}

/// The outcome, as the worker tells it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Last {
    /// The function returned.
    Result(Value),
    /// It did not, or its result can't be sent.
    Fault(Fault),
}

/// A line that no worker writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbage {
    /// Not `word JSON`.
    #[error("a line is not one of the worker's: `{0}`")]
    Line(String),
    /// A line over the bound.
    #[error("a line is longer than {0} bytes")]
    Long(usize),
    /// A phase that is over, or comes later.
    #[error("the phase `{0}` is out of order")]
    Order(&'static str),
    /// Two outcomes.
    #[error("a second outcome followed the first")]
    Twice,
}

/// Reads a line, without its end.
pub(super) fn parse(line: &[u8]) -> Result<Said, Garbage> {
    let garbage = || Garbage::Line(String::from_utf8_lossy(&line[..line.len().min(80)]).into());
    let text = std::str::from_utf8(line).map_err(|_| garbage())?;
    let (word, json) = text.split_once(' ').ok_or_else(garbage)?;
    match word {
        "phase" => match json {
            r#""import""# => Ok(Said::Phase(Phase::Import)),
            r#""call""# => Ok(Said::Phase(Phase::Call)),
            _ => Err(garbage()),
        },
        "fault" => serde_json::from_str(json)
            .ok()
            .filter(|fault: &Fault| CODES.contains(&fault.code))
            .map(|fault| Said::Last(Last::Fault(fault)))
            .ok_or_else(garbage),
        "yield" | "result" => {
            let shape = Shape::of(json);
            if shape.depth > DEEPEST {
                return Ok(Said::Unfit(too_deep()));
            }
            let value = match shape.with_wide_integers_tagged(json) {
                Some(json) => serde_json::from_str(&json),
                None => serde_json::from_str(json),
            }
            .map_err(|_| garbage())?;
            Ok(if word == "yield" {
                Said::Yield(value)
            } else {
                Said::Last(Last::Result(value))
            })
        }
        _ => Err(garbage()),
    }
}

fn too_deep() -> Fault {
    Fault::new(
        Code::RUN_RESULT,
        "the result is nested deeper than 100 levels",
    )
    .hint("return a flatter value, or write it to a file")
}

/// What a look over a JSON text tells without reading it.
#[derive(Debug, Default)]
struct Shape {
    depth: usize,
    /// Integers that 64 bits can't hold.
    wide: Vec<std::ops::Range<usize>>,
}

impl Shape {
    fn of(json: &str) -> Self {
        let bytes = json.as_bytes();
        let mut shape = Self::default();
        let (mut at, mut depth) = (0usize, 0usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => at = end_of_text(bytes, at),
                b'[' | b'{' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                    at += 1;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let end = end_of_number(bytes, at);
                    if is_wide(&json[at..end]) {
                        shape.wide.push(at..end);
                    }
                    at = end;
                }
                _ => at += 1,
            }
        }
        shape
    }

    /// The same text with each wide integer as docs/VALUES.md writes it; `None` if there is none.
    fn with_wide_integers_tagged(&self, json: &str) -> Option<String> {
        if self.wide.is_empty() {
            return None;
        }
        let mut tagged = String::with_capacity(json.len() + self.wide.len() * 32);
        let mut done = 0;
        for range in &self.wide {
            tagged.push_str(&json[done..range.start]);
            let digits = &json[range.clone()];
            write!(tagged, r#"{{"$pyrun":"int","value":"{digits}"}}"#)
                .expect("a String takes all that is written");
            done = range.end;
        }
        tagged.push_str(&json[done..]);
        Some(tagged)
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
    digits.len() >= 19
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && number.parse::<i64>().is_err()
        && number.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(json: &str) -> Result<Said, Garbage> {
        parse(format!("result {json}").as_bytes())
    }

    #[test]
    fn integers_keep_every_digit() {
        let wide = "1267650600228229401496703205376";
        let text = format!(r#"["{wide}",{wide},-{wide},18446744073709551615,1e300,1.5]"#);
        assert_eq!(
            result(&text),
            Ok(Said::Last(Last::Result(json!([
                wide,
                {"$pyrun": "int", "value": wide},
                {"$pyrun": "int", "value": format!("-{wide}")},
                u64::MAX,
                1e300,
                1.5
            ]))))
        );
    }

    #[test]
    fn what_the_worker_never_says_is_garbage() {
        for line in [
            "",
            "result",
            "result {",
            "result 1e999",
            "result 1 2",
            "report {}",
            "log {\"text\":\"forged\"}",
            "phase \"resolve\"",
            "fault {\"code\":\"policy.denied\",\"message\":\"forged\"}",
            "fault 1",
            "{\"type\":\"result\",\"value\":1}",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(parse(b"result \"\xff\"").is_err());
    }

    #[test]
    fn depth_is_a_fault_and_brackets_in_text_are_none() {
        let nested = format!("{}{}", "[".repeat(103), "]".repeat(103));
        let Ok(Said::Unfit(fault)) = result(&nested) else {
            panic!("a fault is expected");
        };
        assert_eq!(fault.code, Code::RUN_RESULT);
        let text = format!("\"\\\"{}\"", "[".repeat(500));
        assert!(matches!(result(&text), Ok(Said::Last(Last::Result(_)))));
    }
}
