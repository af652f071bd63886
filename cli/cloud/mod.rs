//! What `deploy`, `destroy` and `doctor` do, over `pyrun_aws`.
//!
//! In: arguments. Out: a stack made, changed or removed, after its plan was shown and confirmed; a
//! list of what is well and what is not. Never: changes anything that was not shown before; knows
//! an AWS call.

mod asked;
mod confirm;
mod deploy;
mod destroy;
mod doctor;
mod package;
mod policy;
mod show;
mod status;

use std::path::Path;

use pyrun_aws::account::{Account, Connection};
use pyrun_aws::identity::{Identity, identity};
use pyrun_aws::names;
use pyrun_aws::stack::{Stack, StackClient};
use pyrun_core::{Code, Fault};

use crate::args::deploy::AccountArgs;
use crate::console::Console;
use crate::settings::remote::{AWS, Invoke, LOCAL, Site};
use crate::settings::{FileSettings, Remote};

pub use deploy::deploy;
pub use destroy::destroy;
pub use doctor::{Check, diagnose};
pub use status::status;

/// What arguments mean: what they say, else what the remote's table does.
struct Meant {
    /// The account.
    account: Account,
    /// What the remote consists of.
    site: Site,
    /// How its functions are called.
    invoke: Invoke,
}

impl Meant {
    /// The stack's name; a remote that only names functions has none.
    fn stack(&self) -> Result<&str, Fault> {
        match &self.site {
            Site::Stack(name) => Ok(name),
            Site::Given { .. } => {
                let message = "the remote names functions and a store, and no stack";
                Err(Fault::new(Code::CONFIG_INVALID, message)
                    .hint("name the stack with `--stack NAME`"))
            }
        }
    }
}

/// The account and the place that arguments mean.
fn meant(args: &AccountArgs) -> Result<Meant, Fault> {
    let here = std::env::current_dir().unwrap_or_default();
    let file = FileSettings::find(&here)?;
    // This machine has no account: naming it names none.
    let named = args.on.as_deref();
    let named = named.filter(|name| !matches!(*name, "" | LOCAL));
    let remote = Remote::named(named.unwrap_or(AWS), &file)?;
    let table = remote.as_ref().map(|remote| remote.account.clone());
    let table = table.unwrap_or_default();
    let invoke = remote.as_ref().map(|remote| remote.invoke);
    let site = match (args.stack.clone(), remote.map(|remote| remote.site)) {
        (Some(stack), _) => Site::Stack(stack),
        (None, Some(site)) => site,
        (None, None) => Site::Stack(names::DEFAULT_STACK.to_owned()),
    };
    let account = Account {
        profile: args.profile.clone().or(table.profile),
        region: args.region.clone().or(table.region),
        endpoint_url: args.endpoint_url.clone().or(table.endpoint_url),
    };
    Ok(Meant {
        account,
        site,
        invoke: invoke.unwrap_or_default(),
    })
}

/// An account, who asks, and a way to the stack.
struct Cloud {
    connection: Connection,
    identity: Identity,
    stack: String,
    client: StackClient,
}

impl Cloud {
    /// Finds the account and sees whose credentials are used.
    async fn open(args: &AccountArgs) -> Result<Self, Fault> {
        let meant = meant(args)?;
        let stack = meant.stack()?.to_owned();
        let connection = Connection::open(&meant.account).await?;
        let identity = identity(&connection).await?;
        let client = StackClient::new(&connection, &stack);
        Ok(Self {
            connection,
            identity,
            stack,
            client,
        })
    }

    /// Who changes what, in one line.
    fn headline(&self) -> String {
        format!(
            "Stack `{}` in {}, account {} ({})",
            self.stack,
            self.connection.region(),
            self.identity.account,
            self.identity.arn
        )
    }

    /// The stack when nothing goes on with it; refuses one that is not pyrun's.
    async fn settled(&self, console: &Console) -> Result<Option<Stack>, Fault> {
        let Some(stack) = self.client.look().await? else {
            return Ok(None);
        };
        self.client.refuse_foreign(&stack).await?;
        if !stack.status.is_busy() {
            return Ok(Some(stack));
        }
        console.say(&format!(
            "Another change of the stack is under way ({}): waiting for its end",
            stack.status
        ));
        let shown = show::Happening::new(console, "Waiting");
        let settled = self.client.wait_idle(&|event| shown.event(event)).await;
        shown.end();
        settled
    }

    /// The stack, or the fault that there is none.
    async fn existing(&self, console: &Console) -> Result<Stack, Fault> {
        self.settled(console).await?.ok_or_else(|| {
            Fault::new(
                Code::REMOTE_NO_STACK,
                format!(
                    "there is no stack `{}` in {}",
                    self.stack,
                    self.connection.region()
                ),
            )
            .hint("`pyrun deploy` makes one; a stack elsewhere wants its `--stack`, `--region` or `--profile`")
        })
    }
}

/// Forgets what is remembered of remotes: the next run looks anew.
fn forget_remotes(cache: &Path) {
    // A cache that can't be removed is found out by the first call that no longer fits it.
    let _ = fs_err::remove_dir_all(cache.join("remotes"));
}
