//! One folder, many processes: what is visible is complete, and what is in use stays.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use pyrun_core::{Code, Fault};
use pyrun_store::{Body, Created, Entry, MemoryStore, Meta};

use super::*;
use crate::unpack::testing::{self, Bundle, bundle, companion, entry, pyc};

const MAGIC: u16 = 3531;
const BYTECODE: &str = "a/__pycache__/x.cpython-312.pyc";

/// A store that keeps each object as a file, without its slashes.
#[derive(Debug)]
struct Shelf {
    memory: MemoryStore,
    folder: PathBuf,
}

#[async_trait]
impl Store for Shelf {
    async fn get(
        &self,
        key: &Key,
        range: Option<Range<u64>>,
    ) -> pyrun_store::Result<Option<Bytes>> {
        self.memory.get(key, range).await
    }
    async fn put_new(&self, key: &Key, body: Body) -> pyrun_store::Result<Created> {
        self.memory.put_new(key, body).await
    }
    async fn put(&self, key: &Key, body: Body) -> pyrun_store::Result<()> {
        self.memory.put(key, body).await?;
        let bytes = self.memory.get(key, None).await?.unwrap_or_default();
        fs_err::write(self.path(key).expect("a path"), bytes).expect("written");
        Ok(())
    }
    async fn head(&self, key: &Key) -> pyrun_store::Result<Option<Meta>> {
        self.memory.head(key).await
    }
    async fn list(&self, prefix: &str) -> pyrun_store::Result<Vec<Entry>> {
        self.memory.list(prefix).await
    }
    async fn delete(&self, key: &Key) -> pyrun_store::Result<()> {
        let _ = fs_err::remove_file(self.path(key).expect("a path"));
        self.memory.delete(key).await
    }
    fn path(&self, key: &Key) -> Option<PathBuf> {
        Some(self.folder.join(key.as_str().replace('/', "-")))
    }
}

/// A cache folder and a store, which is on this machine or is not.
struct Scene {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    events: Mutex<Vec<Event>>,
}

impl Scene {
    fn both() -> [Self; 2] {
        [Self::local(), Self::remote()]
    }

