//! Wheels into the store: whole ones only, whatever the server does.

use std::sync::Mutex;
use std::time::Duration;

use pyrun_core::LockedWheel;
use pyrun_kit::{Failure, IndexFile, IndexServer, MetadataFile, Packages, Wheel};
use pyrun_store::MemoryStore;
use tempfile::TempDir;

use super::*;
use crate::index::Source as _;
use crate::index::testing::{World, large_wheel, locked, only, project, target, wheel};

mod resume;

/// Twice of what makes a broken attempt count as progress.
const LARGE: usize = 2 << 20;

struct Scene {
    world: World,
    server: IndexServer,
    store: MemoryStore,
    scratch: TempDir,
    lock: Lock,
}

impl Scene {
    fn new(wheels: &[Wheel]) -> Self {
        let mut packages = Packages::new();
        for wheel in wheels {
            packages.add(IndexFile::from(wheel).metadata(MetadataFile::Absent));
        }
        let server = IndexServer::start(packages);
        let lock = Lock {
            target: target(),
            packages: wheels.iter().map(|wheel| locked(wheel, &server)).collect(),
            resolved: None,
            exclude_newer: None,
        };
        Self {
            world: World::new(),
            server,
            store: MemoryStore::new(),
            scratch: tempfile::tempdir().expect("a folder"),
            lock,
        }
    }

    fn wheel(&mut self) -> &mut LockedWheel {
        let package = self.lock.packages.values_mut().next();
        &mut package.expect("a package").wheel
    }

    async fn fetch(&self) -> Result<Fetched, FetchError> {
        let client = self.world.client(&self.server);
        self.fetch_with(&client, |_, _| Ok::<(), Refused>(())).await
    }

    async fn fetch_with<V>(&self, client: &Client, verify: V) -> Result<Fetched, FetchError>
    where
        V: Fn(&Path, &LockedPackage) -> Result<(), Refused> + Send + Sync + 'static,
    {
        let fetched = fetch_wheels(
            &self.lock,
            &self.store,
            client,
            verify,
            self.scratch.path(),
            &|_| {},
        );
        fetched.await
    }

    async fn stored(&self) -> Vec<Sha256> {
        let mut digests = Vec::new();
        for package in self.lock.packages.values() {
            let key = catalog::wheel(&package.wheel.sha256);
            if let Some(bytes) = self.store.get(&key, None).await.expect("a store") {
                digests.push(Sha256::of(bytes));
            }
        }
        digests
    }

    /// Fetches, which must fail with nothing stored and nothing left.
    async fn fault(&self) -> Fault {
        let fault = Fault::from(self.fetch().await.expect_err("a failure"));
        assert_eq!(self.stored().await, []);
        assert_eq!(self.left(), 0, "files in the scratch folder");
        fault
    }

    fn left(&self) -> usize {
        let left = fs_err::read_dir(self.scratch.path());
        left.expect("a folder").count()
    }

    /// Where the ranges asked for start.
    fn ranges(&self) -> Vec<String> {
        let requests = self.server.requests().into_iter();
        requests.filter_map(|request| request.range).collect()
    }
}

/// What a check says.
struct Refused;

impl From<Refused> for Fault {
    fn from(_: Refused) -> Self {
        Self::new(Code::WHEEL_RECORD, "the record is wrong")
    }
}

#[tokio::test]
async fn wheels_are_stored_once_and_reported() {
    let wheels = [wheel(), large_wheel("one", LARGE), large_wheel("two", 100)];
    let scene = Scene::new(&wheels);
    let events = Mutex::new(Vec::new());
    let note = |event| events.lock().expect("no panic").push(event);
    let client = scene.world.client(&scene.server);
    let fetched = fetch_wheels(
        &scene.lock,
        &scene.store,
        &client,
        |_, _| Ok::<(), Refused>(()),
        scene.scratch.path(),
        &note,
    );
    let bytes = scene.lock.download_size();
    let expected = Fetched {
        downloaded: 3,
        bytes,
        present: 0,
    };
    assert_eq!(fetched.await.expect("wheels"), expected);
    let digests: Vec<Sha256> = scene
        .lock
        .packages
        .values()
        .map(|package| package.wheel.sha256)
        .collect();
    assert_eq!(scene.stored().await, digests);
    assert_eq!(scene.left(), 0);
    let events = events.into_inner().expect("no panic");
    assert!(
        matches!(events.last(), Some(Event::Progress { done, total, .. }) if done == total && *done == bytes)
    );
    scene.server.clear();
    let again = scene.fetch().await.expect("wheels");
    assert_eq!((again.downloaded, again.present), (0, 3));
    assert_eq!(scene.server.requests().len(), 0);
}

