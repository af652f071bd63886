//! The lines of one answer, as they pass from a function to whoever asked.
//!
//! In: lines. Out: the same lines, but for what has to wait until the call's cost is known. Never:
//! lets an answer pass that begins with anything but `hello`.

use pyrun_aws::invoke::greet;
use pyrun_core::protocol::{Frame, Report};
use pyrun_core::{Code, Fault};
use tokio::sync::mpsc;

/// What has passed of an answer.
#[derive(Debug)]
pub struct Relay<'a> {
    to: &'a mpsc::Sender<String>,
    is_run: bool,
    /// The answering side's version, once it has said hello.
    pub version: Option<String>,
    /// Whether the frame came that ends an answer, a run's report aside.
    pub has_ended: bool,
    held: Option<String>,
    report: Option<Report>,
}

impl<'a> Relay<'a> {
    /// A relay of an answer to a run, or to anything else.
    pub fn new(to: &'a mpsc::Sender<String>, is_run: bool) -> Self {
        Self {
            to,
            is_run,
            version: None,
            has_ended: false,
            held: None,
            report: None,
        }
    }

    /// Takes a line in.
    pub async fn hear(&mut self, line: String) -> Result<(), Fault> {
        if is(&line, "hello") || self.version.is_none() {
            let version = greet(&line)?;
            let is_first = self.version.replace(version).is_none();
            // A question that was repeated is answered from the start.
            return if is_first {
                self.say(line).await
            } else {
                Ok(())
            };
        }
        if self.is_run && is(&line, "report") {
            if let Ok(Frame::Report(report)) = Frame::from_line(&line) {
                self.report = Some(report);
            }
            return Ok(());
        }
        let ends = ["result", "fault", "built"]
            .iter()
            .any(|kind| is(&line, kind));
        self.has_ended |= ends;
        if ends && !self.is_run {
            // Whoever asked goes away with it, and the cost would not be known.
            self.held = Some(line);
            return Ok(());
        }
        self.say(line).await
    }

    /// Ends the answer: with its own last frame, or with what kept it from having one.
    pub async fn end(mut self, outcome: Result<(), Fault>, finish: impl FnOnce(&mut Report)) {
        if let Some(held) = self.held.take() {
            let _ = self.say(held).await;
        }
        if let (Err(fault), false) = (outcome, self.has_ended) {
            let _ = self.say(Frame::Fault(fault).to_line()).await;
        }
        if self.is_run {
            let mut report = self.report.take().unwrap_or_default();
            finish(&mut report);
            let _ = self.say(Frame::Report(report).to_line()).await;
        }
    }

    async fn say(&self, line: String) -> Result<(), Fault> {
        self.to
            .send(line)
            .await
            .map_err(|_| Fault::new(Code::RUN_INTERRUPTED, "nobody listens any more"))
    }
}

/// Whether a line is a frame of that type, as this protocol's frames are written: type first.
fn is(line: &str, kind: &str) -> bool {
    line.strip_prefix("{\"type\":\"")
        .and_then(|rest| rest.strip_prefix(kind))
        .is_some_and(|rest| rest.starts_with('"'))
}

#[cfg(test)]
mod tests {
    use pyrun_core::protocol::{Cost, PROTOCOL};
    use serde_json::json;

    use super::*;

    fn hello(protocol: u32) -> String {
        Frame::Hello {
            protocol,
            version: "9.9.9".to_owned(),
        }
        .to_line()
    }

    async fn passed(
        lines: &[String],
        is_run: bool,
        outcome: Result<(), Fault>,
    ) -> (Result<(), Fault>, Vec<Frame>) {
        let (sender, mut heard) = mpsc::channel(64);
        let mut relay = Relay::new(&sender, is_run);
        let mut heard_out = Ok(());
        for line in lines {
            heard_out = relay.hear(line.trim_end().to_owned()).await;
            if heard_out.is_err() {
                break;
            }
        }
        let ended = heard_out.clone().and(outcome);
        relay
            .end(ended, |report| report.cost = Some(Cost::default()))
            .await;
        drop(sender);
        let mut frames = Vec::new();
        while let Some(line) = heard.recv().await {
            frames.push(Frame::from_line(&line).expect("a frame"));
        }
        (heard_out, frames)
    }

    fn result() -> Frame {
        Frame::Result { value: json!(1) }
    }

    #[tokio::test]
    async fn a_runs_report_is_the_last_frame_and_says_the_cost() {
        let report = Report {
            micros: 7,
            ..Report::default()
        };
        let lines = [
            hello(PROTOCOL),
            result().to_line(),
            Frame::Report(report).to_line(),
        ];
        let (heard, frames) = passed(&lines, true, Ok(())).await;
        assert_eq!(heard, Ok(()));
        let [
            Frame::Hello { .. },
            Frame::Result { .. },
            Frame::Report(last),
        ] = frames.as_slice()
        else {
            panic!("{frames:?}")
        };
        assert_eq!((last.micros, last.cost.is_some()), (7, true));
    }

    #[tokio::test]
    async fn a_call_that_fails_has_a_fault_and_a_report() {
        let fault = Fault::new(Code::REMOTE_CRASHED, "it crashed");
        let (_, frames) = passed(&[hello(PROTOCOL)], true, Err(fault.clone())).await;
        assert_eq!(frames[1], Frame::Fault(fault));
        assert!(matches!(&frames[2], Frame::Report(report) if report.cost.is_some()));
    }

    #[tokio::test]
    async fn what_happens_after_the_end_changes_nothing() {
        let fault = Fault::new(Code::REMOTE_CUT, "cut");
        let lines = [hello(PROTOCOL), result().to_line()];
        for is_run in [true, false] {
            let (_, frames) = passed(&lines, is_run, Err(fault.clone())).await;
            assert_eq!(frames[1], result());
            assert!(!frames.contains(&Frame::Fault(fault.clone())));
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_begun_anew_says_hello_once() {
        let lines = [hello(PROTOCOL), hello(PROTOCOL), result().to_line()];
        let (_, frames) = passed(&lines, false, Ok(())).await;
        assert_eq!(frames.len(), 2, "{frames:?}");
    }

    #[tokio::test]
    async fn another_protocol_and_no_hello_are_refused() {
        for (protocol, hint) in [(PROTOCOL + 1, "update pyrun"), (0, "pyrun deploy")] {
            let (heard, frames) = passed(&[hello(protocol)], true, Ok(())).await;
            let fault = heard.expect_err("another protocol");
            assert_eq!(fault.code, Code::REMOTE_SKEW);
            assert!(fault.hints[0].contains(hint), "{fault:?}");
            assert!(matches!(&frames[0], Frame::Fault(_)));
        }
        let (heard, _) = passed(&[result().to_line()], true, Ok(())).await;
        assert_eq!(heard.expect_err("no hello").code, Code::RUN_PROTOCOL);
    }

    #[test]
    fn frames_are_told_by_how_they_begin() {
        let log = Frame::Log {
            stream: pyrun_core::protocol::Stream::Stdout,
            micros: 0,
            text: "{\"type\":\"result\"".to_owned(),
            newline: true,
        };
        assert!(!is(&log.to_line(), "result"));
        assert!(is(&result().to_line(), "result"));
        assert!(is(&Frame::Report(Report::default()).to_line(), "report"));
        assert!(is(
            &Frame::Fault(Fault::new(Code::USAGE, "x")).to_line(),
            "fault"
        ));
    }
}
