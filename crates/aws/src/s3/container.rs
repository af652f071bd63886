//! Credentials from the address that AWS Lambda gives a function restored from a snapshot.
//!
//! In: an address on this machine and a token. Out: credentials with their end. Never: sends the
//! token anywhere but to this machine; keeps credentials (the client's cache does).

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use pyrun_core::{Code, Fault};
use serde::Deserialize;

/// How long the answer may take.
const LIMIT: Duration = Duration::from_secs(4);
/// Bytes of an answer; a real one has two thousand.
const LARGEST: usize = 64 << 10;
/// The hosts that the variable may name: this machine, and the addresses of ECS and EKS.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "localhost",
    "[::1]",
    "169.254.170.2",
    "169.254.170.23",
];

/// Asks an address on this machine.
#[derive(Debug)]
pub(super) struct Container {
    address: String,
    token: Token,
    connector: Connector,
}

/// Not to be shown.
struct Token(Option<String>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

impl Container {
    /// Checks that the address is one of this machine, without asking it.
    pub(super) fn new(address: String, token: Option<String>) -> Result<Self, Fault> {
        if !is_here(&address) {
            let message = format!(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is `{address}`, which is no `http://` address of this machine"
            );
            return Err(Fault::new(Code::CONFIG_INVALID, message)
                .hint("unset it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead"));
        }
        Ok(Self {
            address,
            token: Token(token),
            connector: Connector::builder().build_http(),
        })
    }

    async fn ask(&self) -> provider::Result {
        let mut request =
            HttpRequest::get(&self.address).map_err(CredentialsError::invalid_configuration)?;
        request.headers_mut().insert("accept", "application/json");
        if let Some(token) = &self.token.0 {
            request
                .headers_mut()
                .try_insert("authorization", token.clone())
                .map_err(CredentialsError::invalid_configuration)?;
        }
        let answer = tokio::time::timeout(LIMIT, self.answer(request));
        match answer.await {
            Ok(answer) => credentials(&answer?),
            Err(_) => Err(CredentialsError::provider_timed_out(LIMIT)),
        }
    }

    async fn answer(&self, request: HttpRequest) -> Result<Vec<u8>, CredentialsError> {
        let response = self
            .connector
            .call(request)
            .await
            .map_err(CredentialsError::provider_error)?;
        let status = response.status();
        if !status.is_success() {
            let text = format!(
                "the credentials' address answers with HTTP {}",
                status.as_u16()
            );
            return Err(CredentialsError::provider_error(text));
        }
        body(response.into_body()).await
    }
}

async fn body(body: SdkBody) -> Result<Vec<u8>, CredentialsError> {
    let mut body = ByteStream::new(body);
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(CredentialsError::provider_error)?);
        if bytes.len() > LARGEST {
            return Err(CredentialsError::unhandled("the answer is too long"));
        }
    }
    Ok(bytes)
}

fn credentials(json: &[u8]) -> provider::Result {
    // What serde says of the place might show a part of a secret.
    let answer: Answer = serde_json::from_slice(json)
        .map_err(|_| CredentialsError::unhandled("the answer holds no credentials"))?;
    let ends = match answer
        .expiration
        .as_deref()
        .map(str::parse::<jiff::Timestamp>)
    {
        Some(Ok(ends)) => Some(SystemTime::from(ends)),
        Some(Err(error)) => return Err(CredentialsError::unhandled(error)),
        None => None,
    };
    Ok(Credentials::new(
        answer.access_key_id,
        answer.secret_access_key,
        answer.token,
        ends,
        "container",
    ))
}

fn is_here(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    HOSTS.iter().any(|host| {
        authority.strip_prefix(host).is_some_and(|port| {
            let digits = port.strip_prefix(':').unwrap_or(port);
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && (port.is_empty() || port.len() > 1)
                && (port.is_empty() || port.starts_with(':'))
        })
    })
}

impl ProvideCredentials for Container {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.ask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked() {
        for address in [
            "http://127.0.0.1:9001/2021-08-23/credentials",
            "http://localhost/x",
            "http://169.254.170.2/v2/credentials",
            "http://[::1]:80/",
        ] {
            assert!(is_here(address), "{address}");
        }
        for address in [
            "https://127.0.0.1/x",
            "http://127.0.0.1.example.com/x",
            "http://127.0.0.1@example.com/x",
            "http://127.0.0.1:80@example.com/",
            "http://127.0.0.1:x/",
            "http://example.com/",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!is_here(address), "{address}");
        }
    }

    #[test]
    fn an_answer_is_read_with_its_end_and_never_shown() {
        let json = br#"{"AccessKeyId":"AK","SecretAccessKey":"SECRET","Token":"T","Expiration":"2030-01-01T00:00:00Z","Code":"Success"}"#;
        let read = credentials(json).expect("credentials");
        assert_eq!(read.access_key_id(), "AK");
        assert_eq!(read.session_token(), Some("T"));
        let end = read.expiry().expect("an end");
        assert_eq!(
            end.duration_since(SystemTime::UNIX_EPOCH)
                .expect("after")
                .as_secs(),
            1_893_456_000
        );
        for wrong in [
            &br#"{"AccessKeyId":"AK","SecretAccessKey":17}"#[..],
            br#"{"AccessKeyId":"AK","SecretAccessKey":"SECRET","Expiration":"soon"}"#,
            b"",
        ] {
            let error = credentials(wrong).expect_err("no credentials");
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
        let container = Container::new("http://127.0.0.1:1/".into(), Some("SECRET".into()));
        assert!(!format!("{container:?}").contains("SECRET"));
    }
}
