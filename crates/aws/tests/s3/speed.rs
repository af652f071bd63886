//! How fast a store is beside `curl`. `--ignored --nocapture` shows it.

use std::process::Command;
use std::time::Instant;

use pyrun_aws::s3::S3Store;
use pyrun_kit::seaweed::Seaweed;
use pyrun_store::{Body, Store as _};

use crate::support::{World, assert_same, key, noise};

const SIZE: usize = 200_000_000;

fn rate(began: Instant) -> f64 {
    SIZE as f64 / 1e6 / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures, and says nothing of right and wrong"]
async fn two_hundred_megabytes_there_and_back() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let content = noise(1, SIZE);
    for round in 0..3 {
        let key = key(&format!("v1/blobs/{round}"));
        let began = Instant::now();
        world
            .store
            .put(&key, Body::from(content.clone()))
            .await
            .expect("put");
        let put = rate(began);
        let began = Instant::now();
        let found = world.store.get(&key, None).await.expect("get");
        let get = rate(began);
        assert_same(&found.expect("there"), &content);
        let file = folder.path().join("body");
        fs_err::write(&file, &content).expect("written");
        let file = file.display().to_string();
        let began = Instant::now();
        curl(&world, &format!("v1/plain/{round}"), &["-T", &file]);
        let curl_put = rate(began);
        let began = Instant::now();
        curl(&world, key.as_str(), &[]);
        let curl_get = rate(began);
        println!(
            "put {put:.0} MB/s (curl {curl_put:.0}), get {get:.0} MB/s (curl {curl_get:.0}): {:.2} and {:.2} of curl",
            put / curl_put,
            get / curl_get
        );
    }
    let location = world.store.location().clone();
    let began = Instant::now();
    let opened = S3Store::from_variables(location, |name| {
        (name == "AWS_REGION").then(|| "us-east-1".to_owned())
    });
    opened.expect("it opens");
    println!("open {:?}", began.elapsed());
}

/// One plain connection, and the body thrown away.
fn curl(world: &World, key: &str, arguments: &[&str]) {
    let keys = &world.bucket.admin;
    let endpoint = Seaweed::shared().endpoint();
    let output = Command::new("curl")
        .args(["-sS", "--fail", "-o", "/dev/null"])
        .args(["--aws-sigv4", "aws:amz:us-east-1:s3"])
        .args(["--user", &format!("{}:{}", keys.id, keys.secret)])
        .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(arguments)
        .arg(format!(
            "{endpoint}/{}/some/prefix/{key}",
            world.bucket.name
        ))
        .output()
        .expect("there is a curl");
    assert!(output.status.success(), "{output:?}");
}
