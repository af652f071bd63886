//! Looking at a stack, planning, executing, removing.

use std::time::{Duration, Instant};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::Builder;
use aws_sdk_cloudformation::error::SdkError;
use aws_sdk_cloudformation::operation::create_change_set::CreateChangeSetError;
use aws_sdk_cloudformation::types as sdk;
use aws_smithy_types::retry::RetryConfig;
use pyrun_core::{Code, Fault};

use super::events::{self, Pace, Reader};
use super::{Change, ChangeSet, Draft, Failure, Plan, Stack, StackEvent, TAG, fate};
use crate::account::Connection;
use crate::error;

/// How often a call is tried, and how long after the first: `CloudFormation`'s rates are low, and
/// looking costs nothing.
const ATTEMPTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long nothing may happen while something is said to go on. A function in a VPC takes up to
/// 40 minutes to let go of its network interfaces.
pub(super) const SILENCE: Duration = Duration::from_hours(1);
/// How long a change set may take to be worked out.
const PLANNING: Duration = Duration::from_mins(10);

/// A way to one stack.
#[derive(Debug, Clone)]
pub struct StackClient {
    pub(super) cloud: Client,
    pub(super) name: String,
}

/// What became of a stack's resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// What was kept, by its name in the template and in the account.
    pub kept: Vec<(String, String)>,
}

/// Told of each event.
pub(super) type Tell<'a> = &'a (dyn Fn(&StackEvent) + Send + Sync);

