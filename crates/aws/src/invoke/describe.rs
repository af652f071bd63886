//! Asking a function who it is.
//!
//! In: a function's name. Out: what it says of itself, or why it is none that can be spoken with.
//! Never: takes an answer that does not begin with `hello` for one of pyrun's.

use std::time::Duration;

use pyrun_core::protocol::{Ask, Description, Frame, PROTOCOL};
use pyrun_core::{Code, Fault};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Call, CallReport, Functions, Mode};

/// How long a function may take that has to start first; most answer within seconds.
const LONGEST: Duration = Duration::from_mins(1);
/// Lines that are held until the call has ended: an answer has two.
const MOST_LINES: usize = 64;

/// What a function says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Its version.
    pub version: String,
    /// The rest.
    pub description: Description,
}

impl Functions {
    /// Asks a function who it is, and says what asking cost.
    ///
    /// `remote.version-skew` when it speaks another protocol, `run.protocol` when it is none of
    /// pyrun's.
    pub async fn describe(
        &self,
        function: &str,
        mode: Mode,
    ) -> (CallReport, Result<Described, Fault>) {
        let call = Call {
            function,
            ask: &Ask::Describe,
            mode,
            longest: LONGEST,
        };
        let (sender, mut heard) = mpsc::channel(MOST_LINES);
        let hearing = async {
            let mut lines = Vec::new();
            while let Some(line) = heard.recv().await {
                // Whoever says more than that is found out by what it said before.
                if lines.len() < MOST_LINES {
                    lines.push(line);
                }
            }
            lines
        };
        let calling = async {
            let ended = self.call(call, &sender, &|_| {}).await;
            drop(sender);
            ended
        };
        let (ended, lines) = tokio::join!(calling, hearing);
        let described = ended.outcome.and_then(|()| read(&lines));
        (ended.report, described)
    }
}

fn read(lines: &[String]) -> Result<Described, Fault> {
    let mut lines = lines.iter();
    let version = greet(lines.next().map_or("", String::as_str))?;
    for line in lines {
        match Frame::from_line(line) {
            Ok(Frame::Described(description)) => {
                return Ok(Described {
                    version,
                    description,
                });
            }
            Ok(Frame::Fault(fault)) => return Err(fault),
            _ => {}
        }
    }
    Err(
        Fault::new(Code::RUN_PROTOCOL, "the function does not say what it is")
            .hint("`pyrun deploy` makes the functions this pyrun's own"),
    )
}

/// The version of the side that answers, from an answer's first line.
pub fn greet(line: &str) -> Result<String, Fault> {
    match Frame::from_line(line) {
        Ok(Frame::Hello { protocol, version }) if protocol == PROTOCOL => Ok(version),
        Ok(Frame::Hello { protocol, version }) => Err(skew(protocol, &version)),
        _ => Err(Fault::new(
            Code::RUN_PROTOCOL,
            "the function does not answer as one of pyrun's does",
        )
        .cause(format!(
            "its answer begins with `{}`",
            line.chars().take(80).collect::<String>()
        ))
        .hint("look at the names in the remote's table of pyrun.toml, or run `pyrun deploy`")),
    }
}

fn skew(protocol: u32, version: &str) -> Fault {
    let fault = Fault::new(
        Code::REMOTE_SKEW,
        format!("the functions speak protocol {protocol}, and this pyrun speaks {PROTOCOL}"),
    )
    .cause(format!(
        "they are of version {version}, and this pyrun is {}",
        env!("CARGO_PKG_VERSION")
    ));
    if protocol < PROTOCOL {
        fault.hint("`pyrun deploy` updates the functions")
    } else {
        fault.hint("update pyrun on this machine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIBED: &str = r#"{"type":"described","target":{"python":"3.12.7","os":{"name":"glibc","major":2,"minor":34},"arch":"x86_64"},"memory_bytes":1,"disk_bytes":2}"#;

    fn hello(protocol: u32) -> String {
        let version = "9.9.9".to_owned();
        let line = Frame::Hello { protocol, version }.to_line();
        line.trim_end().to_owned()
    }

    #[test]
    fn a_function_says_its_version_and_what_it_is() {
        let described = read(&[hello(PROTOCOL), DESCRIBED.to_owned()]).expect("a description");
        assert_eq!(described.version, "9.9.9");
        assert_eq!(described.description.target.python.to_string(), "3.12.7");
    }

    #[test]
    fn another_protocol_and_no_hello_are_refused() {
        for (lines, code, hint) in [
            (vec![hello(PROTOCOL + 1)], Code::REMOTE_SKEW, "update pyrun"),
            (vec![hello(0)], Code::REMOTE_SKEW, "pyrun deploy"),
            (vec![hello(PROTOCOL)], Code::RUN_PROTOCOL, "pyrun deploy"),
            (
                vec![DESCRIBED.to_owned()],
                Code::RUN_PROTOCOL,
                "pyrun deploy",
            ),
            (
                vec!["Hello from Lambda".to_owned()],
                Code::RUN_PROTOCOL,
                "pyrun.toml",
            ),
            (Vec::new(), Code::RUN_PROTOCOL, "pyrun deploy"),
        ] {
            let fault = read(&lines).expect_err("no description");
            assert_eq!(fault.code, code, "{lines:?}");
            assert!(fault.hints[0].contains(hint), "{fault:?}");
        }
    }
}
