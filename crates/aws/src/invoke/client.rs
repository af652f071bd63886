//! The SDK's client for calls that may be silent for minutes.
//!
//! In: a way to an account. Out: a client without retries of its own, whose connections are kept
//! alive and bounded in number.
//! Never: bounds how long a call takes; its caller does.

use std::num::NonZeroUsize;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{Builder, StalledStreamProtectionConfig};
use aws_smithy_http_client::pool::{Client as Pooled, ConnectionPool};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::shared::IntoShared as _;

use crate::account::Connection;
use crate::http;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);
/// How often a silent connection shows that it is there: gateways forget one after some minutes.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// A client for calls that has at most so many connections.
pub(super) fn client(connection: &Connection, most: NonZeroUsize) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECTING)
        .disable_read_timeout()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build();
    let config = Builder::from(connection.sdk())
        .http_client(kept_alive(most))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // A function that computes for minutes says nothing meanwhile.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// An HTTP client that keeps silent connections alive.
fn kept_alive(most: NonZeroUsize) -> SharedHttpClient {
    let pool = ConnectionPool::builder()
        .max_connections_per_host(most.get())
        .tcp_keepalive(KEEPALIVE)
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    match pool.map(|pool| Pooled::new(&pool)) {
        Ok(Ok(client)) => client.into_shared(),
        // Without it calls work as well; only very long silence may be cut.
        _ => http::client(),
    }
}
