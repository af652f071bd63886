//! Indexes that are made to keep a resolver busy for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_builder::index::{Announced, File, FileKind, IndexError, Metadata, Project, Source};
use pyrun_builder::resolve::{Limit, ResolveError, resolve};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_kit::scenario::Scenario;

use crate::memory;

/// An index on which every package leads to new ones.
struct Tarpit {
    /// How many packages each one leads to.
    width: usize,
    /// How many pages were asked for.
    pages: AtomicUsize,
}

impl Tarpit {
    fn children(&self, name: &PackageName) -> Vec<String> {
        let number: usize = name.as_ref().trim_start_matches('p').parse().unwrap_or(0);
        let first = number * self.width + 1;
        (first..first + self.width)
            .map(|child| format!("p{child}"))
            .collect()
    }
}

fn file(name: &PackageName, version: &str) -> File {
    let filename = format!("{name}-{version}-py3-none-any.whl");
    File {
        kind: FileKind::Wheel,
        version: version.parse().expect("a version"),
        url: format!("https://h/{filename}"),
        sha256: Some(Sha256::of(&filename)),
        size: None,
        requires_python: None,
        yanked: None,
        upload_time: None,
        metadata: Announced::Yes,
        linked: false,
        filename,
    }
}

#[async_trait]
impl Source for Tarpit {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Arc::new(Project {
            name: name.clone(),
            index: "https://h".to_owned(),
            // What nobody asks for might have helped: the search for it is one more.
            files: vec![file(name, "1"), file(name, "2rc1")],
            status: None,
        })))
    }

    async fn metadata(&self, project: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        let children = self.children(&project.name);
        let requires = children
            .iter()
            .map(|name| name.parse().expect("a requirement"));
        Ok(Arc::new(Metadata {
            name: project.name.clone(),
            version: file.version.clone(),
            requires_dist: requires.collect(),
            requires_python: None,
            provides_extra: Vec::new(),
        }))
    }
}

fn stuck(tarpit: &Tarpit) -> (Limit, Fault) {
    let scenario = Scenario::parse("about = ''\nroot = ['p0']\n[expect]\n").expect("a scenario");
    let request = memory::request(&scenario);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(resolve(&request, tarpit, None, &|_| {}));
    match answer.expect_err("there is no end") {
        ResolveError::TooHard {
            limit,
            packages,
            versions,
            ..
        } => {
            assert!(
                packages <= 5_000 && versions <= 50_000,
                "{packages} {versions}"
            );
            let fault = Fault::from(ResolveError::TooHard {
                limit,
                packages,
                versions,
                decisions: 1,
                conflicts: 0,
                hot: Vec::new(),
            });
            (limit, fault)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn packages_that_lead_to_others_without_end_are_given_up() {
    for width in [1, 9_000] {
        let tarpit = Tarpit {
            width,
            pages: AtomicUsize::new(0),
        };
        let (limit, fault) = stuck(&tarpit);
        // A search that is given up is not begun again with pre-releases.
        assert!(tarpit.pages.into_inner() <= 5_000, "{width}");
        assert_eq!(limit, Limit::Pages, "{width}");
        assert_eq!(fault.code, Code::RESOLVE_TOO_HARD);
        assert!(fault.message.contains("packages and"), "{fault:?}");
        assert_eq!((fault.causes.len(), fault.hints.len()), (1, 1), "{fault:?}");
    }
}
