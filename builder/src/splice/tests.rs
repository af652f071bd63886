//! The same lock gives the same bytes; what is published is whole; others can read it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use pep508_rs::PackageName;
use pyrun_core::{
    Arch, BundleRecord, Code, Event, Fault, Lock, LockedPackage, LockedWheel, Os, Sha256, Target,
};
use pyrun_kit::{Wheel, WheelBuilder};
use pyrun_store::{Body, DirStore, MemoryStore, Store, catalog};
use tempfile::TempDir;

use super::*;

fn lock_of(wheels: &[Wheel]) -> Lock {
    let package = |wheel: &Wheel| {
        let filename: pyrun_core::WheelFilename = wheel.filename.parse().expect("a wheel's name");
        let locked = LockedPackage {
            version: filename.version().clone(),
            wheel: LockedWheel {
                url: format!("https://example.org/{filename}"),
                filename: filename.clone(),
                sha256: wheel.sha256,
                size: Some(wheel.bytes.len() as u64),
                upload_time: None,
            },
            index: String::new(),
            requires_python: None,
            sdist: None,
            metadata: None,
            dependencies: Vec::new(),
        };
        (filename.name().clone(), locked)
    };
    Lock {
        target: Target {
            python: "3.12.1".parse().expect("a version"),
            free_threaded: false,
            os: Os::Glibc {
                major: 2,
                minor: 36,
            },
            arch: Arch::X86_64,
        },
        packages: wheels.iter().map(package).collect(),
        resolved: None,
        exclude_newer: None,
    }
}

async fn fill(store: &dyn Store, wheels: &[Wheel]) {
    for wheel in wheels {
        let key = catalog::wheel(&wheel.sha256);
        store
            .put(&key, Body::Bytes(wheel.bytes.clone()))
            .await
            .expect("stored");
    }
}

#[derive(Debug, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    fn warnings(&self) -> Vec<String> {
        let events = self.0.lock().expect("no panic while it is held");
        let warning = |event: &Event| match event {
            Event::Warning { message } => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(warning).collect()
    }
}

struct Published {
    record: BundleRecord,
    bytes: Vec<u8>,
    warnings: Vec<String>,
}

/// Publishes from a store in memory, which has no paths: wheels are fetched.
async fn publish_all(wheels: &[Wheel]) -> Result<Published, SpliceError> {
    let store = MemoryStore::new();
    fill(&store, wheels).await;
    publish_in(&store, wheels).await
}

