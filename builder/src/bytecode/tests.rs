//! From wheels to a companion, with the interpreter of the tests.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Mutex};

use pyrun_core::{Lock, LockedPackage, LockedWheel, Sha256, WheelFilename};
use pyrun_kit::WheelBuilder;
use pyrun_store::{DirStore, MemoryStore};
use tempfile::TempDir;

use super::*;
use crate::index::testing::target;
use crate::splice;

/// The interpreter of the tests.
fn compiler() -> Compiler {
    let python = pyrun_kit::python();
    let describe = "import sys, importlib.util as u\n\
         print(sys.executable, int.from_bytes(u.MAGIC_NUMBER[:2], 'little'), sys.implementation.cache_tag)";
    let output = Command::new(&python).args(["-I", "-c", describe]).output();
    let text = String::from_utf8(output.expect("an interpreter").stdout).expect("text");
    let mut words = text.split_whitespace();
    let mut word = || words.next().expect("three words").to_owned();
    Compiler {
        python: word().into(),
        magic: word().parse().expect("a number"),
        cache_tag: word(),
    }
}

/// Two wheels with one path in common, one that is the same in both, and what is no module.
fn wheels() -> Vec<pyrun_kit::Wheel> {
    vec![
        WheelBuilder::new("alpha", "1.0")
            .file(
                "alpha/__init__.py",
                "from alpha import deep\nVALUE = deep.value()\n",
            )
            .file(
                "alpha/deep.py",
                "def value():\n    return {1, None, 'x y'} and 42\n",
            )
            .file("alpha/template.py", "{{ this is no Python }}\n")
            .file("alpha/data.txt", "x = 1\n")
            .file("tests/__init__.py", "NAME = 'alpha'\n")
            .file("same.py", "SAME = True\n")
            .script("tool.py", "#!python\nprint('a script')\n")
            .data_file("data/share/config.py", "x = 1\n")
            .build(),
        WheelBuilder::new("beta", "2.0")
            .file("beta.py", "import same\nVALUE = same.SAME\n")
            .file("tests/__init__.py", "NAME = 'beta'\n")
            .file("same.py", "SAME = True\n")
            .build(),
    ]
}

fn lock(wheels: &[pyrun_kit::Wheel]) -> Lock {
    let package = |wheel: &pyrun_kit::Wheel| {
        let filename: WheelFilename = wheel.filename.parse().expect("a wheel's name");
        let package = LockedPackage {
            version: filename.version().clone(),
            wheel: LockedWheel {
                url: String::new(),
                filename: filename.clone(),
                sha256: Sha256::of(&wheel.bytes),
                size: None,
                upload_time: None,
            },
            index: String::new(),
            requires_python: None,
            sdist: None,
            metadata: None,
            dependencies: Vec::new(),
        };
        (filename.name().clone(), package)
    };
    Lock {
        target: target(),
        packages: wheels.iter().map(package).collect(),
        resolved: None,
        exclude_newer: None,
    }
}

/// A store with a published bundle, and what the builder works with.
struct Bench {
    folder: TempDir,
    store: Arc<dyn Store>,
    record: BundleRecord,
    said: Mutex<Vec<Event>>,
}

impl Bench {
    async fn new(local: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store: Arc<dyn Store> = if local {
            Arc::new(DirStore::open(folder.path().join("store")).expect("opened"))
        } else {
            Arc::new(MemoryStore::new())
        };
        let wheels = wheels();
        for wheel in &wheels {
            let key = catalog::wheel(&Sha256::of(&wheel.bytes));
            let body = Body::from(wheel.bytes.to_vec());
            store.put_new(&key, body).await.expect("stored");
        }
        let scratch = folder.path().join("scratch");
        let record = splice::publish(&*store, &lock(&wheels), &scratch, "", &|_| {}).await;
        Self {
            folder,
            store,
            record: record.expect("a bundle"),
            said: Mutex::default(),
        }
    }

