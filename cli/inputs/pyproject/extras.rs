//! `[project]`: its dependencies, and extras that may name the project itself.
//!
//! In: the table. Out: requirements with the markers of every extra on the way to them. Never: a
//! loop: an extra that leads back to itself adds nothing.

use std::collections::BTreeMap;

use pyrun_core::{Code, ExtraName, Fault, MarkerTree, PackageName, Requirement, VersionSpecifiers};

use super::{ProjectTable, Source};
use crate::inputs::choice::{Choice, unknown};

/// More requirements than any project has: extras that name each other grow fast.
const MOST: usize = 20_000;

/// A project's table, read.
pub struct Project<'a> {
    name: Option<PackageName>,
    dependencies: Vec<Requirement>,
    extras: BTreeMap<ExtraName, Vec<Requirement>>,
    dynamic: &'a [String],
    source: Source<'a>,
    /// Its bound on Python.
    pub requires_python: Option<VersionSpecifiers>,
}

impl<'a> Project<'a> {
    /// Reads the table.
    pub fn of(table: &'a ProjectTable, source: Source<'a>) -> Result<Self, Fault> {
        let read = |list: &[toml::Spanned<String>]| -> Result<Vec<Requirement>, Fault> {
            let each = list.iter();
            each.map(|text| source.requirement(text.get_ref(), text.span()))
                .collect()
        };
        let mut extras: BTreeMap<ExtraName, Vec<Requirement>> = BTreeMap::new();
        for (name, list) in &table.optional_dependencies {
            let Ok(extra) = name.parse() else {
                return Err(Fault::new(
                    Code::REQUIREMENT_INVALID,
                    format!("`{}`: `{name}` is not the name of an extra", source.path),
                ));
            };
            extras.entry(extra).or_default().extend(read(list)?);
        }
        let bound = table.requires_python.as_ref();
        Ok(Self {
            name: table.name.as_deref().and_then(|name| name.parse().ok()),
            dependencies: read(&table.dependencies)?,
            extras,
            dynamic: &table.dynamic,
            source,
            requires_python: bound.map(|bound| source.python(bound)).transpose()?,
        })
    }

    /// The names of its extras.
    pub fn extras(&self) -> impl Iterator<Item = &ExtraName> {
        self.extras.keys()
    }

    /// Refuses a field that only the build backend knows.
    pub fn check_static(&self, field: &str) -> Result<(), Fault> {
        if !self.dynamic.iter().any(|each| each == field) {
            return Ok(());
        }
        let message = format!(
            "`{}` leaves its {field} to a build backend (`dynamic`)",
            self.source.path
        );
        Err(Fault::new(Code::REQUIREMENT_INVALID, message)
            .hint("only dependencies that stand in the file can be read without running anything"))
    }

    /// The dependencies, and those of the extras that are chosen.
    pub fn wanted(&self, choice: &Choice) -> Result<Vec<Requirement>, Fault> {
        if choice.wants_extras() {
            self.check_static("optional-dependencies")?;
        }
        let mut walk = Walk::new(self);
        walk.add(&self.dependencies, &MarkerTree::TRUE)?;
        if choice.all_extras {
            for list in self.extras.values() {
                walk.add(list, &MarkerTree::TRUE)?;
            }
        }
        for extra in &choice.extras {
            walk.extra(extra, &MarkerTree::TRUE)?;
        }
        Ok(walk.found)
    }

    /// Whether a requirement is on the project itself.
    pub fn is_itself(&self, requirement: &Requirement) -> bool {
        self.name.as_ref() == Some(&requirement.spec.name)
    }

    /// What a requirement on the project itself comes to. `known` says that its dependencies are
    /// wanted already.
    pub fn itself(
        &self,
        requirement: &Requirement,
        known: bool,
    ) -> Result<Vec<Requirement>, Fault> {
        let mut walk = Walk::new(self);
        if !known {
            self.check_static("dependencies")?;
            walk.add(&self.dependencies, &requirement.spec.marker)?;
        }
        for extra in &requirement.spec.extras {
            walk.extra(extra, &requirement.spec.marker)?;
        }
        Ok(walk.found)
    }
}

/// A walk through extras that may lead to each other.
struct Walk<'p> {
    project: &'p Project<'p>,
    found: Vec<Requirement>,
    /// The extras on the way to here.
    path: Vec<&'p ExtraName>,
    /// How many requirements were looked at, those on the project itself with them.
    steps: usize,
}

impl<'p> Walk<'p> {
    fn new(project: &'p Project<'p>) -> Self {
        Self {
            project,
            found: Vec::new(),
            path: Vec::new(),
            steps: 0,
        }
    }

    fn add(&mut self, list: &[Requirement], marker: &MarkerTree) -> Result<(), Fault> {
        for requirement in list {
            let mut requirement = requirement.clone();
            requirement.spec.marker.and(marker.clone());
            self.steps += 1;
            if self.steps > MOST {
                let path = self.project.source.path;
                let message =
                    format!("the extras of `{path}` lead to more than {MOST} requirements");
                return Err(Fault::new(Code::REQUIREMENT_INVALID, message));
            }
            if self.project.is_itself(&requirement) {
                for extra in &requirement.spec.extras {
                    self.extra(extra, &requirement.spec.marker)?;
                }
                continue;
            }
            self.found.push(requirement);
        }
        Ok(())
    }

    fn extra(&mut self, extra: &ExtraName, marker: &MarkerTree) -> Result<(), Fault> {
        let project = self.project;
        let Some((name, list)) = project.extras.get_key_value(extra) else {
            let names = project.extras.keys().map(ToString::to_string);
            return Err(unknown("extra", extra.as_ref(), project.source.path, names));
        };
        // The depth is bounded by the number of extras that are on the way, and that by this.
        if self.path.contains(&name) || self.path.len() > 100 {
            return Ok(());
        }
        self.path.push(name);
        self.add(list, marker)?;
        self.path.pop();
        Ok(())
    }
}
