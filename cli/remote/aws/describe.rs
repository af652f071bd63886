//! Asking a function who it is.
//!
//! In: a function. Out: what it says of itself. Never: asks twice what is remembered.

use pyrun_aws::invoke::{CallReport, Described, Functions, Mode};
use pyrun_core::{Code, Fault, Target};

use super::discovery::{Deployment, Role};
use crate::remote::Wish;

/// The newest Python that fits a wish, and what its runner says of itself. What asking cost is added
/// to `reports`.
pub async fn choose(
    deployment: &Deployment,
    functions: &Functions,
    mode: Mode,
    wish: &Wish<'_>,
    remote: &str,
    reports: &mut Vec<CallReport>,
) -> Result<(String, Described), Fault> {
    wish.check(remote)?;
    let versions = deployment.versions();
    let mut had = versions.clone();
    for version in wish.candidates(versions.iter().map(String::as_str)) {
        let described = if let Some(described) = deployment.described(&version) {
            described
        } else {
            let (report, described) = ask(deployment, functions, mode, &version).await?;
            reports.push(report);
            deployment.remember(&version, described.clone());
            described
        };
        check_target(&version, &described.description.target)?;
        if wish.fits(&described.description.target) {
            return Ok((version, described));
        }
        // What it has is told in full where it is known.
        let full = described.description.target.python.to_string();
        had.iter_mut()
            .filter(|text| **text == version)
            .for_each(|text| text.clone_from(&full));
    }
    Err(wish.none_fits(remote, &had))
}

async fn ask(
    deployment: &Deployment,
    functions: &Functions,
    mode: Mode,
    python: &str,
) -> Result<(CallReport, Described), Fault> {
    let mut asked_again = false;
    loop {
        let function = deployment
            .function(Role::Runner, python)
            .ok_or_else(|| gone(python))?;
        let (report, described) = functions.describe(&function, mode).await;
        match described {
            Ok(described) => return Ok((report, described)),
            Err(fault) if fault.code == Code::REMOTE_NO_STACK && !asked_again => {
                asked_again = true;
                deployment.ask_again().await?;
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn check_target(python: &str, target: &Target) -> Result<(), Fault> {
    let own = target.python.minor_text();
    if own == python {
        return Ok(());
    }
    Err(Fault::new(
        Code::CONFIG_INVALID,
        format!("the runner for Python {python} is one for Python {own}"),
    )
    .hint("look at the remote's table in pyrun.toml, or run `pyrun deploy`"))
}

/// The fault when a version is gone that was there a moment ago.
pub fn gone(python: &str) -> Fault {
    Fault::new(
        Code::REMOTE_NO_STACK,
        format!("the remote has no functions for Python {python} any more"),
    )
    .hint("run it again, or add them with `pyrun deploy --pythons`")
}
