//! An index in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_builder::index::{Announced, File, FileKind, IndexError, Metadata, Project, Source};
use pyrun_core::Sha256;
use pyrun_kit::scenario::Release;

/// The address that it pretends to have.
pub const URL: &str = "https://index.test/simple";

/// Pages and metadata, made from releases.
#[derive(Debug, Default)]
pub struct Memory {
    pages: BTreeMap<PackageName, Arc<Project>>,
    metadata: BTreeMap<String, Result<Arc<Metadata>, String>>,
}

impl Memory {
    /// An index of these releases, by package and version.
    pub fn new(packages: &BTreeMap<String, BTreeMap<String, Release>>) -> Self {
        let mut memory = Self::default();
        for (name, releases) in packages {
            let name: PackageName = name.parse().expect("a package name");
            let mut files = Vec::new();
            for (version, release) in releases {
                let metadata = metadata(&name, version, release);
                for tags in &release.wheels {
                    let stem = name.as_dist_info_name();
                    let filename = format!("{stem}-{version}-{tags}.whl");
                    files.push(file(filename.clone(), FileKind::Wheel, version, release));
                    let known = match &release.broken {
                        Some(problem) => Err(problem.clone()),
                        None => Ok(Arc::clone(&metadata)),
                    };
                    memory.metadata.insert(filename, known);
                }
                if release.sdist {
                    let filename = format!("{name}-{version}.tar.gz");
                    files.push(file(filename, FileKind::Sdist, version, release));
                }
            }
            let index = URL.to_owned();
            let page = Project {
                name: name.clone(),
                index,
                files,
            };
            memory.pages.insert(name, Arc::new(page));
        }
        memory
    }

    /// The same index with the files of each page in the opposite order.
    #[allow(dead_code, reason = "the bench shares this file and has no use for it")]
    pub fn reversed(mut self) -> Self {
        for page in self.pages.values_mut() {
            Arc::make_mut(page).files.reverse();
        }
        self
    }
}

fn file(filename: String, kind: FileKind, version: &str, release: &Release) -> File {
    File {
        kind,
        version: version.parse().expect("a version"),
        url: format!("https://files.test/{filename}"),
        sha256: release.digest.then(|| Sha256::of(&filename)),
        size: Some(1000),
        requires_python: release
            .python
            .as_ref()
            .map(|text| text.parse().expect("specifiers")),
        yanked: release.yanked.clone(),
        upload_time: release.uploaded.clone(),
        metadata: Announced::Yes,
        filename,
    }
}

fn metadata(name: &PackageName, version: &str, release: &Release) -> Arc<Metadata> {
    let python = release.metadata_python.as_ref().or(release.python.as_ref());
    let requires = release.requires.iter();
    Arc::new(Metadata {
        name: name.clone(),
        version: version.parse().expect("a version"),
        requires_dist: requires
            .map(|text| text.parse().expect("a requirement"))
            .collect(),
        requires_python: python.map(|text| text.parse().expect("specifiers")),
        provides_extra: release
            .extras
            .iter()
            .map(|text| text.parse().expect("an extra"))
            .collect(),
    })
}

#[async_trait]
impl Source for Memory {
    async fn project(&self, name: &PackageName) -> Result<Option<Arc<Project>>, IndexError> {
        Ok(self.pages.get(name).cloned())
    }

    async fn metadata(&self, _: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        self.metadata[&file.filename]
            .clone()
            .map_err(|problem| IndexError::Broken {
                url: file.url.clone(),
                problem,
            })
    }
}
