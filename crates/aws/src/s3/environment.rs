//! A deployed function's own way to its bucket.
//!
//! In: the variables that AWS Lambda sets. Out: what a client is made from. Never: reads a file or
//! asks a service: opening a store is on the way of every cold start.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::config::{BehaviorVersion, Builder, IdentityCache, Region};
use pyrun_core::{Code, Fault};

use super::container::Container;
use crate::http;

/// Credentials that end sooner than this are asked for anew.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

/// What the variables say.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) config: Builder,
    pub(super) endpoint: Option<String>,
}

impl Environment {
    /// Reads variables by `lookup`. An empty one counts as not set.
    pub(super) fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let Some(region) = region else {
            return Err(Fault::new(Code::REMOTE_REGION, "no AWS region is set")
                .hint("AWS Lambda sets AWS_REGION; set it where the function runs elsewhere"));
        };
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let cache = IdentityCache::lazy().buffer_time(BEFORE_EXPIRY).build();
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials(&variable)?)
            .identity_cache(cache)
            .http_client(http::client());
        config.set_endpoint_url(endpoint.clone());
        Ok(Self { config, endpoint })
    }
}

/// A function that is restored from a snapshot (`SnapStart`) asks an address for credentials, since
/// those of its variables would be as old as the snapshot; any other has them in its variables.
fn credentials(
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<SharedCredentialsProvider, Fault> {
    if let Some(address) = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        return Ok(SharedCredentialsProvider::new(Container::new(
            address, token,
        )?));
    }
    let keys = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
    Ok(match keys {
        Some((id, secret)) => {
            let token = variable("AWS_SESSION_TOKEN");
            SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "environment"))
        }
        None => SharedCredentialsProvider::new(Nobody),
    })
}

/// Has no credentials, and says so when they are needed.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
        )))
    }
}