#[tokio::test]
async fn other_bytes_are_never_stored() {
    let scene = Scene::new(&[large_wheel("one", LARGE)]);
    scene.server.fail(Failure::WrongBytes);
    let fault = scene.fault().await;
    assert_eq!(fault.code, Code::WHEEL_HASH);
    let promised = large_wheel("one", LARGE).sha256.to_string();
    assert!(fault.message.contains(&promised), "{fault:?}");
    assert!(
        fault
            .message
            .matches(|c: char| c.is_ascii_hexdigit())
            .count()
            > 128,
        "{fault:?}"
    );
    assert_eq!(
        scene.server.requests().len(),
        1,
        "no second try gives other bytes"
    );
}

#[tokio::test]
async fn another_size_is_refused_before_its_bytes() {
    let mut scene = Scene::new(&[large_wheel("one", LARGE)]);
    for wrong in [1000, 1 << 30] {
        scene.wheel().size = Some(wrong);
        let fault = scene.fault().await;
        assert_eq!(fault.code, Code::WHEEL_HASH);
        assert!(
            fault.message.contains(&format!("the lock says {wrong}")),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn what_never_ends_is_stopped_at_its_size() {
    let scene = Scene::new(&[large_wheel("one", LARGE)]);
    scene.server.fail(Failure::Endless);
    assert_eq!(scene.fault().await.code, Code::WHEEL_HASH);
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let scene = Scene::new(&[large_wheel("one", LARGE)]);
    scene.server.fail(Failure::Truncated.times(3));
    scene.fetch().await.expect("wheels");
    assert_eq!(scene.stored().await, [large_wheel("one", LARGE).sha256]);
    let size = scene.lock.download_size();
    let ranges = scene.ranges();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[0], format!("bytes={}-", size / 2));
}

#[tokio::test]
async fn a_server_that_starts_again_from_the_beginning_is_followed() {
    let scene = Scene::new(&[large_wheel("one", LARGE)]);
    scene.server.fail(Failure::Truncated.times(1));
    scene.server.fail(Failure::NoRanges);
    scene.fetch().await.expect("wheels");
    assert_eq!(scene.stored().await, [large_wheel("one", LARGE).sha256]);
    assert_eq!(scene.ranges().len(), 1);
}

#[tokio::test]
async fn a_download_that_gets_nowhere_ends() {
    let scene = Scene::new(&[wheel()]);
    scene.server.fail(Failure::Close);
    let fault = scene.fault().await;
    assert_eq!(fault.code, Code::INDEX_UNREACHABLE);
    assert!(
        fault.message.contains("`foo_bar-1.0-py3-none-any.whl`"),
        "{fault:?}"
    );
    assert!(
        fault.causes.len() == 2 && !fault.hints.is_empty(),
        "{fault:?}"
    );
    assert_eq!(scene.server.requests().len(), 4);
}

#[tokio::test]
async fn refusals_and_absences_are_told_apart() {
    for (status, code) in [
        (404, Code::INDEX_BROKEN),
        (403, Code::INDEX_DENIED),
        (503, Code::INDEX_UNREACHABLE),
    ] {
        let scene = Scene::new(&[wheel()]);
        scene.server.fail(Failure::Status(status));
        assert_eq!(scene.fault().await.code, code, "{status}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let scene = Scene::new(&[wheel()]);
    scene.server.fail(Failure::Status(503).times(2));
    scene.server.fail(Failure::RetryAfter(1).times(1));
    scene.fetch().await.expect("wheels");
}

#[tokio::test]
async fn a_wheel_that_the_check_refuses_is_not_stored() {
    let scene = Scene::new(&[wheel()]);
    let client = scene.world.client(&scene.server);
    let verify = |path: &Path, package: &LockedPackage| {
        let bytes = fs_err::read(path).expect("the whole wheel");
        assert_eq!(Sha256::of(bytes), package.wheel.sha256);
        Err(Refused)
    };
    let error = scene
        .fetch_with(&client, verify)
        .await
        .expect_err("refused");
    assert_eq!(Fault::from(error).code, Code::WHEEL_RECORD);
    assert_eq!(scene.stored().await, []);
    assert_eq!(scene.left(), 0);
}

#[tokio::test]
async fn one_failure_ends_the_others_and_leaves_whole_wheels() {
    let scene = Scene::new(&[wheel(), large_wheel("one", LARGE)]);
    scene.server.fail(Failure::Status(404).on("foo_bar"));
    scene
        .server
        .fail(Failure::Slow(Duration::from_mins(1)).on("one"));
    let fault = Fault::from(scene.fetch().await.expect_err("a failure"));
    assert_eq!(fault.code, Code::INDEX_BROKEN);
    assert_eq!(scene.left(), 0);
}

#[tokio::test]
async fn a_scratch_folder_that_is_gone_is_said() {
    let mut scene = Scene::new(&[wheel()]);
    scene.scratch = tempfile::tempdir().expect("a folder");
    fs_err::remove_dir(scene.scratch.path()).expect("removed");
    let fault = Fault::from(scene.fetch().await.expect_err("a failure"));
    assert_eq!(fault.code, Code::STORE_UNWRITABLE);
}

#[tokio::test]
async fn a_wheel_on_this_machine_is_copied() {
    for bare in [false, true] {
        let mut scene = Scene::new(&[wheel()]);
        let folder = tempfile::tempdir().expect("a folder");
        let path = wheel().write_into(folder.path());
        scene.wheel().url = if bare {
            path.display().to_string()
        } else {
            url::Url::from_file_path(&path)
                .expect("an absolute path")
                .into()
        };
        scene.fetch().await.expect("wheels");
        assert_eq!(scene.server.requests().len(), 0);
        assert!(path.is_file(), "it is not ours to move");
    }
}

#[tokio::test]
async fn a_wheel_kept_for_its_metadata_is_not_downloaded_again() {
    for damaged in [false, true] {
        let scene = Scene::new(&[large_wheel("one", 100_000)]);
        scene.server.fail(Failure::NoRanges);
        let client = scene.world.client(&scene.server);
        let found = project(&client, "one").await;
        client
            .metadata(&found, only(&found))
            .await
            .expect("metadata");
        let kept = client
            .kept_wheel(&large_wheel("one", 100_000).sha256)
            .expect("kept");
        if damaged {
            fs_err::write(kept, "damaged").expect("written");
        }
        scene.server.clear();
        scene
            .fetch_with(&client, |_, _| Ok::<(), Refused>(()))
            .await
            .expect("wheels");
        assert_eq!(scene.server.requests().len(), usize::from(damaged));
        let digest = large_wheel("one", 100_000).sha256;
        assert_eq!(client.kept_wheel(&digest), None, "the store has it now");
    }
}

#[tokio::test]
async fn offline_says_which_wheel_is_not_here() {
    let scene = Scene::new(&[wheel()]);
    let client = scene.world.offline(&scene.server);
    let error = scene
        .fetch_with(&client, |_, _| Ok::<(), Refused>(()))
        .await
        .expect_err("a failure");
    let fault = Fault::from(error);
    assert_eq!(fault.code, Code::INDEX_OFFLINE);
    assert!(
        fault.message.contains("`foo_bar-1.0-py3-none-any.whl`"),
        "{fault:?}"
    );
    scene.fetch().await.expect("wheels");
    let present = scene
        .fetch_with(&client, |_, _| Ok::<(), Refused>(()))
        .await
        .expect("all here");
    assert_eq!(present.present, 1);
}

#[tokio::test]
async fn an_address_with_credentials_uses_them_and_hides_them() {
    let mut scene = Scene::new(&[wheel()]);
    let url = scene.wheel().url.replace("http://", "http://me:s3cret@");
    scene.wheel().url = url;
    scene.server.fail(Failure::Status(401));
    let fault = scene.fault().await;
    assert_eq!(fault.code, Code::INDEX_DENIED);
    assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
    let sent = scene.server.requests()[0]
        .headers
        .get("authorization")
        .cloned();
    assert_eq!(sent.as_deref(), Some("Basic bWU6czNjcmV0"));
}
