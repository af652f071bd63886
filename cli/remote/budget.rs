//! `--max-cost`: how long a run may take for the money.
//!
//! In: dollars, prices, what was spent already. Out: the limits of a run, or a fault when not even
//! a moment can be paid. Never: knows more of prices than it is told.

use pyrun_core::protocol::Limits;
use pyrun_core::{Code, Fault};

/// Milliseconds of a call that no run has: its environment starts, its answer ends.
const RESERVE_MS: u64 = 500;

/// What a function costs, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// A call, however short.
    pub request: f64,
    /// A millisecond of it.
    pub millisecond: f64,
}

/// What a run may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    usd: f64,
}

/// Limits that hold to a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affordable {
    /// The limits.
    pub limits: Limits,
    /// The time that the money buys, in milliseconds, where that is what limits the run.
    pub shortened: Option<u64>,
}

impl Budget {
    /// From what `--max-cost` says: dollars, such as `0.01`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let number = text.trim().trim_start_matches('$').parse::<f64>().ok();
        number
            .filter(|usd| usd.is_finite() && *usd > 0.0)
            .map(|usd| Self { usd })
            .ok_or_else(|| {
                Fault::new(
                    Code::CONFIG_INVALID,
                    format!("`{text}` is no amount of money"),
                )
                .hint("write it in US dollars, such as `--max-cost 0.01`")
            })
    }

    /// The limits under which a run can't cost more, `spent` being gone already. `longest_ms` is
    /// what a call may take anyway.
    pub fn afford(
        self,
        limits: Limits,
        prices: Prices,
        spent: f64,
        longest_ms: u64,
    ) -> Result<Affordable, Fault> {
        let left = self.usd - spent - prices.request;
        let bought = whole_ms(left / prices.millisecond);
        let run_ms = bought.saturating_sub(RESERVE_MS);
        if run_ms == 0 {
            return Err(self.too_little(prices, spent));
        }
        if run_ms >= longest_ms {
            return Ok(Affordable {
                limits,
                shortened: None,
            });
        }
        let shortened = limits
            .timeout_ms
            .is_none_or(|timeout| timeout > run_ms)
            .then_some(run_ms);
        Ok(Affordable {
            limits: Limits {
                timeout_ms: Some(limits.timeout_ms.unwrap_or(run_ms).min(run_ms)),
                whole_ms: Some(limits.whole_ms.unwrap_or(run_ms).min(run_ms)),
                ..limits
            },
            shortened,
        })
    }

    fn too_little(self, prices: Prices, spent: f64) -> Fault {
        let least = prices.request + (RESERVE_MS + 1) as f64 * prices.millisecond;
        let fault = Fault::new(
            Code::RUN_COST,
            format!("`--max-cost {}` does not pay for a call", self.usd),
        );
        let fault = if spent > 0.0 {
            fault.cause(format!("making its bundle has cost ${spent:.7} already"))
        } else {
            fault
        };
        fault
            .cause(format!(
                "the shortest call of the function costs ${least:.7}"
            ))
            .hint("allow more, or give the function less memory with `pyrun deploy --memory`")
    }

    /// The fault of a run that its budget ended.
    pub fn ended(self, run_ms: u64) -> Fault {
        Fault::new(
            Code::RUN_COST,
            format!(
                "the run was stopped after {run_ms} ms: `--max-cost {}` pays for no more",
                self.usd
            ),
        )
        .hint("allow more, or leave out `--max-cost`")
    }

    /// What the money buys, in words.
    pub fn words(self, run_ms: u64) -> String {
        format!(
            "`--max-cost {}` pays for {run_ms} ms of this function: the run is stopped then",
            self.usd
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest integer that there is, and no number 0"
)]
fn whole_ms(amount: f64) -> u64 {
    amount.floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: Prices = Prices {
        request: 0.5,
        millisecond: 0.001,
    };

    fn afford(usd: &str, timeout_ms: Option<u64>, spent: f64) -> Result<Affordable, Fault> {
        let limits = Limits {
            timeout_ms,
            ..Limits::default()
        };
        Budget::parse(usd)?.afford(limits, PRICES, spent, 60_000)
    }

    #[test]
    fn time_is_what_the_money_buys() {
        // 0.5 for the call, 0.5 in reserve, 2 for 2,000 ms.
        let paid = afford("3.0001", None, 0.0).expect("it pays");
        assert_eq!(paid.shortened, Some(2_000));
        assert_eq!(paid.limits.whole_ms, Some(2_000));
        assert_eq!(paid.limits.timeout_ms, Some(2_000));
        let after = afford("3.0001", None, 1.0).expect("it pays");
        assert_eq!(after.shortened, Some(1_000));
    }

    #[test]
    fn a_timeout_of_ones_own_stays_when_it_is_shorter() {
        let paid = afford("$3.0001", Some(1_500), 0.0).expect("it pays");
        assert_eq!(paid.shortened, None);
        assert_eq!(paid.limits.timeout_ms, Some(1_500));
        // Unpacking comes on top of it, and is paid too.
        assert_eq!(paid.limits.whole_ms, Some(2_000));
    }

    #[test]
    fn a_budget_that_can_not_be_passed_changes_nothing() {
        let paid = afford("1000", Some(5), 0.0).expect("it pays");
        assert_eq!(paid.limits.whole_ms, None);
        assert_eq!(paid.limits.timeout_ms, Some(5));
    }

    #[test]
    fn a_budget_for_not_even_a_moment_is_refused() {
        for (usd, spent) in [("0.9", 0.0), ("1.0", 0.0), ("3", 2.5), ("3", 9.0)] {
            let fault = afford(usd, None, spent).expect_err(usd);
            assert_eq!(fault.code, Code::RUN_COST);
            assert!(!fault.hints.is_empty());
        }
        let free = Prices {
            request: 0.0,
            millisecond: 0.0,
        };
        let limits = Limits::default();
        let paid = Budget { usd: 1.0 }.afford(limits, free, 0.0, 60_000);
        assert_eq!(paid.map(|paid| paid.shortened), Ok(None));
    }

    #[test]
    fn what_is_no_money_is_refused() {
        for text in ["", "-1", "0", "inf", "NaN", "cheap"] {
            assert!(Budget::parse(text).is_err(), "{text}");
        }
    }
}
