//! What every store keeps, and what only a store with many clients and large objects can break.

use std::time::Duration;

use futures::StreamExt as _;
use pyrun_aws::s3::{Encryption, S3Store};
use pyrun_kit::s3_proxy::{Gate, Mishap};
use pyrun_store::testing::conformance;
use pyrun_store::{Body, Created, Store as _, StoreError};

use crate::support::{World, assert_same, key, noise};

const MB: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_the_laws_of_stores() {
    let world = World::new();
    conformance(&world.store).await;
    assert_eq!(world.store.list("").await.expect("list"), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_clients_one_creates() {
    let world = World::new();
    for round in 0..5 {
        let key = key(&format!("v1/leases/{round}"));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..16_u8 {
            // A client of its own, with connections of its own.
            let (store, key) = (world.with(&world.bucket.admin), key.clone());
            writers.spawn(async move {
                let body = Body::from(vec![writer; 1_000]);
                (writer, store.put_new(&key, body).await.expect("put_new"))
            });
        }
        let answers = writers.join_all().await;
        let winners: Vec<u8> = answers
            .iter()
            .filter(|(_, created)| *created == Created::Yes)
            .map(|(writer, _)| *writer)
            .collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let content = world
            .store
            .get(&key, None)
            .await
            .expect("get")
            .expect("there");
        assert_eq!(content, vec![winners[0]; 1_000]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_in_parts_one_creates_and_the_other_leaves_nothing() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (begun, gate) = (Gate::default(), Gate::default());
    // Both begin before one ends.
    world
        .proxy
        .fail(Mishap::Hold(begun.clone()).on("POST", "uploads"));
    // Both send all their parts; the second completes when the first has. (That completing is atomic
    // is S3's own promise: SeaweedFS 4.48 lets two win that complete at the same moment.)
    let second = Mishap::Hold(gate.clone()).on("POST", "uploadId=").after(1);
    world.proxy.fail(second);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..2 {
        let content = noise(writer, 40 * MB);
        let path = folder.path().join(writer.to_string());
        fs_err::write(&path, &content).expect("written");
        let store = world.proxied();
        writers.spawn(async move {
            let created = store.put_new(&key("v1/blob"), Body::file(&path)).await;
            assert_eq!(fs_err::read(&path).expect("it stays"), content);
            (created.expect("put_new"), content)
        });
    }
    begun.arrival().await;
    begun.arrival().await;
    begun.open();
    let (first, winner) = next(&mut writers).await;
    assert_eq!(first, Created::Yes);
    gate.arrival().await;
    gate.open();
    let (second, _) = next(&mut writers).await;
    assert_eq!(second, Created::No);
    let found = world.store.get(&key("v1/blob"), None).await.expect("get");
    assert_same(&found.expect("there"), &winner);
    assert_eq!(
        world.proxy.count("DELETE", "uploadId="),
        1,
        "the loser aborts"
    );
    // A third does not even begin.
    world.proxy.clear();
    let late = world
        .proxied()
        .put_new(&key("v1/blob"), noise(9, 40 * MB).into())
        .await;
    assert_eq!(late.expect("put_new"), Created::No);
    assert_eq!(world.proxy.count("PUT", ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_come_back_whole_and_in_part() {
    let world = World::new();
    let (store, key) = (world.proxied(), key("v1/large"));
    let content = noise(1, 30 * MB + 17);
    store.put(&key, content.clone().into()).await.expect("put");
    let parts = world.proxy.count("PUT", "partNumber=");
    assert_eq!(parts, 4, "8 MiB each");
    world.proxy.clear();
    let whole = store.get(&key, None).await.expect("get").expect("there");
    assert_same(&whole, &content);
    let ranges: Vec<_> = world.proxy.requests().into_iter().collect();
    assert_eq!(ranges.len(), 4);
    let conditions = ranges
        .iter()
        .filter(|ask| ask.headers.contains_key("if-match"));
    assert_eq!(
        conditions.count(),
        3,
        "all pieces but the first name the version"
    );
    for range in [
        1..2,
        8_388_607..8_388_609,
        5..30_000_017,
        12_345_678..22_222_222,
    ] {
        let found = store.get(&key, Some(range.clone())).await.expect("get");
        let bounds = usize::try_from(range.start).expect("small")
            ..usize::try_from(range.end).expect("small");
        assert_same(&found.expect("there"), &content.slice(bounds));
    }
    let past = store.get(&key, Some(20_000_000..30_000_018)).await;
    assert!(
        matches!(
            past,
            Err(StoreError::Range {
                size: 30_000_017,
                ..
            })
        ),
        "{past:?}"
    );
    // Replaced by another large one, and by a small one.
    let other = noise(2, 20 * MB);
    store.put(&key, other.clone().into()).await.expect("put");
    assert_same(
        &store.get(&key, None).await.expect("get").expect("there"),
        &other,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_while_it_is_read_is_never_mixed() {
    let world = World::new();
    let (store, key) = (world.proxied(), key("v1/object"));
    let (old, new) = (noise(1, 20 * MB), noise(2, 20 * MB));
    world.store.put(&key, old.into()).await.expect("put");
    let gate = Gate::default();
    // The first piece comes, the second waits.
    world
        .proxy
        .fail(Mishap::Hold(gate.clone()).on("GET", "").after(1).times(1));
    let reading = tokio::spawn({
        let key = key.clone();
        async move { store.get(&key, None).await }
    });
    gate.arrival().await;
    world
        .store
        .put(&key, new.clone().into())
        .await
        .expect("put");
    gate.open();
    let found = reading
        .await
        .expect("it ends")
        .expect("get")
        .expect("there");
    assert_same(&found, &new);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_dropped_removes_its_parts() {
    let world = World::new();
    let (store, key) = (world.proxied(), key("v1/dropped"));
    let gate = Gate::default();
    world
        .proxy
        .fail(Mishap::Hold(gate.clone()).on("POST", "uploadId="));
    let writing = tokio::spawn({
        let key = key.clone();
        async move { store.put_new(&key, noise(1, 20 * MB).into()).await }
    });
    gate.arrival().await;
    writing.abort();
    assert!(writing.await.is_err_and(|error| error.is_cancelled()));
    eventually(|| world.proxy.count("DELETE", "uploadId=") == 1).await;
    gate.open();
    assert_eq!(world.store.head(&key).await.expect("head"), None);
    assert_eq!(world.store.list("").await.expect("list"), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_on_behind_its_first_page_and_stays_below_its_prefix() {
    let world = World::new();
    let store = &world.store;
    let mut writers = Vec::new();
    for number in 0..1_100 {
        let key = key(&format!("v1/many/{number:04}"));
        writers.push(async move { store.put(&key, "x".to_owned().into()).await });
    }
    let written: Vec<_> = futures::stream::iter(writers)
        .buffer_unordered(32)
        .collect()
        .await;
    assert!(written.into_iter().all(|answer| answer.is_ok()));
    let entries = world.proxied().list("v1/many/").await.expect("list");
    let keys: Vec<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
    let expected: Vec<String> = (0..1_100)
        .map(|number| format!("v1/many/{number:04}"))
        .collect();
    assert_eq!(keys, expected);
    assert!(world.proxy.count("GET", "list-type=2") >= 2);
    assert!(
        world
            .proxy
            .requests()
            .iter()
            .all(|ask| ask.path.contains("some%2Fprefix%2Fv1%2Fmany%2F"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_carry_their_checksum_and_the_encryption_that_is_asked_for() {
    let world = World::new();
    world.proxy.fail(Mishap::Answer {
        status: 200,
        headers: vec![("etag", "\"x\"".to_owned())],
        body: String::new(),
    });
    let put = async |store: S3Store| {
        world.proxy.clear();
        store
            .put(&key("v1/x"), "hello".to_owned().into())
            .await
            .expect("put");
        world.proxy.requests().remove(0).headers
    };
    let plain = put(world.proxied()).await;
    assert_eq!(plain["x-amz-checksum-crc32"], "NhCmhg==");
    assert!(!plain.contains_key("x-amz-server-side-encryption"));
    assert_eq!(plain["x-amz-meta-pyrun-writer"].len(), 32);
    let again = put(world.proxied()).await;
    assert_ne!(
        plain["x-amz-meta-pyrun-writer"],
        again["x-amz-meta-pyrun-writer"]
    );
    let own = put(world.proxied().encryption(Encryption::S3)).await;
    assert_eq!(own["x-amz-server-side-encryption"], "AES256");
    let key = Some("alias/pyrun".to_owned());
    let kms = put(world.proxied().encryption(Encryption::Kms { key })).await;
    assert_eq!(kms["x-amz-server-side-encryption"], "aws:kms");
    assert_eq!(
        kms["x-amz-server-side-encryption-aws-kms-key-id"],
        "alias/pyrun"
    );
}

/// The next writer that ends.
async fn next<T: 'static>(writers: &mut tokio::task::JoinSet<T>) -> T {
    let answer = writers.join_next().await.expect("one is left");
    answer.expect("it does not panic")
}

/// Waits until something that happens in its own time has happened.
async fn eventually(happened: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened");
}