    fn remote() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            folder,
            store: Arc::new(MemoryStore::new()),
            events: Mutex::default(),
        }
    }

    fn local() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::create_dir(folder.path().join("shelf")).expect("a folder");
        let shelf = Shelf {
            memory: MemoryStore::new(),
            folder: folder.path().join("shelf"),
        };
        Self {
            folder,
            store: Arc::new(shelf),
            events: Mutex::default(),
        }
    }

    fn warm(&self) -> Warm {
        Warm::open(&self.folder.path().join("cache"))
    }

    fn put(&self, bundle: &Bundle) -> LockHash {
        let lock = bundle.lock();
        let record = serde_json::to_vec(&bundle.record).expect("plain values");
        self.put_object(&catalog::bundle(&lock), bundle.bytes.clone());
        self.put_object(&catalog::bundle_record(&lock), record);
        lock
    }

    fn put_object(&self, key: &Key, bytes: Vec<u8>) {
        run(self.store.put(key, bytes.into())).expect("stored");
    }

    fn has(&self, key: &Key) -> bool {
        run(self.store.head(key)).expect("a store").is_some()
    }

    fn ensure(&self, lock: &LockHash) -> Result<Site, WarmError> {
        let events = |event| self.events.lock().expect("no panic").push(event);
        run(self.warm().ensure(&self.store, lock, MAGIC, &events))
    }

    fn warnings(&self) -> usize {
        let events = self.events.lock().expect("no panic");
        let is_warning = |event: &&Event| matches!(event, Event::Warning { .. });
        events.iter().filter(is_warning).count()
    }

    fn below(&self, folder: &str) -> Vec<PathBuf> {
        staging::entries(&self.warm().root.join(folder)).expect("a folder")
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn small(name: &str) -> Bundle {
    bundle(&[(name, vec![entry("a/x.py", "VALUE = 1\n")])])
}

#[test]
fn a_bundle_is_unpacked_once_and_then_found() {
    for scene in Scene::both() {
        let lock = scene.put(&bundle(&[("a", vec![entry("x.pth", "import a\n")])]));
        assert!(scene.warm().site(&lock).expect("a folder").is_none());
        let site = scene.ensure(&lock).expect("a site");
        assert!(site.pth);
        assert_eq!((site.bytes, site.files), (9, 1));
        assert!(site.path.join("x.pth").is_file());
        assert!(scene.below("staging").is_empty());
        run(scene.store.delete(&catalog::bundle_record(&lock))).expect("deleted");
        let again = scene.ensure(&lock).expect("found without the store");
        assert_eq!(again.path, site.path);
        let found = scene.warm().site(&lock).expect("a folder").expect("a site");
        assert_eq!(found.lock(), &lock);
    }
}

#[test]
fn a_bundle_that_is_not_there_is_missing() {
    for scene in Scene::both() {
        let error = scene.ensure(&small("a").lock()).expect_err("nothing there");
        assert!(error.wants_build());
        assert_eq!(Fault::from(error).code, Code::BUNDLE_MISSING);
    }
}

#[test]
fn a_damaged_bundle_is_set_aside_and_built_anew() {
    let damages: [fn(&Scene, &Bundle); 3] = [
        |scene, good| {
            let mut bytes = good.bytes.clone();
            bytes[40] ^= 1;
            scene.put_object(&catalog::bundle(&good.lock()), bytes);
        },
        |scene, good| {
            let key = catalog::bundle_record(&good.lock());
            scene.put_object(&key, b"{\"manifest\":".to_vec());
        },
        |scene, good| {
            run(scene.store.delete(&catalog::bundle(&good.lock()))).expect("deleted");
        },
    ];
    for damage in damages {
        for scene in Scene::both() {
            let good = small("a");
            let lock = scene.put(&good);
            damage(&scene, &good);
            let error = scene.ensure(&lock).expect_err("it is damaged");
            assert!(error.wants_build(), "{error:?}");
            assert_eq!(scene.warnings(), 1);
            assert!(!scene.has(&catalog::bundle(&lock)));
            assert!(!scene.has(&catalog::bundle_record(&lock)));
            assert!(scene.below("sites").is_empty() && scene.below("staging").is_empty());
            scene.put(&good);
            scene.ensure(&lock).expect("built anew");
        }
    }
}

#[test]
fn a_record_of_another_lock_is_damage() {
    let scene = Scene::remote();
    let (one, other) = (small("a"), small("b"));
    let record = serde_json::to_vec(&other.record).expect("plain values");
    scene.put_object(&catalog::bundle_record(&one.lock()), record);
    let error = scene.ensure(&one.lock()).expect_err("another lock");
    assert!(matches!(error, WarmError::Corrupt { .. }), "{error:?}");
}

#[test]
fn bytecode_comes_with_the_bundle_or_later() {
    for scene in Scene::both() {
        let bytes = companion(&[pyc(BYTECODE, MAGIC, "x")]);
        let (early, late) = (scene.put(&small("a")), scene.put(&small("b")));
        scene.put_object(&catalog::companion(&early, MAGIC), bytes.clone());
        let site = scene.ensure(&early).expect("a site");
        assert!(site.has_bytecode(MAGIC) && !site.has_bytecode(MAGIC + 1));
        assert!(site.path.join(BYTECODE).is_file());

        let site = scene.ensure(&late).expect("a site");
        assert!(!site.has_bytecode(MAGIC));
        let add = || {
            let warm = scene.warm();
            run(warm.add_bytecode(&scene.store, &site, MAGIC, &|_| {})).expect("a folder")
        };
        assert!(!add(), "there is none yet");
        scene.put_object(&catalog::companion(&late, MAGIC), bytes);
        assert!(add());
        assert!(site.has_bytecode(MAGIC) && site.path.join(BYTECODE).is_file());
        assert!(add(), "it stays");
    }
}

#[test]
fn a_damaged_companion_is_set_aside_and_the_bundle_runs() {
    for scene in Scene::both() {
        let lock = scene.put(&small("a"));
        let key = catalog::companion(&lock, MAGIC);
        scene.put_object(&key, companion(&[entry("a/x.py", "evil()")]));
        let site = scene.ensure(&lock).expect("a site");
        assert!(!site.has_bytecode(MAGIC));
        assert_eq!(scene.warnings(), 1);
        assert!(!scene.has(&key));
        let source = fs_err::read_to_string(site.path.join("a/x.py")).expect("a file");
        assert_eq!(source, "VALUE = 1\n");
    }
}

#[test]
fn many_at_once_unpack_once() {
    let scene = Scene::local();
    let lock = scene.put(&small("a"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| scene.ensure(&lock).expect("a site"));
        }
    });
    let events = scene.events.lock().expect("no panic");
    let extracts = events.iter().filter(|event| {
        **event
            == Event::Started {
                phase: Phase::Extract,
            }
    });
    assert_eq!(extracts.count(), 1);
}

