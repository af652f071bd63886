//! The clients of a store: how long they wait, how often they try, how they address a bucket.
//!
//! In: where credentials, region and endpoint come from. Out: two clients over one pool. Never:
//! waits without end; retries at a fixed pace.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, StalledStreamProtectionConfig};

/// How long a store waits and how often it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the first byte of what is read.
    pub read: Duration,
    /// For the answer to a write, the sending of up to 16 MB included.
    pub write: Duration,
    /// For a body that no byte comes or goes of.
    pub stall: Duration,
    /// Tries in all.
    pub attempts: u32,
    /// The longest first pause between two tries. Each pause is a random part of its longest, which
    /// doubles from one to the next.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            read: Duration::from_secs(15),
            write: Duration::from_mins(1),
            stall: Duration::from_secs(10),
            attempts: 5,
            pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// The pause after the try `attempt`, counted from 1.
    pub(super) fn pause_after(&self, attempt: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1));
        let longest = self.pause.saturating_mul(doubled.unwrap_or(u32::MAX));
        longest.min(self.longest_pause).mul_f64(random_part())
    }

    fn apply(&self, config: Builder, answer: Duration) -> Client {
        let retries = RetryConfig::standard()
            .with_max_attempts(self.attempts)
            .with_initial_backoff(self.pause)
            .with_max_backoff(self.longest_pause);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(answer)
            .build();
        let stalls = StalledStreamProtectionConfig::enabled()
            .upload_enabled(true)
            .grace_period(self.stall)
            .build();
        let config = config
            .retry_config(retries)
            .timeout_config(timeouts)
            .stalled_stream_protection(stalls);
        Client::from_conf(config.build())
    }
}

/// Between 0 and 1. Who waits how long need not be a secret, only differ.
fn random_part() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(std::thread::current().id()) >> 32;
    bits as f64 / f64::from(u32::MAX)
}

/// One client that reads and one that writes, which differ in their patience alone.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) read: Client,
    pub(super) write: Client,
}

impl Clients {
    /// Clients of a configuration that knows how to address a bucket.
    pub(super) fn new(config: Builder, patience: &Patience) -> Self {
        Self {
            read: patience.apply(config.clone(), patience.read),
            write: patience.apply(config, patience.write),
        }
    }

    /// The same with another patience.
    pub(super) fn patient(&self, patience: &Patience) -> Self {
        Self::new(self.read.config().to_builder(), patience)
    }
}

/// The configuration with buckets addressed as an endpoint wants it, which is the one that it
/// names, by whatever way.
pub(super) fn addressed(config: Builder, endpoint: Option<&str>) -> Builder {
    config.force_path_style(endpoint.is_some_and(is_elsewhere))
}

/// The configuration of every S3 client of an account.
#[cfg(feature = "client")]
pub(crate) fn of_account(sdk: &aws_config::SdkConfig) -> Builder {
    addressed(sdk.into(), endpoint(sdk).as_deref())
}

/// The endpoint for S3 that an account's settings name: in the code, for S3 alone, or for all.
#[cfg(feature = "client")]
fn endpoint(sdk: &aws_config::SdkConfig) -> Option<String> {
    let for_all = || sdk.endpoint_url().map(str::to_owned);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return for_all();
    }
    let key = aws_types::service_config::ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .expect("all three parts are given");
    let for_s3 = sdk
        .service_config()
        .and_then(|settings| settings.load_config(key));
    for_s3.or_else(for_all)
}

/// Whether an endpoint is not AWS's own: there, buckets have no host names of their own.
fn is_elsewhere(endpoint: &str) -> bool {
    let rest = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let host = host.to_ascii_lowercase();
    !(host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aws_gives_buckets_host_names() {
        for endpoint in [
            "http://127.0.0.1:8333",
            "http://[::1]:8333/",
            "https://s3.example.com",
            "https://amazonaws.com.example.com/x",
            "http://localhost",
        ] {
            assert!(is_elsewhere(endpoint), "{endpoint}");
        }
        for endpoint in [
            "https://s3.eu-west-1.amazonaws.com",
            "https://s3.cn-north-1.amazonaws.com.cn:443/",
            "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com",
        ] {
            assert!(!is_elsewhere(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_differ() {
        let patience = Patience::default();
        for attempt in [1, 2, 3, 40, u32::MAX] {
            let pause = patience.pause_after(attempt);
            assert!(pause <= patience.longest_pause);
            assert!(attempt > 1 || pause <= patience.pause);
        }
        let first = patience.pause_after(20);
        assert!((0..50).any(|_| patience.pause_after(20) != first));
    }
}