    async fn ensure(&self) -> Result<CompanionOutcome, BytecodeError> {
        let scratch = self.folder.path().join("scratch");
        let say = |event| self.said.lock().expect("no panic").push(event);
        let outcome = ensure(&*self.store, &self.record, &compiler(), &scratch, &say).await;
        let left = fs_err::read_dir(scratch).expect("a folder").count();
        assert_eq!(left, 0, "something is left in the scratch folder");
        outcome
    }

    async fn counts(&self) -> Counts {
        match self.ensure().await {
            Ok(CompanionOutcome::Published(counts)) => counts,
            other => panic!("{other:?}"),
        }
    }

    fn key(&self) -> pyrun_store::Key {
        catalog::companion(&self.record.manifest.lock, compiler().magic)
    }

    async fn companion(&self) -> bytes::Bytes {
        let companion = self.store.get(&self.key(), None).await;
        companion.expect("get").expect("it is published")
    }

    async fn remove(&self, key: &pyrun_store::Key) {
        self.store.delete(key).await.expect("deleted");
    }

    fn warnings(&self) -> Vec<String> {
        let said = self.said.lock().expect("no panic");
        let warnings = said.iter().filter_map(|event| match event {
            Event::Warning { message } => Some(message.clone()),
            _ => None,
        });
        warnings.collect()
    }
}

fn unpack(zip: &[u8], folder: &Path) -> Vec<String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("a zip");
    archive.extract(folder).expect("extracted");
    let names = archive.file_names();
    names.map(|name| name.expect("text").into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_gets_its_companion_once() {
    let bench = Bench::new(true).await;
    let counts = bench.counts().await;
    let companion = bench.companion().await;
    assert_eq!(counts.bytes, companion.len() as u64);
    assert_eq!((counts.files, counts.compiled, counts.reused), (4, 2, 0));
    assert_eq!(
        bench.ensure().await.expect("fine"),
        CompanionOutcome::Present
    );

    let site = bench.folder.path().join("site");
    let bundle = catalog::bundle(&bench.record.manifest.lock);
    let bundle = bench.store.get(&bundle, None).await.expect("get");
    unpack(&bundle.expect("published"), &site);
    let tag = compiler().cache_tag;
    let names: Vec<String> = unpack(&companion, &site);
    let expected = [
        "alpha/__pycache__/__init__",
        "alpha/__pycache__/deep",
        "__pycache__/same",
        "__pycache__/beta",
    ];
    assert_eq!(names, expected.map(|name| format!("{name}.{tag}.pyc")));

    // What is not cached is compiled on import; nothing else may be.
    let program = "import sys; sys.path.insert(0, sys.argv[1]); import alpha, beta, tests, importlib._bootstrap_external as b\n\
         print(alpha.VALUE, beta.VALUE, tests.NAME)";
    let output = Command::new(compiler().python)
        .args(["-I", "-B", "-v", "-c", program])
        .arg(&site)
        .output()
        .expect("an interpreter");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "42 True beta"
    );
    let verbose = String::from_utf8_lossy(&output.stderr);
    for name in &names {
        assert!(
            verbose.contains(&format!("matches {}/", site.display())),
            "{name}: {verbose}"
        );
        let used = format!("code object from '{}", site.join(name).display());
        assert!(verbose.contains(&used), "{name} is not used: {verbose}");
    }
}