#[test]
fn what_a_run_uses_is_not_removed() {
    let scene = Scene::local();
    let lock = scene.put(&small("a"));
    let warm = scene.warm();
    let site = scene.ensure(&lock).expect("a site");
    let copy = site.clone();
    drop(site);
    assert_eq!(warm.remove(&lock).expect("a folder"), Removal::Busy);
    assert!(copy.path.is_dir());
    drop(copy);
    assert_eq!(warm.remove(&lock).expect("a folder"), Removal::Removed);
    assert_eq!(warm.remove(&lock).expect("a folder"), Removal::Absent);
    assert!(warm.site(&lock).expect("a folder").is_none());
    assert!(scene.below("trash").is_empty());
    scene.ensure(&lock).expect("and unpacked again");
}

#[test]
fn a_site_without_its_note_is_made_anew() {
    let scene = Scene::local();
    let lock = scene.put(&small("a"));
    let path = scene.ensure(&lock).expect("a site").path;
    fs_err::write(note_path(&path), "{").expect("written");
    fs_err::remove_file(path.join("a/x.py")).expect("removed");
    let site = scene.ensure(&lock).expect("a site");
    assert!(site.path.join("a/x.py").is_file());
}

#[test]
fn runs_are_counted() {
    let scene = Scene::local();
    let warm = scene.warm();
    let (one, other) = (small("a").lock(), small("b").lock());
    assert_eq!(warm.uses().expect("no folder yet"), BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| warm.record_use(&one).expect("noted")));
        }
    });
    warm.record_use(&other).expect("noted");
    let uses = warm.uses().expect("a folder");
    assert_eq!(uses[&one].runs, 100);
    assert_eq!(uses[&other].runs, 1);
    assert!(uses[&one].last_used > 1_600_000_000);
}

fn used_at(scene: &Scene, lock: &LockHash, seconds: u64) {
    let warm = scene.warm();
    warm.record_use(lock).expect("noted");
    let path = warm.root.join("uses").join(lock.to_string());
    let file = fs_err::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("a file");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.file().set_modified(time).expect("set");
}

