//! Words to arguments, and what is wrong with words that are none.
//!
//! In: the words of a command line, and the environment. Out: a [`Cli`], or an error that can be
//! shown to people or told to programs. Never: decides what an argument comes to.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use pyrun_core::{Code, Fault};

use crate::args::Cli;

/// The command line as words and variables spell it. A variable that is empty counts as not set.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = without_empty_variables(Cli::command());
    let mut matches = command.try_get_matches_from_mut(words).map_err(explained)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| {
            if argument.get_env().is_some_and(is_empty) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty_variables)
}

/// Whether the words ask for JSON, as far as one can tell where they can't be parsed: what follows
/// a script is the script's own.
pub fn asks_for_json(words: &[OsString]) -> bool {
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        match word {
            "--" => return false,
            "--format=json" => return true,
            "--format" if words.next() == Some("json") => return true,
            word if names_script(word) => return false,
            _ => {}
        }
    }
    false
}

/// The error as a fault, for programs; `None` where it is only help that was asked for.
pub fn fault(error: &clap::Error) -> Option<Fault> {
    if !error.use_stderr() {
        return None;
    }
    let text = error.render().to_string().replace('\'', "`");
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default().trim();
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let words: Vec<&str> = message.split_whitespace().collect();
    let message = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command is given".to_owned(),
        _ => words.join(" "),
    };
    let mut fault = Fault::new(Code::USAGE, message);
    let tips = paragraphs
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("tip: "));
    fault.hints.extend(tips.map(str::to_owned));
    Some(fault.hint("`pyrun --help` lists the commands, `pyrun COMMAND --help` their options"))
}

/// The error with a way on where a file stands in a verb's place.
fn explained(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
        && names_script(word)
    {
        let tip = format!("to run a file, write `pyrun run {word}`");
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// `FILE.py` or `FILE.py:FUNCTION`.
fn names_script(word: &str) -> bool {
    let path = word.split(':').next().unwrap_or_default();
    Path::new(path).extension().is_some_and(|end| end == "py")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn json_is_asked_for_before_the_script_alone() {
        for (line, expected) in [
            ("pyrun --format json run", true),
            ("pyrun run --format=json --bad a.py", true),
            ("pyrun run --bad", false),
            ("pyrun run --format text --bad", false),
            ("pyrun run --bad a.py --format json", false),
            ("pyrun run --bad a.py:f --format=json", false),
            ("pyrun lock --bad -- --format=json", false),
        ] {
            assert_eq!(asks_for_json(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn an_error_of_usage_is_a_fault_and_help_is_none() {
        let fault_of = |line: &str| fault(&parse(words(line)).expect_err("wrong"));
        let fault = fault_of("pyrun cache lss").expect("a fault");
        assert_eq!(fault.code, Code::USAGE);
        assert_eq!(fault.message, "unrecognized subcommand `lss`");
        assert_eq!(fault.hints[0], "a similar subcommand exists: `ls`");
        let fault = fault_of("pyrun lock").expect("a fault");
        assert!(fault.message.contains("<SOURCE>"), "{}", fault.message);
        assert!(fault_of("pyrun").is_some());
        assert_eq!(fault_of("pyrun run --help"), None);
        assert_eq!(fault_of("pyrun --version"), None);
    }
}
