//! What a verb says that talks with a person: plans, questions, steps that take their time.
//!
//! In: words. Out: those words on standard error, a live line while something goes on. Never: what
//! belongs on standard output.

use std::io;

use pyrun_core::Phase;

use super::{Console, Level, Paint, Table, write_all};

impl Console {
    /// The paint for standard error.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Says one line on standard error as it is, unless quiet.
    pub fn tell(&self, line: &str) {
        if self.level > Level::Quiet && !self.is_json() {
            self.progress().clear();
            write_all(&mut io::stderr().lock(), &format!("{line}\n"));
        }
    }

    /// A table on standard error, unless quiet.
    pub fn show(&self, table: &Table) {
        self.tell(table.render(self.paint).trim_end());
    }

    /// Asks something: the answer stands behind it on the same line.
    pub fn prompt(&self, question: &str) {
        self.progress().stop();
        write_all(&mut io::stderr().lock(), question);
    }

    /// Shows on the live line what is being done, until [`Console::idle`].
    pub fn working(&self, doing: &str) {
        self.progress().begin(Phase::Other, doing);
    }

    /// Takes the live line away.
    pub fn idle(&self) {
        self.progress().stop();
    }
}
