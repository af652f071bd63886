//! What is true of a folder beyond the laws: files, modes, crashes, a full disk.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::testing::conformance;

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

fn store() -> (TempDir, DirStore) {
    let parent = tempfile::tempdir().expect("a folder");
    let store = DirStore::open(parent.path().join("some/store")).expect("opened");
    (parent, store)
}

fn text(content: &str) -> Body {
    Body::from(content.to_owned())
}

/// The staging files that are there.
fn staged(store: &DirStore) -> Vec<fs_err::DirEntry> {
    match fs_err::read_dir(store.folder.staging()) {
        Ok(items) => items.map(|item| item.expect("an entry")).collect(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_the_laws() {
    let (_parent, store) = store();
    conformance(&store).await;
    assert!(staged(&store).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_hard_links_keeps_the_laws() {
    let (_parent, store) = store();
    let mut folder = Folder::new(store.folder.root().to_owned());
    folder.hard_links = false;
    let store = DirStore {
        folder: Arc::new(folder),
    };
    conformance(&store).await;
    assert!(staged(&store).is_empty());
}

#[tokio::test]
async fn opening_and_reading_create_nothing() {
    let (parent, store) = store();
    assert_eq!(store.get(&key("a"), None).await.expect("get"), None);
    assert_eq!(store.list("").await.expect("list"), vec![]);
    assert_eq!(store.sweep().await.expect("sweep"), 0);
    assert!(!parent.path().join("some").exists());
}

#[tokio::test]
async fn a_file_is_no_store() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let error = DirStore::open(file.path()).expect_err("a file");
    assert!(matches!(error, StoreError::Read { .. }), "{error:?}");
}

#[tokio::test]
async fn only_the_user_may_enter_the_root() {
    let (_parent, store) = store();
    store.put(&key("a/b"), text("x")).await.expect("put");
    let mode = |path: &Path| {
        let meta = fs_err::metadata(path).expect("there");
        meta.permissions().mode() & 0o777
    };
    assert_eq!(mode(store.folder.root()), 0o700);
    let object = store.path(&key("a/b")).expect("a path");
    assert_eq!(mode(&object) & 0o600, 0o600);
    assert_eq!(mode(&object) & 0o133, 0);
}

#[tokio::test]
async fn a_file_on_the_same_filesystem_is_not_copied() {
    let (parent, store) = store();
    for (name, create) in [("created", true), ("replaced", false)] {
        let file = parent.path().join(name);
        fs_err::write(&file, name).expect("written");
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        let inode = fs_err::metadata(&file).expect("there").ino();
        if create {
            store
                .put_new(&key(name), Body::file(&file))
                .await
                .expect("put_new");
        } else {
            store.put(&key(name), Body::file(&file)).await.expect("put");
        }
        let path = store.path(&key(name)).expect("a path");
        let meta = fs_err::metadata(path).expect("there");
        assert_eq!(meta.ino(), inode, "{name}");
        assert_eq!(meta.permissions().mode() & 0o777, 0o644, "{name}");
    }
}

#[tokio::test]
async fn a_linked_file_is_copied_and_a_link_is_no_object() {
    let (parent, store) = store();
    let file = parent.path().join("file");
    let link = parent.path().join("link");
    fs_err::write(&file, "content").expect("written");
    symlink(&file, &link).expect("linked");
    store
        .put_new(&key("a"), Body::file(&link))
        .await
        .expect("put_new");
    let object = fs_err::symlink_metadata(store.path(&key("a")).expect("a path"));
    assert!(object.expect("there").is_file());

    symlink(&file, store.path(&key("b")).expect("a path")).expect("linked");
    assert!(store.get(&key("b"), None).await.is_err());
    assert!(store.put_new(&key("b"), text("x")).await.is_err());
    assert_eq!(store.list("").await.expect("list").len(), 1);
}

#[tokio::test]
async fn a_key_below_an_object_is_refused_and_changes_nothing() {
    let (_parent, store) = store();
    store.put(&key("a"), text("object")).await.expect("put");
    store.put(&key("b/c"), text("object")).await.expect("put");
    for wrong in ["a/b", "a/b/c", "b"] {
        let created = store.put_new(&key(wrong), text("x")).await;
        assert!(matches!(created, Err(StoreError::Write { .. })), "{wrong}");
        let replaced = store.put(&key(wrong), text("x")).await;
        assert!(matches!(replaced, Err(StoreError::Write { .. })), "{wrong}");
        assert_eq!(store.get(&key(wrong), None).await.expect("get"), None);
        assert_eq!(store.head(&key(wrong)).await.expect("head"), None);
        store.delete(&key(wrong)).await.expect("delete");
    }
    assert_eq!(store.list("").await.expect("list").len(), 2);
    assert!(staged(&store).is_empty());
}

#[tokio::test]
async fn foreign_files_are_left_alone() {
    let (_parent, store) = store();
    store.put(&key("a/b"), text("x")).await.expect("put");
    let root = store.folder.root();
    for foreign in [".DS_Store", "a/.hidden", "a/with space", ".tmp/put-x"] {
        fs_err::write(root.join(foreign), "x").expect("written");
    }
    let keys: Vec<_> = store.list("").await.expect("list");
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(store.list("a/").await.expect("list").len(), 1);
}

#[tokio::test]
async fn only_stale_staging_files_are_swept() {
    let (_parent, store) = store();
    store.put(&key("a"), text("x")).await.expect("put");
    for (name, hours) in [("put-old", 25), ("put-new", 23)] {
        let file = fs_err::File::create(store.folder.staging().join(name)).expect("made");
        let written = std::time::SystemTime::now() - Duration::from_hours(hours);
        file.set_modified(written).expect("set");
    }
    assert_eq!(store.sweep().await.expect("sweep"), 1);
    let left: Vec<_> = staged(&store)
        .iter()
        .map(fs_err::DirEntry::file_name)
        .collect();
    assert_eq!(left, ["put-new"]);
    assert!(store.head(&key("a")).await.expect("head").is_some());
}

#[tokio::test]
async fn a_store_that_is_removed_under_a_writer_is_made_again() {
    let (_parent, store) = store();
    store.put(&key("a/b"), text("x")).await.expect("put");
    fs_err::remove_dir_all(store.folder.root()).expect("removed");
    store.put(&key("a/b"), text("y")).await.expect("put");
    let content = store.get(&key("a/b"), None).await.expect("get");
    assert_eq!(content.as_deref(), Some(&b"y"[..]));
}

/// Runs the test `name` of this binary as another process, after `shell` has prepared it.
fn child(shell: &str, name: &str, root: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!(
            "{shell} exec \"$0\" --exact \"$1\" --ignored --quiet"
        ))
        .arg(std::env::current_exe().expect("this binary"))
        .arg(format!("dir::tests::{name}"))
        .env("STORE_ROOT", root)
        .stdout(Stdio::null());
    command
}

fn child_store() -> DirStore {
    let root = std::env::var_os("STORE_ROOT").expect("run by another test");
    DirStore::open(root).expect("opened")
}

#[tokio::test]
#[ignore = "another test runs it as a process of its own"]
async fn child_writes_more_than_fits() {
    let store = child_store();
    store.put(&key("small"), text("fits")).await.expect("put");
    let large = || Body::from(vec![7; 5_000_000]);
    let error = store
        .put_new(&key("large"), large())
        .await
        .expect_err("no room");
    if std::env::var_os("STORE_IS_FULL").is_some() {
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    }
    assert!(store.put(&key("small"), large()).await.is_err());
    assert_eq!(store.head(&key("large")).await.expect("head"), None);
    assert!(
        staged(&store).is_empty(),
        "what could not be written is left behind"
    );
    let content = store.get(&key("small"), None).await.expect("get");
    assert_eq!(content.as_deref(), Some(&b"fits"[..]));
    store
        .put(&key("again"), text("fits"))
        .await
        .expect("there is room again");
}

#[test]
fn a_file_that_grows_over_its_limit_is_never_seen() {
    let (parent, store) = store();
    let limit = "trap '' XFSZ; ulimit -f 1000;";
    let status = child(limit, "child_writes_more_than_fits", store.folder.root()).status();
    assert!(status.expect("a shell").success());
    drop(parent);
}

#[test]
fn a_full_disk_is_an_error_of_its_own_and_loses_nothing() {
    let (_parent, store) = store();
    let root = store.folder.root();
    fs_err::create_dir_all(root).expect("made");
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$STORE_ROOT\"";
    let may_mount = Command::new("unshare")
        .args(["-rm", "sh", "-c", mount])
        .env("STORE_ROOT", root)
        .stderr(Stdio::null())
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no tmpfs can be mounted here");
        return;
    }
    let inner = child(&format!("{mount} &&"), "child_writes_more_than_fits", root);
    let status = Command::new("unshare")
        .arg("-rm")
        .arg(inner.get_program())
        .args(inner.get_args())
        .env("STORE_ROOT", root)
        .env("STORE_IS_FULL", "1")
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("unshare").success());
}

const LARGE: usize = 96 << 20;

#[tokio::test]
#[ignore = "another test runs it as a process of its own"]
async fn child_writes_a_large_object() {
    let body = Body::from(vec![7; LARGE]);
    child_store()
        .put_new(&key("v1/large"), body)
        .await
        .expect("put_new");
}

#[tokio::test]
async fn a_writer_that_is_killed_leaves_nothing_visible() {
    let (_parent, store) = store();
    store.put(&key("v1/other"), text("x")).await.expect("put");
    let mut writer = child("", "child_writes_a_large_object", store.folder.root())
        .spawn()
        .expect("started");
    let seen_half_written = loop {
        let half = staged(&store).iter().any(|file| {
            let size = file.metadata().map_or(0, |meta| meta.len());
            size > 0 && size < LARGE as u64
        });
        let ended = writer.try_wait().expect("a child").is_some();
        if half || ended {
            break half;
        }
    };
    writer.kill().expect("killed");
    writer.wait().expect("reaped");
    // A fast disk may have let the writer finish; then the object must be whole.
    match store.get(&key("v1/large"), None).await.expect("get") {
        None => assert!(seen_half_written, "the writer ended without writing"),
        Some(bytes) => assert_eq!(bytes.len(), LARGE),
    }
    let again = store.put_new(&key("v1/large"), text("whole")).await;
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(store.list("").await.expect("list").len(), 2);
}

/// What a client may ask of a store.
#[derive(Debug, Clone)]
enum Ask {
    Get(Key),
    GetRange(Key, Range<u64>),
    PutNew(Key, Vec<u8>),
    Put(Key, Vec<u8>),
    PutFile(Key, Vec<u8>),
    Head(Key),
    List(&'static str),
    Delete(Key),
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let keys = prop::sample::select(vec!["a/x", "a/y", "a.b", "b/c/z", "b/c.d", "b.json"]);
    let keys = keys.prop_map(key);
    let content = prop::collection::vec(any::<u8>(), 0..50);
    let ask = prop_oneof![
        keys.clone().prop_map(Ask::Get),
        (keys.clone(), 0..50u64, 0..60u64)
            .prop_map(|(key, start, end)| { Ask::GetRange(key, Range { start, end }) }),
        (keys.clone(), content.clone()).prop_map(|(key, content)| Ask::PutNew(key, content)),
        (keys.clone(), content.clone()).prop_map(|(key, content)| Ask::Put(key, content)),
        (keys.clone(), content).prop_map(|(key, content)| Ask::PutFile(key, content)),
        keys.clone().prop_map(Ask::Head),
        prop::sample::select(vec!["", "a", "a/", "b", "b/c", "b/c/", "c/"]).prop_map(Ask::List),
        keys.prop_map(Ask::Delete),
    ];
    prop::collection::vec(ask, 1..25)
}

/// The store's answer as text.
async fn ask_store(store: &DirStore, scratch: &Path, ask: &Ask) -> String {
    match ask {
        Ask::Get(key) => format!("{:?}", store.get(key, None).await.expect("get")),
        Ask::GetRange(key, range) => match store.get(key, Some(range.clone())).await {
            Ok(bytes) => format!("{bytes:?}"),
            Err(StoreError::Range { size, .. }) => format!("outside {size}"),
            Err(error) => panic!("{error:?}"),
        },
        Ask::PutNew(key, content) => {
            let created = store.put_new(key, Body::from(content.clone())).await;
            format!("{:?}", created.expect("put_new"))
        }
        Ask::Put(key, content) => {
            store
                .put(key, Body::from(content.clone()))
                .await
                .expect("put");
            String::new()
        }
        Ask::PutFile(key, content) => {
            // A new file each time: an old one may be an object by now.
            let file = tempfile::NamedTempFile::new_in(scratch).expect("a file");
            fs_err::write(file.path(), content).expect("written");
            store.put(key, Body::file(file.path())).await.expect("put");
            String::new()
        }
        Ask::Head(key) => {
            let meta = store.head(key).await.expect("head");
            format!("{:?}", meta.map(|meta| meta.size))
        }
        Ask::List(prefix) => {
            let entries = store.list(prefix).await.expect("list");
            let entries = entries
                .into_iter()
                .map(|entry| (entry.key, entry.meta.size));
            format!("{:?}", entries.collect::<Vec<_>>())
        }
        Ask::Delete(key) => {
            store.delete(key).await.expect("delete");
            String::new()
        }
    }
}

/// The answer of the simplest store there is.
fn ask_model(model: &mut BTreeMap<Key, Vec<u8>>, ask: &Ask) -> String {
    match ask {
        Ask::Get(key) => format!("{:?}", model.get(key).cloned().map(Bytes::from)),
        Ask::GetRange(key, range) => match model.get(key) {
            None => "None".to_owned(),
            Some(content) => {
                let bounds = usize::try_from(range.start).expect("small")
                    ..usize::try_from(range.end).expect("small");
                match content.get(bounds) {
                    Some(part) => format!("{:?}", Some(Bytes::copy_from_slice(part))),
                    None => format!("outside {}", content.len()),
                }
            }
        },
        Ask::PutNew(key, _) if model.contains_key(key) => format!("{:?}", Created::No),
        Ask::PutNew(key, content) => {
            model.insert(key.clone(), content.clone());
            format!("{:?}", Created::Yes)
        }
        Ask::Put(key, content) | Ask::PutFile(key, content) => {
            model.insert(key.clone(), content.clone());
            String::new()
        }
        Ask::Head(key) => format!("{:?}", model.get(key).map(|content| content.len() as u64)),
        Ask::List(prefix) => {
            let entries = model
                .iter()
                .filter(|(key, _)| key.as_str().starts_with(prefix))
                .map(|(key, content)| (key.clone(), content.len() as u64));
            format!("{:?}", entries.collect::<Vec<_>>())
        }
        Ask::Delete(key) => {
            model.remove(key);
            String::new()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_answers_as_a_map_does(asks in asks()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (parent, store) = store();
            let mut model = BTreeMap::new();
            for ask in &asks {
                let answer = ask_store(&store, parent.path(), ask).await;
                assert_eq!(answer, ask_model(&mut model, ask), "{ask:?}");
            }
        });
    }
}
