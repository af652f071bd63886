//! A stack as it stands, and what its status means.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_cloudformation::types as sdk;

use super::{Outputs, TAG};

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its ARN, which stays its own when another stack takes the name.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// Why it stands there, where it says so.
    pub reason: Option<String>,
    /// The template's description.
    pub description: String,
    /// Values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was last changed, or made, in seconds since 1970-01-01 UTC.
    pub changed: u64,
    /// Whether it may not be deleted.
    pub is_protected: bool,
    /// Its outputs as they are.
    raw_outputs: BTreeMap<String, String>,
}

impl Stack {
    /// The stack as `DescribeStacks` answers.
    pub(super) fn read(stack: &sdk::Stack) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let changed = stack.last_updated_time().or(stack.creation_time());
        Self {
            name: text(stack.stack_name()),
            id: text(stack.stack_id()),
            status: Status::new(stack.stack_status().map_or("", sdk::StackStatus::as_str)),
            reason: stack
                .stack_status_reason()
                .filter(|reason| !reason.is_empty())
                .map(ToOwned::to_owned),
            description: text(stack.description()),
            parameters: stack
                .parameters()
                .iter()
                .map(|pair| (text(pair.parameter_key()), text(pair.parameter_value())))
                .collect(),
            tags: stack
                .tags()
                .iter()
                .map(|tag| (text(tag.key()), text(tag.value())))
                .collect(),
            changed: changed.map_or(0, |time| u64::try_from(time.secs()).unwrap_or(0)),
            is_protected: stack.enable_termination_protection().unwrap_or(false),
            raw_outputs: stack
                .outputs()
                .iter()
                .map(|pair| (text(pair.output_key()), text(pair.output_value())))
                .collect(),
        }
    }

    /// What it consists of; `None` when it is not pyrun's, or not finished.
    pub fn outputs(&self) -> Option<Outputs> {
        Outputs::read(&self.raw_outputs)
    }

    /// Whether it was made by pyrun: by its tag, or, deployed by other means from pyrun's
    /// template, by its outputs.
    pub fn is_ours(&self) -> bool {
        self.tags.get(TAG.0).is_some_and(|value| value == TAG.1)
            || self
                .outputs()
                .is_some_and(|outputs| !outputs.version.is_empty())
    }
}

/// A stack's status, spelled as `CloudFormation` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(String);

impl Status {
    /// A status from its word.
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    /// `CloudFormation`'s word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is there but change sets that nobody executed.
    pub fn is_review(&self) -> bool {
        self.0 == "REVIEW_IN_PROGRESS"
    }

    /// Whether something is going on.
    pub fn is_busy(&self) -> bool {
        self.0.ends_with("_IN_PROGRESS") && !self.is_review()
    }

    /// Whether it is what a failed creation or removal left: it can be deleted, nothing else.
    pub fn is_remains(&self) -> bool {
        matches!(
            &*self.0,
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED"
        )
    }

    /// Whether it can't go on before somebody helps it out.
    pub fn is_stuck(&self) -> bool {
        matches!(&*self.0, "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED")
    }

    /// Whether what was last asked for has been done.
    pub fn is_good(&self) -> bool {
        matches!(
            &*self.0,
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "DELETE_COMPLETE"
        )
    }

    /// What it means.
    pub fn meaning(&self) -> &'static str {
        match &*self.0 {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => {
                "all is as it was asked for"
            }
            "UPDATE_ROLLBACK_COMPLETE" => {
                "the last change failed and was taken back; what was there before works on"
            }
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => {
                "the remains of a first deployment that failed"
            }
            "DELETE_FAILED" => "the remains of a removal that failed",
            "UPDATE_ROLLBACK_FAILED" => "a change failed, and taking it back failed too",
            "UPDATE_FAILED" => "a change failed and was left where it stood",
            "REVIEW_IN_PROGRESS" => "nothing was made yet: a plan waits to be executed",
            word if word.ends_with("_IN_PROGRESS") => "a change is under way",
            _ => "CloudFormation's own documentation says more",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_one_way_on() {
        for word in sdk::StackStatus::values() {
            let status = Status::new(*word);
            let ways = [
                status.is_review(),
                status.is_busy(),
                status.is_remains(),
                status.is_stuck(),
            ];
            assert!(ways.iter().filter(|way| **way).count() <= 1, "{word}");
        }
        assert!(Status::new("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS").is_busy());
        assert!(!Status::new("UPDATE_ROLLBACK_COMPLETE").is_good());
    }
}
