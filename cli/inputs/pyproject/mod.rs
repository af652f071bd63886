//! pyproject.toml: the dependencies of `[project]` (PEP 621) with its extras, dependency groups
//! (PEP 735), and of `[tool.uv]` what decides which packages are chosen.
//!
//! In: the file's text and which extras and groups are wanted. Out: their requirements. Never: asks
//! a build backend; the project's own code is no part of a bundle.

mod extras;
mod groups;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use pyrun_core::{Code, Fault, Origin, Requirement, Span, VersionSpecifiers};
use pyrun_script::uv::{self, UvTable};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::choice::Choice;
use super::{Requirements, parse_requirement, sources};
use extras::Project;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    project: Option<ProjectTable>,
    #[serde(default)]
    dependency_groups: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ProjectTable {
    name: Option<String>,
    #[serde(default)]
    dependencies: Vec<Spanned<String>>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<Spanned<String>>>,
    requires_python: Option<Spanned<String>>,
    #[serde(default)]
    dynamic: Vec<String>,
}

/// A file's text, and the places in it.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a str,
    text: &'a str,
    /// Where each line begins.
    lines: &'a [usize],
}

/// The longest line, in bytes, that is shown whole: every requirement keeps the line it stands on.
const LONGEST_SHOWN: usize = 2000;

/// Reads what is wanted of a project.
pub fn read(path: &str, text: &str, choice: &Choice) -> Result<Requirements, Fault> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let lines: Vec<usize> = std::iter::once(0).chain(ends).collect();
    let lines = lines.as_slice();
    let source = Source { path, text, lines };
    let parsed = DeTable::parse(text).map_err(|error| source.not_toml(&error))?;
    // What is wrong with the project is told before what is wrong with its tools.
    let uv = source.uv_table(parsed.get_ref());
    let file = File::deserialize(toml::Deserializer::from(parsed));
    let file = file.map_err(|error| source.not_toml(&error))?;
    let mut found = Requirements::default();
    let project = match &file.project {
        Some(table) => Some(Project::of(table, source)?),
        None => None,
    };
    if let Some(project) = &project {
        found.requires_python.clone_from(&project.requires_python);
    }
    let wants_groups_alone = !choice.only_groups.is_empty();
    match &project {
        Some(project) if !wants_groups_alone => {
            project.check_static("dependencies")?;
            found.list = project.wanted(choice)?;
        }
        None if !wants_groups_alone && (choice.groups.is_empty() || choice.wants_extras()) => {
            return Err(no_project(path));
        }
        _ => {}
    }
    let groups = groups::Groups::of(&file.dependency_groups, source)?;
    let names = choice.groups.iter().chain(&choice.only_groups);
    for requirement in groups.wanted(names)? {
        match &project {
            Some(project) if project.is_itself(&requirement) => {
                found
                    .list
                    .extend(project.itself(&requirement, !wants_groups_alone)?);
            }
            _ => found.list.push(requirement),
        }
    }
    let uv = uv?;
    let active: Vec<_> = choice.active(project.iter().flat_map(Project::extras));
    found.settings = uv.wishes;
    let pins = sources::apply(&mut found.list, &uv.sources, &active)?;
    found.settings.pins.extend(pins);
    sources::settle_links(&mut found.settings, Path::new(path));
    Ok(found)
}

fn no_project(path: &str) -> Fault {
    Fault::new(
        Code::REQUIREMENT_INVALID,
        format!("`{path}` has no `[project]` table (PEP 621)"),
    )
    .hint("name the requirements on the command line instead, or a group of `[dependency-groups]` with `--group NAME`")
}

impl Source<'_> {
    fn wrong(self, message: impl Into<String>, range: std::ops::Range<usize>) -> Fault {
        Fault::new(Code::REQUIREMENT_INVALID, message).span(self.place(range))
    }

    fn not_toml(self, error: &toml::de::Error) -> Fault {
        let message = format!("`{}` can't be read: {}", self.path, error.message());
        match error.span() {
            Some(range) => self.wrong(message, range),
            None => Fault::new(Code::REQUIREMENT_INVALID, message),
        }
    }

    fn requirement(self, text: &str, range: std::ops::Range<usize>) -> Result<Requirement, Fault> {
        let span = self.place(range);
        let origin = Origin {
            place: format!("{}:{}", span.file, span.line),
            span: Some(span),
        };
        parse_requirement(text, origin)
    }

    /// `[tool.uv]`, where there is one.
    fn uv_table(self, parsed: &DeTable<'_>) -> Result<UvTable, Fault> {
        let table = |table: Option<&Spanned<DeValue<'_>>>| {
            table.is_some_and(|value| value.get_ref().as_table().is_some())
        };
        let tool = parsed.get("tool");
        let uv = tool.filter(|_| table(tool)).and_then(|tool| {
            let tool = tool.get_ref().as_table()?;
            tool.get("uv")?.get_ref().as_table()
        });
        match uv {
            None => Ok(UvTable::default()),
            Some(uv) => uv::read(uv, &|range| self.place(range))
                .map_err(|problem| problem.into_fault(Code::REQUIREMENT_INVALID)),
        }
    }

    /// The place of a byte range. A line that is too long to be shown is taken to begin there.
    fn place(self, range: std::ops::Range<usize>) -> Span {
        let text = self.text;
        let from = text.floor_char_boundary(range.start.min(text.len()));
        // The first line begins at 0.
        let line = self.lines.partition_point(|start| *start <= from);
        let end = self.lines.get(line).map_or(text.len(), |next| next - 1);
        let mut start = self.lines[line - 1];
        let mut shown_end = end;
        if end - start > LONGEST_SHOWN {
            start = from;
            shown_end = text.floor_char_boundary(end.min(from + LONGEST_SHOWN));
        }
        let to = text.floor_char_boundary(range.end.clamp(from, shown_end.max(from)));
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Span {
            file: self.path.to_owned(),
            line: number(line),
            column: number(text[start..from].chars().count() + 1),
            length: number(text[from..to].chars().count().max(1)),
            text: text[start..shown_end.max(start)]
                .trim_end_matches('\r')
                .to_owned(),
            label: String::new(),
        }
    }

    fn python(self, bound: &Spanned<String>) -> Result<VersionSpecifiers, Fault> {
        bound.get_ref().parse().map_err(|_| {
            let message = format!("`{}` is not a bound on Python (PEP 440)", bound.get_ref());
            self.wrong(message, bound.span())
        })
    }
}
