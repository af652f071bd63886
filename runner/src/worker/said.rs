//! What the worker says, one line at a time.
//!
//! In: bytes from a process that runs a stranger's code. Out: one of five sayings, or garbage.
//! Never: takes a word, a fault code or a value that the worker has no business saying; loses a
//! digit of an integer.

use pyrun_core::value::Outline;
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
            let outline = Outline::of(json);
            if outline.depth() > DEEPEST {
                return Ok(Said::Unfit(too_deep()));
            }
            let json = outline.with_wide_integers_tagged();
            let value = serde_json::from_str(&json).map_err(|_| garbage())?;
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