async fn publish_in(store: &dyn Store, wheels: &[Wheel]) -> Result<Published, SpliceError> {
    let scratch = tempfile::tempdir().expect("a folder");
    let told = Told::default();
    let events = |event| told.0.lock().expect("no panic while held").push(event);
    let lock = lock_of(wheels);
    let record = publish(
        store,
        &lock,
        scratch.path(),
        "2026-01-01T00:00:00Z",
        &events,
    )
    .await?;
    let left = fs_err::read_dir(scratch.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left in the scratch folder");
    let bytes = store.get(&catalog::bundle(&lock.hash()), None).await?;
    Ok(Published {
        record,
        bytes: bytes.expect("published").to_vec(),
        warnings: told.warnings(),
    })
}

fn some() -> Vec<Wheel> {
    vec![
        WheelBuilder::new("zeta", "2.0").build(),
        WheelBuilder::new("alpha", "1.0")
            .requires("zeta>=1; python_version < '3'")
            .requires("elsewhere")
            .file("alpha/__init__.py", "from alpha.deep import VALUE\n")
            .file(
                "alpha/deep.py",
                format!("VALUE = 42\n{}", "# padding\n".repeat(5000)),
            )
            .file("alpha/ünïcode.txt", "ü")
            .script("alpha-tool", "#!python\n")
            .entry_point("alpha-tool = alpha:main")
            .build(),
        WheelBuilder::new("mid", "0.1")
            .file("mid.py", "X = 1\n")
            .pth("mid.pth", "# x\n")
            .build(),
    ]
}

#[tokio::test]
async fn the_record_describes_the_bytes() {
    let Published { record, bytes, .. } = publish_all(&some()).await.expect("a bundle");
    assert_eq!(record.size, bytes.len() as u64);
    assert_eq!(record.sha256, Sha256::of(&bytes));
    assert_eq!(record.built, "2026-01-01T00:00:00Z");
    let place = |offset: u64| usize::try_from(offset).expect("small");
    let mut offset = 0;
    for segment in &record.manifest.segments {
        assert_eq!(segment.offset, offset, "segments are contiguous");
        offset += segment.length;
        let part = &bytes[place(segment.offset)..place(offset)];
        assert_eq!(segment.sha256, Sha256::of(part), "{}", segment.package);
        // The first member is of the dist-info.
        assert!(part[30..].starts_with(format!("{}-", segment.package).as_bytes()));
    }
    assert_eq!(record.tail_offset, offset);
    assert_eq!(record.tail_sha256, Sha256::of(&bytes[place(offset)..]));
    let names: Vec<&str> = record
        .manifest
        .segments
        .iter()
        .map(|s| s.package.as_ref())
        .collect();
    assert_eq!(names, ["alpha", "mid", "zeta"]);
    let alpha = &record.manifest.segments[0];
    assert_eq!(alpha.depends, ["zeta".parse().expect("a name")]);
    assert_eq!(alpha.imports, ["alpha"]);
    assert!(!alpha.pth && record.manifest.segments[1].pth);
}

#[tokio::test]
async fn the_bundle_ends_with_its_lock_and_manifest() {
    let Published { record, bytes, .. } = publish_all(&some()).await.expect("a bundle");
    let limits = crate::zip::Limits::default();
    let archive = crate::zip::Archive::open(bytes::Bytes::from(bytes), &limits).expect("strict");
    let [.., lock, manifest] = archive.entries() else {
        panic!("there are members");
    };
    assert_eq!(
        (lock.name.as_str(), manifest.name.as_str()),
        (LOCK_MEMBER, MANIFEST_MEMBER)
    );
    let mut inflater = crate::zip::Inflater::default();
    let lock = inflater.read(archive.source(), lock).expect("the lock");
    assert_eq!(lock_of(&some()).canonical().as_bytes(), lock);
    let json = inflater
        .read(archive.source(), manifest)
        .expect("the manifest");
    let inside: pyrun_core::Manifest = serde_json::from_slice(&json).expect("a manifest");
    assert_eq!(inside, record.manifest);
    assert_eq!(inside.files, archive.entries().len() as u64 - 2);
}

#[tokio::test]
async fn the_bytes_depend_on_the_lock_alone() {
    let first = publish_all(&some()).await.expect("a bundle");
    let mut shuffled = some();
    shuffled.rotate_left(1);
    shuffled.swap(0, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let store = DirStore::open(folder.path()).expect("a store");
    fill(&store, &shuffled).await;
    let second = publish_in(&store, &shuffled).await.expect("a bundle");
    assert!(first.bytes == second.bytes);
    assert_eq!(first.record, second.record);
    let told = Told::default();
    let events = |event| told.0.lock().expect("no panic while held").push(event);
    let scratch = TempDir::new().expect("a folder");
    let rebuilt = rebuild(&store, &lock_of(&shuffled), scratch.path(), &events).await;
    assert_eq!(rebuilt.expect("a digest"), first.record.sha256);
}

#[tokio::test]
async fn a_bundle_without_record_is_replaced_and_a_whole_one_is_kept() {
    let store = MemoryStore::new();
    fill(&store, &some()).await;
    let lock = lock_of(&some()).hash();
    let (bundle, record) = (catalog::bundle(&lock), catalog::bundle_record(&lock));
    store
        .put(&bundle, b"half".to_vec().into())
        .await
        .expect("stored");
    let first = publish_in(&store, &some()).await.expect("a bundle");
    assert_eq!(first.record.sha256, Sha256::of(&first.bytes));
    let mut kept = first.record.clone();
    "earlier".clone_into(&mut kept.built);
    let json = serde_json::to_vec(&kept).expect("JSON");
    store.put(&record, json.into()).await.expect("stored");
    let second = publish_in(&store, &some()).await.expect("a bundle");
    assert_eq!(second.record.built, "earlier");
    store
        .put(&record, b"{".to_vec().into())
        .await
        .expect("stored");
    let third = publish_in(&store, &some()).await.expect("a bundle");
    assert_eq!(third.record, first.record);
}

#[tokio::test]
async fn missing_and_corrupt_wheels_are_asked_for_again() {
    let wheels = some();
    let store = MemoryStore::new();
    fill(&store, &wheels[1..]).await;
    let missing = publish_in(&store, &wheels).await.err().expect("no wheel");
    assert!(matches!(&missing, SpliceError::Missing { package, .. } if package.as_ref() == "zeta"));
    let key = catalog::wheel(&wheels[0].sha256);
    store
        .put(&key, b"garbage".to_vec().into())
        .await
        .expect("stored");
    let corrupt = publish_in(&store, &wheels)
        .await
        .err()
        .expect("a corrupt wheel");
    assert!(matches!(corrupt, SpliceError::Missing { .. }));
    assert!(
        store.head(&key).await.expect("readable").is_none(),
        "it is set aside"
    );
    let bundles = store.list(catalog::BUNDLES).await.expect("readable");
    assert!(bundles.is_empty(), "nothing is published");
}

fn with(name: &str, path: &str, content: &str) -> Wheel {
    WheelBuilder::new(name, "1")
        .file(format!("{name}/__init__.py"), "")
        .file(path, content)
        .build()
}

fn depends(record: &BundleRecord, package: usize) -> Vec<&str> {
    let segment = &record.manifest.segments[package];
    segment.depends.iter().map(PackageName::as_ref).collect()
}

#[tokio::test]
async fn the_same_file_twice_stands_once() {
    let wheels = [
        with("a", "space/__init__.py", "same"),
        with("b", "space/__init__.py", "same"),
    ];
    let Published {
        record,
        bytes,
        warnings,
    } = publish_all(&wheels).await.expect("a bundle");
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(unpacked(&bytes)["space/__init__.py"], "same");
    assert_eq!(
        (depends(&record, 0), depends(&record, 1)),
        (vec![], vec!["a"])
    );
}

#[tokio::test]
async fn of_different_files_the_last_wins_with_a_warning() {
    let wheels = [
        with("a", "tests/x.py", "first"),
        with("b", "tests/x.py", "last"),
    ];
    let Published {
        record,
        bytes,
        warnings,
    } = publish_all(&wheels).await.expect("a bundle");
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("`a` and `b` both bring `tests/x.py`"),
        "{warnings:?}"
    );
    assert_eq!(unpacked(&bytes)["tests/x.py"], "last");
    assert_eq!(
        (depends(&record, 0), depends(&record, 1)),
        (vec!["b"], vec![])
    );
}

#[tokio::test]
async fn a_wheel_cannot_pose_as_the_bundles_own_members() {
    let wheels = [
        with("a", "manifest.json", "{}"),
        with("b", "pylock.toml", ""),
    ];
    let Published {
        bytes, warnings, ..
    } = publish_all(&wheels).await.expect("a bundle");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(unpacked(&bytes)["manifest.json"].contains("segments"));
}

#[tokio::test]
async fn a_file_and_a_folder_of_one_name_are_a_fault() {
    for (first, second) in [("x", "x/y.py"), ("x/y.py", "x"), ("manifest.json/x", "z")] {
        let wheels = [with("a", first, "1"), with("b", second, "2")];
        let error = publish_all(&wheels).await.err().expect("a collision");
        let fault = Fault::from(error);
        assert_eq!(fault.code, Code::BUNDLE_COLLISION, "{fault}");
    }
}

#[tokio::test]
async fn no_wheels_are_a_bundle_too() {
    let Published { record, bytes, .. } = publish_all(&[]).await.expect("a bundle");
    assert_eq!(record.tail_offset, 0);
    assert_eq!(unpacked(&bytes).len(), 2);
    // A change here means that every bundle is built anew: raise `pyrun_core::FORMAT` as well.
    assert_eq!(
        record.sha256.to_string(),
        "0ccfed5eca5462fcdbf4ba0e4d6519e1f59545a27e50ecac55e9cd8f56d9244f"
    );
}

/// All files, as an independent reader sees them.
fn unpacked(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive");
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("a member");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).expect("text");
        let name = file.name().expect("UTF-8").into_owned();
        let twice = files.insert(name, text);
        assert!(twice.is_none(), "each path stands once");
    }
    files
}

