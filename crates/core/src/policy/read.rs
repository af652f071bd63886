//! The text of a `policy.toml` to a policy.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::Policy;
use super::index::{Indexes, Pin, address};
use super::rule::{Pattern, Rule};
use super::terms::{Age, Licences, Limits, Sdists, Vulnerable};
use crate::digest::Sha256;
use crate::fault::{Code, Fault, Span};
use crate::licence::Expression;
use crate::osv::Severity;
use crate::request::without_credentials;
use crate::units;

type List = Vec<Spanned<String>>;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct File {
    packages: PackageTable,
    indexes: IndexTable,
    sdists: SdistTable,
    limits: LimitTable,
    licences: Option<LicenceTable>,
    vulnerabilities: Option<VulnerabilityTable>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct PackageTable {
    allow: Option<List>,
    deny: List,
    minimum_age: Option<Spanned<String>>,
    exempt: List,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct IndexTable {
    allow: Option<List>,
    files: List,
    of: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SdistTable {
    allow: Option<Spanned<AllOrSome>>,
}

/// `true`, `false` or a list of names.
#[derive(Deserialize)]
#[serde(untagged)]
enum AllOrSome {
    All(bool),
    Some(Vec<String>),
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct LimitTable {
    packages: Option<u64>,
    wheel: Option<Spanned<String>>,
    bundle: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct LicenceTable {
    allow: Option<List>,
    deny: List,
    unknown: Option<Spanned<String>>,
    exempt: List,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VulnerabilityTable {
    deny: Spanned<String>,
    #[serde(default)]
    ignore: Vec<String>,
}

/// The text, for the places of what is wrong.
struct Reader<'a>(&'a str);

pub(super) fn policy(text: &str) -> Result<Policy, Fault> {
    let file: File = toml::from_str(text)
        .map_err(|error| wrong(text, error.span().unwrap_or(0..0), error.message()))?;
    let reader = Reader(text);
    let packages = file.packages;
    Ok(Policy {
        digest: Sha256::of(text),
        allow: packages.allow.map(|list| reader.rules(list)).transpose()?,
        deny: reader.rules(packages.deny)?,
        age: reader.age(packages.minimum_age, packages.exempt)?,
        indexes: reader.indexes(file.indexes)?,
        sdists: reader.sdists(file.sdists)?,
        limits: reader.limits(file.limits)?,
        licences: file
            .licences
            .map(|table| reader.licences(table))
            .transpose()?,
        vulnerabilities: file
            .vulnerabilities
            .map(|table| reader.vulnerabilities(table))
            .transpose()?,
    })
}

impl Reader<'_> {
    fn wrong(&self, span: Range<usize>, problem: &str) -> Fault {
        wrong(self.0, span, problem)
    }

    fn rules(&self, list: List) -> Result<Vec<Rule>, Fault> {
        each(self.0, list, Rule::parse)
    }

    /// Rules without versions: what they are for is known before a version is.
    fn names(&self, list: List) -> Result<Vec<Rule>, Fault> {
        each(self.0, list, name)
    }

    fn age(&self, age: Option<Spanned<String>>, exempt: List) -> Result<Option<Age>, Fault> {
        let Some(age) = age else {
            return match exempt.first() {
                Some(first) => Err(self.wrong(
                    first.span(),
                    "`exempt` names who may be younger, and there is no `minimum-age`",
                )),
                None => Ok(None),
            };
        };
        let period = units::period(age.get_ref()).filter(|seconds| *seconds > 0);
        let seconds = period.ok_or_else(|| {
            let problem = format!(
                "`{}` is no time to wait: write it as `7 days`, `36 hours` or `P7D`",
                age.get_ref()
            );
            self.wrong(age.span(), &problem)
        })?;
        Ok(Some(Age {
            text: age.into_inner(),
            seconds,
            exempt: self.names(exempt)?,
        }))
    }

    fn indexes(&self, table: IndexTable) -> Result<Indexes, Fault> {
        if let (None, true, Some(first)) = (&table.allow, table.of.is_empty(), table.files.first())
        {
            let problem =
                "`files` says where wheels of allowed indexes lie, and there is no `allow`";
            return Err(self.wrong(first.span(), problem));
        }
        let addresses = |list| each(self.0, list, index);
        let mut pins = Vec::new();
        for (rule, home) in table.of {
            let place = rule.span();
            let rule =
                name(rule.get_ref()).map_err(|problem| self.wrong(place.clone(), &problem))?;
            let span = home.span();
            let index = index(home.get_ref()).map_err(|problem| self.wrong(span, &problem))?;
            pins.push((place.start, Pin { rule, index }));
        }
        // The first that takes a name decides, as they stand in the file.
        pins.sort_by_key(|(start, _)| *start);
        Ok(Indexes {
            allow: table.allow.map(addresses).transpose()?,
            files: addresses(table.files)?,
            pins: pins.into_iter().map(|(_, pin)| pin).collect(),
        })
    }

    fn sdists(&self, table: SdistTable) -> Result<Sdists, Fault> {
        let Some(allow) = table.allow else {
            return Ok(Sdists::None);
        };
        let span = allow.span();
        Ok(match allow.into_inner() {
            AllOrSome::All(true) => Sdists::All,
            AllOrSome::All(false) => Sdists::None,
            AllOrSome::Some(names) => {
                let rules = names
                    .iter()
                    .map(|text| name(text))
                    .collect::<Result<_, _>>();
                Sdists::Only(rules.map_err(|problem| self.wrong(span, &problem))?)
            }
        })
    }

    fn limits(&self, table: LimitTable) -> Result<Limits, Fault> {
        let size = |text: Option<Spanned<String>>| {
            let Some(text) = text else { return Ok(None) };
            let Some(bytes) = units::bytes(text.get_ref()) else {
                let problem = format!(
                    "`{}` is no size: write it as `200MB` or `1GiB`",
                    text.get_ref()
                );
                return Err(self.wrong(text.span(), &problem));
            };
            Ok(Some((bytes, text.into_inner())))
        };
        Ok(Limits {
            packages: table.packages,
            wheel: size(table.wheel)?,
            bundle: size(table.bundle)?,
        })
    }

    fn licences(&self, table: LicenceTable) -> Result<Licences, Fault> {
        let patterns = |list| each(self.0, list, licence);
        let unknown = match &table.unknown {
            None => false,
            Some(word) if word.get_ref() == "allow" => true,
            Some(word) if word.get_ref() == "deny" => false,
            Some(word) => {
                let problem = "`unknown` is \"allow\" or \"deny\"";
                return Err(self.wrong(word.span(), problem));
            }
        };
        Ok(Licences {
            allow: table.allow.map(patterns).transpose()?,
            deny: patterns(table.deny)?,
            unknown,
            exempt: self.names(table.exempt)?,
        })
    }

    fn vulnerabilities(&self, table: VulnerabilityTable) -> Result<Vulnerable, Fault> {
        let deny = match table.deny.get_ref().as_str() {
            "any" => None,
            "low" => Some(Severity::Low),
            "medium" => Some(Severity::Medium),
            "high" => Some(Severity::High),
            "critical" => Some(Severity::Critical),
            _ => {
                let problem = "`deny` is \"any\", \"low\", \"medium\", \"high\" or \"critical\"";
                return Err(self.wrong(table.deny.span(), problem));
            }
        };
        Ok(Vulnerable {
            deny,
            ignore: table.ignore.into_iter().collect(),
        })
    }
}

/// A rule that is a name alone.
fn name(text: &str) -> Result<Rule, String> {
    let rule = Rule::parse(text)?;
    if rule.has_versions() {
        return Err(format!(
            "`{text}` names versions, and a name alone is expected here"
        ));
    }
    Ok(rule)
}

/// A licence's identifier, in which `*` stands for any text.
fn licence(text: &str) -> Result<Pattern, String> {
    let stand_in = text.replace('*', "a");
    match Expression::parse(&stand_in) {
        Ok(Expression::Licence { .. }) => Ok(Pattern::new(text.trim())),
        Ok(_) => Err(format!(
            "`{text}` names several licences: name each on its own"
        )),
        Err(_) => Err(format!(
            "`{text}` is no licence: write its SPDX identifier, such as `MIT` or `BSD-*`"
        )),
    }
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
