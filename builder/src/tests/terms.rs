//! Sources, age, licences, sizes and vulnerabilities.

use std::sync::Mutex;

use pyrun_core::protocol::{BuildRequest, Frame, Goal, PROTOCOL};
use pyrun_kit::{IndexFile, Packages};

use super::*;
use crate::bytecode::Compiler;

const OLD: &str = "2020-01-01T00:00:00Z";
const YOUNG: &str = "[packages]\nminimum-age = '7 days'\n";

impl Scene {
    /// An index of `six` in these versions, each with the time of its upload.
    fn of_times(versions: &[(&str, Option<&str>)]) -> Self {
        let scene = Self::new();
        for (version, time) in versions {
            let wheel = WheelBuilder::new("six", *version).header("License-Expression", "MIT");
            let mut file = IndexFile::from(wheel.build());
            file.upload_time = time.map(str::to_owned);
            scene.server.add(file);
        }
        scene
    }

    /// A builder without a policy.
    fn free(&self) -> Builder {
        let scratch = self.world.cache.path().join("scratch");
        let client = self.world.client(&self.server);
        Builder::new(Arc::clone(&self.store), client, scratch)
    }

    async fn free_lock(&self, spec: &str) -> Lock {
        let request = self.request(spec);
        let free = self.free();
        let locked = free.lock(&request, Freshness::Remembered, &|_| {});
        locked.await.expect("a lock").lock
    }

