//! The text of a `policy.toml` to a policy.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::rule::Rule;
use super::{Indexes, Policy, address};
use crate::digest::Sha256;
use crate::fault::{Code, Fault, Span};
use crate::request::without_credentials;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct File {
    packages: PackageTable,
    indexes: IndexTable,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct PackageTable {
    allow: Option<Vec<Spanned<String>>>,
    deny: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct IndexTable {
    allow: Option<Vec<Spanned<String>>>,
    files: Vec<Spanned<String>>,
}

pub(super) fn policy(text: &str) -> Result<Policy, Fault> {
    let File { packages, indexes } = toml::from_str(text)
        .map_err(|error| wrong(text, error.span().unwrap_or(0..0), error.message()))?;
    let rules = |list: Vec<Spanned<String>>| each(text, list, Rule::parse);
    let addresses = |list| each(text, list, index);
    if let (None, Some(first)) = (&indexes.allow, indexes.files.first()) {
        let problem = "`files` says where wheels of allowed indexes lie, and there is no `allow`";
        return Err(wrong(text, first.span(), problem));
    }
    let files = addresses(indexes.files)?;
    Ok(Policy {
        digest: Sha256::of(text),
        allow: packages.allow.map(rules).transpose()?,
        deny: rules(packages.deny)?,
        indexes: match indexes.allow {
            Some(allow) => Some(Indexes {
                allow: addresses(allow)?,
                files,
            }),
            None => None,
        },
    })
}

fn each<T>(
    text: &str,
    list: Vec<Spanned<String>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Fault> {
    list.into_iter()
        .map(|item| {
            let span = item.span();
            parse(item.get_ref()).map_err(|problem| wrong(text, span, &problem))
        })
        .collect()
}

fn index(text: &str) -> Result<Url, String> {
    let shown = without_credentials(text);
    match address(text) {
        _ if shown != text => Err(format!("`{shown}` comes with credentials: leave them out")),
        Some(url) if matches!(url.scheme(), "https" | "http" | "file") => Ok(url),
        _ => Err(format!(
            "`{shown}` is no address of an index, such as `https://pypi.org/simple`"
        )),
    }
}

fn wrong(text: &str, span: Range<usize>, problem: &str) -> Fault {
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let source = text.lines().nth(line).unwrap_or_default();
    let count = |part: Option<&str>| {
        let characters = part.unwrap_or_default().chars().count();
        u32::try_from(characters).unwrap_or(u32::MAX)
    };
    let line = u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1);
    let marked = text.get(span.clone()).and_then(|text| text.lines().next());
    Fault::new(
        Code::CONFIG_INVALID,
        format!(
            "the policy can't be used, line {line}: {}",
            problem.trim_end()
        ),
    )
    .span(Span {
        file: "policy.toml".to_owned(),
        line,
        column: count(text.get(start..span.start)).saturating_add(1),
        length: count(marked).max(1),
        text: source.to_owned(),
        label: String::new(),
    })
}
