//! A runner that is held to a policy.

use pyrun_core::protocol::{Call, Entry, Limits, PROTOCOL, Script};
use pyrun_core::{Code, Sha256};
use pyrun_store::{MemoryStore, catalog};

use super::*;
use crate::interpreter::{Environment, Wanted};
use crate::unpack::testing::{Bundle, bundle, entry};

/// A store with one bundle of `good` and `bad`, both in version 1.
struct Scene {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    bundle: Bundle,
}

impl Scene {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let bundle = bundle(&[
            ("bad", vec![entry("bad.py", "")]),
            ("good", vec![entry("good.py", "VALUE = 1\n")]),
        ]);
        let scene = Self {
            folder: tempfile::tempdir().expect("a folder"),
            store,
            bundle,
        };
        scene.put().await;
        scene
    }

    async fn put(&self) {
        let lock = self.bundle.lock();
        let record = serde_json::to_vec(&self.bundle.record).expect("plain values");
        let bytes = self.bundle.bytes.clone();
        for (key, bytes) in [
            (catalog::bundle(&lock), bytes),
            (catalog::bundle_record(&lock), record),
        ] {
            self.store.put(&key, bytes.into()).await.expect("stored");
        }
    }

    fn runner(&self, policy: &str) -> Runner {
        let cache = self.folder.path();
        let environment = Environment::of_process();
        let interpreter = interpreter::find(&Wanted::default(), &environment, cache);
        let interpreter = interpreter.expect("an interpreter");
        Runner::new(Arc::clone(&self.store), cache, interpreter)
            .with_policy(Policy::parse(policy).expect("a policy"))
    }

    async fn prepare(&self, policy: &str) -> Result<(), Fault> {
        let (frames, mut spoken) = mpsc::channel(64);
        let runner = self.runner(policy);
        let lock = self.bundle.lock();
        let prepare = async move { runner.prepare(&lock, &frames).await };
        let listen = async { while spoken.recv().await.is_some() {} };
        tokio::join!(prepare, listen).0
    }

    fn is_unpacked(&self) -> bool {
        let site = Warm::open(self.folder.path()).site(&self.bundle.lock());
        site.expect("a folder").is_some()
    }
}

#[tokio::test]
async fn a_bundle_with_a_denied_package_is_not_even_unpacked() {
    let scene = Scene::new().await;
    let fault = scene.prepare("[packages]\ndeny = ['bad<2']\n").await;
    let fault = fault.expect_err("denied");
    assert_eq!(fault.code, Code::POLICY_DENIED);
    assert_eq!(fault.message, "the policy does not let `bad 1` in");
    assert!(!scene.is_unpacked());
}

#[tokio::test]
async fn a_run_of_one_is_refused_wherever_it_was_unpacked() {
    let scene = Scene::new().await;
    scene.prepare("").await.expect("let in");
    let request = RunRequest {
        protocol: PROTOCOL,
        lock: scene.bundle.lock(),
        script: Script {
            path: "script.py".to_owned(),
            source: "def f():\n    import good\n    return good.VALUE\n".to_owned(),
        },
        entry: Entry::Function {
            name: "f".to_owned(),
            call: Call::default(),
        },
        limits: Limits::default(),
        env: std::collections::BTreeMap::new(),
    };
    for (policy, expected) in [
        ("[packages]\nallow = ['good', 'bad']\n", None),
        ("[packages]\nallow = ['good']\n", Some(Code::POLICY_DENIED)),
    ] {
        let (sender, mut frames) = mpsc::channel(64);
        let (_keep, interrupt) = watch::channel(false);
        let (runner, function) = (scene.runner(policy), Surroundings::function());
        let run = async {
            let sender = sender;
            runner.run(&request, &function, &sender, interrupt).await;
        };
        let listen = async {
            let mut fault = None;
            while let Some(frame) = frames.recv().await {
                if let Frame::Fault(found) = frame {
                    fault = Some(found.code);
                }
            }
            fault
        };
        assert_eq!(tokio::join!(run, listen).1, expected, "{policy}");
    }
}

#[tokio::test]
async fn a_verdict_is_remembered_for_its_policy_alone() {
    let scene = Scene::new().await;
    let policy = "[packages]\nallow = ['good', 'bad']\n";
    scene.prepare(policy).await.expect("let in");
    let record = catalog::bundle_record(&scene.bundle.lock());
    scene.store.delete(&record).await.expect("deleted");
    scene
        .prepare(policy)
        .await
        .expect("let in without the store");
    let other = format!("{policy}deny = ['evil']\n");
    let fault = scene.prepare(&other).await.expect_err("not known to be");
    assert_eq!(fault.code, Code::BUNDLE_MISSING);
    scene.put().await;
    scene.prepare(&other).await.expect("let in");
}

fn timeout(timeout_ms: Option<u64>, whole_ms: Option<u64>, gone: Duration) -> Option<u64> {
    let request = RunRequest {
        protocol: PROTOCOL,
        lock: LockHash(Sha256::of("x")),
        script: Script {
            path: "x.py".to_owned(),
            source: String::new(),
        },
        entry: Entry::Program { argv: Vec::new() },
        limits: Limits {
            timeout_ms,
            whole_ms,
            ..Limits::default()
        },
        env: std::collections::BTreeMap::new(),
    };
    let began = Instant::now().checked_sub(gone).expect("the clock runs");
    let within = within(&request, began, None).expect("time is left");
    within.limits.timeout_ms
}

#[test]
fn python_has_what_is_left_of_the_whole_time() {
    let gone = Duration::from_secs(10);
    assert_eq!(timeout(None, None, gone), None);
    assert_eq!(timeout(Some(7), None, gone), Some(7));
    assert_eq!(timeout(Some(7), Some(60_000), gone), Some(7));
    let left = timeout(None, Some(60_000), gone).expect("a limit");
    assert!((1..=50_000).contains(&left), "{left}");
    let less = timeout(Some(90_000), Some(60_000), gone).expect("a limit");
    assert!((1..=50_000).contains(&less), "{less}");
}

#[tokio::test]
async fn time_that_is_over_is_over() {
    over(Some(Duration::ZERO)).await;
    assert_eq!(out_of_time().code, Code::RUN_TIMEOUT);
}
