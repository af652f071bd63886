//! The only code that prints.
//!
//! In: frames, faults and tables. Out: the result on standard output; everything else on standard
//! error. With `--format json` every frame is a line on standard output. Never: decides anything.

mod progress;
mod style;
mod table;
#[cfg(feature = "aws")]
mod talk;
mod value;
pub mod words;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyrun_core::protocol::{Frame, Report, StartKind, Stream};
use pyrun_core::{Code, Event, Fault, Phase};

use crate::args::{Color, Format, OutputArgs};
use crate::report;

use progress::Progress;
pub use style::{Paint, Tone};
pub use table::{Align, Table};
pub use value::to_text as value_text;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Normal,
    Verbose,
}

/// Where all output goes through.
#[derive(Debug)]
pub struct Console {
    format: Format,
    level: Level,
    /// Colour on standard error.
    paint: Paint,
    /// Colour on standard output.
    paint_out: Paint,
    progress: Mutex<Progress>,
    /// Whether programs were told who answers.
    greeted: AtomicBool,
    /// What became of standard output.
    stdout: Mutex<Stdout>,
}

/// What became of standard output.
#[derive(Debug, Default)]
enum Stdout {
    /// Everything was written.
    #[default]
    Whole,
    /// Its reader went away, as `head` does.
    Gone,
    /// It could not be written.
    Failed(io::Error),
}

/// Where a script's own output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A function: what it prints goes to standard error, its result to standard output.
    Function,
    /// A program: its streams are pyrun's own.
    Program,
}

impl Console {
    /// A console as the arguments ask for it.
    pub fn new(args: &OutputArgs) -> Self {
        let level = match (args.quiet, args.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        let choice = |auto: anstream::ColorChoice| match args.color {
            Color::Never => Paint::off(),
            Color::Auto if auto == anstream::ColorChoice::Never => Paint::off(),
            Color::Auto | Color::Always => Paint::on(),
        };
        let paint = choice(anstream::AutoStream::choice(&io::stderr()));
        let live = args.format == Format::Text
            && level != Level::Quiet
            && io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            format: args.format,
            level,
            paint_out: choice(anstream::AutoStream::choice(&io::stdout())),
            progress: Mutex::new(Progress::new(live, paint)),
            greeted: AtomicBool::new(false),
            stdout: Mutex::default(),
            paint,
        }
    }

    /// Whether programs read the output.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The paint for standard output.
    pub fn paint_out(&self) -> Paint {
        self.paint_out
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows one frame of an answer.
    pub fn frame(&self, frame: &Frame, output: Output) {
        if self.is_json() {
            let is_shown = match frame {
                // A build's own end is the business of whoever asked for it.
                Frame::Built { .. } => false,
                // A command may ask several times, and is answered by one side.
                Frame::Hello { .. } => !self.greeted.swap(true, Ordering::Relaxed),
                _ => true,
            };
            if is_shown {
                self.out(&frame.to_line());
            }
            return;
        }
        match frame {
            // A program has the terminal to itself.
            Frame::Phase(event) if output == Output::Function || !is_run(event) => {
                self.event(event);
            }
            Frame::Log {
                stream,
                text,
                newline,
                ..
            } => self.log(*stream, text, *newline, output),
            Frame::Yield { value } => self.out_line(&value_text(value)),
            Frame::Hello { version, .. }
                if self.level >= Level::Verbose && version != env!("CARGO_PKG_VERSION") =>
            {
                self.remark(&format!("pyrun {version} answers"));
            }
            _ => {}
        }
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Warning { message } => self.warn(message),
            Event::Finished {
                phase,
                micros,
                bytes,
                items,
            } => {
                self.progress().finish(*phase);
                if let Some(line) = words::finished(*phase, *micros, *bytes, *items) {
                    self.say(&line);
                }
            }
            Event::Started { phase } => self.progress().start(*phase),
            Event::Progress {
                phase,
                done,
                total,
                item,
            } => {
                self.progress().update(*phase, *done, *total, item);
            }
            Event::Other => {}
        }
    }

    fn log(&self, stream: Stream, text: &str, newline: bool, output: Output) {
        let end = if newline { "\n" } else { "" };
        let mut progress = self.progress();
        progress.clear();
        progress.pause(!newline);
        if output == Output::Program && stream == Stream::Stdout {
            self.write_stdout(&format!("{text}{end}"));
        } else {
            write_all(&mut io::stderr().lock(), &format!("{text}{end}"));
        }
    }

