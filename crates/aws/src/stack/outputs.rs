//! What a stack says of itself: its store, its functions, their version.
//!
//! In: a stack's outputs. Out: [`Outputs`]. Never: guesses a name that the stack does not say.

use std::collections::BTreeMap;

use pyrun_core::{Code, Fault};

use super::StackClient;
use crate::account::Connection;
use crate::names;

/// What a stack of pyrun consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The store, as `s3://BUCKET/PREFIX`.
    pub store: String,
    /// The version of the deployed functions; empty for a stack of the bucket alone.
    pub version: String,
    /// The builders' function names by Python version, such as `3.12`.
    pub builders: BTreeMap<String, String>,
    /// The runners' function names, likewise.
    pub runners: BTreeMap<String, String>,
}

impl Outputs {
    /// Reads a stack's outputs; `None` when they are not those of pyrun.
    pub(crate) fn read(outputs: &BTreeMap<String, String>) -> Option<Self> {
        let store = outputs
            .get(names::OUTPUT_STORE)
            .filter(|store| store.starts_with("s3://"))?;
        let functions = |prefix: &str| {
            let named = outputs.iter().filter_map(|(key, function)| {
                Some((python(key.strip_prefix(prefix)?)?, function.clone()))
            });
            named.collect()
        };
        Some(Self {
            store: store.clone(),
            version: outputs
                .get(names::OUTPUT_VERSION)
                .cloned()
                .unwrap_or_default(),
            builders: functions("Builder"),
            runners: functions("Runner"),
        })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        let rest = self.store.trim_start_matches("s3://");
        rest.split_once('/').map_or(rest, |(bucket, _)| bucket)
    }

    /// Whether it is the bucket alone, as a first deployment that did not get further leaves it.
    pub fn is_bucket_alone(&self) -> bool {
        self.builders.is_empty() && self.runners.is_empty()
    }
}

/// `3.12` from `312`.
fn python(digits: &str) -> Option<String> {
    let is_number = digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{}.{}", &digits[..1], &digits[1..]))
}

/// What the stack of that name consists of.
///
/// `remote.no-stack` when there is none, when it is not pyrun's, or when it has no functions yet.
pub async fn outputs(connection: &Connection, stack: &str) -> Result<Outputs, Fault> {
    let client = StackClient::new(connection, stack);
    let Some(found) = client.look().await? else {
        return Err(Fault::new(
            Code::REMOTE_NO_STACK,
            format!("there is no stack `{stack}` in {}", connection.region()),
        )
        .hint("`pyrun deploy` makes it; a stack elsewhere wants its `--region` and `--profile`"));
    };
    let Some(outputs) = found.outputs() else {
        return Err(Fault::new(
            Code::REMOTE_NO_STACK,
            format!("the stack `{stack}` is not one of pyrun, or is not finished"),
        )
        .cause(format!("it is {} and says of no store", found.status))
        .hint("`pyrun deploy status` shows what it is"));
    };
    if outputs.is_bucket_alone() {
        return Err(Fault::new(
            Code::REMOTE_NO_STACK,
            format!("the stack `{stack}` has a bucket but no functions yet"),
        )
        .hint("`pyrun deploy` goes on from there"));
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(pairs: &[(&str, &str)]) -> Option<Outputs> {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Outputs::read(&pairs.collect())
    }

    #[test]
    fn functions_are_found_by_the_names_that_the_template_shares() {
        let found = outputs(&[
            ("Store", "s3://bucket/team/"),
            ("Version", "0.1.0"),
            (&names::builder("3.12"), "pyrun-builder-312"),
            (&names::runner("3.13"), "pyrun-runner-313"),
            ("RunnerLogs", "a group"),
        ])
        .expect("a stack of pyrun");
        assert_eq!(found.builders["3.12"], "pyrun-builder-312");
        assert_eq!(found.runners["3.13"], "pyrun-runner-313");
        assert_eq!((found.builders.len(), found.runners.len()), (1, 1));
        assert_eq!(found.bucket(), "bucket");
    }

    #[test]
    fn a_bucket_alone_has_no_functions() {
        let found = outputs(&[("Store", "s3://bucket")]).expect("a stack of the bucket alone");
        assert_eq!(found.bucket(), "bucket");
        assert!(found.is_bucket_alone());
    }

    #[test]
    fn another_stack_is_not_taken_for_ours() {
        assert_eq!(outputs(&[("Store", "a shop"), ("Version", "1")]), None);
        assert_eq!(outputs(&[]), None);
    }
}
