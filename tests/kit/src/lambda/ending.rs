//! How an environment ends, and what its caller and its log are told.
//!
//! In: what happened to a process. Out: the error of the call, in Lambda's words.
//! Never: decides whether it ends.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use super::runtime_api::FunctionError;

/// Why an environment ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The process ended by itself.
    Exited(Option<ExitStatus>),
    /// It took too much memory.
    Memory,
    /// It took too long.
    Timeout,
    /// It said that it can't start.
    Reported(FunctionError),
    /// There is no program that can be started.
    NoProgram(String),
}

impl Ending {
    /// What the caller of `id` gets who has no answer yet.
    pub(super) fn error(&self, id: &str, timeout: Duration) -> FunctionError {
        let kind = self.kind();
        let text = match self {
            Self::Reported(error) => return error.clone(),
            Self::Timeout => format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()),
            Self::Memory => "Runtime exited with error: signal: killed".into(),
            Self::NoProgram(_) => {
                "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".into()
            }
            Self::Exited(status) => exit_text(*status),
        };
        let message = format!("RequestId: {id} Error: {text}");
        FunctionError::new(&kind, &message)
    }

    /// The error's type.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Exited(_) => "Runtime.ExitError".into(),
            Self::Memory => "Runtime.OutOfMemory".into(),
            Self::Timeout => "Sandbox.Timedout".into(),
            Self::Reported(error) => error.kind.clone(),
            Self::NoProgram(_) => "Runtime.InvalidEntrypoint".into(),
        }
    }

    /// What the log says of it in the status of a report.
    pub(super) fn status(&self) -> String {
        match self {
            Self::Timeout => "Status: timeout".into(),
            other => format!("Status: error\tError Type: {}", other.kind()),
        }
    }

    /// A line of its own for the log, with what only the machine knows.
    pub(super) fn line(&self, id: &str, timeout: Duration) -> String {
        match self {
            Self::Timeout => {
                let seconds = timeout.as_secs_f64();
                format!("{id} Task timed out after {seconds:.2} seconds\n")
            }
            Self::NoProgram(cause) => format!("RequestId: {id} Error: {cause}"),
            Self::Exited(status) => format!("RequestId: {id} Error: {}", exit_text(*status)),
            Self::Memory => format!("RequestId: {id} Error: signal: killed"),
            Self::Reported(error) => format!("RequestId: {id} Error: {}", error.kind),
        }
    }
}

fn exit_text(status: Option<ExitStatus>) -> String {
    let signal = status.and_then(|status| status.signal());
    match (status.and_then(|status| status.code()), signal) {
        (Some(0), _) => "Runtime exited without providing a reason".into(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(9)) => "Runtime exited with error: signal: killed".into(),
        (None, Some(11)) => "Runtime exited with error: signal: segmentation fault".into(),
        (None, Some(6)) => "Runtime exited with error: signal: aborted".into(),
        (None, Some(number)) => format!("Runtime exited with error: signal: {number}"),
        (None, None) => "Runtime exited".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_in_lambdas_words() {
        let second = Duration::from_secs(1);
        let body = |ending: &Ending| {
            let error = ending.error("id", second);
            (
                error.kind,
                String::from_utf8(error.body.to_vec()).expect("text"),
            )
        };
        let killed = Ending::Exited(Some(ExitStatus::from_raw(9)));
        let status = Ending::Exited(Some(ExitStatus::from_raw(3 << 8)));
        let (kind, text) = body(&killed);
        assert_eq!(kind, "Runtime.ExitError");
        assert!(
            text.contains("Runtime exited with error: signal: killed"),
            "{text}"
        );
        assert!(body(&status).1.contains("exit status 3"));
        assert!(
            body(&Ending::Timeout)
                .1
                .contains("Task timed out after 1.00 seconds")
        );
        assert_eq!(
            killed.status(),
            "Status: error\tError Type: Runtime.ExitError"
        );
    }
}
