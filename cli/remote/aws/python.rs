//! Which of a remote's Pythons a command is for.
//!
//! In: what is asked for, what a remote has. Out: an order to look at them in, and whether one
//! fits. Never: looks for a Python on this machine.

use pyrun_core::{Code, Fault, PythonVersion, Target};
use pyrun_runner::interpreter::PythonRequest;

use crate::remote::Wish;

/// The highest patch number that a version may have.
const MOST_PATCHES: u32 = 60;

impl Wish<'_> {
    /// Refuses what no remote can have: an interpreter of this machine.
    pub fn check(&self, remote: &str) -> Result<(), Fault> {
        match self.request {
            Some(PythonRequest::Path(path)) => Err(Fault::new(
                Code::PYTHON_NOT_FOUND,
                format!(
                    "`{}` is an interpreter of this machine, and the remote `{remote}` has its own",
                    path.display()
                ),
            )
            .hint("name a version, such as `--python-version 3.12`")),
            _ => Ok(()),
        }
    }

    /// The versions that may fit, such as `3.12`, the newest first.
    pub fn candidates<'a>(&self, versions: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut known: Vec<PythonVersion> = versions.filter_map(|text| text.parse().ok()).collect();
        known.sort();
        known.dedup();
        let may_fit = |version: &PythonVersion| {
            (0..=MOST_PATCHES).any(|patch| {
                format!("{}.{patch}", version.minor_text())
                    .parse()
                    .is_ok_and(|version| self.accepts(&version, false))
            })
        };
        let fitting = known.iter().rev().filter(|version| may_fit(version));
        fitting.map(PythonVersion::minor_text).collect()
    }

    /// Whether a Python is one that was asked for.
    pub fn fits(&self, target: &Target) -> bool {
        self.accepts(&target.python, target.free_threaded)
    }

    fn accepts(&self, version: &PythonVersion, free_threaded: bool) -> bool {
        self.request
            .is_none_or(|request| request.accepts(version, free_threaded))
            && self
                .requires_python
                .is_none_or(|bound| bound.contains(version.full()))
    }

    /// The fault when none fits; `had` are the versions that there are.
    pub fn none_fits(&self, remote: &str, had: &[String]) -> Fault {
        let mut wished = Vec::new();
        if let Some(PythonRequest::Version { text, .. }) = self.request {
            wished.push(format!("`{text}`"));
        }
        if let Some(bound) = self.requires_python {
            wished.push(format!("requires-python `{bound}`"));
        }
        let wished = wished.join(" and ");
        Fault::new(
            Code::PYTHON_NOT_FOUND,
            format!("the remote `{remote}` has no Python that satisfies {wished}"),
        )
        .cause(format!("it has {}", had.join(", ")))
        .hint("name one of these with `--python-version`, or add one with `pyrun deploy --pythons`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&str; 3] = ["3.9", "3.12", "3.14"];

    fn candidates(request: Option<&str>, bound: Option<&str>) -> Vec<String> {
        let request = request.map(|text| text.parse().expect("a request"));
        let bound = bound.map(|text| text.parse().expect("a bound"));
        let wish = Wish {
            request: request.as_ref(),
            requires_python: bound.as_ref(),
        };
        wish.candidates(VERSIONS.into_iter())
    }

    #[test]
    fn the_newest_that_may_fit_comes_first() {
        assert_eq!(candidates(None, None), ["3.14", "3.12", "3.9"]);
        assert_eq!(candidates(Some("3.12"), None), ["3.12"]);
        assert_eq!(candidates(Some("3.12.5"), None), ["3.12"]);
        assert_eq!(candidates(None, Some(">=3.10,<3.14")), ["3.12"]);
        assert_eq!(candidates(None, Some(">3.12.4")), ["3.14", "3.12"]);
        assert!(candidates(Some("3.11"), None).is_empty());
        assert!(candidates(Some("3.14t"), None).is_empty());
    }

    #[test]
    fn a_fault_says_what_there_is() {
        let request: PythonRequest = "3.11".parse().expect("a request");
        let wish = Wish {
            request: Some(&request),
            requires_python: None,
        };
        let fault = wish.none_fits("aws", &["3.12".to_owned(), "3.13".to_owned()]);
        assert_eq!(fault.code, Code::PYTHON_NOT_FOUND);
        assert!(fault.message.contains("`3.11`"));
        assert_eq!(fault.causes, ["it has 3.12, 3.13"]);
    }

    #[test]
    fn an_interpreter_of_this_machine_is_refused() {
        let request: PythonRequest = "/usr/bin/python3".parse().expect("a request");
        let wish = Wish {
            request: Some(&request),
            requires_python: None,
        };
        assert!(wish.check("aws").is_err());
        assert_eq!(Wish::default().check("aws"), Ok(()));
    }
}
