//! Frames to the lines of an answer that stays within what can be sent.
//!
//! In: frames. Out: for each what to do with it, a [`Step`]. Never: sends a line or an answer over
//! its bound; lets a result give way to a run's output; drops anything without saying so.
//!
//! A frame over the bound of a line goes by way of the store. Once the answer as a whole nears its
//! bound, the output of the user's code is left out and counted, and other frames but small ones go
//! by way of the store.

use pyrun_core::protocol::{Frame, Report};
use pyrun_core::{Code, Event, Fault, Sha256};

/// Bytes of the longest line. Lambda takes 6 MB of a request, and as much of an answer that is
/// not streamed.
const LINE: u64 = 5_000_000;
/// Bytes of an answer, from which on output is left out. Lambda streams 200 MB.
const ANSWER: u64 = 190_000_000;
/// Bytes of a frame that is sent even then: a reference to the store has some hundred.
const SMALL: u64 = 1_000;

/// What may be sent, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// A line.
    line: u64,
    /// The answer, but for its end.
    answer: u64,
    /// What small frames may take on top of it.
    slack: u64,
}

impl Bounds {
    /// Those of a stream, or of a caller that takes `bytes` at most.
    pub(super) fn of(bytes: Option<u64>) -> Self {
        let answer = bytes.map_or(ANSWER, |bytes| (bytes / 100 * 95).min(ANSWER));
        Self {
            line: LINE.min(answer / 2),
            answer,
            slack: answer / 25,
        }
    }
}

/// What to do with a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Send this line.
    Send(String),
    /// Put this line into the store, then call [`Meter::stored`] or [`Meter::lost`].
    Store(String),
    /// Nothing: it is left out.
    Nothing,
}

/// Counts what is sent.
#[derive(Debug)]
pub(super) struct Meter {
    bounds: Bounds,
    sent: u64,
    cut_lines: u64,
    cut_bytes: u64,
    lost: Option<Fault>,
    outcome: Option<Code>,
}

impl Meter {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            sent: 0,
            cut_lines: 0,
            cut_bytes: 0,
            lost: None,
            outcome: None,
        }
    }

    /// Holds the rest of the answer to other bounds.
    pub(super) fn within(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Bytes so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The code of the last fault that was sent.
    pub(super) fn outcome(&self) -> Option<&Code> {
        self.outcome.as_ref()
    }

    /// What to do with a frame.
    pub(super) fn take(&mut self, frame: Frame) -> Step {
        let frame = self.settle(frame);
        let line = frame.to_line();
        let size = line.len() as u64;
        let end = self.sent.saturating_add(size);
        let is_end = matches!(frame, Frame::Fault(_) | Frame::Report(_));
        if matches!(frame, Frame::Log { .. }) && end > self.bounds.answer {
            return self.cut(size);
        }
        if size > self.bounds.line || end > self.bounds.answer && size > SMALL {
            return Step::Store(line);
        }
        if end > self.bounds.answer + self.bounds.slack && !is_end {
            self.lose(too_much());
            return Step::Nothing;
        }
        self.send(line)
    }

    /// The line that stands for one that is in the store now.
    pub(super) fn stored(&mut self, line: &str) -> Step {
        let reference = Frame::Stored {
            sha256: Sha256::of(line),
            size: line.len() as u64,
        };
        self.take(reference)
    }

    /// Notes that the store did not take a line: the answer ends with that, which is said at once
    /// when the line was its end.
    pub(super) fn lost(&mut self, line: &str, fault: Fault) -> Step {
        let mut lost = Fault::new(
            Code::REMOTE_PAYLOAD,
            "a part of the answer is too large to be sent, and could not be put into the store",
        )
        .cause(fault.message);
        lost.causes.extend(fault.causes);
        lost.hints = fault.hints;
        self.lose(lost);
        match Frame::from_line(line) {
            Ok(end @ (Frame::Result { .. } | Frame::Built { .. } | Frame::Fault(_))) => {
                let end = self.settle(end);
                self.send(end.to_line())
            }
            _ => Step::Nothing,
        }
    }

    fn lose(&mut self, fault: Fault) {
        self.lost.get_or_insert(fault);
    }

    fn send(&mut self, line: String) -> Step {
        self.sent += line.len() as u64;
        Step::Send(line)
    }

    /// Leaves a line of output out, and says so once.
    fn cut(&mut self, size: u64) -> Step {
        self.cut_lines += 1;
        self.cut_bytes += size;
        if self.cut_lines > 1 {
            return Step::Nothing;
        }
        let message = "the output is larger than an answer can be: the rest of it is left out";
        let warning = Frame::Phase(Event::Warning {
            message: message.to_owned(),
        });
        self.send(warning.to_line())
    }

    /// The frame as it is sent: an outcome gives way to the fault that a part of it was lost, and a
    /// report says what was left out.
    fn settle(&mut self, frame: Frame) -> Frame {
        let frame = match (frame, &self.lost) {
            (Frame::Result { .. } | Frame::Built { .. }, Some(lost)) => Frame::Fault(lost.clone()),
            (Frame::Report(report), _) if self.cut_lines > 0 => Frame::Report(self.note(report)),
            (frame, _) => frame,
        };
        if let Frame::Fault(fault) = &frame {
            self.outcome = Some(fault.code.clone());
        }
        frame
    }

    fn note(&self, mut report: Report) -> Report {
        report.notes.push(format!(
            "{} lines of output ({} bytes) were left out of the answer",
            self.cut_lines, self.cut_bytes
        ));
        report
    }
}

