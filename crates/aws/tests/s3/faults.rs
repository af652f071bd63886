//! Each way in which a bucket fails has its code and says what to do.

use pyrun_core::{Code, Fault};
use pyrun_kit::IndexServer;
use pyrun_kit::s3_proxy::Mishap;
use pyrun_kit::seaweed::{Keys, Seaweed};
use pyrun_store::{Body, Store};

use crate::support::{World, assert_same, fault, key, noise, short, store};

/// What each operation of a store says of one and the same trouble.
async fn every_fault(store: &dyn Store) -> Vec<Fault> {
    let (key, body) = (key("v1/x"), || Body::from("x".to_owned()));
    vec![
        fault(store.get(&key, None).await),
        fault(store.get(&key, Some(0..1)).await),
        fault(store.get(&key, Some(1..1)).await),
        fault(store.head(&key).await),
        fault(store.put(&key, body()).await),
        fault(store.put_new(&key, body()).await),
        fault(store.put(&key, noise(1, 20_000_000).into()).await),
        fault(store.put_new(&key, noise(1, 20_000_000).into()).await),
        fault(store.list("v1/").await),
        fault(store.delete(&key).await),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_no_missing_object() {
    let world = World::new();
    let nowhere = store(
        &Seaweed::shared().endpoint(),
        "no-such-bucket",
        &world.bucket.admin,
    );
    let (key, body) = (key("v1/x"), || Body::from("x".to_owned()));
    for fault in [
        fault(nowhere.get(&key, None).await),
        fault(nowhere.get(&key, Some(1..1)).await),
        fault(nowhere.head(&key).await),
        fault(nowhere.put(&key, body()).await),
        fault(nowhere.put_new(&key, body()).await),
        fault(nowhere.list("v1/").await),
    ] {
        assert_eq!(fault.code, Code::STORE_MISSING, "{fault:?}");
        assert!(fault.message.contains("no-such-bucket"), "{fault:?}");
        assert!(fault.hints[0].contains("pyrun deploy"), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_answers_has_its_code() {
    let world = World::new();
    let proxied = world.proxied().patience(short());
    let wrong = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'";
    for (mishap, code, hint) in [
        (
            Mishap::code(404, "NoSuchBucket", "The specified bucket does not exist"),
            Code::STORE_MISSING,
            "pyrun deploy",
        ),
        (
            Mishap::code(301, "PermanentRedirect", "Use the other endpoint.")
                .with_header("x-amz-bucket-region", "eu-west-1"),
            Code::REMOTE_REGION,
            "eu-west-1",
        ),
        (
            Mishap::code(400, "AuthorizationHeaderMalformed", wrong),
            Code::REMOTE_REGION,
            "eu-central-1",
        ),
        (
            Mishap::code(403, "AccessDenied", "Access Denied"),
            Code::REMOTE_DENIED,
            &world.bucket.name,
        ),
        (
            Mishap::code(400, "ExpiredToken", "The provided token has expired."),
            Code::REMOTE_CREDENTIALS,
            "sign in",
        ),
        (
            Mishap::code(403, "RequestTimeTooSkewed", "The difference is too large."),
            Code::REMOTE_CREDENTIALS,
            "clock",
        ),
        (
            Mishap::code(503, "SlowDown", "Please reduce your request rate."),
            Code::REMOTE_THROTTLED,
            "again",
        ),
        (Mishap::Hang, Code::REMOTE_UNREACHABLE, "network"),
    ] {
        world.proxy.heal();
        world.proxy.fail(mishap);
        for fault in every_fault(&proxied).await {
            assert_eq!(fault.code, code, "{fault:?}");
            assert!(fault.message.starts_with("can't "), "{fault:?}");
            assert!(fault.message.contains(&world.bucket.name), "{fault:?}");
            assert!(
                fault.hints.iter().any(|text| text.contains(hint)),
                "{fault:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_well_is_given_up() {
    let world = World::new();
    world
        .store
        .put(&key("v1/x"), noise(1, 100_000).into())
        .await
        .expect("put");
    let proxied = world.proxied().patience(short());
    for mishap in [Mishap::Cut, Mishap::Stall] {
        world.proxy.heal();
        world.proxy.fail(mishap.clone().on("GET", "").times(1));
        let found = proxied
            .get(&key("v1/x"), None)
            .await
            .expect("once is no harm");
        assert_same(&found.expect("there"), &noise(1, 100_000));
        world.proxy.fail(mishap);
        let fault = fault(proxied.get(&key("v1/x"), None).await);
        assert_eq!(fault.code, Code::REMOTE_UNREACHABLE, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_list_is_told_of_a_missing_object_by_a_denial() {
    let world = World::new();
    let text = "User: arn:aws:sts::1:assumed-role/runner is not authorized to perform: s3:ListBucket on resource: \"arn:aws:s3:::b\" because no identity-based policy allows the s3:ListBucket action";
    world
        .proxy
        .fail(Mishap::code(403, "AccessDenied", text).on("GET", "v1/x"));
    let proxied = world.proxied();
    assert_eq!(proxied.get(&key("v1/x"), None).await.expect("get"), None);
    assert_eq!(proxied.head(&key("v1/x")).await.expect("head"), None);
    // A listing that is denied is denied.
    world
        .proxy
        .fail(Mishap::code(403, "AccessDenied", text).on("GET", "list-type"));
    assert_eq!(fault(proxied.list("v1/").await).code, Code::REMOTE_DENIED);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_do_what_they_may_and_no_more() {
    let world = World::new();
    world
        .store
        .put(&key("v1/x"), "x".to_owned().into())
        .await
        .expect("put");
    let reader = world.with(&world.bucket.reader);
    let found = reader.get(&key("v1/x"), None).await.expect("get");
    assert_eq!(found.expect("there"), "x");
    assert_eq!(reader.get(&key("v1/y"), None).await.expect("get"), None);
    assert_eq!(reader.list("v1/").await.expect("list").len(), 1);
    for (denied, permission) in [
        (
            fault(reader.put(&key("v1/x"), "y".to_owned().into()).await),
            "s3:PutObject",
        ),
        (
            fault(reader.put_new(&key("v1/y"), "y".to_owned().into()).await),
            "s3:PutObject",
        ),
        (
            fault(reader.put(&key("v1/x"), noise(1, 20_000_000).into()).await),
            "s3:PutObject",
        ),
        (fault(reader.delete(&key("v1/x")).await), "s3:DeleteObject"),
    ] {
        assert_eq!(denied.code, Code::REMOTE_DENIED, "{denied:?}");
        let needed = format!(
            "`{permission}` on `arn:aws:s3:::{}/some/prefix/*`",
            world.bucket.name
        );
        assert!(denied.hints[0].contains(&needed), "{denied:?}");
    }
    let elsewhere = store(
        &Seaweed::shared().endpoint(),
        &Seaweed::shared().bucket().name,
        &world.bucket.reader,
    );
    assert_eq!(
        fault(elsewhere.get(&key("v1/x"), None).await).code,
        Code::REMOTE_DENIED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_nobody_knows_are_refused() {
    let world = World::new();
    let unknown = Keys {
        id: "nobody".to_owned(),
        secret: "nothing".to_owned(),
    };
    let wrong = Keys {
        secret: "wrong".to_owned(),
        ..world.bucket.admin.clone()
    };
    for keys in [unknown, wrong] {
        for fault in every_fault(&world.with(&keys)).await {
            assert_eq!(fault.code, Code::REMOTE_CREDENTIALS, "{fault:?}");
            assert!(!format!("{fault:?}").contains(&keys.secret), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_home_is_unreachable() {
    let world = World::new();
    let nowhere = IndexServer::nowhere();
    let endpoint = nowhere.trim_end_matches("/simple");
    let nowhere = store(endpoint, "any-bucket", &world.bucket.admin).patience(short());
    for fault in every_fault(&nowhere).await {
        assert_eq!(fault.code, Code::REMOTE_UNREACHABLE, "{fault:?}");
        assert!(!fault.causes.is_empty(), "{fault:?}");
    }
}
