//! What is asked of a deployment, as the template's parameters.
//!
//! In: arguments, the stack as it is. Out: values for the template's parameters, and what they ask
//! of the account. Never: gives a parameter that was not asked for, so that it keeps its value.

use std::collections::BTreeMap;

use pyrun_aws::names::{self, parameter};
use pyrun_aws::quotas::Wanted;
use pyrun_aws::stack::Stack;
use pyrun_core::{Code, Fault};

use super::policy::Policy;
use crate::args::deploy::{Arch, DeployArgs, SizeArgs};
use crate::settings::units;

/// What is asked of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The policy to put into the store.
    pub policy: Option<Policy>,
}

impl Asked {
    /// Reads what the arguments ask for.
    pub fn read(args: &DeployArgs) -> Result<Self, Fault> {
        let mut parameters = sizes(&args.size)?;
        let policy = args.policy.as_deref().map(Policy::read).transpose()?;
        if let Some(policy) = &policy {
            parameters.insert(parameter::POLICY.to_owned(), policy.sha256.to_string());
        }
        for pair in &args.parameter {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(
                    Fault::new(Code::USAGE, format!("`--parameter {pair}` has no value"))
                        .hint("write it as `--parameter NAME=VALUE`"),
                );
            };
            let before = parameters.insert(name.to_owned(), value.to_owned());
            if before.is_some_and(|before| before != value) {
                return Err(Fault::new(
                    Code::USAGE,
                    format!("the parameter `{name}` is given twice, with different values"),
                ));
            }
        }
        Ok(Self { parameters, policy })
    }

    /// What a parameter will be: as asked, else as the stack has it.
    pub fn value<'a>(&'a self, existing: Option<&'a Stack>, name: &str) -> Option<&'a str> {
        let kept = || existing.and_then(|stack| stack.parameters.get(name));
        self.parameters
            .get(name)
            .or_else(kept)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// What it asks of the account's limits. A reservation counts once for each Python version.
    pub fn wanted(&self, existing: Option<&Stack>) -> Wanted {
        let number = |name: &str| self.value(existing, name)?.parse::<u64>().ok();
        let memory = number(parameter::MEMORY).max(number(parameter::BUILDER_MEMORY));
        let versions = names::PYTHONS
            .iter()
            .filter(|python| self.value(existing, &parameter::python(python)) != Some("no"))
            .count();
        let versions = u32::try_from(versions).unwrap_or(u32::MAX);
        let each = self
            .value(existing, parameter::CONCURRENCY)
            .and_then(|count| count.parse::<u32>().ok());
        let before = existing.map_or(0, |stack| {
            let each = stack.parameters.get(parameter::CONCURRENCY);
            let each = each
                .and_then(|count| count.parse::<u32>().ok())
                .unwrap_or(0);
            let runners = stack.outputs().map_or(0, |outputs| outputs.runners.len());
            each.saturating_mul(u32::try_from(runners).unwrap_or(u32::MAX))
        });
        Wanted {
            memory_mb: memory,
            reserved: each.map(|each| each.saturating_mul(versions)),
            reserved_before: before,
        }
    }
}

fn sizes(size: &SizeArgs) -> Result<BTreeMap<String, String>, Fault> {
    let mut given = BTreeMap::new();
    let mut set = |name: &str, value: String| given.insert(name.to_owned(), value);
    for (name, text) in [
        (parameter::MEMORY, &size.memory),
        (parameter::BUILDER_MEMORY, &size.builder_memory),
        (parameter::STORAGE, &size.storage),
    ] {
        if let Some(text) = text {
            set(name, megabytes(text)?.to_string());
        }
    }
    if let Some(text) = &size.timeout {
        set(
            parameter::TIMEOUT,
            units::duration(text)?.as_secs().to_string(),
        );
    }
    if let Some(arch) = size.arch {
        set(parameter::ARCHITECTURE, word(arch).to_owned());
    }
    if let Some(count) = &size.concurrency {
        set(parameter::CONCURRENCY, count.clone());
    }
    if !size.pythons.is_empty() {
        if let Some(unknown) = size
            .pythons
            .iter()
            .find(|python| !names::PYTHONS.contains(&python.as_str()))
        {
            return Err(Fault::new(
                Code::USAGE,
                format!("there are no functions for Python `{unknown}`"),
            )
            .hint(format!("there are {}", names::PYTHONS.join(", "))));
        }
        for python in names::PYTHONS {
            let is_wanted = size.pythons.iter().any(|wanted| wanted == python);
            let word = if is_wanted { "yes" } else { "no" };
            set(&parameter::python(python), word.to_owned());
        }
    }
    Ok(given)
}

/// The template's word for a processor.
pub fn word(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86_64",
        Arch::Arm64 => "arm64",
    }
}

/// Megabytes as Lambda counts them, 2^20 bytes: a bare number, or with `MB` or `GB` behind it.
fn megabytes(text: &str) -> Result<u64, Fault> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, factor) = match (lower.strip_suffix("gb"), lower.strip_suffix("mb")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1),
        _ => (lower.as_str(), 1),
    };
    let number = number.trim().parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| {
            Fault::new(
                Code::CONFIG_INVALID,
                format!("`{text}` is not a size of a function"),
            )
            .hint("write it as 2048, 2048MB or 2GB")
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn asked(words: &[&str]) -> Result<Asked, Fault> {
        let all = ["pyrun", "deploy"].iter().chain(words);
        match Cli::try_parse_from(all)
            .expect("words of the command")
            .command
        {
            Command::Deploy(args) => Asked::read(&args),
            other => panic!("not deploy: {other:?}"),
        }
    }

    #[test]
    fn only_what_is_asked_for_is_given() {
        assert_eq!(asked(&[]), Ok(Asked::default()));
        let asked = asked(&[
            "--memory",
            "4GB",
            "--timeout",
            "5m",
            "--arch",
            "arm64",
            "--pythons",
            "3.12,3.14",
            "--concurrency",
            "",
            "--parameter",
            "LogDays=7",
        ])
        .expect("all can be used");
        let said: Vec<String> = asked
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            said,
            [
                "Architecture=arm64",
                "Concurrency=",
                "LogDays=7",
                "Python312=yes",
                "Python313=no",
                "Python314=yes",
                "RunnerMemory=4096",
                "Timeout=300"
            ]
        );
    }

    #[test]
    fn what_contradicts_itself_or_is_not_there_is_refused() {
        for words in [
            &["--memory", "1GB", "--parameter", "RunnerMemory=2048"][..],
            &["--parameter", "LogDays"],
            &["--pythons", "2.7"],
            &["--memory", "much"],
        ] {
            assert!(asked(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_reservation_counts_for_each_python() {
        let asked = asked(&[
            "--concurrency",
            "50",
            "--pythons",
            "3.12,3.13",
            "--memory",
            "3GB",
        ])
        .expect("all can be used");
        let wanted = asked.wanted(None);
        assert_eq!(wanted.reserved, Some(100));
        assert_eq!(wanted.memory_mb, Some(3072));
    }
}
