//! A function's own way to its bucket: variables, or the address that a snapshot's function asks.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pyrun_aws::s3::S3Store;
use pyrun_core::{Code, Fault};
use pyrun_kit::seaweed::Seaweed;
use pyrun_store::Store as _;

use crate::support::{World, fault, key};

const TOKEN: &str = "a-token-of-the-environment";

fn open(world: &World, variables: &[(&str, &str)]) -> Result<S3Store, Fault> {
    let endpoint = Seaweed::shared().endpoint();
    let mut all = BTreeMap::from([
        ("AWS_ENDPOINT_URL", &*endpoint),
        ("AWS_REGION", "us-east-1"),
    ]);
    all.extend(variables.iter().copied());
    let location = world.store.location().clone();
    S3Store::from_variables(location, |name| all.get(name).map(ToString::to_string))
}

/// Answers every request with `answer`, if it brings the token; counts them.
fn address(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!(
        "http://{}/credentials",
        listener.local_addr().expect("bound")
    );
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let is_known = head.contains(&format!("authorization: {TOKEN}"));
            let status = if is_known { "200 OK" } else { "403 Forbidden" };
            let length = answer.len();
            let text = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
            );
            // A client that goes away has what it wanted.
            let _ = stream.write_all(text.as_bytes());
        }
    });
    (url, count)
}

fn credentials(world: &World, ends: &str) -> String {
    let keys = &world.bucket.admin;
    format!(
        r#"{{"AccessKeyId":"{}","SecretAccessKey":"{}","Expiration":"{ends}"}}"#,
        keys.id, keys.secret
    )
}

fn from_now(seconds: i64) -> String {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    end.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_function_asks_an_address_and_keeps_the_answer_until_it_ends() {
    let world = World::new();
    for (seconds, asked) in [(3_600, 1..=1), (20, 3..=usize::MAX)] {
        let (url, count) = address(credentials(&world, &from_now(seconds)));
        let store = open(
            &world,
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN),
                // Those of the snapshot: too old.
                ("AWS_ACCESS_KEY_ID", "old"),
                ("AWS_SECRET_ACCESS_KEY", "old"),
            ],
        )
        .expect("it opens");
        assert_eq!(count.load(Ordering::SeqCst), 0, "opening asks nobody");
        store
            .put(&key("v1/x"), "x".to_owned().into())
            .await
            .expect("put");
        let found = store.get(&key("v1/x"), None).await.expect("get");
        assert_eq!(found.expect("there"), "x");
        store.list("v1/").await.expect("list");
        assert!(asked.contains(&count.load(Ordering::SeqCst)), "{count:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_not_to_be_had_are_said_when_they_are_needed() {
    let world = World::new();
    let (refusing, _) = address(String::new());
    let (wrong, _) = address("<html>".to_owned());
    for variables in [
        vec![],
        vec![("AWS_ACCESS_KEY_ID", "half")],
        vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*refusing)],
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*wrong),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN),
        ],
    ] {
        let store = open(&world, &variables).expect("opening needs none");
        let fault = fault(store.get(&key("v1/x"), None).await);
        assert_eq!(fault.code, Code::REMOTE_CREDENTIALS, "{fault:?}");
        assert!(!fault.hints.is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn variables_that_can_not_be_meant_are_refused() {
    let world = World::new();
    let fault = open(&world, &[("AWS_REGION", "")]).expect_err("no region");
    assert_eq!(fault.code, Code::REMOTE_REGION);
    let far = "http://credentials.example.com/";
    let fault = open(&world, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", far)]);
    assert_eq!(fault.expect_err("far away").code, Code::CONFIG_INVALID);
}
