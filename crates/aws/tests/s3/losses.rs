//! Answers that are lost, refused or cut on the way, and what a writer makes of them.

use pyrun_core::Code;
use pyrun_kit::s3_proxy::Mishap;
use pyrun_store::{Body, Created, Store as _};

use crate::support::{World, assert_same, fault, key, noise};

const LARGE: usize = 20_000_000;

fn slow_down() -> Mishap {
    Mishap::code(503, "SlowDown", "Please reduce your request rate.")
}

fn conflict() -> Mishap {
    Mishap::code(
        409,
        "ConditionalRequestConflict",
        "Another one is under way.",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_whose_answer_is_lost_knows_its_own_object() {
    let world = World::new();
    for (name, content) in [("small", noise(1, 1_000)), ("large", noise(2, LARGE))] {
        let key = key(name);
        let method = if name == "small" { "PUT" } else { "POST" };
        let at = if name == "small" { "" } else { "uploadId=" };
        world.proxy.fail(Mishap::Lost.on(method, at).times(1));
        let created = world.proxied().put_new(&key, content.clone().into()).await;
        assert_eq!(created.expect("put_new"), Created::Yes, "{name}");
        let found = world
            .store
            .get(&key, None)
            .await
            .expect("get")
            .expect("there");
        assert_same(&found, &content);
        world.proxy.heal();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_whose_answer_is_lost_knows_anothers_object() {
    let world = World::new();
    let key = key("object");
    world
        .store
        .put(&key, "first".to_owned().into())
        .await
        .expect("put");
    world.proxy.fail(Mishap::Lost.on("PUT", "").times(1));
    let created = world
        .proxied()
        .put_new(&key, "second".to_owned().into())
        .await;
    assert_eq!(created.expect("put_new"), Created::No);
    assert_eq!(world.proxy.count("PUT", ""), 2);
    assert_eq!(world.proxy.count("HEAD", ""), 1, "whose it is was asked");
    let found = world
        .store
        .get(&key, None)
        .await
        .expect("get")
        .expect("there");
    assert_eq!(found, "first");
    // Without a lost answer there is nothing to ask.
    world.proxy.clear();
    let created = world
        .proxied()
        .put_new(&key, "third".to_owned().into())
        .await;
    assert_eq!(created.expect("put_new"), Created::No);
    assert_eq!(world.proxy.count("HEAD", ""), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_whose_completion_is_lost_is_done() {
    let world = World::new();
    let (key, content) = (key("object"), noise(2, LARGE));
    world
        .store
        .put(&key, "old".to_owned().into())
        .await
        .expect("put");
    world
        .proxy
        .fail(Mishap::Lost.on("POST", "uploadId=").times(1));
    world
        .proxied()
        .put(&key, content.clone().into())
        .await
        .expect("put");
    let found = world
        .store
        .get(&key, None)
        .await
        .expect("get")
        .expect("there");
    assert_same(&found, &content);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again() {
    let world = World::new();
    let store = world.proxied();
    let large = noise(3, LARGE);
    let inner = |status| Mishap::code(status, "InternalError", "We encountered an error.");
    for (name, strike) in [
        ("slow-put", slow_down().on("PUT", "").times(2)),
        ("lost-part", Mishap::Lost.on("PUT", "partNumber=2").times(1)),
        ("slow-part", slow_down().on("PUT", "partNumber=1").times(2)),
        ("slow-begin", slow_down().on("POST", "uploads").times(1)),
        ("bad-end", inner(500).on("POST", "uploadId=").times(1)),
        ("error-inside", inner(200).on("POST", "uploadId=").times(1)),
        ("conflict-put", conflict().on("PUT", "").times(2)),
        ("conflict-end", conflict().on("POST", "uploadId=").times(1)),
        (
            "late",
            Mishap::code(400, "RequestTimeout", "Too slow.")
                .on("PUT", "")
                .times(1),
        ),
    ] {
        let is_large = ["part", "begin", "end", "inside"]
            .iter()
            .any(|word| name.contains(word));
        let content = if is_large {
            large.clone()
        } else {
            noise(4, 500)
        };
        world.proxy.heal();
        world.proxy.fail(strike);
        let created = store.put_new(&key(name), content.clone().into()).await;
        assert_eq!(created.expect(name), Created::Yes, "{name}");
        let found = world
            .store
            .get(&key(name), None)
            .await
            .expect("get")
            .expect("there");
        assert_same(&found, &content);
    }
    for strike in [
        slow_down().on("GET", "").times(2),
        Mishap::Cut.on("GET", "").times(2),
        Mishap::code(500, "InternalError", "")
            .on("GET", "")
            .times(1),
    ] {
        world.proxy.heal();
        world.proxy.fail(strike);
        let found = store.get(&key("bad-end"), None).await.expect("get");
        assert_same(&found.expect("there"), &large);
    }
    world.proxy.heal();
    world
        .proxy
        .fail(slow_down().on("GET", "list-type").times(1));
    world.proxy.fail(slow_down().on("DELETE", "").times(1));
    assert_eq!(store.list("bad-").await.expect("list").len(), 1);
    store.delete(&key("bad-end")).await.expect("delete");
    assert_eq!(store.head(&key("bad-end")).await.expect("head"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_leaves_nothing_behind() {
    let world = World::new();
    let store = world.proxied();
    let inner = |status| Mishap::code(status, "InternalError", "We encountered an error.");
    for (strike, code) in [
        (inner(500).on("POST", "uploadId="), Code::REMOTE_FAILED),
        (inner(200).on("POST", "uploadId="), Code::REMOTE_FAILED),
        (conflict().on("POST", "uploadId="), Code::REMOTE_FAILED),
        (
            slow_down().on("PUT", "partNumber=2"),
            Code::REMOTE_THROTTLED,
        ),
    ] {
        world.proxy.heal();
        world.proxy.clear();
        world.proxy.fail(strike);
        let fault = fault(store.put_new(&key("object"), noise(5, LARGE).into()).await);
        assert_eq!(fault.code, code, "{fault:?}");
        let begun = world.proxy.count("POST", "uploads");
        assert!(begun > 0);
        assert_eq!(
            world.proxy.count("DELETE", "uploadId="),
            begun,
            "each is aborted"
        );
        assert_eq!(world.store.list("").await.expect("list"), vec![]);
    }
    // A file that gets shorter while it is sent.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs_err::write(&path, noise(6, LARGE)).expect("written");
    world.proxy.heal();
    world.proxy.clear();
    let gate = pyrun_kit::s3_proxy::Gate::default();
    world
        .proxy
        .fail(Mishap::Hold(gate.clone()).on("POST", "uploads"));
    let writing = tokio::spawn({
        let body = Body::file(&path);
        async move { store.put(&key("object"), body).await }
    });
    gate.arrival().await;
    fs_err::write(&path, "short").expect("written");
    gate.open();
    let fault = fault(writing.await.expect("it ends"));
    assert_eq!(fault.code, Code::STORE_UNWRITABLE);
    assert_eq!(world.proxy.count("DELETE", "uploadId="), 1);
}
