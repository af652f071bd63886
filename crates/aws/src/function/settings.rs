//! What the environment says of the function.
//!
//! In: variables. Out: [`Settings`], or a fault that names the variable. Never: touches a disk or
//! the network, so that it costs the start nothing.

use std::path::PathBuf;

use pyrun_core::{Code, Fault, Sha256};

use crate::names;

/// What the function was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// The function's own name.
    pub(super) name: String,
    /// Mebibytes of memory, as AWS counts.
    pub(super) memory_mb: u64,
    /// Its store, as the variable spells it.
    pub(super) store: String,
    /// The digest of its policy.
    pub(super) policy: Option<Sha256>,
    /// The Python that was named.
    pub(super) python: Option<PathBuf>,
    /// Where it keeps things.
    pub(super) cache: PathBuf,
    /// The size of its disk, where it is told.
    pub(super) disk_bytes: Option<u64>,
}

/// The address of the Runtime API, which only AWS Lambda sets.
pub(super) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

impl Settings {
    /// Reads them from variables; one that is empty counts as unset.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &str| {
            set(name).ok_or_else(|| {
                Fault::new(
                    Code::CONFIG_INVALID,
                    format!("the function's variable `{name}` is not set"),
                )
                .hint("deploy the stack again with `pyrun deploy`: its template sets it")
            })
        };
        let number = |name: &str, text: &str| {
            text.parse::<u64>()
                .map_err(|_| invalid(name, text, "a whole number"))
        };
        // What lambda_runtime can't do without.
        needed("AWS_LAMBDA_FUNCTION_VERSION")?;
        let memory = needed("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?;
        let policy = set(names::POLICY)
            .map(|text| {
                text.parse()
                    .map_err(|_| invalid(names::POLICY, &text, "a SHA-256 digest"))
            })
            .transpose()?;
        Ok(Self {
            name: needed("AWS_LAMBDA_FUNCTION_NAME")?,
            memory_mb: number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory)?,
            store: needed(names::STORE)?,
            policy,
            python: set(names::PYTHON).map(PathBuf::from),
            cache: set(names::CACHE).map_or_else(|| names::FUNCTION_CACHE.into(), PathBuf::from),
            disk_bytes: set(names::DISK)
                .map(|text| number(names::DISK, &text))
                .transpose()?,
        })
    }
}

fn invalid(name: &str, text: &str, expected: &str) -> Fault {
    Fault::new(
        Code::CONFIG_INVALID,
        format!("the function's variable `{name}` is `{text}`, which is not {expected}"),
    )
    .hint("deploy the stack again with `pyrun deploy`: its template sets it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<Settings, Fault> {
        let given = [
            ("AWS_LAMBDA_FUNCTION_NAME", "pyrun-Runner312"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
            ("PYRUN_STORE", "s3://bucket/prefix"),
        ];
        Settings::read(|wanted| {
            let last = given.iter().chain(more).rfind(|(name, _)| *name == wanted);
            last.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_stack_sets_little() {
        let settings = read(&[("PYRUN_POLICY", "")]).expect("settings");
        assert_eq!(settings.memory_mb, 1024);
        assert_eq!(settings.policy, None);
        assert_eq!(settings.cache, PathBuf::from("/tmp/pyrun"));
        assert_eq!(settings.disk_bytes, None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (name, value) in [
            ("PYRUN_STORE", ""),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"),
            ("PYRUN_POLICY", "sha256"),
            ("PYRUN_DISK_BYTES", "-1"),
        ] {
            let fault = read(&[(name, value)]).expect_err(name);
            assert_eq!(fault.code, Code::CONFIG_INVALID);
            assert!(fault.message.contains(name), "{}", fault.message);
        }
    }
}
