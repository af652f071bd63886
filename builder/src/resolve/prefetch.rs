//! Asking the index ahead of the solver.
//!
//! Depth of round trips is what a resolution costs, so nothing waits that could be asked for: as
//! soon as a page is here its likely version's metadata is asked for, and as soon as that is here
//! the pages of what it needs. A guess that fails costs nothing but itself: errors count only when
//! the solver comes to need the answer.

mod guess;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, PackageName};
use pyrun_core::request::{Prerelease, Resolution};
use pyrun_core::{Lock, Request};

use super::amendments::Amendments;
use super::budget::Budget;
use super::candidates::{Candidates, Rules};
use super::dependencies::Dependency;
use super::error::Limit;
use guess::Hint;

use crate::index::{IndexError, Metadata, Project, Source};

/// How many questions are open at once.
const PARALLEL: usize = 50;
/// A question to the index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// A project's page.
    Project(PackageName),
    /// The metadata of a candidate.
    Metadata(PackageName, usize),
}

impl Question {
    /// The project that it is about.
    pub(super) fn name(&self) -> &PackageName {
        match self {
            Self::Project(name) | Self::Metadata(name, _) => name,
        }
    }
}

type Reply = Result<Arc<Metadata>, IndexError>;

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Halt {
    /// The index fails.
    Index(Question, IndexError),
    /// It would be one question too many.
    Limit(Limit),
}

enum Answer {
    Project(PackageName, Result<Option<Arc<Project>>, IndexError>),
    Metadata(PackageName, usize, Reply),
}

/// Questions open, queued and answered.
pub(super) struct Prefetch<'a> {
    source: &'a dyn Source,
    rules: Rules,
    amendments: Arc<Amendments>,
    budget: Budget,
    markers: MarkerEnvironment,
    python: Version,
    prerelease: Prerelease,
    resolution: Resolution,
    direct: HashSet<PackageName>,
    preferences: Option<&'a Lock>,
    pages: HashMap<PackageName, Arc<Candidates>>,
    metadata: HashMap<(PackageName, usize), Result<Arc<Metadata>, Arc<str>>>,
    failed: HashMap<Question, IndexError>,
    asked: HashSet<Question>,
    queue: VecDeque<Question>,
    running: FuturesUnordered<BoxFuture<'a, Answer>>,
    hints: HashMap<PackageName, Hint>,
}

impl<'a> Prefetch<'a> {
    /// Nothing asked yet.
    pub(super) fn new(
        request: &Request,
        rules: Rules,
        amendments: Arc<Amendments>,
        source: &'a dyn Source,
        preferences: Option<&'a Lock>,
    ) -> Self {
        Self {
            source,
            rules,
            amendments,
            budget: Budget::default(),
            markers: request.target.markers(),
            python: request.target.python.full().clone(),
            prerelease: request.options.prerelease,
            resolution: request.options.resolution,
            direct: request
                .requirements
                .iter()
                .map(|one| one.spec.name.clone())
                .collect(),
            preferences,
            pages: HashMap::new(),
            metadata: HashMap::new(),
            failed: HashMap::new(),
            asked: HashSet::new(),
            queue: VecDeque::new(),
            running: FuturesUnordered::new(),
            hints: HashMap::new(),
        }
    }

    /// Whether a page has had pre-releases that were put out though they can be used.
    pub(super) fn withheld(&self) -> bool {
        self.pages.values().any(|page| page.withheld)
    }

    /// Lets in the pre-releases that were put out. What is known stays known, and counts as before.
    pub(super) fn let_prereleases_in(&mut self) {
        self.rules.let_prereleases_in();
        let mut metadata = std::mem::take(&mut self.metadata);
        // All that was open or a guess was about the candidates as they stood.
        self.running.clear();
        self.queue.clear();
        self.failed.clear();
        self.hints.clear();
        self.asked.clear();
        for (name, before) in std::mem::take(&mut self.pages) {
            let page = self.rules.candidates(before.project.clone());
            for (place, candidate) in before.versions.iter().enumerate() {
                if let Some(known) = metadata.remove(&(name.clone(), place))
                    && let Some(place) = page.position(&candidate.version)
                {
                    self.asked.insert(Question::Metadata(name.clone(), place));
                    self.metadata.insert((name.clone(), place), known);
                }
            }
            self.asked.insert(Question::Project(name.clone()));
            self.pages.insert(name, Arc::new(page));
        }
    }

    /// Begins with what the user asks for.
    pub(super) fn begin(&mut self, needs: impl IntoIterator<Item = Dependency>) {
        self.expect(needs);
        for hint in self.hints.values_mut() {
            hint.firm = hint.needs.len();
        }
    }

    /// Asks for what is about to be needed.
    fn expect(&mut self, needs: impl IntoIterator<Item = Dependency>) {
        let mut open: Vec<PackageName> = needs
            .into_iter()
            .filter_map(|need| self.hint(need))
            .collect();
        while let Some(name) = open.pop() {
            open.extend(self.guess(&name));
        }
    }

    /// The page of a project, once it is here.
    pub(super) async fn project(&mut self, name: &PackageName) -> Result<Arc<Candidates>, Halt> {
        let question = Question::Project(name.clone());
        self.ask_first(question.clone()).map_err(Halt::Limit)?;
        loop {
            if let Some(page) = self.pages.get(name) {
                return Ok(Arc::clone(page));
            }
            self.wait(&question).await?;
        }
    }