impl StackClient {
    /// A way to the stack of that name, which may not be there yet.
    pub fn new(connection: &Connection, name: &str) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_WAIT);
        let config = Builder::from(connection.sdk()).retry_config(retries);
        Self {
            cloud: Client::from_conf(config.build()),
            name: name.to_owned(),
        }
    }

    /// The stack; `None` when there is none of that name.
    pub async fn look(&self) -> Result<Option<Stack>, Fault> {
        let answer = self
            .cloud
            .describe_stacks()
            .stack_name(&self.name)
            .send()
            .await;
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.code == "ValidationError" && failure.message.contains("does not exist") {
                    return Ok(None);
                }
                return Err(error::fault(&self.doing("look at"), &error));
            }
        };
        let stack = found.stacks().first().map(Stack::read);
        Ok(stack.filter(|stack| stack.status.as_str() != "DELETE_COMPLETE"))
    }

    /// Refuses a stack that is not pyrun's.
    pub async fn refuse_foreign(&self, stack: &Stack) -> Result<(), Fault> {
        if stack.is_ours() || (stack.status.is_review() && self.is_our_review().await?) {
            return Ok(());
        }
        let mut fault = Fault::new(
            Code::DEPLOY_FAILED,
            format!(
                "there is a stack `{}` already, and it is not one of pyrun",
                stack.name
            ),
        );
        if !stack.description.is_empty() {
            fault = fault.cause(format!("it says of itself: {}", stack.description));
        }
        Err(fault.hint("choose another name with `--stack NAME`"))
    }

    /// Refuses a stack that can't be changed before somebody helps it out.
    pub fn refuse_stuck(stack: &Stack) -> Result<(), Fault> {
        if stack.status.is_stuck() {
            return Err(fate::stuck(stack));
        }
        Ok(())
    }

    /// Whether a stack that nobody made yet holds no plan but pyrun's.
    async fn is_our_review(&self) -> Result<bool, Fault> {
        let sets = self
            .cloud
            .list_change_sets()
            .stack_name(&self.name)
            .send()
            .await
            .map_err(|error| error::fault(&self.doing("look at the plans of"), &error))?;
        let is_ours = |set: &sdk::ChangeSetSummary| {
            set.change_set_name()
                .is_some_and(|name| name.starts_with("pyrun-"))
        };
        Ok(sets.summaries().iter().all(is_ours))
    }

    /// Waits while somebody else changes the stack, and says what happens. The stack as it is then.
    pub async fn wait_idle(&self, tell: Tell<'_>) -> Result<Option<Stack>, Fault> {
        let Some(mut stack) = self.look().await? else {
            return Ok(None);
        };
        let mut reader = Reader::from_now(&self.cloud, &stack.id).await?;
        let mut pace = Pace::new();
        let mut last_news = Instant::now();
        while stack.status.is_busy() {
            pace.wait().await;
            let events = reader.read(&self.cloud).await?;
            if !events.is_empty() {
                pace.news();
                last_news = Instant::now();
            }
            events.iter().for_each(tell);
            if last_news.elapsed() > SILENCE {
                return Err(self.silent());
            }
            match self.look().await? {
                Some(next) => stack = next,
                None => return Ok(None),
            }
        }
        Ok(Some(stack))
    }

    /// What `draft` would change of `existing`.
    pub async fn plan(&self, existing: Option<&Stack>, draft: &Draft) -> Result<Plan, Fault> {
        let existing = existing.filter(|stack| !stack.status.is_review());
        let is_creation = existing.is_none();
        let kind = if is_creation {
            sdk::ChangeSetType::Create
        } else {
            sdk::ChangeSetType::Update
        };
        let created = self
            .cloud
            .create_change_set()
            .stack_name(&self.name)
            .change_set_name(change_set_name())
            .change_set_type(kind)
            .template_body(&draft.template)
            .set_parameters(Some(draft.parameters(existing)?))
            .capabilities(sdk::Capability::CapabilityIam)
            .tags(sdk::Tag::builder().key(TAG.0).value(TAG.1).build())
            .send()
            .await
            .map_err(|error| self.refused(&error))?;
        let set = ChangeSet {
            id: created.id.unwrap_or_default(),
            stack: created.stack_id.unwrap_or_default(),
            is_creation,
            changes: Vec::new(),
        };
        match self.worked_out(set.clone()).await {
            Ok(Some(set)) => Ok(Plan::Change(set)),
            Ok(None) => {
                self.discard(&set).await?;
                Ok(Plan::Nothing)
            }
            Err(fault) => {
                // What is wrong with the draft matters more than that its plan stays behind.
                let _ = self.discard(&set).await;
                Err(fault)
            }
        }
    }

    /// The change set once it is worked out; `None` when it holds no change.
    async fn worked_out(&self, mut set: ChangeSet) -> Result<Option<ChangeSet>, Fault> {
        let began = Instant::now();
        let mut pace = Pace::new();
        let mut token: Option<String> = None;
        loop {
            let answer = self
                .cloud
                .describe_change_set()
                .change_set_name(&set.id)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(|error| error::fault(&self.doing("read the plan of"), &error))?;
            match answer.status() {
                Some(sdk::ChangeSetStatus::CreateComplete) => {
                    let changes = answer.changes().iter();
                    set.changes.extend(
                        changes
                            .filter_map(|change| change.resource_change())
                            .map(Change::read),
                    );
                    token = answer.next_token;
                    if token.is_none() {
                        return Ok(Some(set));
                    }
                }
                Some(
                    sdk::ChangeSetStatus::CreatePending | sdk::ChangeSetStatus::CreateInProgress,
                ) => {
                    if began.elapsed() > PLANNING {
                        return Err(self.silent());
                    }
                    pace.wait().await;
                }
                _ => {
                    let reason = answer.status_reason().unwrap_or("no reason was given");
                    if is_no_change(reason) {
                        return Ok(None);
                    }
                    return Err(self.impossible(&set, reason).await);
                }
            }
        }
    }

    /// Takes a plan back that is not to be executed. Where it was to make the stack, nothing stays.
    pub async fn discard(&self, set: &ChangeSet) -> Result<(), Fault> {
        self.cloud
            .delete_change_set()
            .change_set_name(&set.id)
            .send()
            .await
            .map_err(|error| error::fault(&self.doing("take back the plan of"), &error))?;
        if set.is_creation
            && let Some(stack) = self.look().await?
            && stack.id == set.stack
            && stack.status.is_review()
        {
            self.cloud
                .delete_stack()
                .stack_name(&set.stack)
                .send()
                .await
                .map_err(|error| error::fault(&self.doing("take back the plan of"), &error))?;
        }
        Ok(())
    }

    /// Makes a plan's changes, tells of each event, and returns the stack when all is done.
    pub async fn execute(&self, set: &ChangeSet, tell: Tell<'_>) -> Result<Stack, Fault> {
        let reader = Reader::from_now(&self.cloud, &set.stack).await?;
        let executed = self
            .cloud
            .execute_change_set()
            .change_set_name(&set.id)
            .send()
            .await;
        if let Err(error) = executed {
            let failure = Failure::of(&error);
            if failure.code.starts_with("InvalidChangeSetStatus")
                || failure.code.starts_with("ChangeSetNotFound")
            {
                return Err(Fault::new(
                    Code::DEPLOY_FAILED,
                    format!(
                        "the plan for the stack `{}` is out of date: somebody else changed it",
                        self.name
                    ),
                )
                .cause(failure.message)
                .hint("run `pyrun deploy` again for a plan of what is there now"));
            }
            return Err(error::fault(&self.doing("change"), &error));
        }
        self.follow(reader, tell).await?;
        self.look().await?.ok_or_else(|| {
            Fault::new(
                Code::DEPLOY_FAILED,
                format!("the stack `{}` was removed by somebody else", self.name),
            )
        })
    }

    /// Removes the stack, tells of each event, and says what was kept.
    pub async fn delete(&self, stack: &Stack, tell: Tell<'_>) -> Result<Removed, Fault> {
        if stack.is_protected {
            return Err(Fault::new(
                Code::DEPLOY_FAILED,
                format!("the stack `{}` is protected from being removed", self.name),
            )
            .hint(format!("`aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {}` takes the protection off", self.name)));
        }
        let reader = Reader::from_now(&self.cloud, &stack.id).await?;
        self.cloud
            .delete_stack()
            .stack_name(&stack.id)
            .send()
            .await
            .map_err(|error| error::fault(&self.doing("remove"), &error))?;
        if stack.status.is_review() {
            return Ok(Removed::default());
        }
        let kept = self.follow(reader, tell).await?;
        Ok(Removed {
            kept: kept
                .into_iter()
                .map(|event| (event.logical, event.physical))
                .collect(),
        })
    }

    /// The fault of a change set that was not even taken.
    fn refused(&self, error: &SdkError<CreateChangeSetError>) -> Fault {
        let failure = Failure::of(error);
        if failure.code == "ValidationError" {
            let is_parameter = failure.message.contains("Parameter");
            let code = if is_parameter {
                Code::USAGE
            } else {
                Code::DEPLOY_FAILED
            };
            let message = if is_parameter {
                "a parameter of the stack has a value that it can't have".to_owned()
            } else {
                format!("CloudFormation does not take the stack `{}`", self.name)
            };
            return Fault::new(code, message).cause(failure.message.trim_end_matches('.'));
        }
        error::fault(&self.doing("plan"), error)
    }

    /// The fault of a change set that `CloudFormation` finds to be impossible.
    async fn impossible(&self, set: &ChangeSet, reason: &str) -> Fault {
        let fault = Fault::new(
            Code::DEPLOY_FAILED,
            format!("what the stack `{}` is to become can't be made", self.name),
        );
        let found = events::validations(&self.cloud, &set.stack, reason).await;
        if found.is_empty() {
            return fault.cause(reason.trim_end_matches('.'));
        }
        fate::explain(fault, &found)
    }

    pub(super) fn silent(&self) -> Fault {
        Fault::new(
            Code::DEPLOY_FAILED,
            format!(
                "nothing has happened to the stack `{}` for long, and it is not done",
                self.name
            ),
        )
        .hint("`pyrun deploy status` shows where it stands")
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} the stack `{}`", self.name)
    }
}

/// A name that no other change set has.
fn change_set_name() -> String {
    format!("pyrun-{}", jiff::Timestamp::now().as_millisecond())
}

/// Whether a change set failed for want of a change.
fn is_no_change(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}
