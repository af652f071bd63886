//! Every resolver scenario through a real index on the loopback: pages, metadata files, HTTP.
//!
//! The builder's own tests answer the same files from memory, and compare the whole messages.

use pyrun_builder::index::{Client, ClientOptions};
use pyrun_builder::resolve::resolve;
use pyrun_core::{Fault, Lock};
use pyrun_kit::scenario::{Release, Scenario};
use pyrun_kit::{IndexFile, IndexServer, Packages, WheelBuilder};

/// The scenario's index; `None` for one that speaks of a source that no index page is.
fn packages(scenario: &Scenario) -> Option<Packages> {
    let mut packages = Packages::new();
    for (name, releases) in &scenario.packages {
        if releases.is_empty() {
            packages = packages.with_empty(name);
        }
        for (version, release) in releases {
            // Digests and metadata that are missing or wrong have tests of their own in the index.
            if !release.digest || release.broken.is_some() {
                return None;
            }
            for file in files(name, version, release) {
                packages = packages.with(file);
            }
        }
    }
    Some(packages)
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

/// What the resolver makes of the scenario over HTTP; `None` when it is not for an index.
fn answer(scenario: &Scenario) -> Option<Result<Lock, Fault>> {
    let index = IndexServer::start(packages(scenario)?);
    let cache = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let url = index.url();
    let client = Client::new(ClientOptions::new(
        vec![url.clone()],
        cache.path().to_owned(),
    ))
    .expect("a client");
    let request = scenario.request(&url);
    let first = runtime
        .block_on(resolve(&request, &client, None, &|_| {}))
        .map_err(Fault::from);
    Some(first)
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
        let Some(answer) = answer(&scenario) else {
            continue;
        };
        run += 1;
        let name = path.display();
        match answer {
            Ok(lock) => {
                let pins = lock
                    .packages
                    .iter()
                    .map(|(name, package)| (name.to_string(), package.version.to_string()));
                assert_eq!(
                    pins.collect::<std::collections::BTreeMap<_, _>>(),
                    scenario.expect.pins,
                    "{name}"
                );
            }
            Err(fault) => assert_eq!(
                Some(fault.code.to_string()),
                scenario.expect.fault,
                "{name}: {fault:?}"
            ),
        }
    }
    assert!(run >= 100, "{run} scenarios were run");
}
