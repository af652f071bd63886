//! A writer that is killed in the middle, in a process of its own, by `kill -9`.

use std::process::{Command, Stdio};

use pyrun_aws::s3::{S3Location, S3Store};
use pyrun_kit::s3_proxy::{Gate, Mishap};
use pyrun_store::{Body, Created, Store as _};

use crate::support::{World, assert_same, key, noise};

const LARGE: usize = 40_000_000;
/// Tells the process of [`writer`] where to write.
const PLACE: &str = "PYRUN_TEST_PLACE";

/// Not a test: what [`a_writer_that_is_killed_leaves_nothing_visible`] starts.
#[test]
#[ignore = "it is the process that another test kills"]
fn writer() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let location: S3Location = place.parse().expect("a place");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = open(location).await;
        let created = store.put_new(&key("v1/blob"), noise(1, LARGE).into()).await;
        assert_eq!(created.expect("put_new"), Created::Yes);
    });
}

#[cfg(feature = "client")]
async fn open(location: S3Location) -> S3Store {
    use pyrun_aws::account::{Account, Connection};
    let connection = Connection::open(&Account::default()).await;
    S3Store::open(location, &connection.expect("all is in the variables"))
}

#[cfg(not(feature = "client"))]
fn open(location: S3Location) -> std::future::Ready<S3Store> {
    let store = S3Store::from_environment(location);
    std::future::ready(store.expect("all is in the variables"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_killed_leaves_nothing_visible() {
    let world = World::new();
    let gate = Gate::default();
    // The upload has begun, and parts of it are there.
    world
        .proxy
        .fail(Mishap::Hold(gate.clone()).on("PUT", "partNumber=4"));
    let mut child = start(&world);
    gate.arrival().await;
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    gate.open();
    world.proxy.heal();
    assert_eq!(world.store.head(&key("v1/blob")).await.expect("head"), None);
    assert_eq!(world.store.list("").await.expect("list"), vec![]);
    // The next one is not in its way, and ends as it should.
    let status = start(&world).wait().expect("it is ours");
    assert!(status.success());
    let found = world.store.get(&key("v1/blob"), None).await.expect("get");
    assert_same(&found.expect("there"), &noise(1, LARGE));
    let late = world
        .store
        .put_new(&key("v1/blob"), Body::from("x".to_owned()))
        .await;
    assert_eq!(late.expect("put_new"), Created::No);
}

fn start(world: &World) -> std::process::Child {
    let program = std::env::current_exe().expect("a test is a program");
    let place = world.store.location().to_string();
    Command::new(program)
        .args(["--exact", "killed::writer", "--ignored"])
        .env(PLACE, place)
        .env("AWS_ACCESS_KEY_ID", &world.bucket.admin.id)
        .env("AWS_SECRET_ACCESS_KEY", &world.bucket.admin.secret)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_S3", world.proxy.endpoint())
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts")
}
