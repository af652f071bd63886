//! What a policy does not let in, and why.

use pep440_rs::Version;
use pep508_rs::PackageName;
use serde::Serialize;

use crate::fault::{Code, Fault, Span};

/// Which part of a policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// `allow` and `deny` of `[packages]`.
    Packages,
    /// `[indexes]`.
    Indexes,
    /// `[sdists]`.
    Sdists,
    /// `minimum-age` of `[packages]`.
    Age,
    /// `[limits]`.
    Limits,
    /// `[licences]`.
    Licences,
    /// `[vulnerabilities]`.
    Vulnerabilities,
}

/// One thing that is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which part of the policy refuses.
    pub part: Part,
    /// The package, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageName>,
    /// Its version, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What is refused, in words: `` `leftpad 1.1` ``.
    pub what: String,
    /// What it may not, in words: `in`, `come from …`.
    pub not: String,
    /// Why.
    pub reason: String,
    /// Who asked for it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// What to do.
    pub hint: String,
    /// Where it was written, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

impl Refusal {
    /// A package is not let in.
    pub(super) fn of(part: Part, name: &PackageName, version: Option<&Version>) -> Self {
        let version_text = version.map_or_else(String::new, |version| format!(" {version}"));
        Self {
            part,
            package: Some(name.clone()),
            version: version.cloned(),
            what: format!("`{name}{version_text}`"),
            not: "in".to_owned(),
            reason: String::new(),
            asked: None,
            hint: "choose another package or version, or ask whoever keeps the policy".to_owned(),
            span: None,
        }
    }

    /// Something that is no package is refused.
    pub(super) fn of_all(part: Part, what: impl Into<String>) -> Self {
        Self {
            part,
            package: None,
            version: None,
            what: what.into(),
            not: "in".to_owned(),
            reason: String::new(),
            asked: None,
            hint: String::new(),
            span: None,
        }
    }

    pub(super) fn because(self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { reason, ..self }
    }

    pub(super) fn may_not(self, what: impl Into<String>) -> Self {
        let not = what.into();
        Self { not, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        Self { hint, ..self }
    }

    pub(super) fn asked(self, asked: impl Into<String>) -> Self {
        let asked = Some(asked.into());
        Self { asked, ..self }
    }

    /// The refusal as a sentence.
    pub fn sentence(&self) -> String {
        format!("the policy does not let {} {}", self.what, self.not)
    }
}

/// All of it as one fault: the first in full, the others as causes. Nothing refused is no fault.
pub fn into_result(refusals: &[Refusal]) -> Result<(), Fault> {
    let Some((first, others)) = refusals.split_first() else {
        return Ok(());
    };
    let mut fault = Fault::new(Code::POLICY_DENIED, first.sentence());
    fault.causes.push(first.reason.clone());
    fault.causes.extend(first.asked.clone());
    fault.causes.extend(others.iter().map(|other| {
        format!(
            "nor does it let {} {}: {}",
            other.what, other.not, other.reason
        )
    }));
    let hint = Some(first.hint.clone()).filter(|hint| !hint.is_empty());
    fault.hints.extend(hint);
    fault.spans.extend(first.span.clone());
    Err(fault)
}
