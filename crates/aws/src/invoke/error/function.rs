//! What Lambda says in a function's stead: it crashed, took too long, or did not start.
//!
//! In: an error's code, and its text, which may be JSON. Out: a fault with the function's own last
//! words. Never: shows more of a log than its last lines.

use pyrun_core::{Code, Fault};
use serde::Deserialize;

use crate::invoke::log_tail::Tail;

/// What Lambda says of a function that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::invoke) struct FunctionError {
    /// Such as `Runtime.ExitError` or `Sandbox.Timedout`; may be empty.
    kind: String,
    /// In words, or a fault in JSON.
    message: String,
}

/// The form in which errors come.
#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(rename = "errorMessage", default)]
    message: String,
}

impl FunctionError {
    /// An error from its code and its text.
    pub(super) fn new(code: Option<&str>, said: Option<&str>) -> Self {
        let said = said.unwrap_or_default().trim();
        match Self::parse(said) {
            Some(error) if error.kind.is_empty() => Self {
                kind: code.unwrap_or_default().to_owned(),
                ..error
            },
            Some(error) => error,
            None => Self {
                kind: code.unwrap_or_default().to_owned(),
                message: said.to_owned(),
            },
        }
    }

    /// An error that a line of an answer holds in place of a frame.
    pub(in crate::invoke) fn parse(line: &str) -> Option<Self> {
        let start = line.trim_start().strip_prefix('{')?.trim_start();
        if !start.starts_with("\"error") {
            return None;
        }
        let payload: Payload = serde_json::from_str(line).ok()?;
        (!payload.kind.is_empty() || !payload.message.is_empty()).then_some(Self {
            kind: payload.kind,
            message: payload.message,
        })
    }

    /// The fault to show.
    pub(super) fn into_fault(self, function: &str, log: Option<&Tail>) -> Fault {
        if let Ok(own) = serde_json::from_str::<Fault>(&self.message) {
            return not_started(function, own);
        }
        let all = format!("{}: {}", self.kind, self.message);
        let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
        let full = log.is_some_and(Tail::memory_was_full);
        if says(&["ResponseSizeTooLarge", "response payload size exceeded"]) {
            return self.too_large(function);
        }
        if says(&["Runtime.OutOfMemory"]) || (full && says(&["signal: killed"])) {
            return self.out_of_memory(function, log);
        }
        if says(&[
            "INIT_REPORT",
            "Runtime.Init",
            "Runtime.InvalidEntrypoint",
            "Extension.",
            "Init Duration",
            "InvalidTaskId",
        ]) {
            let fault = Fault::new(
                Code::REMOTE_START,
                format!("the function `{function}` does not start"),
            );
            return self
                .because(fault, log)
                .hint("`pyrun deploy` puts this pyrun's own programs there; `pyrun doctor` looks at the rest");
        }
        if says(&["Sandbox.Timedout", "Task timed out"]) {
            return self.timed_out(function);
        }
        let fault = Fault::new(
            Code::REMOTE_CRASHED,
            format!("the function `{function}` ended before its answer did"),
        );
        let fault = self.because(fault, log);
        if says(&["signal: killed"]) {
            fault.hint("it was killed, most often for want of memory: give it more with `pyrun deploy --memory`")
        } else {
            fault.hint("what it did is not known, so it is not repeated; its log is in CloudWatch under its name")
        }
    }

