//! How deep the resolver's questions stand behind one another: round trips are what a resolution
//! costs over a network.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_builder::index::{File, IndexError, Metadata, Project, Source};
use pyrun_builder::resolve::resolve;
use pyrun_kit::scenario::Scenario;

use crate::memory::{self, Memory};

/// An index that answers everything that was asked in a round at the round's end.
struct Slow {
    inner: Memory,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    round: usize,
    asked: Vec<String>,
    waiting: Vec<Waker>,
}

impl Slow {
    async fn answer(&self, question: String) {
        let asked_in = {
            let mut state = self.state.lock().expect("no one panics with it");
            state.asked.push(question);
            state.round
        };
        poll_fn(|context| {
            let mut state = self.state.lock().expect("no one panics with it");
            if state.round > asked_in {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn end_round(&self) {
        let mut state = self.state.lock().expect("no one panics with it");
        state.round += 1;
        state.waiting.drain(..).for_each(Waker::wake);
    }
}

#[async_trait]
impl Source for Slow {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        self.answer(name.to_string()).await;
        self.inner.project(name).await
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        self.answer(format!("{} {}", project.name, file.version))
            .await;
        self.inner.metadata(project, file).await
    }
}

/// The rounds that a scenario takes, and what it asks, sorted.
fn rounds(text: &str) -> (usize, Vec<String>) {
    let scenario = Scenario::parse(text).expect("a scenario");
    let source = Slow {
        inner: Memory::of(&scenario),
        state: Mutex::default(),
    };
    let request = memory::request(&scenario);
    let mut resolving = pin!(resolve(&request, &source, None, &|_| {}));
    let mut context = Context::from_waker(Waker::noop());
    while resolving.as_mut().poll(&mut context).is_pending() {
        source.end_round();
    }
    let state = source.state.lock().expect("no one panics with it");
    let mut asked = state.asked.clone();
    asked.sort();
    (state.round, asked)
}

#[test]
fn width_costs_nothing() {
    let (rounds, asked) = rounds(
        r#"
about = "two rounds for each level: pages, then metadata"
root = ["a", "b", "c"]
[packages]
a = { "1" = ["d", "e"] }
b = { "1" = ["f"] }
c = { "1" = ["g", "h"] }
d = { "1" = [] }
e = { "1" = [] }
f = { "1" = ["z"] }
g = { "1" = ["z"] }
h = { "1" = [] }
z = { "1" = [] }
[expect]
"#,
    );
    assert_eq!(rounds, 6);
    assert_eq!(asked.len(), 18, "nothing is asked twice: {asked:?}");
}

#[test]
fn a_version_that_is_given_up_costs_one_round() {
    let (rounds, asked) = rounds(
        r#"
about = "the newest `a` does not go with what is asked"
root = ["a", "c<2"]
[packages]
a = { "1" = [], "2" = ["c>=2"] }
c = { "1" = [], "2" = [] }
[expect]
"#,
    );
    assert_eq!(rounds, 3);
    assert_eq!(
        asked,
        ["a", "a 1", "a 2", "c", "c 1"],
        "only what may be taken is asked for"
    );
}

#[test]
fn long_walks_down_are_asked_for_ahead() {
    let versions: Vec<String> = (1..=60)
        .map(|number| format!("\"{number}\" = [\"c>={number}\"]"))
        .collect();
    let text = format!(
        "about = 'sixty versions, one fits'\nroot = ['a', 'c<2']\n[packages.a]\n{}\n[packages.c]\n1 = []\n99 = []\n[expect]\n",
        versions.join("\n")
    );
    let (rounds, _) = rounds(&text);
    assert!(rounds <= 12, "{rounds} rounds for sixty versions");
}
