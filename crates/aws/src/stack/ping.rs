//! Whether a deployed function answers, and what it is.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use pyrun_core::protocol::{Ask, Description, Frame};
use pyrun_core::{Code, Fault};

use super::{Failure, fault};
use crate::account::Connection;

/// A function that has to start first answers within seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The protocol that it speaks.
    pub protocol: u32,
    /// Its version.
    pub version: String,
    /// What it is.
    pub description: Description,
}

/// Asks a function who it is. Asking changes nothing, so it may be tried again.
pub async fn ping(connection: &Connection, function: &str) -> Result<Answered, Fault> {
    let doing = format!("ask the function `{function}` who it is");
    let patience = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    let config = Builder::from(connection.sdk())
        .retry_config(RetryConfig::standard())
        .timeout_config(patience);
    let question = serde_json::to_vec(&Ask::Describe).expect("questions are plain values");
    let answer = Client::from_conf(config.build())
        .invoke()
        .function_name(function)
        .payload(Blob::new(question))
        .send()
        .await
        .map_err(|error| match &*Failure::of(&error).code {
            "ResourceNotFoundException" => Fault::new(
                Code::REMOTE_NO_STACK,
                format!("can't {doing}: there is none of that name"),
            )
            .hint("`pyrun deploy` makes it anew"),
            _ => fault(&doing, &error),
        })?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    let text = String::from_utf8_lossy(&payload);
    if let Some(kind) = answer.function_error {
        return Err(Fault::new(
            Code::REMOTE_START,
            format!("the function `{function}` does not answer ({kind})"),
        )
        .cause(short(&said(&text)))
        .hint("its log group in CloudWatch says more"));
    }
    read(&text).ok_or_else(|| {
        Fault::new(
            Code::REMOTE_SKEW,
            format!("the function `{function}` does not say who it is"),
        )
        .cause(short(&text))
        .hint("`pyrun deploy` replaces it by one of this version")
    })
}

fn read(text: &str) -> Option<Answered> {
    // Lines are not one JSON value: a server that wants one makes a string of them.
    let unwrapped = serde_json::from_str::<String>(text);
    let text = unwrapped.as_deref().unwrap_or(text);
    let mut greeting = None;
    let mut described = None;
    for line in text.lines() {
        match Frame::from_line(line).ok()? {
            Frame::Hello { protocol, version } => greeting = Some((protocol, version)),
            Frame::Described(description) => described = Some(description),
            _ => {}
        }
    }
    let (protocol, version) = greeting?;
    Some(Answered {
        protocol,
        version,
        description: described?,
    })
}

/// The words of a function's error, which AWS Lambda answers as `errorMessage`.
fn said(text: &str) -> String {
    let error = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    match error["errorMessage"].as_str() {
        Some(message) => message.to_owned(),
        None => text.to_owned(),
    }
}

/// As much of an answer as helps.
fn short(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_lines_and_as_a_string_of_them() {
        let lines = concat!(
            r#"{"type":"hello","protocol":1,"version":"0.1.0"}"#,
            "\n",
            r#"{"type":"described","target":{"python":"3.12.7","os":{"name":"glibc","major":2,"minor":34},"arch":"x86_64"},"memory_bytes":1,"disk_bytes":2}"#,
            "\n"
        );
        let answered = read(lines).expect("it says who it is");
        assert_eq!((answered.protocol, &*answered.version), (1, "0.1.0"));
        let string = serde_json::to_string(lines).expect("a string");
        assert_eq!(read(&string), Some(answered));
    }

    #[test]
    fn an_error_is_its_message() {
        let error = r#"{"errorMessage": "exited", "errorType": "Runtime.ExitError"}"#;
        assert_eq!(said(error), "exited");
        assert_eq!(said("odd"), "odd");
    }

    #[test]
    fn an_answer_that_is_no_description_is_none() {
        assert_eq!(read(""), None);
        assert_eq!(
            read("{\"type\":\"hello\",\"protocol\":1,\"version\":\"0.1.0\"}"),
            None
        );
        assert_eq!(read("Hello from Lambda"), None);
    }
}
