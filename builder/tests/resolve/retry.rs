//! What is done twice, what is not, and in which order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_builder::index::{File, IndexError, Metadata, Project, Source};
use pyrun_builder::resolve::{ResolveError, resolve};
use pyrun_core::{Fault, Lock, LockedWheel, Sha256};
use pyrun_kit::scenario::Scenario;

use crate::memory::{self, Memory};

/// An index that counts what it is asked.
struct Counting {
    inner: Memory,
    /// Whether the pages say no digests.
    silent: bool,
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Counting {
    fn count(&self, question: String) {
        let mut asked = self.asked.lock().expect("no one panics with it");
        *asked.entry(question).or_default() += 1;
    }
}

#[async_trait]
impl Source for Counting {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        self.count(name.to_string());
        let page = self.inner.project(name).await?;
        Ok(page.map(|page| {
            let mut page = Project::clone(&page);
            if self.silent {
                page.files.iter_mut().for_each(|file| file.sha256 = None);
            }
            Arc::new(page)
        }))
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        self.count(format!("{} {}", project.name, file.version));
        self.inner.metadata(project, file).await
    }

    async fn digest(&self, file: &File) -> Result<Sha256, IndexError> {
        self.count(format!("download {}", file.filename));
        Ok(Sha256::of(&file.filename))
    }

    fn builds(&self) -> bool {
        self.inner.builds()
    }

    async fn build(&self, project: &Project, file: &File) -> Result<LockedWheel, Box<Fault>> {
        self.count(format!("build {}", file.filename));
        self.inner.build(project, file).await
    }
}

/// The answer to a scenario, and how often each question was asked.
fn outcome(text: &str, silent: bool) -> (Result<Lock, ResolveError>, BTreeMap<String, usize>) {
    let scenario = Scenario::parse(text).expect("a scenario");
    let source = Counting {
        inner: Memory::of(&scenario),
        silent,
        asked: Mutex::default(),
    };
    let request = memory::request(&scenario);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.build().expect("a runtime");
    let answer = runtime.block_on(resolve(&request, &source, None, &|_| {}));
    let asked = source.asked.into_inner().expect("no one has panicked");
    (answer, asked)
}

#[test]
fn the_search_with_pre_releases_asks_nothing_again() {
    let (answer, asked) = outcome(
        r#"
about = "only a pre-release fits what a dependency needs"
root = ["a", "c"]
[packages]
a = { "1" = ["b>1"] }
b = { "1" = [], "2rc1" = ["c"] }
c = { "1" = [], "2rc1" = [] }
[expect]
"#,
        false,
    );
    let lock = answer.expect("an answer");
    let b = &lock.packages[&"b".parse::<PackageName>().expect("a name")];
    assert_eq!(b.version.to_string(), "2rc1");
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    assert_eq!(asked.get("c 2rc1"), None, "it has a release that fits");
}

#[test]
fn required_digests_are_asked_for_before_anything_is_downloaded_or_built() {
    let (answer, asked) = outcome(
        r#"
about = "neither the source that would be built nor the wheel has a digest"
root = ["a"]
builds = true
require_hashes = true
[packages.a]
"1.0" = { sdist = true, wheels = [], requires = ["b"] }
[packages.b]
"1.0" = []
[expect]
"#,
        true,
    );
    let fault = Fault::from(answer.expect_err("no digests"));
    assert_eq!(
        fault.message,
        "digests are required, and `a` and `b` have none"
    );
    assert_eq!(
        fault.hints[0],
        "add `a==1.0` with the sha256 of `a-1.0.tar.gz`, which the index does not say"
    );
    let done = asked.keys();
    let done: Vec<&String> = done
        .filter(|what| what.starts_with("build") || what.starts_with("download"))
        .collect();
    assert!(done.is_empty(), "{done:?}");
}
