//! A builder that is held to a policy.

mod terms;

use pyrun_core::{Policy, Requirement, ResolveOptions};
use pyrun_kit::{IndexServer, WheelBuilder};
use pyrun_store::MemoryStore;

use super::*;
use crate::index::testing::{World, target};

/// A store, an index of `app`, which needs `words`, and a cache.
struct Scene {
    store: Arc<dyn Store>,
    server: IndexServer,
    world: World,
}

impl Scene {
    fn new() -> Self {
        let app = WheelBuilder::new("app", "1.0")
            .requires("words")
            .file("app.py", "");
        let words = |version: &str| {
            WheelBuilder::new("words", version)
                .file("words.py", "")
                .build()
        };
        Self {
            store: Arc::new(MemoryStore::new()),
            server: IndexServer::start([app.build(), words("1.0"), words("2.0")]),
            world: World::new(),
        }
    }

    fn builder(&self, policy: &str) -> Builder {
        let scratch = self.world.cache.path().join("scratch");
        let client = self.world.client(&self.server);
        Builder::new(Arc::clone(&self.store), client, scratch)
            .with_policy(Policy::parse(policy).expect("a policy"))
    }

    fn request(&self, spec: &str) -> Request {
        Request {
            requirements: vec![Requirement::new(
                spec.parse().expect("a requirement"),
                pyrun_core::Origin::default(),
            )],
            requires_python: None,
            target: target(),
            options: ResolveOptions {
                indexes: vec![self.server.url()],
                ..ResolveOptions::default()
            },
        }
    }

    async fn lock(&self, policy: &str, spec: &str) -> Result<Locked, Fault> {
        let builder = self.builder(policy);
        let request = self.request(spec);
        builder.lock(&request, Freshness::Remembered, &|_| {}).await
    }
}

#[tokio::test]
async fn what_is_denied_by_name_or_by_index_is_never_asked_for() {
    let scene = Scene::new();
    for policy in [
        "[packages]\ndeny = ['app']\n",
        "[packages]\nallow = ['words']\n",
        "[indexes]\nallow = ['https://pypi.org/simple']\n",
    ] {
        let fault = scene.lock(policy, "app").await.expect_err(policy);
        assert_eq!(fault.code, Code::POLICY_DENIED, "{policy}");
    }
    assert_eq!(scene.server.requests().len(), 0, "the index was asked");
}

#[tokio::test]
async fn what_is_resolved_is_checked_before_it_is_remembered() {
    let scene = Scene::new();
    let denying = "[packages]\ndeny = ['words>=2']\n";
    let fault = scene.lock(denying, "app").await.expect_err("denied");
    assert_eq!(fault.message, "the policy does not let `words 2.0` in");
    assert_eq!(fault.causes[1], "`app 1.0` needs `words`");
    let locks = scene.store.list(catalog::LOCKS).await.expect("a listing");
    assert!(locks.is_empty(), "{locks:?}");
}

#[tokio::test]
async fn a_remembered_lock_and_one_from_elsewhere_are_checked_as_well() {
    let scene = Scene::new();
    let locked = scene.lock("", "app").await.expect("a lock");
    let denying = "[packages]\ndeny = ['words']\n";
    let fault = scene.lock(denying, "app").await.expect_err("denied");
    assert_eq!(fault.code, Code::POLICY_DENIED);

    let builder = scene.builder(denying);
    let fault = builder.bundle(&locked.lock, &|_| {}).await;
    assert_eq!(fault.expect_err("denied").code, Code::POLICY_DENIED);
    let wheels = scene.store.list(catalog::WHEELS).await.expect("a listing");
    assert!(wheels.is_empty(), "nothing is fetched: {wheels:?}");

    let url = scene.server.url();
    let allowing = format!("[packages]\nallow = ['app', 'words']\n[indexes]\nallow = ['{url}']\n");
    let record = scene.builder(&allowing).bundle(&locked.lock, &|_| {}).await;
    assert_eq!(record.expect("a bundle").manifest.segments.len(), 2);
    // Once it is built it stands in the store, and is denied all the same.
    let fault = builder.bundle(&locked.lock, &|_| {}).await;
    assert_eq!(fault.expect_err("denied").code, Code::POLICY_DENIED);
}

#[tokio::test]
async fn a_relative_bound_is_remembered_as_it_is_and_locked_as_a_time() {
    let scene = Scene::new();
    let builder = scene.builder("");
    let mut request = scene.request("app");
    request.options.exclude_newer = Some("P1D".to_owned());
    let ask = |request: Request| {
        let builder = &builder;
        async move { builder.lock(&request, Freshness::Remembered, &|_| {}).await }
    };
    let first = ask(request.clone()).await.expect("a lock");
    let limit = first.lock.exclude_newer.clone().expect("a bound");
    let limit: jiff::Timestamp = limit.parse().expect("a time");
    let resolved = first.lock.resolved.clone().expect("a time");
    let resolved: jiff::Timestamp = resolved.parse().expect("a time");
    assert_eq!((resolved.as_second() - limit.as_second()), 24 * 3600);
    assert!(!first.remembered);
    let again = ask(request.clone()).await.expect("a lock");
    assert!(again.remembered && again.lock == first.lock);
    request.options.exclude_newer = Some("P99999D".to_owned());
    let fault = ask(request.clone()).await.expect_err("all is younger");
    assert_eq!(fault.code, Code::PACKAGE_NO_VERSION);
    request.options.exclude_newer = Some("last week".to_owned());
    let fault = ask(request).await.expect_err("no time");
    assert_eq!(fault.code, Code::CONFIG_INVALID);
}

#[tokio::test]
async fn what_can_t_fit_is_refused_before_a_wheel_is_downloaded() {
    use pyrun_core::protocol::{BuildRequest, Frame, Goal, PROTOCOL, Room};

    let scene = Scene::new();
    let builder = scene.builder("");
    let compiler = bytecode::Compiler {
        python: "/nonexistent/python".into(),
        magic: 0,
        cache_tag: "none".to_owned(),
    };
    let ask = |goal, disk_bytes| BuildRequest {
        protocol: PROTOCOL,
        request: scene.request("app"),
        pylock: None,
        freshness: Freshness::Remembered,
        goal,
        doubt: false,
        room: Some(Room {
            disk_bytes,
            holds_store: false,
        }),
    };
    let answer = async |request| {
        let (frames, mut spoken) = tokio::sync::mpsc::channel(64);
        builder.answer(request, &compiler, &frames).await;
        drop(frames);
        let mut last = None;
        while let Some(frame) = spoken.recv().await {
            last = Some(frame);
        }
        last.expect("a last frame")
    };
    let Frame::Fault(fault) = answer(ask(Goal::Bundle, 1000)).await else {
        panic!("two wheels of more than a kilobyte fit into a thousand bytes");
    };
    assert_eq!(fault.code, Code::TARGET_TOO_SMALL);
    assert!(fault.causes[1].contains("`words 2.0`"), "{fault:?}");
    let wheels = scene.store.list(catalog::WHEELS).await.expect("a listing");
    assert!(wheels.is_empty(), "nothing is fetched: {wheels:?}");
    for (goal, disk) in [(Goal::Lock, 0), (Goal::Bundle, 1 << 20), (Goal::Bundle, 0)] {
        // What is built already is not built, and so is not refused.
        let last = answer(ask(goal, disk)).await;
        assert!(matches!(last, Frame::Built { .. }), "{last:?}");
    }
}
