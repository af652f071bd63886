//! The HTTP client of every AWS call.
//!
//! In: nothing. Out: a client over rustls with ring, which trusts what the platform trusts
//! (`SSL_CERT_FILE` included). Never: aws-lc, which doubles the build.

use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// A client with a pool of its own.
pub(crate) fn client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
}
