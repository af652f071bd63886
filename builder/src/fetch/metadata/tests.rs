//! Indexes that say other things of a wheel than the wheel does.

use std::sync::Arc;

use pyrun_core::protocol::Freshness;
use pyrun_core::{Lock, Origin, Request, Requirement, ResolveOptions};
use pyrun_kit::{IndexFile, IndexServer, MetadataFile, Packages, WheelBuilder};
use pyrun_store::MemoryStore;

use super::*;
use crate::Builder;
use crate::index::testing::{World, target};

/// What the wheel of `app` says; `words` and `evil` are on the index too.
const TRUTH: &str = "Metadata-Version: 2.1\nName: app\nVersion: 1.0\nRequires-Dist: words>=1\n\
    Requires-Python: >=3.8\n";

/// An index whose `.metadata` file of `app` is another text.
fn index(said: &str) -> IndexServer {
    let app = WheelBuilder::new("app", "1.0")
        .requires("words>=1")
        .requires_python(">=3.8")
        .file("app.py", "")
        .build();
    let lie = MetadataFile::Announced(said.to_owned());
    let other = |name: &str| {
        WheelBuilder::new(name, "1.0")
            .file(format!("{name}.py"), "")
            .build()
    };
    let packages = Packages::new()
        .with(IndexFile::from(app).metadata(lie))
        .with(other("words"))
        .with(other("evil"));
    IndexServer::start(packages)
}

fn builder(server: &IndexServer, world: &World) -> Builder {
    let scratch = world.cache.path().join("scratch");
    Builder::new(Arc::new(MemoryStore::new()), world.client(server), scratch)
}

async fn lock(server: &IndexServer, builder: &Builder) -> Lock {
    let spec = "app".parse().expect("a requirement");
    let request = Request {
        requirements: vec![Requirement::new(spec, Origin::default())],
        requires_python: None,
        target: target(),
        options: ResolveOptions {
            indexes: vec![server.url()],
            ..ResolveOptions::default()
        },
    };
    let locked = builder.lock(&request, Freshness::Remembered, &|_| {}).await;
    locked.expect("a lock").lock
}

/// The causes of the fault: where the lock was made, and where only the lock is.
async fn causes(said: &str) -> [Vec<String>; 2] {
    let (server, here, elsewhere) = (index(said), World::new(), World::new());
    let first = builder(&server, &here);
    let lock = lock(&server, &first).await;
    let read = Lock::from_toml(&lock.to_toml(), None).expect("a lock");
    assert_eq!(read, lock, "what was said is in the lock");
    let mut found = Vec::new();
    for builder in [first, builder(&server, &elsewhere)] {
        let fault = builder.bundle(&lock, &|_| {}).await.expect_err("a lie");
        assert_eq!(fault.code, Code::PACKAGE_METADATA, "{fault:?}");
        assert!(fault.message.contains("app-1.0"), "{fault:?}");
        assert_eq!(fault.hints.len(), 1);
        found.push(fault.causes);
    }
    found.try_into().expect("two of them")
}

#[tokio::test]
async fn a_dependency_that_is_made_up_is_found() {
    let [here, elsewhere] = causes(&format!("{TRUTH}Requires-Dist: evil\n")).await;
    assert_eq!(
        here,
        ["`Requires-Dist: evil` was said of it, and the wheel does not say so"]
    );
    assert_eq!(
        elsewhere,
        ["`evil` was locked as a dependency, and the wheel does not name it"]
    );
}

#[tokio::test]
async fn a_dependency_that_is_kept_quiet_is_found() {
    let [here, elsewhere] = causes(&TRUTH.replace("Requires-Dist: words>=1\n", "")).await;
    assert_eq!(
        here,
        ["the wheel says `Requires-Dist: words>=1`, which was not said of it before"]
    );
    assert_eq!(elsewhere, ["its requirements or extras are others"]);
}

#[tokio::test]
async fn another_bound_on_python_is_found() {
    let [here, elsewhere] = causes(&TRUTH.replace(">=3.8", ">=3.7")).await;
    assert_eq!(here.len(), 2, "{here:?}");
    assert_eq!(
        elsewhere,
        ["the lock has the bound `>=3.7` on Python, and the wheel `>=3.8`"]
    );
}

#[tokio::test]
async fn the_same_in_other_words_is_no_lie() {
    let said = TRUTH
        .replace("words>=1", "Words (>=1)")
        .replace("Name: app", "Summary: another\nName: App");
    let (server, world) = (index(&said), World::new());
    let builder = builder(&server, &world);
    let mut lock = lock(&server, &builder).await;
    builder.bundle(&lock, &|_| {}).await.expect("a bundle");
    // A lock of another tool says nothing that could be compared.
    for package in lock.packages.values_mut() {
        package.metadata = None;
    }
    builder.bundle(&lock, &|_| {}).await.expect("a bundle");
}