    fn timed_out(&self, function: &str) -> Fault {
        let limit = self
            .message
            .split("timed out after ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|text| text.parse::<f64>().ok());
        let message = match limit {
            Some(seconds) => {
                format!("the run reached the function's own limit of {seconds} seconds")
            }
            None => "the run reached the function's own limit on time".to_owned(),
        };
        Fault::new(Code::RUN_TIMEOUT, message)
            .cause(format!("Lambda ended the function `{function}`"))
            .hint("raise the limit with `pyrun deploy --timeout`, up to 15 minutes, or split the work")
    }

    fn out_of_memory(&self, function: &str, log: Option<&Tail>) -> Fault {
        let limit = log.and_then(|tail| tail.memory_mb);
        let message = match limit {
            Some(limit) => {
                format!("the run took more memory than the {limit} MB of the function `{function}`")
            }
            None => {
                format!("the run took more memory than the function `{function}` has")
            }
        };
        Fault::new(Code::RUN_MEMORY, message)
            .cause(self.text())
            .hint("give it more with `pyrun deploy --memory`, up to 10240 MB")
    }

    fn too_large(&self, function: &str) -> Fault {
        Fault::new(
            Code::REMOTE_PAYLOAD,
            format!("the answer of the function `{function}` is larger than Lambda sends at once"),
        )
        .cause(self.text())
        .hint("let it stream: `invoke = \"streaming\"` in the remote's table of pyrun.toml")
    }

    /// The fault with what Lambda says, and the function's own last words.
    fn because(&self, fault: Fault, log: Option<&Tail>) -> Fault {
        let fault = fault.cause(self.text());
        match log {
            Some(tail) if !tail.lines.is_empty() => fault.cause(format!(
                "the last lines of its log are:\n{}",
                tail.lines.join("\n")
            )),
            _ => fault,
        }
    }

    fn text(&self) -> String {
        match (self.kind.is_empty(), self.message.is_empty()) {
            (true, true) => "Lambda does not say why".to_owned(),
            (false, true) => self.kind.clone(),
            (true, false) => cut(&self.message),
            (false, false) => format!("{}: {}", self.kind, cut(&self.message)),
        }
    }
}

/// A function that says itself why it can't start.
fn not_started(function: &str, own: Fault) -> Fault {
    let mut fault = Fault::new(
        Code::REMOTE_START,
        format!("the function `{function}` does not start"),
    )
    .cause(own.message);
    fault.causes.extend(own.causes);
    fault.hints = own.hints;
    if fault.hints.is_empty() {
        fault = fault.hint("`pyrun deploy` sets the function up anew");
    }
    fault
}

fn cut(text: &str) -> String {
    text.trim()
        .trim_end_matches('.')
        .chars()
        .take(600)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: &str, message: &str, log: Option<&Tail>) -> Fault {
        FunctionError::new(Some(kind), Some(message)).into_fault("f", log)
    }

    fn tail(peak: u64) -> Tail {
        Tail {
            memory_mb: Some(128),
            peak_mb: Some(peak),
            lines: vec!["last words".to_owned()],
            ..Tail::default()
        }
    }

    #[test]
    fn each_end_has_its_own_code() {
        let killed = "RequestId: 1 Error: Runtime exited with error: signal: killed";
        let exited = "RequestId: 1 Error: Runtime exited with error: exit status 1";
        for (kind, message, peak, code) in [
            (
                "Sandbox.Timedout",
                "RequestId: 1 Error: Task timed out after 3.00 seconds",
                5,
                Code::RUN_TIMEOUT,
            ),
            (
                "Unhandled",
                "2026-01-01T00:00:00Z 1 Task timed out after 3.00 seconds",
                5,
                Code::RUN_TIMEOUT,
            ),
            ("Runtime.OutOfMemory", "", 5, Code::RUN_MEMORY),
            ("Runtime.ExitError", killed, 128, Code::RUN_MEMORY),
            ("Runtime.ExitError", killed, 5, Code::REMOTE_CRASHED),
            ("Runtime.ExitError", exited, 5, Code::REMOTE_CRASHED),
            ("Runtime.InitError", "", 5, Code::REMOTE_START),
            ("Runtime.InvalidEntrypoint", exited, 5, Code::REMOTE_START),
            ("Function.ResponseSizeTooLarge", "", 5, Code::REMOTE_PAYLOAD),
            ("", "", 5, Code::REMOTE_CRASHED),
        ] {
            let fault = fault(kind, message, Some(&tail(peak)));
            assert_eq!(fault.code, code, "{kind} {message}");
            assert!(!fault.hints.is_empty(), "{fault:?}");
        }
    }

    #[test]
    fn a_timeout_names_the_limit() {
        let json = r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 3.00 seconds"}"#;
        let fault = fault("Unhandled", json, None);
        assert!(fault.message.contains("3 seconds"), "{fault:?}");
    }

    #[test]
    fn a_crash_shows_the_last_lines() {
        let fault = fault("Runtime.ExitError", "x", Some(&tail(5)));
        assert!(fault.causes[1].ends_with("last words"), "{fault:?}");
    }

    #[test]
    fn a_functions_own_fault_is_told() {
        let own = Fault::new(Code::PYTHON_NOT_FOUND, "no Python is here").hint("add one");
        let json = serde_json::to_string(&own).expect("JSON");
        let payload = serde_json::json!({ "errorType": "python.not-found", "errorMessage": json });
        let fault = fault("Unhandled", &payload.to_string(), None);
        assert_eq!(fault.code, Code::REMOTE_START);
        assert_eq!(fault.causes, ["no Python is here"]);
        assert_eq!(fault.hints, ["add one"]);
    }

    #[test]
    fn a_frame_is_no_error() {
        for line in [
            r#"{"type":"fault","code":"x","message":"errorType"}"#,
            r#"{"errors":1}"#,
            "{",
            "",
        ] {
            assert_eq!(FunctionError::parse(line), None, "{line}");
        }
    }
}
