//! An account as the standard AWS chain finds it.
//!
//! In: a profile, a region and an endpoint, each of which may be left to the environment and to
//! `~/.aws`. Out: a [`Connection`] that every client is made from. Never: keeps a credential
//! anywhere; asks for one before a call needs it.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use pyrun_core::{Code, Fault};

use crate::http;

/// What is said of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The profile; `AWS_PROFILE` otherwise.
    pub profile: Option<String>,
    /// The region; `AWS_REGION`, or the profile's, otherwise.
    pub region: Option<String>,
    /// One address for every service; `AWS_ENDPOINT_URL` and its kin otherwise.
    pub endpoint_url: Option<String>,
}

/// A way to an account.
#[derive(Debug, Clone)]
pub struct Connection {
    sdk: SdkConfig,
    region: String,
}

impl Connection {
    /// Finds region and credentials, without calling any service.
    pub async fn open(account: &Account) -> Result<Self, Fault> {
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(http::client());
        if let Some(profile) = &account.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &account.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &account.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        let sdk = loader.load().await;
        let Some(region) = sdk.region().map(ToString::to_string) else {
            return Err(Fault::new(Code::REMOTE_REGION, "no AWS region is set")
                .hint("set AWS_REGION, `region` of the profile in ~/.aws/config, or `region` of the remote in pyrun.toml"));
        };
        Ok(Self { sdk, region })
    }

    /// The same way with keys in place of those that the chain would find: for a server that has
    /// credentials of its own.
    #[must_use]
    pub fn with_keys(self, access: &str, secret: &str) -> Self {
        let keys = Credentials::new(access, secret, None, None, "given");
        let sdk = self
            .sdk
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        Self { sdk, ..self }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What the SDK's clients are made from.
    pub(crate) fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// A connection to an endpoint of a test, with the keys of nobody or none.
    #[cfg(test)]
    pub(crate) fn to(endpoint: &str, signed: bool) -> Self {
        use aws_credential_types::Credentials;
        use aws_credential_types::provider::{SharedCredentialsProvider, future};

        /// The chain of someone who never signed in.
        #[derive(Debug)]
        struct Nobody;

        impl aws_credential_types::provider::ProvideCredentials for Nobody {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                use aws_credential_types::provider::error::CredentialsError;
                future::ProvideCredentials::ready(Err(CredentialsError::not_loaded(
                    "no providers in chain provided credentials",
                )))
            }
        }

        let keys = if signed {
            let keys = Credentials::new("AKIANOBODY", "secret", None, None, "test");
            SharedCredentialsProvider::new(keys)
        } else {
            SharedCredentialsProvider::new(Nobody)
        };
        let region = "eu-west-1";
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http::client())
            .region(Region::new(region))
            .endpoint_url(endpoint)
            .credentials_provider(keys);
        Self {
            sdk: sdk.build(),
            region: region.to_owned(),
        }
    }
}
