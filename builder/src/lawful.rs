//! An index as a policy lets it be seen: without what would be refused once it is locked.
//!
//! In: an index, a policy, the time. Out: the same index without files that are too young, and
//! without source distributions that may not be built. Never: hides why: a failure that has to do
//! with what is hidden says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::policy::PassedOver;
use pyrun_core::{Events, Fault, Lock, LockedWheel, Policy, Request, Sha256};

use crate::index::{File, FileKind, IndexError, Metadata, Project, Source};
use crate::resolve;

/// Finds exact versions for a request as of `now`, passing over what the policy would refuse.
pub(crate) async fn search(
    request: &Request,
    source: &dyn Source,
    policy: Option<&Policy>,
    now: Timestamp,
    events: Events<'_>,
) -> Result<Lock, Fault> {
    let request = resolve::as_of(request, now)?;
    let Some(policy) = policy else {
        return Ok(resolve::resolve(&request, source, None, events).await?);
    };
    let lawful = Lawful::new(source, policy, now);
    let lock = resolve::resolve(&request, &lawful, None, events).await;
    lock.map_err(|error| lawful.explain(error.into()))
}

/// How many versions a hint names.
const NAMED: usize = 3;

/// An index as a policy lets it be seen.
struct Lawful<'a> {
    source: &'a dyn Source,
    policy: &'a Policy,
    now: Timestamp,
    /// Versions of which nothing is left, and why.
    hidden: Mutex<BTreeMap<PackageName, BTreeMap<Version, PassedOver>>>,
}

impl<'a> Lawful<'a> {
    fn new(source: &'a dyn Source, policy: &'a Policy, now: Timestamp) -> Self {
        Self {
            source,
            policy,
            now,
            hidden: Mutex::default(),
        }
    }

    /// A project without what is passed over.
    fn seen(&self, project: Arc<Project>) -> Arc<Project> {
        let over = |file: &File| {
            let is_sdist = file.kind == FileKind::Sdist;
            let uploaded = file.upload_time.as_deref();
            self.policy
                .passes_over(&project.name, is_sdist, uploaded, self.now)
        };
        let judged: Vec<Option<PassedOver>> = project.files.iter().map(over).collect();
        if judged.iter().all(Option::is_none) {
            return project;
        }
        let mut hidden: BTreeMap<Version, PassedOver> = BTreeMap::new();
        for (file, over) in project.files.iter().zip(&judged) {
            if let Some(over) = over {
                let known = hidden.entry(file.version.clone()).or_insert(*over);
                if file.kind == FileKind::Wheel {
                    *known = *over;
                }
            }
        }
        let pairs = project.files.iter().zip(&judged);
        let files: Vec<File> = pairs
            .filter(|(_, over)| over.is_none())
            .map(|(file, _)| file.clone())
            .collect();
        for file in &files {
            hidden.remove(&file.version);
        }
        let mut all = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(project.name.clone(), hidden);
        Arc::new(Project {
            name: project.name.clone(),
            index: project.index.clone(),
            status: project.status.clone(),
            files,
        })
    }

    /// The failure, with what was hidden of the packages that it speaks of.
    fn explain(&self, mut fault: Fault) -> Fault {
        let said: Vec<String> = fault
            .causes
            .iter()
            .chain([&fault.message])
            .cloned()
            .collect();
        let speaks_of = |name: &PackageName| {
            let name = name.to_string();
            said.iter().any(|text| {
                let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
                words
                    .map(|word| word.trim_end_matches('.'))
                    .any(|word| word == name)
            })
        };
        let all = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, versions) in all.iter().filter(|(name, _)| speaks_of(name)) {
            for kind in [PassedOver::Young, PassedOver::Sdist] {
                let of_kind = versions.iter().filter(|(_, over)| **over == kind);
                // The newest first, for it is the one that is missed.
                let versions: Vec<String> = of_kind
                    .rev()
                    .map(|(version, _)| version.to_string())
                    .collect();
                if !versions.is_empty() {
                    fault = fault.hint(self.hint(name, &versions, kind));
                }
            }
        }
        fault
    }

    fn hint(&self, name: &PackageName, versions: &[String], kind: PassedOver) -> String {
        let named = versions[..versions.len().min(NAMED)].join(", ");
        let shown = match versions.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        };
        let why = match kind {
            PassedOver::Young => format!(
                "not uploaded for {} yet, as far as the index says",
                self.policy.minimum_age().unwrap_or("long enough")
            ),
            PassedOver::Sdist => "there as source distributions alone".to_owned(),
        };
        format!("the policy passes over `{name}` {shown}: {why}")
    }
}

#[async_trait]
impl Source for Lawful<'_> {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        let project = self.source.project(name).await?;
        Ok(project.map(|project| self.seen(project)))
    }

    async fn address(&self, name: &PackageName, url: &str) -> Result<Arc<Project>, IndexError> {
        self.source.address(name, url).await
    }

    fn builds(&self) -> bool {
        self.source.builds()
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        self.source.metadata(project, file).await
    }

    async fn digest(&self, file: &File) -> Result<Sha256, IndexError> {
        self.source.digest(file).await
    }

    async fn build(&self, project: &Project, file: &File) -> Result<LockedWheel, Box<Fault>> {
        self.source.build(project, file).await
    }
}
