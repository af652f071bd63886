//! Stores over a server, over a proxy before it, or over nothing.

use std::time::Duration;

use bytes::Bytes;
use pyrun_aws::s3::{Patience, S3Location, S3Store};
use pyrun_core::Fault;
use pyrun_kit::s3_proxy::S3Proxy;
use pyrun_kit::seaweed::{Bucket, Keys, Seaweed};
use pyrun_store::{Key, StoreError};

/// A bucket on the shared server, and a proxy before it.
pub struct World {
    pub bucket: Bucket,
    pub proxy: S3Proxy,
    /// Straight to the server.
    pub store: S3Store,
}

impl World {
    pub fn new() -> Self {
        let server = Seaweed::shared();
        let bucket = server.bucket();
        Self {
            proxy: S3Proxy::start(&server.endpoint()),
            store: store(&server.endpoint(), &bucket.name, &bucket.admin),
            bucket,
        }
    }

    /// Another client of the same bucket, through the proxy.
    pub fn proxied(&self) -> S3Store {
        store(
            &self.proxy.endpoint(),
            &self.bucket.name,
            &self.bucket.admin,
        )
    }

    /// Another client of the same bucket, with other keys.
    pub fn with(&self, keys: &Keys) -> S3Store {
        store(&Seaweed::shared().endpoint(), &self.bucket.name, keys)
    }
}

/// A store that waits no longer than a test has to.
pub fn store(endpoint: &str, bucket: &str, keys: &Keys) -> S3Store {
    let location: S3Location = format!("s3://{bucket}/some/prefix")
        .parse()
        .expect("a place");
    let store = S3Store::from_variables(location, |name| {
        Some(match name {
            "AWS_REGION" => "us-east-1".to_owned(),
            "AWS_ACCESS_KEY_ID" => keys.id.clone(),
            "AWS_SECRET_ACCESS_KEY" => keys.secret.clone(),
            "AWS_ENDPOINT_URL" => endpoint.to_owned(),
            _ => return None,
        })
    });
    store.expect("all is given").patience(Patience {
        pause: Duration::from_millis(20),
        ..Patience::default()
    })
}

/// A patience that ends soon.
pub fn short() -> Patience {
    Patience {
        connect: Duration::from_millis(500),
        read: Duration::from_millis(300),
        write: Duration::from_millis(300),
        stall: Duration::from_millis(300),
        attempts: 2,
        pause: Duration::from_millis(10),
        ..Patience::default()
    }
}

pub fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

/// Bytes that no compression and no repeated piece hides a mistake in.
pub fn noise(seed: u32, length: usize) -> Bytes {
    let mut state = u64::from(seed) << 1 | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Whether two bodies are one, without showing them.
#[track_caller]
pub fn assert_same(found: &Bytes, expected: &Bytes) {
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "the bytes are others");
}

#[track_caller]
pub fn fault<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Fault {
    answer.expect_err("it fails").into()
}
