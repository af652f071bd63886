//! A policy in words.

use std::fmt::Display;

use super::Policy;
use super::terms::{Licences, Sdists};

/// A sentence for each rule, in the order of the file's tables.
pub(super) fn of(policy: &Policy) -> Vec<String> {
    let mut words = Vec::new();
    words.push(match &policy.allow {
        None => "every package is let in that nothing below refuses".to_owned(),
        Some(allow) if allow.is_empty() => "no package is let in".to_owned(),
        Some(allow) => format!("only these packages are let in: {}", listed(allow)),
    });
    if !policy.deny.is_empty() {
        words.push(format!("these are not: {}", listed(&policy.deny)));
    }
    if let Some(age) = &policy.age {
        let text = &age.text;
        words.push(format!(
            "a release is let in once it has been uploaded for {text}; younger ones are passed over{}",
            except(&age.exempt)
        ));
    }
    let indexes = &policy.indexes;
    match &indexes.allow {
        None => words.push("every index may be asked".to_owned()),
        Some(allow) if allow.is_empty() => words.push("no index may be asked".to_owned()),
        Some(allow) => words.push(format!(
            "only these indexes may be asked: {}",
            listed(allow)
        )),
    }
    if !indexes.files.is_empty() {
        let files = listed(&indexes.files);
        words.push(format!("their files may lie below {files} too"));
    }
    for pin in &indexes.pins {
        words.push(format!("`{}` comes from `{}` alone", pin.rule, pin.index));
    }
    words.push(match &policy.sdists {
        Sdists::None => "nothing is built from source".to_owned(),
        Sdists::All => "every package may be built from source".to_owned(),
        Sdists::Only(rules) => format!("only these are built from source: {}", listed(rules)),
    });
    let limits = &policy.limits;
    if let Some(count) = limits.packages {
        words.push(format!("a bundle has {count} packages at most"));
    }
    if let Some((_, text)) = &limits.wheel {
        words.push(format!("a wheel has {text} at most"));
    }
    if let Some((_, text)) = &limits.bundle {
        words.push(format!("a bundle has {text} at most"));
    }
    words.extend(policy.licences.as_ref().map(licences));
    if let Some(terms) = &policy.vulnerabilities {
        let which = match terms.deny {
            None => "a known vulnerability keeps a release out".to_owned(),
            Some(from) => format!(
                "a known vulnerability of severity {from} or more, or of unknown severity, keeps a release out"
            ),
        };
        words.push(which + &except(&terms.ignore));
    }
    words
}

fn licences(licences: &Licences) -> String {
    let allowed = match &licences.allow {
        None => "every licence is let in".to_owned(),
        Some(allow) => format!("only these licences are let in: {}", listed(allow)),
    };
    let denied = match listed(&licences.deny).as_str() {
        "" => String::new(),
        denied => format!("; these are not: {denied}"),
    };
    let not = if licences.unknown { "" } else { "not " };
    let exempt = except(&licences.exempt);
    format!("{allowed}{denied}; one that is not known is {not}let in{exempt}")
}

fn except<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    match listed(items).as_str() {
        "" => String::new(),
        items => format!(" (but for {items})"),
    }
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    items.join(", ")
}
