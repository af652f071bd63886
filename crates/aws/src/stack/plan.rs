//! What would change: a change set, read.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::types as sdk;
use pyrun_core::{Code, Fault};

use super::{Stack, template};

/// What a stack is to become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The template.
    pub template: String,
    /// Values of its parameters. One that is not given keeps its value, or takes its default.
    pub parameters: BTreeMap<String, String>,
}

/// What a draft comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The stack is like that already.
    Nothing,
    /// These changes.
    Change(ChangeSet),
}

/// Changes that were not made yet. A change set that is not executed wants to be discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Its ARN.
    pub id: String,
    /// The stack's ARN.
    pub stack: String,
    /// Whether it makes the stack.
    pub is_creation: bool,
    /// What it changes, in the order in which `CloudFormation` lists it.
    pub changes: Vec<Change>,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub action: Action,
    /// The resource's name in the template.
    pub logical: String,
    /// Its type, such as `AWS::Lambda::Function`.
    pub kind: String,
    /// Whether it is made anew, and what it holds is lost.
    pub replacement: Replacement,
    /// What of it changes and through what, such as `MemorySize (RunnerMemory)`; sorted.
    pub why: Vec<String>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Modify,
    /// It is removed.
    Remove,
    /// Something else: an import, or what only the execution can tell.
    Other,
}

/// Whether a resource is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// It is changed in place.
    No,
    /// It may be made anew.
    Maybe,
    /// It is made anew.
    Yes,
}

impl Change {
    /// The change as `DescribeChangeSet` answers.
    pub(super) fn read(change: &sdk::ResourceChange) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let why: BTreeSet<String> = change.details().iter().filter_map(why).collect();
        Self {
            action: match change.action() {
                Some(sdk::ChangeAction::Add) => Action::Add,
                Some(sdk::ChangeAction::Modify) => Action::Modify,
                Some(sdk::ChangeAction::Remove) => Action::Remove,
                _ => Action::Other,
            },
            logical: text(change.logical_resource_id()),
            kind: text(change.resource_type()),
            replacement: match change.replacement() {
                Some(sdk::Replacement::True) => Replacement::Yes,
                Some(sdk::Replacement::Conditional) => Replacement::Maybe,
                _ => Replacement::No,
            },
            why: without_repeats(&why),
        }
    }
}

/// What changes and through what.
fn why(detail: &sdk::ResourceChangeDetail) -> Option<String> {
    let target = detail.target()?;
    let part = target
        .name()
        .or_else(|| target.attribute().map(sdk::ResourceAttribute::as_str))?;
    Some(match detail.causing_entity() {
        Some(cause) => format!("{part} ({cause})"),
        None => part.to_owned(),
    })
}

/// Without `Code` where `Code (BuilderCode)` says more.
fn without_repeats(why: &BTreeSet<String>) -> Vec<String> {
    let is_said = |part: &String| {
        let longer = format!("{part} (");
        why.iter().any(|other| other.starts_with(&longer))
    };
    why.iter().filter(|part| !is_said(part)).cloned().collect()
}

impl Draft {
    /// The parameters as `CloudFormation` takes them: what is given, and for an existing stack the
    /// word that the rest stays as it is.
    pub(super) fn parameters(
        &self,
        existing: Option<&Stack>,
    ) -> Result<Vec<sdk::Parameter>, Fault> {
        let known = template::parameters(&self.template);
        if let Some(unknown) = self.parameters.keys().find(|name| !known.contains(*name)) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(Fault::new(
                Code::USAGE,
                format!("the template has no parameter `{unknown}`"),
            )
            .hint(format!("it has {}", names.join(", "))));
        }
        let parameters = known.iter().filter_map(|name| {
            let parameter = sdk::Parameter::builder().parameter_key(name);
            if let Some(value) = self.parameters.get(name) {
                return Some(parameter.parameter_value(value).build());
            }
            existing?
                .parameters
                .contains_key(name)
                .then(|| parameter.use_previous_value(true).build())
        });
        Ok(parameters.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "Parameters:\n  Old:\n    Type: String\n  New:\n    Type: String\n  Given:\n    Type: String\nResources:\n";

    fn draft(parameters: &[(&str, &str)]) -> Draft {
        let pairs = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Draft {
            template: TEMPLATE.to_owned(),
            parameters: pairs.collect(),
        }
    }

    fn stack() -> Stack {
        let pair = |name: &str| {
            sdk::Parameter::builder()
                .parameter_key(name)
                .parameter_value("was")
                .build()
        };
        let stack = sdk::Stack::builder()
            .stack_name("pyrun")
            .parameters(pair("Old"))
            .parameters(pair("Given"))
            // A parameter that the new template dropped.
            .parameters(pair("Gone"));
        Stack::read(&stack.build())
    }

    #[test]
    fn what_is_not_given_keeps_its_value_or_takes_the_default() {
        let parameters = draft(&[("Given", "is")])
            .parameters(Some(&stack()))
            .expect("all are known");
        let said: Vec<_> = parameters
            .iter()
            .map(|pair| {
                (
                    pair.parameter_key().unwrap_or_default(),
                    pair.parameter_value(),
                    pair.use_previous_value(),
                )
            })
            .collect();
        assert_eq!(
            said,
            [("Given", Some("is"), None), ("Old", None, Some(true))]
        );
    }

    #[test]
    fn a_parameter_that_the_template_lacks_is_refused() {
        let fault = draft(&[("Gvien", "x")])
            .parameters(None)
            .expect_err("no such parameter");
        assert_eq!(fault.code, Code::USAGE);
        assert!(fault.hints[0].contains("Given"), "{fault:?}");
    }

    #[test]
    fn a_change_says_what_and_through_what() {
        let detail = |name: &str, cause: Option<&str>| {
            sdk::ResourceChangeDetail::builder()
                .target(
                    sdk::ResourceTargetDefinition::builder()
                        .attribute(sdk::ResourceAttribute::Properties)
                        .name(name)
                        .build(),
                )
                .set_causing_entity(cause.map(ToOwned::to_owned))
                .build()
        };
        let change = sdk::ResourceChange::builder()
            .action(sdk::ChangeAction::Modify)
            .logical_resource_id("Runner312")
            .resource_type("AWS::Lambda::Function")
            .replacement(sdk::Replacement::False)
            .details(detail("MemorySize", Some("RunnerMemory")))
            .details(detail("Code", None))
            .details(detail("Code", Some("RunnerCode")))
            .build();
        let change = Change::read(&change);
        assert_eq!(
            change.why,
            ["Code (RunnerCode)", "MemorySize (RunnerMemory)"]
        );
        assert_eq!(
            (change.action, change.replacement),
            (Action::Modify, Replacement::No)
        );
    }
}
