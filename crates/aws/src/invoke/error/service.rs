//! What the Lambda service says when it refuses a call.
//!
//! In: a [`Refusal`] and what was called. Out: its fault. The codes are those of the API's page
//! "Invoke".

use pyrun_core::{Code, Fault};

use super::Refusal;
use crate::invoke::Mode;

/// The fault of a refused call.
pub(super) fn fault(refusal: Refusal, function: &str, region: &str, mode: Mode) -> Fault {
    let own = |code, message: String| {
        Fault::new(code, message).cause(format!(
            "{}: {}",
            refusal.code,
            refusal.message.trim_end_matches('.')
        ))
    };
    let not_started = || {
        own(
            Code::REMOTE_START,
            format!("the function `{function}` can't be started"),
        )
    };
    match refusal.code.as_str() {
        "ResourceNotFoundException" | "NoPublishedVersionException" => own(
            Code::REMOTE_NO_STACK,
            format!("there is no function `{function}` in the region `{region}`"),
        )
        .hint("run `pyrun deploy`, or name the region and profile of the stack in the remote's table of pyrun.toml"),
        "AccessDeniedException" => own(
            Code::REMOTE_DENIED,
            format!("AWS does not permit to call the function `{function}`"),
        )
        .hint(format!(
            "the caller needs `{}` on it: ask for the permission, or name a profile that has it",
            mode.action()
        )),
        "RequestTooLargeException" | "SerializedRequestEntityTooLargeException" => own(
            Code::REMOTE_PAYLOAD,
            format!("the question to the function `{function}` is larger than Lambda takes"),
        )
        .hint("send less: put large data where the function can read it, and pass its name"),
        "TooManyRequestsException" => throttled(
            own(
                Code::REMOTE_THROTTLED,
                format!("the function `{function}` is called too often, and waiting did not help"),
            ),
            refusal.reason.as_deref(),
        ),
        "ResourceConflictException" | "ResourceNotReadyException" | "SnapStartNotReadyException" => {
            own(
                Code::REMOTE_START,
                format!("the function `{function}` is not ready yet"),
            )
            .hint("it is being made or changed, or wakes up after weeks: try again in a minute (`pyrun deploy status`)")
        }
        "KMSAccessDeniedException" | "KMSDisabledException" | "KMSInvalidStateException"
        | "KMSNotFoundException" => not_started().hint(
            "its variables or its code are encrypted with a KMS key that it can't use: enable the key, and let the function's role decrypt with it",
        ),
        "ENILimitReachedException" | "SubnetIPAddressLimitReachedException" => own(
            Code::REMOTE_QUOTA,
            format!("the function `{function}` finds no address in its VPC"),
        )
        .hint("give the stack larger or more subnets (`pyrun deploy --parameter Subnets=…`), or ask for a higher quota of network interfaces"),
        "EC2AccessDeniedException" | "EC2UnexpectedException" | "EC2ThrottledException"
        | "InvalidSecurityGroupIDException" | "InvalidSubnetIDException" => not_started()
            .hint("look at the stack's subnets and security groups (`pyrun deploy status`); without them the function needs no VPC"),
        "SnapStartException" | "SnapStartTimeoutException" | "SnapStartRegenerationFailureException" => {
            not_started().hint("its snapshot can't be started: `pyrun deploy` makes a new one")
        }
        "InvalidRuntimeException" | "InvalidZipFileException" | "CodeArtifactUserDeletedException"
        | "CodeArtifactUserFailedException" | "CodeArtifactUserPendingException" => {
            not_started().hint("`pyrun deploy` puts this pyrun's own programs there")
        }
        _ if refusal.status == 413 => own(
            Code::REMOTE_PAYLOAD,
            format!("the question to the function `{function}` is larger than Lambda takes"),
        )
        .hint("send less: put large data where the function can read it, and pass its name"),
        _ => *refusal.general,
    }
}

/// Whose limit it was decides what helps.
fn throttled(fault: Fault, reason: Option<&str>) -> Fault {
    match reason {
        Some("ReservedFunctionConcurrentInvocationLimitExceeded") => {
            fault.hint("its own limit on runs at once is reached: raise it with `pyrun deploy --concurrency`")
        }
        Some("ConcurrentInvocationLimitExceeded" | "ReservedFunctionInvocationRateLimitExceeded") => fault.hint(
            "the account's limit on runs at once is reached: `pyrun doctor` shows it, and AWS raises it on request (Service Quotas)",
        ),
        _ => fault.hint("try again in a minute, or call less at once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, status: u16, reason: Option<&str>) -> Fault {
        let refusal = Refusal {
            code: code.to_owned(),
            status,
            message: "so it is.".to_owned(),
            reason: reason.map(str::to_owned),
            general: Box::new(Fault::new(Code::REMOTE_FAILED, "can't call the function").hint("x")),
        };
        fault(refusal, "f", "eu-west-1", Mode::Streaming)
    }

    #[test]
    fn each_refusal_has_its_code_and_a_way_on() {
        for (code, status, expected) in [
            ("ResourceNotFoundException", 404, Code::REMOTE_NO_STACK),
            ("AccessDeniedException", 403, Code::REMOTE_DENIED),
            ("RequestTooLargeException", 413, Code::REMOTE_PAYLOAD),
            ("", 413, Code::REMOTE_PAYLOAD),
            ("TooManyRequestsException", 429, Code::REMOTE_THROTTLED),
            ("ResourceConflictException", 409, Code::REMOTE_START),
            ("SnapStartNotReadyException", 409, Code::REMOTE_START),
            ("SnapStartTimeoutException", 408, Code::REMOTE_START),
            ("KMSDisabledException", 502, Code::REMOTE_START),
            ("ENILimitReachedException", 502, Code::REMOTE_QUOTA),
            (
                "SubnetIPAddressLimitReachedException",
                502,
                Code::REMOTE_QUOTA,
            ),
            ("InvalidSubnetIDException", 502, Code::REMOTE_START),
            ("InvalidZipFileException", 502, Code::REMOTE_START),
            ("ServiceException", 500, Code::REMOTE_FAILED),
        ] {
            let fault = of(code, status, None);
            assert_eq!(fault.code, expected, "{code}");
            assert!(!fault.hints.is_empty(), "{code}");
        }
    }

    #[test]
    fn a_denied_call_names_the_permission_and_a_missing_function_the_region() {
        let denied = of("AccessDeniedException", 403, None);
        assert!(denied.hints[0].contains("lambda:InvokeWithResponseStream"));
        let missing = of("ResourceNotFoundException", 404, None);
        assert!(missing.message.contains("eu-west-1"));
        assert!(missing.hints[0].contains("pyrun deploy"));
    }

    #[test]
    fn whose_limit_it_is_is_told() {
        let hint = |reason| of("TooManyRequestsException", 429, reason).hints[0].clone();
        assert!(
            hint(Some("ReservedFunctionConcurrentInvocationLimitExceeded"))
                .contains("--concurrency")
        );
        assert!(hint(Some("ConcurrentInvocationLimitExceeded")).contains("account"));
        assert!(hint(None).contains("try again"));
    }
}
