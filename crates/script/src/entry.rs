//! What of a script is to be run, and what that needs.
//!
//! In: a script and the name after `FILE:`, if there was one. Out: an [`EntryPoint`] with the
//! requirements of its decorator and of the PEP 723 block as one list.

use std::collections::BTreeMap;

use pyrun_core::{Requirement, Span, VersionSpecifiers};

use crate::error::{Problem, ScriptError, did_you_mean, shorten};
use crate::function::Function;
use crate::python::PythonBound;
use crate::{Options, Script, requirement};

/// A function of a script, or the whole script as a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryPoint<'s> {
    script: &'s Script,
    /// What is run.
    pub kind: EntryKind<'s>,
}

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EntryKind<'s> {
    /// A call of a function.
    Function(&'s Function),
    /// The file as `__main__`.
    Program,
}

impl Script {
    /// What to run: the function that is chosen by name; else the only decorated function; else,
    /// if none is decorated, the file as a program.
    pub fn entry(&self, choice: Option<&str>) -> Result<EntryPoint<'_>, ScriptError> {
        let kind = match choice {
            Some(name) => EntryKind::Function(self.function(name)?),
            None => self.default_kind()?,
        };
        Ok(EntryPoint { script: self, kind })
    }

    /// The function of a name.
    pub fn function(&self, name: &str) -> Result<&Function, ScriptError> {
        let found = self.functions.iter().find(|each| each.name == name);
        found.ok_or_else(|| {
            let shown = shorten(name);
            let problem = Problem::new(format!("`{}` has no function `{shown}`", self.path));
            let names = self.functions.iter().map(|each| each.name.as_str());
            let problem = match did_you_mean(name, names) {
                Some(meant) => problem.hint(format!("did you mean `{}:{meant}`?", self.path)),
                None if self.functions.is_empty() => {
                    problem.cause("the file has no function at its top level")
                }
                None => problem.cause(format!("the file has {}", self.listed(|_| true))),
            };
            ScriptError::Function(problem.into())
        })
    }

    fn default_kind(&self) -> Result<EntryKind<'_>, ScriptError> {
        let mut decorated = self.functions.iter().filter(|each| each.decorated);
        match (decorated.next(), decorated.next()) {
            (None, _) => Ok(EntryKind::Program),
            (Some(only), None) => Ok(EntryKind::Function(only)),
            (Some(first), Some(_)) => {
                let list = self.listed(|each| each.decorated);
                let problem = Problem::new(format!(
                    "`{}` has several functions that could be run: {list}",
                    self.path
                ))
                .hint(format!("choose one: `{}:{}`", self.path, first.name));
                let problem = self
                    .functions
                    .iter()
                    .filter(|each| each.decorated)
                    .fold(problem, |problem, each| problem.span(each.span.clone()));
                Err(ScriptError::Function(problem.into()))
            }
        }
    }

    /// The first functions' names, in words.
    fn listed(&self, which: impl Fn(&Function) -> bool) -> String {
        const MOST: usize = 10;
        let names: Vec<_> = self
            .functions
            .iter()
            .filter(|each| which(each))
            .map(|each| format!("`{}`", each.name))
            .collect();
        let more = names.len().saturating_sub(MOST);
        let shown = names[..names.len() - more].join(", ");
        if more == 0 {
            shown
        } else {
            format!("{shown} and {more} more")
        }
    }
}

impl<'s> EntryPoint<'s> {
    /// The function, if it is one.
    pub fn function(&self) -> Option<&'s Function> {
        match self.kind {
            EntryKind::Function(function) => Some(function),
            EntryKind::Program => None,
        }
    }

    /// How the script wants to be run.
    pub fn options(&self) -> Option<&'s Options> {
        self.script.metadata.as_ref().map(|block| &block.options)
    }

    /// What must be installed: the decorator's requirements and those of the PEP 723 block.
    pub fn requirements(&self) -> Result<Vec<Requirement>, ScriptError> {
        let decorator = self.function().map_or(&[][..], |each| &each.requirements);
        let block = self.script.metadata.as_ref();
        let block = block.map_or(&[][..], |block| &block.dependencies);
        let mut by_name: BTreeMap<_, Vec<&Requirement>> = BTreeMap::new();
        for requirement in decorator {
            let same = by_name.entry(&requirement.spec.name).or_default();
            same.push(requirement);
        }
        for other in block {
            let same = by_name.get(&other.spec.name).map_or(&[][..], Vec::as_slice);
            if let Some(one) = same.iter().find(|one| requirement::contradict(one, other)) {
                let message = format!(
                    "the decorator and the metadata block contradict each other about `{}`",
                    other.spec.name
                );
                let spans = [one.origin.span.clone(), other.origin.span.clone()];
                return Err(conflict(message, spans));
            }
        }
        Ok(decorator.iter().chain(block).cloned().collect())
    }

    /// The Python that is asked for, by the decorator and by the PEP 723 block together.
    pub fn requires_python(&self) -> Result<Option<VersionSpecifiers>, ScriptError> {
        let decorator = self.function().and_then(|each| each.python.as_ref());
        let block = self.script.metadata.as_ref();
        let block = block.and_then(|block| block.requires_python.as_ref());
        match (decorator, block) {
            (None, None) => Ok(None),
            (Some(PythonBound { specifiers, .. }), None)
            | (None, Some(PythonBound { specifiers, .. })) => Ok(Some(specifiers.clone())),
            (Some(one), Some(other)) => {
                if requirement::disjoint(&one.specifiers, &other.specifiers) {
                    let message =
                        "the decorator and the metadata block contradict each other about Python";
                    let spans = [Some(one.span.clone()), Some(other.span.clone())];
                    return Err(conflict(message.to_owned(), spans));
                }
                let both = one.specifiers.iter().chain(other.specifiers.iter());
                Ok(Some(both.cloned().collect()))
            }
        }
    }
}

fn conflict(message: String, spans: [Option<Span>; 2]) -> ScriptError {
    let mut problem = Problem::new(message)
        .cause("no version satisfies both")
        .hint("name it in one of the two places alone");
    for (span, label) in spans
        .into_iter()
        .zip(["the decorator", "the metadata block"])
    {
        problem.spans.extend(span.map(|span| Span {
            label: label.to_owned(),
            ..span
        }));
    }
    ScriptError::Conflict(problem.into())
}
