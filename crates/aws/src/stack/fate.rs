//! Why a change came to nothing, in words.
//!
//! In: the events of a change that failed. Out: a [`Fault`] with the resource that failed first and
//! its reason, not the cancellations that followed it, and what to do about it.

use pyrun_core::{Code, Fault};

use super::{Stack, StackEvent, Status};

/// Failures that are told at most: the first ones are the causes, the rest follow from them.
const TOLD: usize = 3;

/// The fault of a change that ended in `status`.
pub(super) fn failed(stack: &str, status: &Status, failures: &[StackEvent]) -> Fault {
    let what = match status.as_str() {
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => {
            format!("the stack `{stack}` could not be made")
        }
        "DELETE_FAILED" => format!("the stack `{stack}` could not be removed"),
        "UPDATE_ROLLBACK_COMPLETE" => {
            format!("the stack `{stack}` could not be changed; what was there before works on")
        }
        _ => format!("the stack `{stack}` could not be changed"),
    };
    let mut fault = Fault::new(Code::DEPLOY_FAILED, what);
    if failures.is_empty() {
        fault = fault.cause(format!("it is {status}, and no resource says why"));
    }
    fault = explain(fault, failures);
    if status.is_stuck() {
        for hint in stuck_hints(stack) {
            fault = fault.hint(hint);
        }
    }
    if status.is_remains() && status.as_str() != "DELETE_FAILED" {
        fault = fault.hint("the next `pyrun deploy` removes what is left and begins anew");
    }
    fault
}

/// Says what failed first, and what to do about it.
pub(super) fn explain(mut fault: Fault, failures: &[StackEvent]) -> Fault {
    let reasons: Vec<String> = failures
        .iter()
        .take(TOLD)
        .map(|event| {
            let reason = event.reason.as_deref().unwrap_or("no reason was given");
            format!("{} ({}): {}", event.logical, event.kind, plain(reason))
        })
        .collect();
    let all = reasons.join("\n");
    fault.code = code(&all);
    fault.causes.extend(reasons);
    fault
        .hints
        .extend(hints(&all).into_iter().map(str::to_owned));
    fault
}

/// The fault of a stack that nothing can be done with before somebody helps it out.
pub(super) fn stuck(stack: &Stack) -> Fault {
    let mut fault = Fault::new(
        Code::DEPLOY_FAILED,
        format!(
            "the stack `{}` is stuck: {}",
            stack.name,
            stack.status.meaning()
        ),
    )
    .cause(match &stack.reason {
        Some(reason) => format!("it is {}: {}", stack.status, plain(reason)),
        None => format!("it is {}", stack.status),
    });
    for hint in stuck_hints(&stack.name) {
        fault = fault.hint(hint);
    }
    fault
}

fn stuck_hints(stack: &str) -> [String; 2] {
    [
        format!(
            "mend what its events name, then `aws cloudformation continue-update-rollback --stack-name {stack}` (with `--resources-to-skip` for what can't be mended)"
        ),
        "or begin anew: `pyrun destroy` keeps the bucket, then `pyrun deploy`".to_owned(),
    ]
}

fn code(reasons: &str) -> Code {
    if is_quota(reasons) {
        Code::REMOTE_QUOTA
    } else if is_denied(reasons) {
        Code::REMOTE_DENIED
    } else {
        Code::DEPLOY_FAILED
    }
}

fn is_quota(reasons: &str) -> bool {
    [
        "UnreservedConcurrentExecution",
        "LimitExceeded",
        "'memorySize' failed to satisfy constraint",
        "ServiceLimitExceeded",
        "maximum number of",
    ]
    .iter()
    .any(|word| reasons.contains(word))
}

fn is_denied(reasons: &str) -> bool {
    [
        "is not authorized to perform",
        "AccessDenied",
        "Access Denied",
    ]
    .iter()
    .any(|word| reasons.contains(word))
}

/// What to do about reasons that are known.
fn hints(reasons: &str) -> Vec<&'static str> {
    let mut hints = Vec::new();
    if reasons.contains("UnreservedConcurrentExecution") {
        hints.push("reserve less with `--concurrency N`, or nothing with `--concurrency ''`: AWS keeps a part of the account's limit free; `pyrun doctor` shows the limit");
    }
    if reasons.contains("'memorySize' failed to satisfy constraint") {
        hints.push("ask for less with `--memory` and `--builder-memory`: new accounts are held to 3008 MB until a rise is asked for in Service Quotas");
    }
    if is_denied(reasons) {
        hints.push("docs/aws.md has the policy that whoever deploys needs");
    }
    if reasons.contains("already exists") {
        hints.push("something outside the stack has that name: remove it, or deploy under another name with `--stack`");
    }
    if reasons.contains("not empty") {
        hints.push("`pyrun destroy --purge` empties the bucket first");
    }
    hints
}

/// A reason without what `CloudFormation` wraps around it.
fn plain(reason: &str) -> String {
    let inner = reason
        .strip_prefix("Resource handler returned message: \"")
        .and_then(|rest| rest.split_once("\" (RequestToken:"))
        .map_or(reason, |(inner, _)| inner);
    // Services end their words with an id that helps nobody but them.
    let inner = inner
        .split_once(" (Service: ")
        .map_or(inner, |(words, _)| words);
    inner.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(logical: &str, reason: &str) -> StackEvent {
        StackEvent {
            id: logical.to_owned(),
            logical: logical.to_owned(),
            physical: String::new(),
            kind: "AWS::Lambda::Function".to_owned(),
            status: Status::new("CREATE_FAILED"),
            reason: Some(reason.to_owned()),
            is_stack: false,
        }
    }

    #[test]
    fn the_handlers_wrapping_is_taken_off() {
        let reason = "Resource handler returned message: \"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [10]. (Service: Lambda, Status Code: 400, Request ID: 1)\" (RequestToken: 2, HandlerErrorCode: InvalidRequest)";
        let fault = failed(
            "pyrun",
            &Status::new("UPDATE_ROLLBACK_COMPLETE"),
            &[failure("Runner312", reason)],
        );
        assert_eq!(fault.code, Code::REMOTE_QUOTA);
        assert_eq!(
            fault.causes,
            [
                "Runner312 (AWS::Lambda::Function): Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [10]"
            ]
        );
        assert!(fault.hints[0].contains("--concurrency"), "{fault:?}");
    }

    #[test]
    fn what_is_not_permitted_is_said_so() {
        let reason = "User: arn:aws:iam::1:user/me is not authorized to perform: iam:CreateRole on resource: x";
        let fault = failed(
            "pyrun",
            &Status::new("ROLLBACK_COMPLETE"),
            &[failure("Role", reason)],
        );
        assert_eq!(fault.code, Code::REMOTE_DENIED);
        assert!(fault.causes[0].contains("iam:CreateRole"));
        assert!(
            fault.hints.iter().any(|hint| hint.contains("begins anew")),
            "{fault:?}"
        );
    }

    #[test]
    fn a_stuck_stack_is_told_how_to_go_on() {
        let fault = failed("mine", &Status::new("UPDATE_ROLLBACK_FAILED"), &[]);
        assert!(
            fault
                .hints
                .iter()
                .any(|hint| hint.contains("continue-update-rollback --stack-name mine")),
            "{fault:?}"
        );
    }
}
