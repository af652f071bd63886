//! The live line: what is being done, how far it is, how fast it goes.
//!
//! Drawn on a terminal only, by a thread of its own so that it moves while nothing happens, and
//! not before a phase has taken a moment: what is quick leaves no trace on the screen.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyrun_core::Phase;
use unicode_width::UnicodeWidthStr as _;

use super::style::{Paint, Tone};
use super::words;

/// How long a phase may take unseen; the user's own code longer than pyrun's.
const PATIENCE: Duration = Duration::from_millis(120);
const PATIENCE_WITH_CODE: Duration = Duration::from_secs(1);
/// How often the line is drawn anew.
const PERIOD: Duration = Duration::from_millis(80);

/// The live line.
#[derive(Debug)]
pub struct Progress {
    paint: Paint,
    live: bool,
    shared: Option<Arc<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    current: Option<Current>,
    drawn: bool,
    paused: bool,
    closed: bool,
    frame: usize,
}

#[derive(Debug)]
struct Current {
    phase: Phase,
    doing: String,
    began: Instant,
    done: u64,
    total: u64,
    item: String,
}

impl Progress {
    /// A line that is drawn only if `live`.
    pub fn new(live: bool, paint: Paint) -> Self {
        Self {
            paint,
            live,
            shared: None,
        }
    }

    /// A phase began.
    pub fn start(&mut self, phase: Phase) {
        if phase == Phase::Other {
            return;
        }
        self.begin(phase, words::doing(phase));
    }

    /// Something began: `doing` says what, and may change while it goes on.
    pub(super) fn begin(&mut self, phase: Phase, doing: &str) {
        if !self.live {
            return;
        }
        let paint = self.paint;
        let shared = self.shared.get_or_insert_with(|| {
            let shared = Arc::new(Shared::default());
            let drawer = Arc::clone(&shared);
            std::thread::spawn(move || draw_until_closed(&drawer, paint));
            shared
        });
        let mut line = shared.lock();
        // The parts of a run are one to whoever waits for it.
        let began = match &line.current {
            Some(current) if is_code(current.phase) && is_code(phase) => current.began,
            Some(current) if current.phase == Phase::Other && phase == Phase::Other => {
                current.began
            }
            _ => Instant::now(),
        };
        line.current = Some(Current {
            phase,
            doing: doing.to_owned(),
            began,
            done: 0,
            total: 0,
            item: String::new(),
        });
        shared.changed.notify_one();
    }

    /// A phase went on.
    pub fn update(&mut self, phase: Phase, done: u64, total: u64, item: &str) {
        let Some(shared) = &self.shared else { return };
        let mut line = shared.lock();
        if let Some(current) = line
            .current
            .as_mut()
            .filter(|current| current.phase == phase)
        {
            current.done = done;
            current.total = total;
            item.clone_into(&mut current.item);
        }
    }

    /// A phase ended.
    pub fn finish(&mut self, phase: Phase) {
        let Some(shared) = &self.shared else { return };
        let mut line = shared.lock();
        let is_last = phase == Phase::Call || !is_code(phase);
        if is_last
            && line
                .current
                .as_ref()
                .is_some_and(|current| current.phase == phase)
        {
            line.current = None;
        }
        line.erase();
    }

    /// Takes the line away until the next phase.
    pub fn stop(&mut self) {
        if let Some(shared) = &self.shared {
            let mut line = shared.lock();
            line.current = None;
            line.erase();
        }
    }

    /// Keeps the line away while another line on the screen is unfinished.
    pub fn pause(&mut self, paused: bool) {
        if let Some(shared) = &self.shared {
            shared.lock().paused = paused;
        }
    }

    /// Takes the line away so that something else can be printed; it comes back by itself while
    /// its phase goes on.
    pub fn clear(&mut self) {
        if let Some(shared) = &self.shared {
            shared.lock().erase();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let mut line = shared.lock();
            line.closed = true;
            line.erase();
            shared.changed.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn erase(&mut self) {
        if self.drawn {
            write("\r\x1b[2K");
            self.drawn = false;
        }
    }

    fn draw(&mut self, paint: Paint) {
        let Some(current) = &self.current else { return };
        let patience = if is_code(current.phase) {
            PATIENCE_WITH_CODE
        } else {
            PATIENCE
        };
        if self.paused || current.began.elapsed() < patience {
            return;
        }
        self.frame += 1;
        let spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"][self.frame % 10];
        let text = cut(&describe(current), columns().saturating_sub(3));
        write(&format!(
            "\r\x1b[2K{} {text}",
            paint.tone(Tone::Name, spinner)
        ));
        self.drawn = true;
    }
}

fn draw_until_closed(shared: &Shared, paint: Paint) {
    let mut line = shared.lock();
    while !line.closed {
        line.draw(paint);
        let (next, _) = shared
            .changed
            .wait_timeout(line, PERIOD)
            .unwrap_or_else(PoisonError::into_inner);
        line = next;
    }
}

fn describe(current: &Current) -> String {
    let (done, total) = (current.done, current.total);
    let moves_bytes = matches!(
        current.phase,
        Phase::Download | Phase::Fetch | Phase::Extract | Phase::Splice
    );
    let amount = match (total, done) {
        (0, 0) => String::new(),
        (0, _) => format!(" {}", words::count(done, "package")),
        _ if moves_bytes => format!(
            " {} of {}{}",
            words::bytes(done),
            words::bytes(total),
            rate(current)
        ),
        _ => format!(" {done} of {total}"),
    };
    let doing = &current.doing;
    let seconds = current.began.elapsed().as_secs();
    let time = if seconds > 0 {
        format!("  {seconds}s")
    } else {
        String::new()
    };
    format!("{doing}{amount}{time}  {}", current.item)
}

/// Whether the user's code is what takes the time.
fn is_code(phase: Phase) -> bool {
    matches!(phase, Phase::Start | Phase::Import | Phase::Call)
}

/// Bytes a second, once there is something to tell.
fn rate(current: &Current) -> String {
    let seconds = current.began.elapsed().as_secs_f64();
    if seconds < 0.5 {
        return String::new();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for the screen"
    )]
    let rate = (current.done as f64 / seconds) as u64;
    format!(", {}/s", words::bytes(rate))
}

fn cut(text: &str, width: usize) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if shown.width() >= width {
            break;
        }
        shown.push(character);
    }
    shown
}

/// The width of the terminal on standard error, 80 where it does not say.
fn columns() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0))
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // A terminal that went away is no reason to fail.
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}
