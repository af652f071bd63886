//! Every resolver scenario through a real index on the loopback: pages, metadata files, HTTP.
//!
//! The builder's own tests answer the same files from memory, and compare the whole messages.

use std::collections::BTreeMap;

use pyrun_builder::index::{Client, ClientOptions};
use pyrun_builder::resolve::resolve;
use pyrun_core::{Fault, Lock, Request, Sha256};
use pyrun_kit::scenario::{Release, Releases, Scenario, World};
use pyrun_kit::{IndexFile, IndexServer, Packages, WheelBuilder};

/// What the scenario has, over HTTP.
struct Running {
    main: IndexServer,
    others: BTreeMap<String, IndexServer>,
    addresses: IndexServer,
    links: Option<tempfile::TempDir>,
    digests: BTreeMap<String, Sha256>,
}

/// `None` for a scenario that speaks of what no index page is: digests and metadata that are missing
/// or wrong have tests of their own in the index, and a client alone builds nothing.
fn start(scenario: &Scenario) -> Option<Running> {
    if scenario.builds {
        return None;
    }
    let mut main = packages(&scenario.packages)?;
    for (name, status) in &scenario.status {
        let (status, reason) = match status.split_once(": ") {
            Some((status, reason)) => (status, Some(reason)),
            None => (status.as_str(), None),
        };
        main = main.with_status(name, status, reason);
    }
    let (addresses, links) = (packages(&scenario.addresses)?, packages(&scenario.links)?);
    let listed = [&main, &addresses, &links].map(|packages| packages.projects.values());
    let files = listed
        .into_iter()
        .flatten()
        .flat_map(|listing| &listing.files);
    let digests = files.map(|file| (file.filename.clone(), file.sha256));
    let digests = digests.collect();
    let mut others = BTreeMap::new();
    for (name, releases) in &scenario.indexes {
        others.insert(name.clone(), IndexServer::start(packages(releases)?));
    }
    Some(Running {
        main: IndexServer::start(main),
        others,
        addresses: IndexServer::start(addresses),
        links: (!scenario.links.is_empty()).then(|| folder(&links)),
        digests,
    })
}

impl Running {
    fn index(&self, name: Option<&str>) -> String {
        let server = name.map_or(&self.main, |name| &self.others[name]);
        server.url()
    }

    fn request(&self, scenario: &Scenario) -> Request {
        let links = self.links.as_ref().map(tempfile::TempDir::path);
        scenario.request(&World {
            index: &|name| self.index(name),
            files: self.addresses.file_url("").trim_end_matches('/'),
            links: links.map(|path| path.to_str().expect("a path of this test is text")),
            digest: &|file| match self.digests.get(file) {
                Some(digest) => *digest,
                None => Sha256::of(file),
            },
        })
    }
}

/// A folder with the files of packages.
fn folder(packages: &Packages) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let listings = packages.projects.values();
    for file in listings.flat_map(|listing| &listing.files) {
        fs_err::write(folder.path().join(&file.filename), &file.bytes).expect("written");
    }
    folder
}

fn packages(all: &Releases) -> Option<Packages> {
    let mut packages = Packages::new();
    for (name, releases) in all {
        if releases.is_empty() {
            packages = packages.with_empty(name);
        }
        for (version, release) in releases {
            if !release.digest || release.broken.is_some() || names_files(release) {
                return None;
            }
            for file in files(name, version, release) {
                packages = packages.with(file);
            }
        }
    }
    Some(packages)
}

/// Whether its metadata has addresses, which are known only once the server runs.
fn names_files(release: &Release) -> bool {
    release.requires.iter().any(|one| one.contains("{files}"))
}

fn files(name: &str, version: &str, release: &Release) -> Vec<IndexFile> {
    let mut files: Vec<IndexFile> = release
        .wheels
        .iter()
        .map(|tag| {
            let mut wheel = WheelBuilder::new(name, version);
            let parts: Vec<&str> = tag.split('-').collect();
            wheel = match parts.as_slice() {
                [build, rest @ ..] if rest.len() == 3 => {
                    wheel.build_tag(*build).tag(rest.join("-"))
                }
                _ => wheel.tag(tag),
            };
            for requirement in &release.requires {
                wheel = wheel.requires(requirement);
            }
            for extra in &release.extras {
                wheel = wheel.extra(extra);
            }
            if let Some(bound) = release.metadata_python.as_ref().or(release.python.as_ref()) {
                wheel = wheel.requires_python(bound);
            }
            let file = IndexFile::from(wheel.build());
            // A bound in the metadata alone is not on the page.
            if release.metadata_python.is_some() {
                file.requires_python("")
            } else {
                file
            }
        })
        .collect();
    if release.sdist {
        files.push(IndexFile::sdist(name, version, "an sdist"));
    }
    files
        .into_iter()
        .map(|file| dressed(file, release))
        .collect()
}

fn dressed(mut file: IndexFile, release: &Release) -> IndexFile {
    if let Some(reason) = &release.yanked {
        file = file.yanked(reason);
    }
    match &release.uploaded {
        Some(time) => file.uploaded(time),
        None => file.no_upload_time(),
    }
}

/// What the resolver makes of the scenario over HTTP.
fn answer(scenario: &Scenario, running: &Running) -> Result<Lock, Fault> {
    let cache = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let request = running.request(scenario);
    let options = ClientOptions::of(&request.options, cache.path().to_owned());
    let client = Client::new(options).expect("a client");
    runtime
        .block_on(resolve(&request, &client, None, &|_| {}))
        .map_err(Fault::from)
}

#[test]
fn the_index_over_http_gives_what_memory_gives() {
    let mut run = 0;
    for path in Scenario::files().expect("scenarios") {
        let text = fs_err::read_to_string(&path).expect("a scenario");
        let scenario = Scenario::parse(&text).expect(&text);
        // An older lock is not asked for here.
        if !scenario.preferences.is_empty() {
            continue;
        }
        let Some(running) = start(&scenario) else {
            continue;
        };
        run += 1;
        let name = path.display();
        match answer(&scenario, &running) {
            Ok(lock) => {
                let pins = lock
                    .packages
                    .iter()
                    .map(|(name, package)| (name.to_string(), package.version.to_string()));
                assert_eq!(
                    pins.collect::<BTreeMap<_, _>>(),
                    scenario.expect.pins,
                    "{name}"
                );
                for (package, index) in &scenario.expect.from {
                    let found = &lock.packages[&package.parse().expect("a name")].index;
                    let expected = match index.as_str() {
                        "none" => String::new(),
                        "main" => running.index(None),
                        other => running.index(Some(other)),
                    };
                    assert_eq!(*found, expected, "{name}: {package}");
                }
            }
            Err(fault) => assert_eq!(
                Some(fault.code.to_string()),
                scenario.expect.fault,
                "{name}: {fault:?}"
            ),
        }
    }
    assert!(run >= 140, "{run} scenarios were run");
}
