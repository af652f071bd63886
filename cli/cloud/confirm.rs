//! Asking before something is done.

use std::io::{BufRead as _, IsTerminal as _};

use pyrun_core::{Code, Fault};

use crate::console::Console;
use crate::interrupt::{self, Interrupt};

/// Asks a question, and goes on only if `is_yes` likes the answer.
pub async fn confirm(
    console: &Console,
    interrupt: &Interrupt,
    question: &str,
    is_yes: impl Fn(&str) -> bool,
) -> Result<(), Fault> {
    if console.is_json() || !std::io::stdin().is_terminal() {
        return Err(Fault::new(
            Code::DEPLOY_REFUSED,
            "nobody can be asked: there is no terminal",
        )
        .hint("pass `--yes` once you have seen the plan"));
    }
    console.prompt(question);
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let mut interrupt = interrupt.clone();
    let line = tokio::select! {
        line = answer => line.ok().and_then(Result::ok).unwrap_or_default(),
        () = interrupt.wait() => {
            console.tell("");
            return Err(interrupt::fault());
        }
    };
    if is_yes(line.trim()) {
        return Ok(());
    }
    Err(Fault::new(Code::DEPLOY_REFUSED, "nothing was changed"))
}

/// Whether an answer is a yes.
pub fn is_yes(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
}
