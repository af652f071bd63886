//! What can be wrong with a script or with the words for its function.
//!
//! In: problems that the other modules describe. Out: the one `Fault` that each becomes. Never:
//! rendering; a problem carries its places in the source as data.

use std::fmt;

use pyrun_core::{Code, Fault, Span};

/// What is wrong, why, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One sentence, as a fault's message.
    pub message: String,
    /// Why.
    pub causes: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
    /// Where.
    pub spans: Vec<Span>,
}

/// A script that can't be used, or a call that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The file is not valid Python, or goes over a bound that keeps the parser safe.
    #[error("{0}")]
    Syntax(Box<Problem>),
    /// The decorator holds something that only running the file could tell.
    #[error("{0}")]
    Dynamic(Box<Problem>),
    /// A requirement or a bound on Python is not valid, or stands twice.
    #[error("{0}")]
    Requirement(Box<Problem>),
    /// The PEP 723 block is not valid, or stands twice.
    #[error("{0}")]
    Metadata(Box<Problem>),
    /// The decorator and the PEP 723 block contradict each other.
    #[error("{0}")]
    Conflict(Box<Problem>),
    /// No such function, or several and no choice.
    #[error("{0}")]
    Function(Box<Problem>),
    /// The arguments do not fit the function's signature.
    #[error("{0}")]
    Arguments(Box<Problem>),
    /// The parser itself failed.
    #[error("{0}")]
    Parser(Box<Problem>),
}

impl ScriptError {
    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        match self {
            Self::Syntax(problem)
            | Self::Dynamic(problem)
            | Self::Requirement(problem)
            | Self::Metadata(problem)
            | Self::Conflict(problem)
            | Self::Function(problem)
            | Self::Arguments(problem)
            | Self::Parser(problem) => problem,
        }
    }

    /// The fault's code.
    pub fn code(&self) -> Code {
        match self {
            Self::Syntax(_) => Code::SCRIPT_SYNTAX,
            Self::Dynamic(_) => Code::SCRIPT_DYNAMIC,
            Self::Requirement(_) => Code::REQUIREMENT_INVALID,
            Self::Metadata(_) => Code::SCRIPT_METADATA,
            Self::Conflict(_) => Code::SCRIPT_CONFLICT,
            Self::Function(_) => Code::SCRIPT_FUNCTION,
            Self::Arguments(_) => Code::USAGE_ARGUMENTS,
            Self::Parser(_) => Code::INTERNAL,
        }
    }
}

impl From<ScriptError> for Fault {
    fn from(error: ScriptError) -> Self {
        let code = error.code();
        error.problem().clone().into_fault(code)
    }
}

impl Problem {
    /// The fault that it becomes.
    pub fn into_fault(self, code: Code) -> Fault {
        Fault {
            causes: self.causes,
            hints: self.hints,
            spans: self.spans,
            ..Fault::new(code, self.message)
        }
    }

    /// A problem with nothing but its message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Adds a cause.
    pub(crate) fn cause(mut self, text: impl Into<String>) -> Self {
        self.causes.push(text.into());
        self
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Adds a place.
    pub(crate) fn span(mut self, span: Span) -> Self {
        self.spans.push(span);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The candidate that a mistyped word most likely meant.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    // Comparing is quadratic in length: a word this long is no slip of the finger.
    if word.len() > 100 {
        return None;
    }
    let mut best = None;
    for candidate in candidates.into_iter().filter(|name| name.len() <= 100) {
        let likeness = strsim::damerau_levenshtein(word, candidate);
        let longest = word.chars().count().max(candidate.chars().count()).max(1);
        let score = 1.0 - likeness as f64 / longest as f64;
        let close = score >= ALIKE || strsim::jaro_winkler(word, candidate) >= 0.9;
        if close && best.is_none_or(|(_, other)| score > other) {
            best = Some((candidate, score));
        }
    }
    best.map(|(candidate, _)| candidate)
}

/// `text` with what goes over 80 characters cut, for messages.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `text` beginning with a lower-case letter, unless it begins with an acronym.
pub(crate) fn uncapitalise(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
