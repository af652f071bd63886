//! Following a change to its end.

use std::time::{Duration, Instant};

use pyrun_core::{Code, Fault};

use super::events::{self, Pace, Reader};
use super::operate::{SILENCE, Tell};
use super::{StackClient, StackEvent, fate};

/// How often in a row looking may fail before it is given up. What goes on goes on without us.
const LOOKS: usize = 5;
/// How long a stack that failed has to begin to take itself back. A stack that `CloudFormation`
/// finds to be impossible says so before that.
const TURNING: Duration = Duration::from_secs(10);

impl StackClient {
    /// Tells of events until the stack itself says that it is done; the resources it kept.
    pub(super) async fn follow(
        &self,
        mut reader: Reader,
        tell: Tell<'_>,
    ) -> Result<Vec<StackEvent>, Fault> {
        let mut pace = Pace::new();
        let mut last_news = Instant::now();
        let mut misses = 0;
        let mut failures = Vec::new();
        let mut kept = Vec::new();
        let mut failed: Option<StackEvent> = None;
        loop {
            pace.wait().await;
            let events = match reader.read(&self.cloud).await {
                Ok(events) => events,
                Err(fault) if misses + 1 < LOOKS && is_passing(&fault) => {
                    misses += 1;
                    continue;
                }
                Err(fault) => {
                    return Err(fault.hint(
                        "the change goes on in AWS without us: `pyrun deploy status` shows it",
                    ));
                }
            };
            misses = 0;
            if events.is_empty() {
                if let Some(last) = failed.as_ref().filter(|_| last_news.elapsed() > TURNING) {
                    return Err(self.ended(last, failures).await);
                }
                if last_news.elapsed() > SILENCE {
                    return Err(self.silent());
                }
                continue;
            }
            pace.news();
            last_news = Instant::now();
            for event in events {
                tell(&event);
                if event.is_stack {
                    let status = event.status.as_str();
                    if event.status.is_good() {
                        return Ok(kept);
                    }
                    if status == "CREATE_FAILED" || status == "UPDATE_FAILED" {
                        failed = Some(event);
                    } else if !event.status.is_busy() && !event.status.is_review() {
                        // Why it failed stands where it failed, not where it was taken back.
                        let last = failed.unwrap_or_else(|| event.clone());
                        let last = StackEvent {
                            status: event.status,
                            ..last
                        };
                        return Err(self.ended(&last, failures).await);
                    }
                } else if event.is_failure() {
                    failures.push(event);
                } else if event.is_kept() {
                    kept.push(event);
                }
            }
        }
    }

    /// The fault of a stack whose last word was `last`.
    async fn ended(&self, last: &StackEvent, mut failures: Vec<StackEvent>) -> Fault {
        let reason = last.reason.clone().unwrap_or_default();
        if failures.is_empty() {
            let stack = &last.physical;
            failures = events::validations(&self.cloud, stack, &reason).await;
        }
        let fault = fate::failed(&self.name, &last.status, &failures);
        if failures.is_empty() && !reason.is_empty() {
            return fault.cause(reason.trim_end_matches('.'));
        }
        fault
    }
}

/// Whether looking again may help.
fn is_passing(fault: &Fault) -> bool {
    fault.code == Code::REMOTE_THROTTLED || fault.code == Code::REMOTE_UNREACHABLE
}