fn too_much() -> Fault {
    Fault::new(
        Code::REMOTE_PAYLOAD,
        "the answer is larger than what can be sent",
    )
    .hint("write the values where they are needed, and return or yield their place")
}

#[cfg(test)]
mod tests {
    use pyrun_core::protocol::Stream;
    use serde_json::json;

    use super::*;

    const KB: usize = 1_000;

    fn log(bytes: usize) -> Frame {
        Frame::Log {
            stream: Stream::Stdout,
            micros: 0,
            text: "x".repeat(bytes),
            newline: true,
        }
    }

    fn result(bytes: usize) -> Frame {
        Frame::Result {
            value: json!("x".repeat(bytes)),
        }
    }

    fn sent(step: &Step) -> Frame {
        match step {
            Step::Send(line) => Frame::from_line(line).expect("a frame"),
            other => panic!("a line is sent, not {other:?}"),
        }
    }

    #[test]
    fn a_line_over_its_bound_goes_by_way_of_the_store() {
        let mut meter = Meter::new(Bounds::of(None));
        assert!(matches!(meter.take(result(4_900 * KB)), Step::Send(_)));
        let Step::Store(line) = meter.take(result(5_100 * KB)) else {
            panic!("it is too long to be sent");
        };
        let reference = sent(&meter.stored(&line));
        let (sha256, size) = (Sha256::of(&line), line.len() as u64);
        assert_eq!(reference, Frame::Stored { sha256, size });
    }

    #[test]
    fn output_is_cut_counted_and_never_in_the_way_of_the_result() {
        let mut meter = Meter::new(Bounds::of(Some(100_000)));
        let mut steps = Vec::new();
        for _ in 0..20 {
            steps.push(meter.take(log(10 * KB)));
        }
        let warnings = steps.iter().filter(|step| match step {
            Step::Send(line) => line.contains("left out"),
            _ => false,
        });
        assert_eq!(warnings.count(), 1);
        assert!(matches!(steps.last(), Some(Step::Nothing)));
        let Step::Store(line) = meter.take(result(20 * KB)) else {
            panic!("there is no room for it in the answer");
        };
        assert!(matches!(sent(&meter.stored(&line)), Frame::Stored { .. }));
        let Frame::Report(report) = sent(&meter.take(Frame::Report(Report::default()))) else {
            panic!("a report stays one");
        };
        assert!(
            report.notes[0].starts_with("11 lines of output"),
            "{report:?}"
        );
        assert!(meter.sent() <= 100_000, "{}", meter.sent());
    }

    #[test]
    fn a_result_that_can_not_be_stored_ends_with_a_fault() {
        let mut meter = Meter::new(Bounds::of(None));
        let value = json!("x".repeat(6_000 * KB));
        let Step::Store(line) = meter.take(Frame::Yield { value }) else {
            panic!("it is too long to be sent");
        };
        let no = Fault::new(Code::STORE_UNWRITABLE, "no");
        assert_eq!(meter.lost(&line, no), Step::Nothing);
        let Frame::Fault(fault) = sent(&meter.take(result(1))) else {
            panic!("a part of the answer is missing");
        };
        assert_eq!(fault.code, Code::REMOTE_PAYLOAD);
        assert_eq!(fault.causes, ["no"]);
        assert_eq!(meter.outcome(), Some(&Code::REMOTE_PAYLOAD));
    }

    #[test]
    fn a_result_that_is_lost_itself_ends_the_answer_with_a_fault() {
        let mut meter = Meter::new(Bounds::of(None));
        let Step::Store(line) = meter.take(result(6_000 * KB)) else {
            panic!("it is too long to be sent");
        };
        let step = meter.lost(&line, Fault::new(Code::REMOTE_DENIED, "no"));
        let Frame::Fault(fault) = sent(&step) else {
            panic!("the answer needs an end");
        };
        assert_eq!(fault.code, Code::REMOTE_PAYLOAD);
    }

    #[test]
    fn an_endless_generator_meets_the_bound() {
        let mut meter = Meter::new(Bounds::of(Some(20_000)));
        for number in 0..1_000 {
            meter.take(Frame::Yield {
                value: json!(number),
            });
        }
        assert!(meter.sent() < 20_000);
        let Frame::Fault(fault) = sent(&meter.take(result(1))) else {
            panic!("values are missing");
        };
        assert_eq!(fault.code, Code::REMOTE_PAYLOAD);
        assert!(meter.sent() < 20_000);
    }
}