    /// Shows what a run cost.
    pub fn report(&self, report: &Report) {
        if self.is_json() {
            self.out(&Frame::Report(report.clone()).to_line());
            return;
        }
        self.progress().clear();
        for note in &report.notes {
            self.note(Tone::Dim, "note", note);
        }
        if self.level < Level::Verbose {
            if let Some(cost) = report.cost.as_ref().filter(|cost| cost.requests > 0) {
                self.say(&words::cost(cost));
            }
            return;
        }
        let mut parts: Vec<String> = report
            .phases
            .iter()
            .map(|cost| format!("{} {}", cost.phase.as_str(), words::duration(cost.micros)))
            .collect();
        parts.push(format!("{} in all", words::duration(report.micros)));
        if report.peak_memory_bytes > 0 {
            parts.push(format!(
                "{} of memory",
                words::bytes(report.peak_memory_bytes)
            ));
        }
        let start = match report.start {
            StartKind::Cold => "cold start",
            StartKind::Fresh => "bundle was here",
            _ => "nothing ran",
        };
        self.say(&format!("{start}: {}", parts.join(", ")));
        if let Some(cost) = &report.cost {
            self.say(&words::cost_in_full(cost));
        }
    }

    /// Shows the result of a function on standard output.
    pub fn result(&self, value: &serde_json::Value) {
        self.progress().stop();
        if self.is_json() {
            self.out(
                &Frame::Result {
                    value: value.clone(),
                }
                .to_line(),
            );
        } else if !value.is_null() {
            self.out_line(&value_text(value));
        }
    }

    /// Shows a fault, on standard error; for programs, as a frame.
    pub fn fault(&self, fault: &Fault) {
        self.progress().stop();
        if self.is_json() {
            self.out(&Frame::Fault(fault.clone()).to_line());
        } else {
            write_all(&mut io::stderr().lock(), &report::render(fault, self.paint));
        }
    }

    /// Says one dim line on standard error, unless quiet.
    pub fn say(&self, line: &str) {
        if self.level > Level::Quiet && !self.is_json() {
            let mut progress = self.progress();
            progress.clear();
            write_all(
                &mut io::stderr().lock(),
                &format!("{}\n", self.paint.tone(Tone::Dim, &words::plain(line))),
            );
        }
    }

    /// Says what stops nothing but should be known.
    pub fn warn(&self, text: &str) {
        self.note(Tone::Warn, "warning", text);
    }

    /// Says what may be of interest.
    pub fn remark(&self, text: &str) {
        self.note(Tone::Dim, "note", text);
    }

    fn note(&self, tone: Tone, word: &str, text: &str) {
        if self.level > Level::Quiet && !self.is_json() {
            let mut progress = self.progress();
            progress.clear();
            let line = format!("{}: {}\n", self.paint.tone(tone, word), words::plain(text));
            write_all(&mut io::stderr().lock(), &line);
        }
    }

    /// One line on standard output.
    pub fn out_line(&self, text: &str) {
        self.out(&format!("{text}\n"));
    }

    /// Text on standard output, as it is.
    pub fn out(&self, text: &str) {
        self.progress().clear();
        self.write_stdout(text);
    }

    fn write_stdout(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        if let Err(error) = written {
            let mut state = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
            *state = match error.kind() {
                io::ErrorKind::BrokenPipe => Stdout::Gone,
                _ => Stdout::Failed(error),
            };
        }
    }

    /// Whether nobody reads standard output any more: what goes on only to be read can end.
    pub fn is_deaf(&self) -> bool {
        let state = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, Stdout::Gone)
    }

    /// What kept standard output from being written, but for a reader that went away.
    pub fn write_fault(&self) -> Option<Fault> {
        let state = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let Stdout::Failed(error) = &*state else {
            return None;
        };
        Some(
            Fault::new(Code::STORE_UNWRITABLE, "standard output can't be written")
                .cause(error.to_string()),
        )
    }

    /// The frame of a result that was written elsewhere, for programs.
    pub fn result_frame(&self, value: &serde_json::Value) {
        if self.is_json() {
            self.result(value);
        }
    }

    /// A table on standard output.
    pub fn table(&self, table: &Table) {
        self.out(&table.render(self.paint_out));
    }

    /// Takes the live line away for good.
    pub fn close(&self) {
        self.progress().stop();
    }
}

/// A terminal that went away is no reason to fail.
fn write_all(stream: &mut impl Write, text: &str) {
    let _ = stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush());
}

/// Whether an event speaks of the run itself and not of what comes before it.
fn is_run(event: &Event) -> bool {
    let (Event::Started { phase } | Event::Progress { phase, .. } | Event::Finished { phase, .. }) =
        event
    else {
        return false;
    };
    matches!(phase, Phase::Start | Phase::Import | Phase::Call)
}
