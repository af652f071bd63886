//! Indexes in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use pep508_rs::PackageName;
use pyrun_builder::index::{
    Announced, File, FileKind, IndexError, Metadata, Project, ProjectStatus, Source, Standing,
};
use pyrun_core::{Fault, LockedWheel, Request, Sha256};
use pyrun_kit::scenario::{Release, Releases, Scenario, World};

/// The address that the main index pretends to have.
pub const URL: &str = "https://index.test/simple";
/// Where all files pretend to lie.
const FILES: &str = "https://files.test";

/// Pages and metadata, made from releases.
#[derive(Debug, Default)]
pub struct Memory {
    /// In the order in which they are asked.
    indexes: Vec<(String, BTreeMap<PackageName, Arc<Project>>)>,
    links: BTreeMap<PackageName, Vec<File>>,
    addresses: BTreeMap<String, Arc<Project>>,
    pins: BTreeMap<PackageName, String>,
    metadata: BTreeMap<String, Result<Arc<Metadata>, String>>,
    builds: bool,
}

/// The request of a scenario to indexes in memory.
pub fn request(scenario: &Scenario) -> Request {
    let links = (!scenario.links.is_empty()).then_some("/links");
    scenario.request(&World {
        index: &|name| name.map_or(URL.to_owned(), |name| format!("https://{name}.test/simple")),
        files: FILES,
        links,
        digest: &|file| Sha256::of(file),
    })
}

impl Memory {
    /// An index of these releases, by package and version.
    pub fn new(packages: &Releases) -> Self {
        let mut memory = Self::default();
        memory.add_index(URL, packages);
        memory
    }

    /// All that a scenario has.
    #[allow(dead_code, reason = "the bench shares this file and has no use for it")]
    pub fn of(scenario: &Scenario) -> Self {
        let mut memory = Self::default();
        for (name, packages) in &scenario.indexes {
            memory.add_index(&format!("https://{name}.test/simple"), packages);
        }
        memory.add_index(URL, &scenario.packages);
        for (name, releases) in &scenario.links {
            let files = memory.files(name, releases);
            memory.links.insert(package(name), files);
        }
        for (name, releases) in &scenario.addresses {
            for file in memory.files(name, releases) {
                let page = project(name, "", vec![linked(&file)]);
                memory.addresses.insert(file.url, Arc::new(page));
            }
        }
        for (name, status) in &scenario.status {
            for (_, pages) in &mut memory.indexes {
                if let Some(page) = pages.get_mut(&package(name)) {
                    Arc::make_mut(page).status = Some(read_status(status));
                }
            }
        }
        memory.pins = request(scenario).options.index_of;
        memory.builds = scenario.builds;
        memory
    }

    fn add_index(&mut self, url: &str, packages: &Releases) {
        let mut pages = BTreeMap::new();
        for (name, releases) in packages {
            let files = self.files(name, releases);
            pages.insert(package(name), Arc::new(project(name, url, files)));
        }
        self.indexes.push((url.to_owned(), pages));
    }

    fn files(&mut self, name: &str, releases: &BTreeMap<String, Release>) -> Vec<File> {
        let name = package(name);
        let mut files = Vec::new();
        for (version, release) in releases {
            let metadata = metadata(&name, version, release);
            let stem = name.as_dist_info_name();
            let wheels = release.wheels.iter();
            let wheels =
                wheels.map(|tags| (format!("{stem}-{version}-{tags}.whl"), FileKind::Wheel));
            let sdist = release
                .sdist
                .then(|| (format!("{stem}-{version}.tar.gz"), FileKind::Sdist));
            for (filename, kind) in wheels.chain(sdist) {
                files.push(file(filename.clone(), kind, version, release));
                let known = match &release.broken {
                    Some(problem) => Err(problem.clone()),
                    None => Ok(Arc::clone(&metadata)),
                };
                self.metadata.insert(format!("{FILES}/{filename}"), known);
            }
        }
        files
    }

    /// The same indexes with the files of each page in the opposite order.
    #[allow(dead_code, reason = "the bench shares this file and has no use for it")]
    pub fn reversed(mut self) -> Self {
        for (_, pages) in &mut self.indexes {
            for page in pages.values_mut() {
                Arc::make_mut(page).files.reverse();
            }
        }
        self
    }
}

fn package(name: &str) -> PackageName {
    name.parse().expect("a package name")
}

fn project(name: &str, index: &str, files: Vec<File>) -> Project {
    Project {
        name: package(name),
        index: index.to_owned(),
        files,
        status: None,
    }
}

/// The file as one that is not the index's.
fn linked(file: &File) -> File {
    let linked = true;
    File {
        linked,
        ..file.clone()
    }
}

fn read_status(text: &str) -> ProjectStatus {
    let (standing, reason) = text.split_once(": ").unwrap_or((text, ""));
    ProjectStatus {
        standing: match standing {
            "archived" => Standing::Archived,
            "deprecated" => Standing::Deprecated,
            "quarantined" => Standing::Quarantined,
            other => panic!("`{other}` is no status"),
        },
        reason: reason.to_owned(),
    }
}

fn file(filename: String, kind: FileKind, version: &str, release: &Release) -> File {
    File {
        kind,
        version: version.parse().expect("a version"),
        url: format!("{FILES}/{filename}"),
        sha256: release.digest.then(|| Sha256::of(&filename)),
        size: Some(1000),
        requires_python: release
            .python
            .as_ref()
            .map(|text| text.parse().expect("specifiers")),
        yanked: release.yanked.clone(),
        upload_time: release.uploaded.clone(),
        metadata: Announced::Yes,
        linked: false,
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
            .map(|text| {
                let text = text.replace("{files}", FILES);
                text.parse().expect("a requirement")
            })
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
        let pin = self.pins.get(name);
        let mut asked = self.indexes.iter();
        let page = match pin {
            Some(pin) => asked
                .find(|(url, _)| url == pin)
                .and_then(|(_, pages)| pages.get(name)),
            None => asked.find_map(|(_, pages)| pages.get(name)),
        };
        let Some(links) = self.links.get(name).filter(|_| pin.is_none()) else {
            return Ok(page.cloned());
        };
        let mut page = page.map_or_else(
            || project(name.as_ref(), "", Vec::new()),
            |page| Project::clone(page),
        );
        page.files.extend(links.iter().map(linked));
        Ok(Some(Arc::new(page)))
    }

    async fn address(&self, _: &PackageName, url: &str) -> Result<Arc<Project>, IndexError> {
        let file = url.split('#').next().unwrap_or_default();
        let page = self.addresses.get(file);
        page.cloned().ok_or_else(|| IndexError::Status {
            url: file.to_owned(),
            status: 404,
        })
    }

    async fn metadata(&self, _: &Project, file: &File) -> Result<Arc<Metadata>, IndexError> {
        self.metadata[&file.url]
            .clone()
            .map_err(|problem| IndexError::Broken {
                url: file.url.clone(),
                problem,
            })
    }

    fn builds(&self) -> bool {
        self.builds
    }

    async fn build(&self, project: &Project, file: &File) -> Result<LockedWheel, Box<Fault>> {
        let stem = project.name.as_dist_info_name();
        let filename = format!("{stem}-{}-py3-none-any.whl", file.version);
        Ok(LockedWheel {
            sha256: Sha256::of(format!("built {filename}")),
            filename: filename.parse().expect("a wheel's name"),
            url: String::new(),
            size: None,
            upload_time: None,
        })
    }
}
