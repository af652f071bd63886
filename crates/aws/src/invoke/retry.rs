//! What is asked again, when, and how often.
//!
//! In: a failure. Out: a pause, or that it is over. A call that the service refused for being busy,
//! and one that was never sent, may be made again whatever it asks. One that may have begun may be
//! made again only where asking twice is as good as asking once: a run never.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use super::error::{Failure, Refusal};

/// How long a call that is asked to slow down waits in all.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The first pause; each one after is twice as long.
const FIRST: Duration = Duration::from_millis(400);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a call is made that was not heard, or that is repeated without harm.
const TRIES: u32 = 3;

/// What to do about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Wait, then call again.
    Wait {
        /// How long.
        pause: Duration,
        /// What to tell the user, when there is anything new to tell.
        why: Option<String>,
    },
    /// The failure stands.
    GiveUp,
}

/// What is left of it, for one call.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    is_idempotent: bool,
    waits: u32,
    tries: u32,
}

impl Patience {
    /// Patience for a call.
    pub(super) fn new(patience: Duration, is_idempotent: bool) -> Self {
        Self {
            left: patience,
            is_idempotent,
            waits: 0,
            tries: 0,
        }
    }

    /// What to do about a failure, and the next one after it.
    pub(super) fn judge(&mut self, failure: &Failure) -> Verdict {
        match failure {
            Failure::Refused(refusal) if is_busy(refusal) => self.wait(refusal),
            Failure::NotSent(_) => self.again(),
            Failure::Refused(refusal) if refusal.status >= 500 && self.is_idempotent => {
                if is_lasting(refusal) {
                    return Verdict::GiveUp;
                }
                self.again()
            }
            Failure::Cut { .. } if self.is_idempotent => self.again(),
            _ => Verdict::GiveUp,
        }
    }

    fn wait(&mut self, refusal: &Refusal) -> Verdict {
        if self.left.is_zero() {
            return Verdict::GiveUp;
        }
        let pause = jittered(pause(self.waits)).min(self.left);
        self.left -= pause;
        self.waits += 1;
        // Said once, not with every pause.
        let why = (self.waits == 1).then(|| {
            let kind = refusal.reason.as_deref().unwrap_or(&refusal.code);
            format!("AWS asks to slow down ({kind}): waiting")
        });
        Verdict::Wait { pause, why }
    }

    fn again(&mut self) -> Verdict {
        self.tries += 1;
        if self.tries >= TRIES {
            return Verdict::GiveUp;
        }
        Verdict::Wait {
            pause: jittered(pause(self.tries)),
            why: None,
        }
    }
}

/// Whether the service has only no room at the moment: the function was not called.
fn is_busy(refusal: &Refusal) -> bool {
    refusal.status == 429
        || matches!(
            refusal.code.as_str(),
            "TooManyRequestsException"
                | "EC2ThrottledException"
                | "ResourceConflictException"
                | "ResourceNotReadyException"
                | "SnapStartNotReadyException"
        )
}

/// Whether the service would say the same again.
fn is_lasting(refusal: &Refusal) -> bool {
    [
        "KMS",
        "ENI",
        "EFS",
        "EC2",
        "Subnet",
        "Invalid",
        "SnapStart",
        "CodeArtifact",
    ]
    .iter()
    .any(|word| refusal.code.starts_with(word))
}

fn pause(number: u32) -> Duration {
    (FIRST * 2u32.saturating_pow(number)).min(LONGEST_PAUSE)
}

/// Somewhere in the upper half, so that those who were sent away together do not return together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    let part = u32::try_from(random).expect("below 1000");
    pause / 2 + pause / 2 * part / 1000
}

#[cfg(test)]
mod tests {
    use pyrun_core::{Code, Fault};

    use super::*;

    fn refused(code: &str, status: u16) -> Failure {
        Failure::Refused(Refusal {
            code: code.to_owned(),
            status,
            message: String::new(),
            reason: None,
            general: Box::new(Fault::new(Code::REMOTE_FAILED, "x")),
        })
    }

    fn rounds(is_idempotent: bool, failure: &Failure) -> (u32, Duration) {
        let mut patience = Patience::new(PATIENCE, is_idempotent);
        let (mut rounds, mut waited) = (0, Duration::ZERO);
        while let Verdict::Wait { pause, .. } = patience.judge(failure) {
            rounds += 1;
            waited += pause;
        }
        (rounds, waited)
    }

    #[test]
    fn a_busy_service_is_waited_for_and_not_for_ever() {
        let (rounds, waited) = rounds(false, &refused("TooManyRequestsException", 429));
        assert!(rounds > 5, "{rounds}");
        assert_eq!(waited, PATIENCE);
    }

    #[test]
    fn waiting_is_said_once() {
        let mut patience = Patience::new(PATIENCE, false);
        let failure = refused("TooManyRequestsException", 429);
        let said = |verdict| matches!(verdict, Verdict::Wait { why: Some(_), .. });
        assert!(said(patience.judge(&failure)));
        assert!(!said(patience.judge(&failure)));
    }

    #[test]
    fn a_run_that_may_have_begun_is_never_repeated() {
        let cut = Failure::Cut { cause: None };
        assert_eq!(rounds(false, &cut).0, 0);
        assert_eq!(rounds(true, &cut).0, 2);
        assert_eq!(rounds(false, &refused("ServiceException", 500)).0, 0);
        assert_eq!(rounds(true, &refused("ServiceException", 500)).0, 2);
        let silent = Failure::Silent { waited: PATIENCE };
        assert_eq!(rounds(true, &silent).0, 0);
    }

    #[test]
    fn what_was_never_sent_is_sent_again() {
        let failure = Failure::NotSent(Box::new(Fault::new(Code::REMOTE_UNREACHABLE, "x")));
        assert_eq!(rounds(false, &failure).0, 2);
    }

    #[test]
    fn what_would_be_said_again_is_believed() {
        assert_eq!(rounds(true, &refused("KMSDisabledException", 502)).0, 0);
        assert_eq!(rounds(true, &refused("AccessDeniedException", 403)).0, 0);
    }
}