#[tokio::test]
async fn python_reads_checks_and_imports_it() {
    let Published { bytes, .. } = publish_all(&some()).await.expect("a bundle");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bundle.zip");
    fs_err::write(&path, bytes).expect("writable");
    let script = "
import sys, zipfile, importlib.metadata as m
bundle, site = sys.argv[1:]
archive = zipfile.ZipFile(bundle)
assert archive.testzip() is None
archive.extractall(site)
sys.path.insert(0, site)
import alpha, mid, zeta
assert alpha.VALUE == 42 and alpha.__file__.startswith(site)
d = m.distribution('alpha')
assert d.version == '1.0'
assert [e.name for e in d.entry_points] == ['alpha-tool']
files = {str(f): f for f in d.files}
assert all(f.locate().is_file() for f in files.values()), files
assert files['alpha/deep.py'].size == files['alpha/deep.py'].locate().stat().st_size
print('fine')
";
    let output = Command::new(pyrun_kit::python())
        .args(["-I", "-B", "-c", script])
        .arg(&path)
        .arg(folder.path().join("site"))
        .output()
        .expect("python runs");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "fine\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn publishing_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn check(store: &dyn Store, lock: &Lock, events: Events<'_>) {
        is_send(&publish(store, lock, Path::new(""), "", events));
        is_send(&rebuild(store, lock, Path::new(""), events));
    }
    check(&MemoryStore::new(), &lock_of(&[]), &|_| {});
}
