//! Who asks.

use aws_sdk_sts::Client;
use pyrun_core::Fault;

use crate::account::Connection;
use crate::error::fault;

/// Whose credentials are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account's number.
    pub account: String,
    /// The user or role.
    pub arn: String,
}

/// Asks AWS whose credentials these are: what shows that they are there and valid.
pub async fn identity(connection: &Connection) -> Result<Identity, Fault> {
    let answer = Client::new(connection.sdk())
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| fault("find out whose credentials these are", &error))?;
    Ok(Identity {
        account: answer.account.unwrap_or_default(),
        arn: answer.arn.unwrap_or_default(),
    })
}