#[test]
fn the_least_recently_used_go_first_and_never_those_in_use() {
    let scene = Scene::local();
    let warm = scene.warm();
    let locks: Vec<LockHash> = ["a", "b", "c", "d"]
        .iter()
        .zip([300, 100, 400, 200])
        .map(|(name, time)| {
            let lock = scene.put(&small(name));
            scene.ensure(&lock).expect("a site");
            used_at(&scene, &lock, time);
            lock
        })
        .collect();
    let [a, b, c, d] = locks[..] else {
        panic!("four of them");
    };
    let residents = warm.residents().expect("a folder");
    let order: Vec<LockHash> = residents.iter().map(|one| one.lock).collect();
    assert_eq!(order, [b, d, a, c]);
    assert!(residents.iter().all(|one| one.bytes == 10 && one.runs == 1));

    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let held = warm.site(&b).expect("a folder").expect("a site");
    let keep = Keep {
        bytes: Some(25),
        within: None,
    };
    let collected = warm.gc(keep, now).expect("collected");
    assert_eq!(
        (&*collected.removed, &*collected.busy),
        (&[d, a][..], &[b][..])
    );
    assert_eq!((collected.freed, collected.left), (20, 20));
    assert!(held.path.is_dir());
    drop(held);

    let keep = Keep {
        bytes: None,
        within: Some(Duration::from_secs(700)),
    };
    assert_eq!(warm.gc(keep, now).expect("collected").removed, [b]);
    assert!(warm.site(&c).expect("a folder").is_some());
    assert_eq!(warm.uses().expect("a folder").len(), 1);
}

#[test]
fn a_sweep_takes_what_the_dead_left_and_nothing_else() {
    let scene = Scene::local();
    scene.ensure(&scene.put(&small("a"))).expect("a site");
    let warm = scene.warm();
    let dead = warm.root.join("staging/dead/a");
    let trash = warm.root.join("trash/old");
    fs_err::create_dir_all(&dead).expect("a folder");
    fs_err::create_dir_all(&trash).expect("a folder");
    let alive = Staging::new(&warm.root.join("staging")).expect("a folder");
    assert_eq!(warm.sweep().expect("swept"), 2);
    assert!(alive.path().is_dir() && !dead.exists() && !trash.exists());
    assert_eq!(scene.below("sites").len(), 1);
}

/// A bundle that takes a while: much to inflate.
fn slow() -> Bundle {
    let zeros = |number: usize| entry(&format!("z/{number}"), vec![0; 4 << 20]);
    bundle(&[("z", (0..64).map(zeros).collect())])
}

const VICTIM: &str = "PYRUN_TEST_VICTIM";

/// Not a test by itself: the process that the next test kills.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM).map(PathBuf::from) else {
        return;
    };
    let bytes = fs_err::read(folder.join("bundle")).expect("a file");
    let record = fs_err::read(folder.join("record")).expect("a file");
    let record: BundleRecord = serde_json::from_slice(&record).expect("a record");
    let bundle = testing::Bundle { bytes, record };
    let mut scene = Scene::remote();
    let lock = scene.put(&bundle);
    scene.folder = tempfile::TempDir::new().expect("a folder");
    let warm = Warm::open(&folder.join("cache"));
    run(warm.ensure(&scene.store, &lock, MAGIC, &|_| {})).expect("a site");
}

/// Killed in the middle, an unpacking leaves nothing that is visible, and the next one works.
#[test]
fn a_killed_unpacking_leaves_the_next_one_working() {
    let scene = Scene::local();
    let bundle = slow();
    let lock = scene.put(&bundle);
    fs_err::write(scene.folder.path().join("bundle"), &bundle.bytes).expect("written");
    let record = serde_json::to_vec(&bundle.record).expect("plain values");
    fs_err::write(scene.folder.path().join("record"), record).expect("written");
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "warm::tests::victim"])
        .env(VICTIM, scene.folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a child");
    let begun = || {
        let staged = scene.below("staging");
        staged.iter().any(|path| path.join("z/0").exists()) || !scene.below("sites").is_empty()
    };
    while !begun() && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("a child");
    assert!(
        scene.warm().site(&lock).expect("a folder").is_none(),
        "it was too fast"
    );
    assert_eq!(scene.below("staging").len(), 1);
    let site = scene.ensure(&lock).expect("a site");
    assert_eq!(site.files, 64);
    assert!(scene.below("staging").is_empty(), "the next one swept");
}
