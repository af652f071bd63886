//! How fast a store is beside the plainest reader there is. `--ignored --nocapture` shows it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
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
        // The same object by one plain connection to the filer, without S3 and signatures.
        let path = format!("/buckets/{}/some/prefix/{key}", world.bucket.name);
        let began = Instant::now();
        let plain_bytes = plain(&path);
        let plain = rate(began);
        assert_eq!(plain_bytes, SIZE);
        println!(
            "put {put:.0} MB/s, get {get:.0} MB/s, plain {plain:.0} MB/s, get/plain {:.2}",
            get / plain
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

/// Reads and throws away; the bytes of the body.
fn plain(path: &str) -> usize {
    let server = Seaweed::shared().filer();
    let mut stream = TcpStream::connect(server.trim_start_matches("http://")).expect("it listens");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("written");
    let mut buffer = vec![0; 1 << 20];
    let (mut all, mut head) = (0, Vec::new());
    loop {
        let count = stream.read(&mut buffer).expect("read");
        if count == 0 {
            break;
        }
        if all == 0 {
            head.extend_from_slice(&buffer[..count.min(4_096)]);
        }
        all += count;
    }
    let end = head.windows(4).position(|four| four == b"\r\n\r\n");
    all - end.expect("a head") - 4
}
