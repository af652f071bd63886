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
