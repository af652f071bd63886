//! What happened to a stack, each event once and in order.

use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types as sdk;
use pyrun_core::Fault;

use super::Status;
use crate::error;

/// Something that happened to a resource of a stack, or to the stack itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// `CloudFormation`'s own id of it.
    pub id: String,
    /// The resource's name in the template; the stack's own name for the stack.
    pub logical: String,
    /// The resource's name in the account; may be empty.
    pub physical: String,
    /// Its type, such as `AWS::Lambda::Function`.
    pub kind: String,
    /// Where it stands, such as `CREATE_COMPLETE`.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// Whether it speaks of the stack itself.
    pub is_stack: bool,
}

impl StackEvent {
    fn read(event: &sdk::StackEvent) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            id: text(event.event_id()),
            logical: text(event.logical_resource_id()),
            physical: text(event.physical_resource_id()),
            kind: text(event.resource_type()),
            status: Status::new(
                event
                    .resource_status()
                    .map_or("", sdk::ResourceStatus::as_str),
            ),
            reason: event
                .resource_status_reason()
                .filter(|reason| !reason.is_empty())
                .map(ToOwned::to_owned),
            is_stack: event.physical_resource_id().is_some()
                && event.physical_resource_id() == event.stack_id(),
        }
    }

    /// Whether the resource failed by itself, and was not just taken back with others.
    pub fn is_failure(&self) -> bool {
        let is_cancelled = self
            .reason
            .as_deref()
            .is_some_and(|reason| reason.to_ascii_lowercase().contains("cancelled"));
        !self.is_stack && self.status.as_str().ends_with("_FAILED") && !is_cancelled
    }

    /// Whether the resource was left where it is.
    pub fn is_kept(&self) -> bool {
        self.status.as_str() == "DELETE_SKIPPED"
    }
}

/// How many pages of events are read at once at most: one operation has far fewer.
const PAGES: usize = 50;

/// Reads a stack's events from where the last reading ended.
#[derive(Debug)]
pub(super) struct Reader {
    stack: String,
    /// The newest event that was read.
    mark: Option<String>,
}

impl Reader {
    /// A reader of what happens to `stack`, an id or a name, from now on.
    pub async fn from_now(cloud: &Client, stack: &str) -> Result<Self, Fault> {
        let mut reader = Self {
            stack: stack.to_owned(),
            mark: None,
        };
        let page = reader.page(cloud, None).await?;
        reader.mark = page.0.into_iter().next().map(|event| event.id);
        Ok(reader)
    }

    /// What happened since the last reading, oldest first.
    pub async fn read(&mut self, cloud: &Client) -> Result<Vec<StackEvent>, Fault> {
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..PAGES {
            let (events, next) = self.page(cloud, token).await?;
            let fresh = events
                .iter()
                .position(|event| Some(&event.id) == self.mark.as_ref());
            let is_all = fresh.is_some() || next.is_none();
            found.extend(events.into_iter().take(fresh.unwrap_or(usize::MAX)));
            if is_all {
                break;
            }
            token = next;
        }
        if let Some(newest) = found.first() {
            self.mark = Some(newest.id.clone());
        }
        found.reverse();
        Ok(found)
    }

    /// One page, newest first, and where the next begins.
    async fn page(
        &self,
        cloud: &Client,
        token: Option<String>,
    ) -> Result<(Vec<StackEvent>, Option<String>), Fault> {
        let page = cloud
            .describe_stack_events()
            .stack_name(&self.stack)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| error::fault("read the stack's events", &error))?;
        let events = page.stack_events().iter().map(StackEvent::read).collect();
        Ok((events, page.next_token))
    }
}

/// What `CloudFormation` found to be impossible before it made anything, where `reason` says that it
/// did. Those words stand elsewhere than the stack's events.
pub(super) async fn validations(cloud: &Client, stack: &str, reason: &str) -> Vec<StackEvent> {
    if !reason.contains("DescribeEvents") && !reason.contains("alidation") {
        return Vec::new();
    }
    let failed = sdk::EventFilter::builder().failed_events(true).build();
    let answer = cloud
        .describe_events()
        .stack_name(stack)
        .filters(failed)
        .send()
        .await;
    // Without these words the fault says less, and is still the fault.
    let Ok(answer) = answer else {
        return Vec::new();
    };
    let events = answer.operation_events();
    let last = events.first().and_then(|event| event.operation_id());
    let of_last = events.iter().filter(|event| event.operation_id() == last);
    let found = of_last.filter_map(|event| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Some(StackEvent {
            id: text(event.event_id()),
            logical: text(event.logical_resource_id()),
            physical: text(event.physical_resource_id()),
            kind: text(event.resource_type()),
            status: Status::new("VALIDATION_FAILED"),
            reason: Some(event.validation_status_reason()?.to_owned()),
            is_stack: false,
        })
    });
    found.collect()
}

/// How long to wait before asking again: short after news, longer while nothing happens.
#[derive(Debug)]
pub(super) struct Pace(Duration);

impl Pace {
    const SHORTEST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(3);

    /// A pace for something that was just begun.
    pub fn new() -> Self {
        Self(Self::SHORTEST)
    }

    /// There was news.
    pub fn news(&mut self) {
        self.0 = Self::SHORTEST;
    }

    /// Waits, a little longer each time.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(Self::LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(status: &str, reason: &str) -> StackEvent {
        StackEvent {
            id: "1".to_owned(),
            logical: "Runner312".to_owned(),
            physical: String::new(),
            kind: "AWS::Lambda::Function".to_owned(),
            status: Status::new(status),
            reason: Some(reason.to_owned()),
            is_stack: false,
        }
    }

    #[test]
    fn a_cancelled_resource_is_not_what_failed() {
        assert!(event("CREATE_FAILED", "memory is too large").is_failure());
        assert!(!event("CREATE_FAILED", "Resource creation cancelled").is_failure());
        assert!(!event("CREATE_COMPLETE", "").is_failure());
    }
}
