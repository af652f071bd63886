//! What is well and what is not, here and in the cloud.
//!
//! In: arguments. Out: a list of checks in the order in which one leads to the next. Never: stops at
//! the first that fails, but where the rest would only say the same.

use futures::future::join_all;
use pyrun_aws::account::Connection;
use pyrun_aws::identity::identity;
use pyrun_aws::invoke::{Described, Functions, Mode};
use pyrun_aws::quotas::{Quotas, Wanted};
use pyrun_aws::stack::{Outputs, StackClient};
use pyrun_core::{Code, Fault, Sha256};
use pyrun_runner::interpreter::{self, Environment};
use pyrun_store::{Body, Store, StoreError, catalog};
use serde::Serialize;

use crate::args::deploy::{AccountArgs, DoctorArgs};
use crate::console::words;
use crate::depot;
use crate::remote::open_store;
use crate::settings::remote::Site;
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
    try_out(&*store).await?;
    Ok(format!("{} can be read and written", place.store))
}

/// Writes an object, reads it, and leaves nothing behind.
async fn try_out(store: &dyn Store) -> Result<(), StoreError> {
    let key = catalog::request(&Sha256::of(b"is this store writable?"));
    store.put(&key, Body::from(b"{}".to_vec())).await?;
    let read = store.get(&key, None).await;
    store.delete(&key).await?;
    read.map(drop)
}

/// Each check stands on the one before: without credentials nothing else can be found out.
async fn remote(args: &AccountArgs, checks: &mut Vec<Check>) {
    let opened = match super::meant(args) {
        Ok(meant) => Connection::open(&meant.account)
            .await
            .map(|connection| (connection, meant)),
        Err(fault) => Err(fault),
    };
    let (connection, meant) = match opened {
        Ok(opened) => opened,
        Err(fault) => return checks.push(Check::bad("region", &fault)),
    };
    checks.push(Check::good("region", connection.region()));
    let outputs = match &meant.site {
        Site::Stack(name) => stack(&connection, name, checks).await,
        // Whoever was only told of functions and a store may know nothing of the account.
        Site::Given {
            store,
            builders,
            runners,
        } => Some(Outputs {
            store: store.clone(),
            builders: builders.clone(),
            runners: runners.clone(),
            ..Outputs::default()
        }),
    };
    let Some(outputs) = outputs else {
        return;
    };
    let store = match open_store(&outputs.store, &connection) {
        Ok(store) => store,
        Err(fault) => return checks.push(Check::bad("store", &fault)),
    };
    let usable = try_out(&*store).await.map_err(Fault::from);
    checks.push(Check::of(
        "store",
        usable.map(|()| format!("{} can be read and written", outputs.store)),
    ));
    let mode = Mode::from(meant.invoke);
    let calls = Functions::new(&connection, store);
    let functions = outputs.builders.iter().map(|pair| ("builder", pair));
    let functions = functions.chain(outputs.runners.iter().map(|pair| ("runner", pair)));
    let asked = functions.map(|(kind, (python, name))| {
        let calls = &calls;
        async move {
            let (_, described) = calls.describe(name, mode).await;
            function(kind, python, described)
        }
    });
    checks.extend(join_all(asked).await);
}

/// What a stack consists of, when nothing keeps that from being found out.
async fn stack(connection: &Connection, name: &str, checks: &mut Vec<Check>) -> Option<Outputs> {
    match identity(connection).await {
        Ok(who) => checks.push(Check::good(
            "credentials",
            format!("account {}, {}", who.account, who.arn),
        )),
        Err(fault) => {
            checks.push(Check::bad("credentials", &fault));
            return None;
        }
    }
    checks.push(quotas(connection).await);
    match standing(connection, name).await {
        Ok((says, outputs)) => {
            checks.push(Check::good("stack", says));
            Some(outputs)
        }
        Err(fault) => {
            checks.push(Check::bad("stack", &fault));
            None
        }
    }
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

fn function(kind: &str, python: &str, described: Result<Described, Fault>) -> Check {
    let name = format!("{kind} {python}");
    let described = match described {
        Ok(described) => described,
        Err(fault) => return Check::bad(&name, &fault),
    };
    let own = &described.description.target.python;
    if own.minor_text() != python {
        let fault = Fault::new(
            Code::CONFIG_INVALID,
            format!("the {kind} for Python {python} is one for Python {own}"),
        )
        .hint("`PythonPath` of the stack names another Python: `pyrun deploy --parameter PythonPath=PATH`");
        return Check::bad(&name, &fault);
    }
    let ours = env!("CARGO_PKG_VERSION");
    let says = format!(
        "Python {own}, {} MB, version {}",
        described.description.memory_bytes >> 20,
        described.version
    );
    let mut check = Check::good(&name, says);
    if described.version != ours {
        check.next.push(format!(
            "this pyrun is {ours}: `pyrun deploy` brings the functions to it"
        ));
    }
    check
}
