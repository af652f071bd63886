//! The builder and the runner on a bucket: the same bundles as on a folder, and nothing twice.

use std::path::Path;
use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_builder::index::{Client as Index, ClientOptions};
use pyrun_core::protocol::{Call, Entry, Frame, Freshness, PROTOCOL, RunRequest, Script};
use pyrun_core::{BundleRecord, Lock, Request, Requirement, ResolveOptions, Sha256};
use pyrun_kit::{IndexServer, Packages, WheelBuilder};
use pyrun_runner::interpreter::{self, Environment, Interpreter, Wanted};
use pyrun_runner::{Runner, Surroundings};
use pyrun_store::{DirStore, Store, catalog};
use tokio::sync::{mpsc, watch};

use crate::support::{World, noise};

/// A package that is larger than a piece and a part.
const BIG: usize = 30_000_000;

fn index() -> IndexServer {
    let words = WheelBuilder::new("words", "1.0").file("words.py", "WORD = 'hello'\n");
    let greet = WheelBuilder::new("greet", "1.0")
        .requires("words")
        .file(
            "greet/__init__.py",
            "import words\ndef greet(name):\n    return f'{words.WORD}, {name}'\n",
        )
        .file("greet/data.bin", noise(7, BIG).to_vec());
    IndexServer::start(Packages::new().with(words.build()).with(greet.build()))
}

fn python(cache: &Path) -> Interpreter {
    let wanted = Wanted {
        request: None,
        requires_python: None,
    };
    interpreter::find(&wanted, &Environment::of_process(), cache).expect("there is a Python")
}

fn request(index: &IndexServer, python: &Interpreter) -> Request {
    Request {
        requirements: vec![Requirement::new(
            "greet".parse().expect("a requirement"),
            pyrun_core::Origin::default(),
        )],
        requires_python: None,
        target: python.target.clone(),
        options: ResolveOptions {
            indexes: vec![index.url()],
            ..ResolveOptions::default()
        },
    }
}

/// Wheels that were downloaded, their metadata apart.
fn wheels(index: &IndexServer) -> usize {
    index.count(".whl") - index.count(".whl.metadata")
}

async fn build(store: Arc<dyn Store>, index: &IndexServer, cache: &Path) -> (Lock, BundleRecord) {
    let options = ClientOptions::new(vec![index.url()], cache.join("index"));
    let client = Index::new(options).expect("a client");
    let builder = Builder::new(store, client, cache.join("scratch"));
    let request = request(index, &python(cache));
    let locked = builder.lock(&request, Freshness::Remembered, &|_| {}).await;
    let lock = locked.expect("it locks").lock;
    let record = builder.bundle(&lock, &|_| {}).await.expect("it builds");
    (lock, record)
}

async fn run(store: Arc<dyn Store>, lock: &Lock, cache: &Path) -> Vec<Frame> {
    let runner = Runner::new(store, cache, python(cache));
    let request = RunRequest {
        protocol: PROTOCOL,
        lock: lock.hash(),
        script: Script {
            path: "script.py".to_owned(),
            source: "import greet, os\ndef main():\n    path = os.path.join(os.path.dirname(greet.__file__), 'data.bin')\n    return [greet.greet('you'), os.path.getsize(path)]\n".to_owned(),
        },
        entry: Entry::Function {
            name: "main".to_owned(),
            call: Call::default(),
        },
        limits: pyrun_core::protocol::Limits::default(),
        env: std::collections::BTreeMap::default(),
    };
    let (frames, mut said) = mpsc::channel(64);
    let (_never, interrupt) = watch::channel(false);
    let work = async move {
        let function = Surroundings::function();
        runner.run(&request, &function, &frames, interrupt).await;
    };
    let listen = async {
        let mut all = Vec::new();
        while let Some(frame) = said.recv().await {
            all.push(frame);
        }
        all
    };
    tokio::join!(work, listen).1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_in_a_bucket_is_the_bundle_in_a_folder_and_runs() {
    let (world, index) = (World::new(), index());
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let bucket: Arc<dyn Store> = Arc::new(world.proxied());

    let (lock, record) = build(Arc::clone(&bucket), &index, &at("first")).await;
    assert_eq!(wheels(&index), 2, "{:?}", index.paths());
    let key = catalog::bundle(&lock.hash());
    let remote = bucket.get(&key, None).await.expect("get").expect("there");

    let dir: Arc<dyn Store> = Arc::new(DirStore::open(at("store")).expect("a store"));
    let (_, local) = build(Arc::clone(&dir), &index, &at("second")).await;
    let local_bytes = dir.get(&key, None).await.expect("get").expect("there");
    assert_eq!(Sha256::of(&remote), Sha256::of(&local_bytes));
    assert_eq!(record.manifest, local.manifest);

    // Another builder on another machine: nothing is downloaded, not even the index's pages.
    index.clear();
    let (again, _) = build(Arc::clone(&bucket), &index, &at("third")).await;
    assert_eq!(again.hash(), lock.hash());
    assert_eq!(index.paths(), Vec::<String>::new());

    // The bundle is gone, its wheels are not: it is spliced anew from what the bucket has.
    bucket.delete(&key).await.expect("delete");
    let gone = catalog::bundle_record(&lock.hash());
    bucket.delete(&gone).await.expect("delete");
    build(Arc::clone(&bucket), &index, &at("fourth")).await;
    assert_eq!(wheels(&index), 0, "{:?}", index.paths());
    let spliced = bucket.get(&key, None).await.expect("get").expect("there");
    assert_eq!(Sha256::of(&spliced), Sha256::of(&remote));

    // A runner that may only read unpacks it by ranges.
    let reader: Arc<dyn Store> = Arc::new(world.with(&world.bucket.runner));
    let frames = run(reader, &lock, &at("runner")).await;
    let result = frames.iter().find_map(|frame| match frame {
        Frame::Result { value } => Some(value.clone()),
        Frame::Fault(fault) => panic!("{fault:?}"),
        _ => None,
    });
    let expected = serde_json::json!(["hello, you", BIG]);
    assert_eq!(result, Some(expected), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_not_there_is_missing_in_a_runners_words_too() {
    let (world, index) = (World::new(), index());
    let folder = tempfile::tempdir().expect("a folder");
    let dir: Arc<dyn Store> =
        Arc::new(DirStore::open(folder.path().join("store")).expect("a store"));
    let (lock, _) = build(dir, &index, folder.path()).await;
    let reader: Arc<dyn Store> = Arc::new(world.with(&world.bucket.runner));
    let frames = run(reader, &lock, &folder.path().join("runner")).await;
    let code = frames.iter().find_map(|frame| match frame {
        Frame::Fault(fault) => Some(fault.code.clone()),
        _ => None,
    });
    assert_eq!(code, Some(pyrun_core::Code::BUNDLE_MISSING), "{frames:?}");
}