    /// The metadata of a candidate, once it is here; the inner `Err` says why it can't be used.
    pub(super) async fn metadata(
        &mut self,
        name: &PackageName,
        candidate: usize,
    ) -> Result<Result<Arc<Metadata>, Arc<str>>, Halt> {
        let question = Question::Metadata(name.clone(), candidate);
        self.ask_first(question.clone()).map_err(Halt::Limit)?;
        loop {
            if let Some(metadata) = self.metadata.get(&(name.clone(), candidate)) {
                let metadata = metadata.clone();
                if let Ok(metadata) = &metadata {
                    let needs = self.needs(name, metadata);
                    self.expect(needs);
                }
                return Ok(metadata);
            }
            self.wait(&question).await?;
        }
    }

    /// Asks ahead of what is queued.
    pub(super) fn ask_first(&mut self, question: Question) -> Result<(), Limit> {
        if !self.asked.contains(&question) {
            self.count(&question)?;
            self.asked.insert(question.clone());
            self.queue.push_front(question);
        } else if let Some(place) = self.queue.iter().position(|queued| *queued == question) {
            self.queue.remove(place);
            self.queue.push_front(question);
        }
        self.fill();
        Ok(())
    }

    /// Asks when there is room, and when it is not too much to ask: it is a guess.
    pub(super) fn ask(&mut self, question: Question) {
        let builds = match &question {
            Question::Project(_) => false,
            // To build a version only to know more of it is no guess.
            Question::Metadata(name, candidate) => self.pages[name].is_built(*candidate),
        };
        if !builds && !self.asked.contains(&question) && self.count(&question).is_ok() {
            self.asked.insert(question.clone());
            self.queue.push_back(question);
        }
    }

    fn count(&mut self, question: &Question) -> Result<(), Limit> {
        match question {
            Question::Project(_) => {
                self.budget.page()?;
                self.budget.asks_page();
            }
            Question::Metadata(name, candidate) => {
                if self.budget.is_try() && self.pages[name].is_built(*candidate) {
                    return Err(Limit::Try);
                }
                self.budget.version()?;
                self.budget.asks_version();
            }
        }
        Ok(())
    }

    /// From now on only so many more questions, of which none builds anything; `None` ends it.
    pub(super) fn set_tries(&mut self, tries: Option<usize>) {
        self.budget.set_tries(tries);
    }

    /// How many projects' pages are here.
    pub(super) fn known(&self) -> usize {
        self.pages.len()
    }

    /// How many versions' metadata is here.
    pub(super) fn visited(&self) -> u64 {
        self.metadata.len() as u64
    }

    /// Waits for any answer; `Err` when `question` is the one that failed.
    async fn wait(&mut self, question: &Question) -> Result<(), Halt> {
        if let Some(error) = self.failed.remove(question) {
            // Whoever asks again may have more luck.
            self.asked.remove(question);
            return Err(Halt::Index(question.clone(), error));
        }
        self.fill();
        let answer = self.running.next().await;
        self.take(answer.expect("an open question is running or queued, and the queue is drained"));
        Ok(())
    }

    fn fill(&mut self) {
        while self.running.len() < PARALLEL
            && let Some(question) = self.queue.pop_front()
        {
            let source = self.source;
            self.running.push(match question {
                Question::Project(name) => {
                    let address = self.amendments.address(&name).map(str::to_owned);
                    Box::pin(async move {
                        let page = match address {
                            Some(url) => source.address(&name, &url).await.map(Some),
                            None => source.project(&name).await,
                        };
                        Answer::Project(name, page)
                    })
                }
                Question::Metadata(name, candidate) => {
                    let candidates = Arc::clone(&self.pages[&name]);
                    Box::pin(async move {
                        let file = candidates.file(candidate);
                        let reply = source.metadata(candidates.project(), file).await;
                        Answer::Metadata(name, candidate, reply)
                    })
                }
            });
        }
    }

    fn take(&mut self, answer: Answer) {
        let name = match answer {
            Answer::Project(name, Ok(page)) => {
                if let Some(page) = &page {
                    self.budget.came(page);
                }
                let candidates = self.rules.candidates(page);
                self.pages.insert(name.clone(), Arc::new(candidates));
                name
            }
            Answer::Metadata(name, candidate, Ok(metadata)) => {
                self.budget.told(&metadata);
                let known = self.checked(&name, candidate, metadata);
                self.metadata.insert((name.clone(), candidate), known);
                name
            }
            Answer::Metadata(name, candidate, Err(IndexError::Broken { problem, .. })) => {
                let problem = format!("has metadata that can't be used: it {problem}").into();
                self.metadata.insert((name, candidate), Err(problem));
                return;
            }
            Answer::Project(name, Err(error)) => {
                self.failed.insert(Question::Project(name), error);
                return;
            }
            Answer::Metadata(name, candidate, Err(error)) => {
                self.failed
                    .insert(Question::Metadata(name, candidate), error);
                return;
            }
        };
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            open.extend(self.guess(&name));
        }
    }

    /// Metadata must speak of the version that it was asked for.
    fn checked(
        &self,
        name: &PackageName,
        candidate: usize,
        metadata: Arc<Metadata>,
    ) -> Result<Arc<Metadata>, Arc<str>> {
        let version = &self.pages[name].versions[candidate].version;
        if metadata.name == *name && metadata.version == *version {
            return Ok(metadata);
        }
        let (other, at) = (&metadata.name, &metadata.version);
        Err(format!("has metadata that can't be used: it is that of `{other}` {at}").into())
    }
}
