//! Feeds the solver what it asks for until it has an answer.
//!
//! In: a solver, and what asks the index. Out: what was chosen, or the incompatibility that can't be
//! avoided. Never: asks for more than the budget has.

use pyrun_core::{Event, Events, Phase};

use super::incompatibility::IncompatibilityId;
use super::prefetch::{Halt, Prefetch, Question};
use super::solver::{Chosen, Solver, Step};

/// What a search came to.
#[derive(Debug)]
pub(super) enum Found {
    /// Exact versions.
    Solved(Vec<Chosen>),
    /// That there are none, because of this.
    Failed(IncompatibilityId),
}

/// Goes on to the end.
pub(super) async fn search(
    solver: &mut Solver,
    prefetch: &mut Prefetch<'_>,
    events: Events<'_>,
) -> Result<Found, Halt> {
    loop {
        match solver.step() {
            Step::Projects(names) => {
                for name in &names {
                    let question = Question::Project(name.clone());
                    prefetch.ask_first(question).map_err(Halt::Limit)?;
                }
                for name in names {
                    let page = prefetch.project(&name).await?;
                    solver.add_project(name, page);
                }
            }
            Step::Metadata {
                name,
                candidate,
                likely,
            } => {
                for other in likely {
                    prefetch.ask(Question::Metadata(name.clone(), other));
                }
                let metadata = prefetch.metadata(&name, candidate).await?;
                events(Event::Progress {
                    phase: Phase::Resolve,
                    done: prefetch.visited(),
                    total: 0,
                    item: name.to_string(),
                });
                solver.add_metadata(name, candidate, metadata);
            }
            Step::Solved(chosen) => return Ok(Found::Solved(chosen)),
            Step::Failed(failure) => return Ok(Found::Failed(failure)),
            Step::TooHard(limit) => return Err(Halt::Limit(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use async_trait::async_trait;
    use pep508_rs::PackageName;
    use pyrun_core::{Arch, Origin, Os, Request, Requirement, ResolveOptions, Target};

    use super::*;
    use crate::index::{Announced, File, FileKind, IndexError, Metadata, Project, Source};
    use crate::resolve::amendments::Amendments;
    use crate::resolve::candidates::Rules;
    use crate::resolve::error::Limit;

    /// Pigeons and one hole fewer: each version of a pigeon wants a hole of its own for itself. There
    /// is no answer, and no short proof of it that only looks at pairs.
    struct Pigeons(usize);

    #[async_trait]
    impl Source for Pigeons {
        async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
            let is_hole = name.as_ref().starts_with("hole");
            let versions = 1..=self.0 - usize::from(!is_hole);
            let files = versions.map(|version| File {
                kind: FileKind::Wheel,
                filename: format!("{name}-{version}-py3-none-any.whl"),
                version: version.to_string().parse().expect("a version"),
                url: String::new(),
                sha256: None,
                size: None,
                requires_python: None,
                yanked: None,
                upload_time: None,
                metadata: Announced::Yes,
                linked: false,
            });
            Ok(Some(Arc::new(Project {
                name: name.clone(),
                index: String::new(),
                files: files.collect(),
                status: None,
            })))
        }

        async fn metadata(
            &self,
            project: &Project,
            file: &File,
        ) -> Result<Arc<Metadata>, IndexError> {
            let pigeon = project.name.as_ref().strip_prefix("pigeon");
            let needs = pigeon.map(|number| format!("hole{}=={number}", file.version));
            let needs = needs
                .iter()
                .map(|need| need.parse().expect("a requirement"));
            Ok(Arc::new(Metadata {
                name: project.name.clone(),
                version: file.version.clone(),
                requires_dist: needs.collect(),
                requires_python: None,
                provides_extra: Vec::new(),
            }))
        }
    }

    /// What a search of at most so many steps comes to.
    fn outcome(pigeons: usize, steps: u64) -> (Result<Found, Halt>, u64) {
        let asked = (1..=pigeons).map(|number| {
            let spec = format!("pigeon{number}").parse().expect("a requirement");
            Requirement::new(spec, Origin::default())
        });
        let request = Request {
            requirements: asked.collect(),
            requires_python: None,
            target: Target {
                python: "3.12.1".parse().expect("a version"),
                free_threaded: false,
                os: Os::Musl { major: 1, minor: 2 },
                arch: Arch::X86_64,
            },
            options: ResolveOptions::default(),
        };
        let source = Pigeons(pigeons);
        let amendments = Arc::new(Amendments::of(&request).expect("none"));
        let rules = Rules::of(&request, Arc::clone(&amendments), false).expect("no time");
        let mut solver = Solver::new(&request, Arc::clone(&amendments), BTreeMap::new());
        solver.max_steps = steps;
        let mut prefetch = Prefetch::new(&request, rules, amendments, &source, None);
        let search = search(&mut solver, &mut prefetch, &|_| {});
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let found = runtime.build().expect("a runtime").block_on(search);
        (found, solver.conflicts + solver.decisions)
    }

    #[test]
    fn a_search_without_headway_ends_at_its_bound() {
        let (found, steps) = outcome(9, 500);
        assert!(matches!(found, Err(Halt::Limit(Limit::Steps))), "{found:?}");
        assert!((501..520).contains(&steps), "{steps}");
        let (found, _) = outcome(3, 500);
        assert!(matches!(found, Ok(Found::Failed(_))), "{found:?}");
    }
}