    /// The last frame of the answer on a lock that somebody brings along.
    async fn bring(&self, builder: &Builder, pylock: String) -> Frame {
        let (frames, mut spoken) = tokio::sync::mpsc::channel(256);
        let request = BuildRequest {
            protocol: PROTOCOL,
            request: Request {
                requirements: Vec::new(),
                ..self.request("six")
            },
            pylock: Some(pylock),
            freshness: Freshness::Remembered,
            goal: Goal::Lock,
            doubt: false,
            room: None,
        };
        let compiler = Compiler {
            python: "none".into(),
            magic: 0,
            cache_tag: String::new(),
        };
        builder.answer(request, &compiler, &frames).await;
        drop(frames);
        let mut last = None;
        while let Some(frame) = spoken.recv().await {
            last = Some(frame);
        }
        last.expect("a frame")
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

#[tokio::test]
async fn young_releases_are_passed_over_and_not_refused() {
    let now = now();
    let scene = Scene::of_times(&[("1.0", Some(OLD)), ("2.0", Some(&now)), ("3.0", None)]);
    let locked = scene.lock(YOUNG, "six").await.expect("a lock");
    let packages = locked.lock.packages.values();
    let versions: Vec<String> = packages.map(|one| one.version.to_string()).collect();
    assert_eq!(versions, ["1.0"]);

    let fault = scene.lock(YOUNG, "six>=2").await.expect_err("none is left");
    assert_eq!(fault.code, Code::PACKAGE_NO_VERSION, "{fault:?}");
    let hint = fault.hints.iter().find(|hint| hint.contains("passes over"));
    let hint = hint.expect("a hint");
    assert!(
        hint.contains("`six` 3.0, 2.0: not uploaded for 7 days yet"),
        "{hint}"
    );

    let exempt = format!("{YOUNG}exempt = ['s*']\n");
    let locked = scene.lock(&exempt, "six>1").await.expect("a lock");
    assert_eq!(locked.lock.packages.len(), 1);
}

#[tokio::test]
async fn a_remembered_lock_that_is_not_let_in_any_more_is_made_anew() {
    let now = now();
    let scene = Scene::of_times(&[("1.0", Some(OLD)), ("2.0", Some(&now))]);
    let free = scene.free_lock("six").await;
    let version = |lock: &Lock| {
        let packages = lock.packages.values();
        packages
            .map(|one| one.version.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(version(&free), ["2.0"]);
    let builder = scene.builder(YOUNG);
    let request = scene.request("six");
    let fault = builder.lock(&request, Freshness::Locked, &|_| {}).await;
    let fault = fault.expect_err("it is too young");
    assert_eq!(fault.code, Code::POLICY_DENIED);
    let hints = &fault.hints;
    assert!(
        hints.iter().any(|hint| hint.contains("--locked")),
        "{fault:?}"
    );

    let advice = scene.builder(YOUNG).with_advice();
    let guided = advice.lock(&request, Freshness::Remembered, &|_| {}).await;
    assert_eq!(version(&guided.expect("a lock").lock), ["1.0"]);
    assert_eq!(
        version(&scene.free_lock("six").await),
        ["2.0"],
        "nothing is remembered of advice"
    );

    let anew = scene.lock(YOUNG, "six").await.expect("a lock");
    assert_eq!(version(&anew.lock), ["1.0"]);
    assert!(!anew.remembered);
    assert!(scene.lock(YOUNG, "six").await.expect("a lock").remembered);
}

#[tokio::test]
async fn source_distributions_are_passed_over_unless_they_may_be_built() {
    let scene = Scene::new();
    scene.server.add(IndexFile::sdist("old", "1.0", "bytes"));
    let fault = scene
        .lock("", "old")
        .await
        .expect_err("nothing else is there");
    let hint = "the policy passes over `old` 1.0: there as source distributions alone";
    assert!(fault.hints.iter().any(|known| known == hint), "{fault:?}");
}

#[tokio::test]
async fn a_lock_from_elsewhere_gets_nothing_built_from_where_nothing_may_come() {
    let scene = Scene::new();
    let elsewhere = IndexServer::start(Packages::new());
    let pylock = format!(
        "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"six\"\nversion = \"1.0\"\n\
         sdist = {{ name = \"six-1.0.tar.gz\", url = \"{}/six-1.0.tar.gz\", hashes = {{ sha256 = \"{}\" }} }}\n",
        elsewhere.url(),
        Sha256::of("")
    );
    let policy = format!(
        "[sdists]\nallow = true\n[indexes]\nallow = ['{}']\n",
        scene.server.url()
    );
    for builder in [
        scene.builder(&policy),
        scene.builder(&policy).with_advice(),
        scene.builder("[sdists]\nallow = false\n").with_advice(),
    ] {
        let Frame::Fault(fault) = scene.bring(&builder, pylock.clone()).await else {
            panic!("it must not be built");
        };
        assert_eq!(fault.code, Code::POLICY_DENIED, "{fault:?}");
    }
    assert_eq!(elsewhere.connections(), 0, "it was not even asked for");
}

#[tokio::test]
async fn the_time_of_an_upload_is_the_index_s_word_and_not_the_lock_s() {
    let now = now();
    let scene = Scene::of_times(&[("1.0", Some(OLD)), ("2.0", Some(&now))]);
    let builder = scene.builder(YOUNG);
    let mut young = scene.free_lock("six").await;
    for package in young.packages.values_mut() {
        package.wheel.upload_time = Some(OLD.to_owned());
    }
    let Frame::Fault(fault) = scene.bring(&builder, young.to_toml()).await else {
        panic!("it is not refused")
    };
    assert_eq!(fault.code, Code::POLICY_DENIED);
    assert!(fault.causes[0].contains("it was uploaded on"), "{fault:?}");

    let mut silent = scene.free_lock("six<2").await;
    for package in silent.packages.values_mut() {
        package.wheel.upload_time = None;
    }
    let frame = scene.bring(&builder, silent.to_toml()).await;
    assert!(matches!(frame, Frame::Built { .. }), "{frame:?}");
}

#[tokio::test]
async fn licences_are_read_from_the_wheels_before_anything_is_published() {
    let scene = Scene::of_times(&[("1.0", Some(OLD))]);
    let lock = scene.free_lock("six").await;
    let strict = "[licences]\nallow = ['Apache-2.0']\n";
    let fault = scene.builder(strict).bundle(&lock, &|_| {}).await;
    let fault = fault.expect_err("refused");
    assert_eq!(fault.code, Code::POLICY_DENIED);
    let reason = "`[licences]` does not take its licence, `MIT`";
    assert_eq!(fault.causes[0], reason);
    let bundles = scene.store.list(catalog::BUNDLES).await.expect("a listing");
    assert!(bundles.is_empty(), "{bundles:?}");

    let allowing = scene.builder("[licences]\nallow = ['MIT']\n");
    let record = allowing.bundle(&lock, &|_| {}).await.expect("a bundle");
    let about = record.about.values().next().expect("one package");
    assert_eq!(about.licence.as_deref(), Some("MIT"));
    assert_eq!(about.uploaded.as_deref(), Some(OLD));
    assert!(about.size.is_some_and(|size| size > 0), "{about:?}");
    let fault = scene.builder(strict).bundle(&lock, &|_| {}).await;
    assert_eq!(fault.expect_err("refused").code, Code::POLICY_DENIED);
}

#[tokio::test]
async fn a_record_without_licences_is_completed() {
    let scene = Scene::of_times(&[("1.0", Some(OLD))]);
    let lock = scene.free_lock("six").await;
    let mut record = scene.free().bundle(&lock, &|_| {}).await.expect("a bundle");
    record.about.clear();
    let key = catalog::bundle_record(&lock.hash());
    let json = serde_json::to_vec(&record).expect("JSON");
    scene.store.put(&key, json.into()).await.expect("stored");
    let allowing = scene.builder("[licences]\nallow = ['MIT']\n");
    allowing.bundle(&lock, &|_| {}).await.expect("let in");
    let kept = scene.store.get(&key, None).await.expect("a store");
    let kept: BundleRecord = serde_json::from_slice(&kept.expect("a record")).expect("a record");
    assert_eq!(kept.about.len(), 1);
    assert_eq!(kept.sha256, record.sha256);
}

#[tokio::test]
async fn sizes_that_the_index_leaves_open_are_limited_when_they_are_known() {
    let scene = Scene::new();
    let wheel = WheelBuilder::new("six", "1.0").build();
    scene.server.add(IndexFile::from(wheel).no_size());
    let strict = "[limits]\nwheel = '100B'\n";
    let locked = scene.lock(strict, "six").await.expect("its size is open");
    let fault = scene.builder(strict).bundle(&locked.lock, &|_| {}).await;
    let fault = fault.expect_err("refused");
    let reason = "`wheel` of `[limits]` is 100B";
    assert!(fault.causes[0].contains(reason), "{fault:?}");
}

#[tokio::test]
async fn known_vulnerabilities_keep_a_release_out() {
    let scene = Scene::of_times(&[("1.0", Some(OLD))]);
    let strict = "[vulnerabilities]\ndeny = 'any'\n";
    let fault = scene
        .lock(strict, "six")
        .await
        .expect_err("nothing is known");
    assert!(fault.hints[0].contains("--osv"), "{fault:?}");

    let dump = tempfile::tempdir().expect("a folder");
    let record = r#"{"id": "PYSEC-1", "summary": "bad", "affected": [{"package": {"ecosystem": "PyPI", "name": "six"}, "versions": ["1.0"]}]}"#;
    fs_err::write(dump.path().join("PYSEC-1.json"), record).expect("a file");
    fs_err::write(dump.path().join("PYSEC-2.json"), "{").expect("a file");
    let dump = Arc::new(osv::Dump::new(dump.path()));
    let builder = scene.builder(strict).with_vulnerabilities(dump);
    let warned = Mutex::new(Vec::new());
    let tell = |event| {
        if let Event::Warning { message } = event {
            warned.lock().expect("no panic").push(message);
        }
    };
    let request = scene.request("six");
    let fault = builder.lock(&request, Freshness::Remembered, &tell).await;
    let fault = fault.expect_err("refused");
    assert_eq!(fault.causes[0], "`PYSEC-1` (of unknown severity): bad");
    assert_eq!(warned.lock().expect("no panic").len(), 1);
    let advice = builder.with_advice();
    let locked = advice.lock(&request, Freshness::Remembered, &|_| {}).await;
    assert_eq!(locked.expect("only advice").lock.packages.len(), 1);
}
