//! What is well and what is not, here and in the cloud.
//!
//! In: arguments. Out: a list of checks in the order in which one leads to the next. Never: stops at
//! the first that fails, but where the rest would only say the same.

use futures::future::join_all;
use pyrun_aws::account::Connection;
use pyrun_aws::identity::identity;
use pyrun_aws::quotas::{Quotas, Wanted};
use pyrun_aws::stack::{Answered, Bucket, Outputs, StackClient, ping};
use pyrun_core::Fault;
use pyrun_core::protocol::PROTOCOL;
use pyrun_runner::interpreter::{self, Environment};
use pyrun_store::{Body, catalog};
use serde::Serialize;

use crate::args::deploy::{AccountArgs, DoctorArgs};
use crate::console::words;
use crate::depot;
use crate::settings::{FileSettings, Place};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    #[serde(rename = "check")]
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub says: String,
    /// Why, and what to do next.
    pub next: Vec<String>,
}

impl Check {
    fn good(name: &str, says: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            ok: true,
            says: says.into(),
            next: Vec::new(),
        }
    }

    fn bad(name: &str, fault: &Fault) -> Self {
        let causes = fault.causes.iter().map(|cause| format!("because {cause}"));
        Self {
            name: name.to_owned(),
            ok: false,
            says: fault.message.clone(),
            next: causes.chain(fault.hints.iter().cloned()).collect(),
        }
    }

    fn of(name: &str, found: Result<String, Fault>) -> Self {
        match found {
            Ok(says) => Self::good(name, says),
            Err(fault) => Self::bad(name, &fault),
        }
    }
}

/// Looks at this machine, and at a remote when one is named.
pub async fn diagnose(args: &DoctorArgs, file: &FileSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    match Place::resolve(&args.place(), file) {
        Ok(place) => {
            checks.push(python(&place));
            checks.push(Check::of("local store", local_store(&place).await));
        }
        Err(fault) => checks.push(Check::bad("local store", &fault)),
    }
    if is_remote(&args.account) {
        remote(&args.account, &mut checks).await;
    }
    checks
}

fn is_remote(args: &AccountArgs) -> bool {
    args.on.as_deref().is_some_and(|on| on != "local") || args.stack.is_some()
}

fn python(place: &Place) -> Check {
    let found = interpreter::find(
        &interpreter::Wanted::default(),
        &Environment::of_process(),
        &place.cache,
    );
    Check::of(
        "python",
        found
            .map(|python| {
                format!(
                    "{} at {}",
                    python.target.python,
                    python.executable.display()
                )
            })
            .map_err(Fault::from),
    )
}

async fn local_store(place: &Place) -> Result<String, Fault> {
    let store = depot::store(&place.store).await?;
    let key = catalog::request(&pyrun_core::Sha256::of(b"is this store writable?"));
    store.put(&key, Body::from(b"{}".to_vec())).await?;
    store.delete(&key).await?;
    Ok(format!("{} can be written", place.store))
}

/// Each check stands on the one before: without credentials nothing else can be found out.
async fn remote(args: &AccountArgs, checks: &mut Vec<Check>) {
    let opened = match super::account(args) {
        Ok((account, stack)) => Connection::open(&account)
            .await
            .map(|connection| (connection, stack)),
        Err(fault) => Err(fault),
    };
    let (connection, stack) = match opened {
        Ok(opened) => opened,
        Err(fault) => return checks.push(Check::bad("region", &fault)),
    };
    checks.push(Check::good("region", connection.region()));
    match identity(&connection).await {
        Ok(who) => checks.push(Check::good(
            "credentials",
            format!("account {}, {}", who.account, who.arn),
        )),
        Err(fault) => return checks.push(Check::bad("credentials", &fault)),
    }
    checks.push(quotas(&connection).await);
    let outputs = match standing(&connection, &stack).await {
        Ok((says, outputs)) => {
            checks.push(Check::good("stack", says));
            outputs
        }
        Err(fault) => return checks.push(Check::bad("stack", &fault)),
    };
    let bucket = Bucket::new(&connection, &outputs);
    let usable = bucket.check().await;
    checks.push(Check::of(
        "store",
        usable.map(|()| format!("{} can be read and written", outputs.store)),
    ));
    let functions = outputs.builders.iter().map(|pair| ("builder", pair));
    let functions = functions.chain(outputs.runners.iter().map(|pair| ("runner", pair)));
    let asked = functions.map(|(kind, (python, name))| {
        let connection = &connection;
        async move {
            let answered = ping(connection, name).await;
            function(&format!("{kind} {python}"), answered)
        }
    });
    checks.extend(join_all(asked).await);
}

async fn standing(connection: &Connection, name: &str) -> Result<(String, Outputs), Fault> {
    let client = StackClient::new(connection, name);
    if let Some(stack) = client.look().await? {
        client.refuse_foreign(&stack).await?;
        StackClient::refuse_stuck(&stack)?;
    }
    let outputs = pyrun_aws::stack::outputs(connection, name).await?;
    Ok((
        format!("`{name}` is deployed, version {}", outputs.version),
        outputs,
    ))
}

async fn quotas(connection: &Connection) -> Check {
    let quotas = match Quotas::read(connection).await {
        Ok(quotas) => quotas,
        Err(fault) => return Check::bad("quotas", &fault),
    };
    let says = format!(
        "{} at once, {} of them not reserved",
        words::count(u64::from(quotas.concurrent), "call"),
        quotas.unreserved
    );
    Check {
        // A small limit is worth a word and keeps nothing from working.
        next: quotas.notes(&Wanted::default()),
        ..Check::good("quotas", says)
    }
}

fn function(name: &str, answered: Result<Answered, Fault>) -> Check {
    let answered = match answered {
        Ok(answered) => answered,
        Err(fault) => return Check::bad(name, &fault),
    };
    let ours = env!("CARGO_PKG_VERSION");
    let says = format!(
        "Python {}, {} MB, version {}",
        answered.description.target.python,
        answered.description.memory_bytes >> 20,
        answered.version
    );
    let mut next = Vec::new();
    if answered.protocol != PROTOCOL {
        next.push(format!(
            "it speaks protocol {}, this pyrun speaks {PROTOCOL}: `pyrun deploy` updates the functions",
            answered.protocol
        ));
    } else if answered.version != ours {
        next.push(format!(
            "this pyrun is {ours}: `pyrun deploy` brings the functions to it"
        ));
    }
    Check {
        name: name.to_owned(),
        ok: answered.protocol == PROTOCOL,
        says,
        next,
    }
}
