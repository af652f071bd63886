//! What a service answers where its own words matter.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// An answer that was an error, as far as a caller has to tell one from another.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// The service's own code, such as `ValidationError`.
    pub code: String,
    /// Its own words.
    pub message: String,
}

impl Failure {
    /// The service's own code and words; empty when it never answered.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        let service = error.as_service_error();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            code: text(service.and_then(ProvideErrorMetadata::code)),
            message: text(service.and_then(ProvideErrorMetadata::message)),
        }
    }
}
