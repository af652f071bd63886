//! Whether an account's limits suffice for what is asked.
//!
//! In: a connection, what a deployment asks for. Out: the limits, and what of the request goes
//! beyond them. Never: fails because a limit can't be read where only a note depends on it.

use aws_sdk_lambda::Client as Lambda;
use aws_sdk_lambda::types::AccountLimit;
use aws_sdk_servicequotas::Client as ServiceQuotas;
use pyrun_core::{Code, Fault};

use crate::account::Connection;
use crate::error::fault;

/// The most memory that Lambda gives a function, in MB.
pub const MOST_MEMORY_MB: u64 = 10_240;
/// The most memory that it gives a function of a new account, in MB. No call tells whether an
/// account is held to it.
pub const NEW_ACCOUNT_MEMORY_MB: u64 = 3_008;
/// What an account usually has at once, by default, in calls.
const USUAL_CONCURRENCY: u32 = 1_000;
/// How much of the limit may not be reserved, where the limit is large enough to have such a part.
const KEPT_FREE: u32 = 100;
/// The quota's code in Service Quotas.
pub const CONCURRENCY_QUOTA: &str = "L-B99A9384";

/// An account's limits in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Calls of all functions at once.
    pub concurrent: u32,
    /// What of it no function has reserved.
    pub unreserved: u32,
    /// What Service Quotas says the limit is; `None` where it does not answer.
    pub granted: Option<u32>,
}

/// What a deployment asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The largest function's memory in MB.
    pub memory_mb: Option<u64>,
    /// Calls that are reserved, over all functions.
    pub reserved: Option<u32>,
    /// What of it the stack has reserved already.
    pub reserved_before: u32,
}

impl Quotas {
    /// Asks for them.
    pub async fn read(connection: &Connection) -> Result<Self, Fault> {
        let answer = Lambda::new(connection.sdk())
            .get_account_settings()
            .send()
            .await
            .map_err(|error| fault("read the account's Lambda limits", &error))?;
        let limit = answer.account_limit();
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        let concurrent = limit.map_or(0, |limit| count(limit.concurrent_executions()));
        Ok(Self {
            concurrent,
            unreserved: limit
                .and_then(AccountLimit::unreserved_concurrent_executions)
                .map_or(concurrent, count),
            granted: granted(connection).await,
        })
    }

    /// Whether the account looks like a new one, which AWS holds to less.
    pub fn is_small(&self) -> bool {
        self.concurrent < USUAL_CONCURRENCY / 10
    }

    /// Refuses what can't be had.
    pub fn refuse(&self, wanted: &Wanted) -> Result<(), Fault> {
        if let Some(memory) = wanted.memory_mb.filter(|memory| *memory > MOST_MEMORY_MB) {
            return Err(Fault::new(
                Code::REMOTE_QUOTA,
                format!("{memory} MB is more memory than Lambda gives a function"),
            )
            .hint(format!(
                "ask for {MOST_MEMORY_MB} MB at most with `--memory`"
            )));
        }
        let free = self.reservable() + wanted.reserved_before;
        if let Some(reserved) = wanted.reserved.filter(|reserved| *reserved > free) {
            return Err(Fault::new(
                Code::REMOTE_QUOTA,
                format!("{reserved} calls at once can't be reserved: the account has {free} to reserve"),
            )
            .cause(format!(
                "its limit is {}, of which {} are not reserved, and {} must stay so",
                self.concurrent,
                self.unreserved,
                self.kept_free()
            ))
            .hint(format!(
                "reserve less with `--concurrency N`, or ask for a rise of quota {CONCURRENCY_QUOTA} (Lambda, concurrent executions) in Service Quotas"
            )));
        }
        Ok(())
    }

    /// What may become a difficulty, in one sentence each.
    pub fn notes(&self, wanted: &Wanted) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_small() {
            notes.push(format!(
                "the account runs {} calls at once at most, over all its functions: ask for a rise of quota {CONCURRENCY_QUOTA} in Service Quotas",
                self.concurrent
            ));
            if wanted
                .memory_mb
                .is_some_and(|memory| memory > NEW_ACCOUNT_MEMORY_MB)
            {
                notes.push(format!(
                    "new accounts are held to {NEW_ACCOUNT_MEMORY_MB} MB of memory a function: if AWS refuses more, ask for less with `--memory`"
                ));
            }
        }
        if let Some(granted) = self.granted.filter(|granted| *granted > self.concurrent) {
            notes.push(format!(
                "a limit of {granted} calls at once was granted and is not in force yet"
            ));
        }
        notes
    }

    fn reservable(&self) -> u32 {
        self.unreserved.saturating_sub(self.kept_free())
    }

    /// AWS keeps 100 unreserved, and of a limit below that all of it.
    fn kept_free(&self) -> u32 {
        KEPT_FREE.min(self.concurrent)
    }
}

/// What Service Quotas says; a principal that may deploy need not be permitted to ask.
async fn granted(connection: &Connection) -> Option<u32> {
    let answer = ServiceQuotas::new(connection.sdk())
        .get_service_quota()
        .service_code("lambda")
        .quota_code(CONCURRENCY_QUOTA)
        .send()
        .await
        .ok()?;
    let value = answer.quota()?.value()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quota of calls is a whole number; what is out of range is cut off at the ends"
    )]
    Some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Quotas = Quotas {
        concurrent: 10,
        unreserved: 10,
        granted: None,
    };
    const USUAL: Quotas = Quotas {
        concurrent: 1_000,
        unreserved: 900,
        granted: Some(1_000),
    };

    fn wanted(memory: u64, reserved: u32) -> Wanted {
        Wanted {
            memory_mb: Some(memory),
            reserved: Some(reserved),
            reserved_before: 0,
        }
    }

    #[test]
    fn more_than_can_be_reserved_is_refused_with_the_arithmetic() {
        assert_eq!(USUAL.refuse(&wanted(2048, 800)), Ok(()));
        let fault = USUAL.refuse(&wanted(2048, 801)).expect_err("100 stay free");
        assert_eq!(fault.code, Code::REMOTE_QUOTA);
        assert!(fault.message.contains("801") && fault.message.contains("800 to reserve"));
        let fault = NEW.refuse(&wanted(1024, 1)).expect_err("nothing is free");
        assert!(fault.message.contains("has 0 to reserve"), "{fault}");
    }

    #[test]
    fn what_the_stack_has_reserved_itself_counts_as_free() {
        let again = Wanted {
            reserved_before: 50,
            ..wanted(2048, 850)
        };
        assert_eq!(USUAL.refuse(&again), Ok(()));
    }

    #[test]
    fn more_memory_than_there_is_is_refused_and_a_new_account_is_warned() {
        let fault = USUAL.refuse(&wanted(10_241, 0)).expect_err("too much");
        assert!(fault.hints[0].contains("10240"), "{fault:?}");
        assert_eq!(USUAL.notes(&wanted(4096, 0)), Vec::<String>::new());
        assert_eq!(NEW.notes(&wanted(4096, 0)).len(), 2);
        assert_eq!(NEW.notes(&wanted(2048, 0)).len(), 1);
    }
}