#[tokio::test]
async fn a_wheel_is_compiled_once_ever() {
    let bench = Bench::new(true).await;
    bench.counts().await;
    let first = bench.companion().await;
    bench.remove(&bench.key()).await;
    // Without its wheels: their bytecode is enough.
    for segment in &bench.record.manifest.segments {
        bench.remove(&catalog::wheel(&segment.wheel_sha256)).await;
    }
    let counts = bench.counts().await;
    assert_eq!((counts.compiled, counts.reused), (0, 2));
    assert_eq!(bench.companion().await, first);

    let gone = catalog::bytecode(
        &bench.record.manifest.segments[0].wheel_sha256,
        compiler().magic,
    );
    bench.remove(&gone).await;
    bench.remove(&bench.key()).await;
    let scratch = bench.folder.path().join("scratch");
    let error = ensure_from_wheels(&*bench.store, &bench.record, &compiler(), &scratch, &|_| {})
        .await
        .expect_err("no wheel");
    assert!(matches!(error, BytecodeError::Missing { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wheel_that_is_damaged_or_gone_is_cut_from_the_bundle() {
    let bench = Bench::new(true).await;
    bench.counts().await;
    let first = bench.folder.path().join("first");
    let whole = unpack(&bench.companion().await, &first);
    let mut expected = BTreeSet::from_iter(whole.clone());
    for damage in [true, false] {
        bench.remove(&bench.key()).await;
        for segment in &bench.record.manifest.segments {
            bench
                .remove(&catalog::bytecode(&segment.wheel_sha256, compiler().magic))
                .await;
            let wheel = catalog::wheel(&segment.wheel_sha256);
            if damage {
                let damaged = Body::from(b"no wheel".to_vec());
                bench.store.put(&wheel, damaged).await.expect("put");
            }
        }
        bench.counts().await;
        // The bundle holds `tests` of one wheel only, and that is compiled then.
        let tag = compiler().cache_tag;
        expected.insert(format!("tests/__pycache__/__init__.{tag}.pyc"));
        let unpacked = bench.folder.path().join("unpacked");
        let names = unpack(&bench.companion().await, &unpacked);
        assert_eq!(BTreeSet::from_iter(names), expected);
        for name in &whole {
            let [cut, exact] = [&unpacked, &first].map(|folder| fs_err::read(folder.join(name)));
            assert_eq!(cut.expect("there"), exact.expect("there"), "{name}");
        }
        assert_eq!(
            bench.warnings().len(),
            2,
            "each damaged wheel is named once"
        );
        for segment in &bench.record.manifest.segments {
            let wheel = catalog::wheel(&segment.wheel_sha256);
            let left = bench.store.head(&wheel).await.expect("head");
            assert_eq!(left, None, "the damaged wheel is removed");
            let kept = catalog::bytecode(&segment.wheel_sha256, compiler().magic);
            let kept = bench.store.head(&kept).await.expect("head");
            assert_eq!(kept, None, "only what comes of a wheel is kept for others");
        }
    }
}

#[tokio::test]
async fn a_companion_tells_whether_it_is_whole() {
    let bench = Bench::new(true).await;
    bench.counts().await;
    let (companion, magic) = (bench.companion().await, compiler().magic);
    check_companion(companion.clone(), magic).expect("whole");
    assert!(check_companion(companion.clone(), magic + 1).is_err());
    let header = compile::header(magic);
    let at = companion.windows(8).position(|bytes| bytes == header);
    let at = at.expect("bytecode");
    for at in [at, at + 4, at + 20, companion.len() - 1] {
        let mut damaged = companion.to_vec();
        damaged[at] ^= 1;
        assert!(check_companion(damaged.into(), magic).is_err(), "byte {at}");
    }
    assert!(check_companion(companion.slice(..companion.len() / 2), magic).is_err());
}

#[tokio::test]
async fn a_damaged_bundle_gives_no_bytecode() {
    let bench = Bench::new(true).await;
    for segment in &bench.record.manifest.segments {
        bench.remove(&catalog::wheel(&segment.wheel_sha256)).await;
    }
    let key = catalog::bundle(&bench.record.manifest.lock);
    let bundle = bench.store.get(&key, None).await.expect("get");
    let mut bundle = bundle.expect("published").to_vec();
    bundle[100] ^= 1;
    bench
        .store
        .put(&key, Body::from(bundle))
        .await
        .expect("put");
    let error = bench.ensure().await.expect_err("no sources");
    assert!(matches!(error, BytecodeError::Corrupt(_)), "{error:?}");
}

#[tokio::test]
async fn a_compiler_that_is_killed_leaves_no_companion_and_is_asked_again() {
    let bench = Bench::new(true).await;
    let mark = bench.folder.path().join("well");
    // An interpreter that answers nothing but its magic number until it is well.
    let python = bench.folder.path().join("python");
    let script = format!(
        "#!/bin/sh\nif [ -e '{0}' ]; then exec '{1}' \"$@\"; fi\n\
         exec '{1}' -c 'import sys, importlib.util as u\n\
         sys.stdout.buffer.write(u.MAGIC_NUMBER[:2])'\n",
        mark.display(),
        compiler().python.display(),
    );
    fs_err::write(&python, script).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&python, mode).expect("executable");
    let sick = Compiler {
        python,
        ..compiler()
    };
    let scratch = bench.folder.path().join("scratch");
    let say = |event| bench.said.lock().expect("no panic").push(event);
    let outcome = ensure(&*bench.store, &bench.record, &sick, &scratch, &say).await;
    assert_eq!(outcome.expect("fine"), CompanionOutcome::Failed);
    assert_eq!(bench.store.head(&bench.key()).await.expect("head"), None);
    let mut warnings = bench.warnings();
    warnings.sort();
    assert!(
        warnings.len() == 2 && warnings[0].contains("`alpha/__init__.py` of `alpha`"),
        "{warnings:?}"
    );
    fs_err::write(mark, "").expect("written");
    let outcome = ensure(&*bench.store, &bench.record, &sick, &scratch, &say).await;
    assert!(matches!(outcome, Ok(CompanionOutcome::Published(counts)) if counts.files == 4));
}

#[tokio::test]
async fn a_store_elsewhere_gives_the_same_bytes() {
    let (here, elsewhere) = (Bench::new(true).await, Bench::new(false).await);
    here.counts().await;
    elsewhere.counts().await;
    assert_eq!(here.companion().await, elsewhere.companion().await);
}

#[tokio::test]
async fn corrupt_bytecode_is_removed_and_made_anew() {
    let bench = Bench::new(true).await;
    bench.counts().await;
    let first = bench.companion().await;
    let segment = &bench.record.manifest.segments[0];
    let key = catalog::bytecode(&segment.wheel_sha256, compiler().magic);
    let whole = bench
        .store
        .get(&key, None)
        .await
        .expect("get")
        .expect("there");
    let mut flipped = whole.to_vec();
    flipped[200] ^= 1;
    for (round, wrong) in [flipped, whole[..500].to_vec(), Vec::new()]
        .into_iter()
        .enumerate()
    {
        bench.store.put(&key, Body::from(wrong)).await.expect("put");
        bench.remove(&bench.key()).await;
        let counts = bench.counts().await;
        assert_eq!((counts.compiled, counts.reused), (1, 1));
        assert_eq!(bench.companion().await, first);
        let warnings = bench.warnings();
        assert_eq!(warnings.len(), round + 1, "{warnings:?}");
        assert!(warnings[round].contains("`alpha`"), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_known_goes_without() {
    let bench = Bench::new(false).await;
    let unknown = Compiler {
        magic: 9999,
        ..compiler()
    };
    let scratch = bench.folder.path();
    let outcome = ensure(&*bench.store, &bench.record, &unknown, scratch, &|_| {}).await;
    assert_eq!(outcome.expect("fine"), CompanionOutcome::Unsupported);
}

#[test]
fn the_work_can_move_between_threads() {
    fn sendable<T: Send>(_: impl FnOnce(Arc<dyn Store>, BundleRecord) -> T) {}
    sendable(|store, record| async move {
        let compiler = compiler();
        ensure(&*store, &record, &compiler, Path::new("scratch"), &|_| {}).await
    });
}
