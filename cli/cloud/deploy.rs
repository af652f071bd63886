//! Making a stack, or changing it.
//!
//! A first deployment takes two steps, since the functions' programs come out of the bucket that
//! the stack itself makes: the bucket alone, then the programs are put there, then the functions.
//! One plan shows all of it before the first.

use std::path::Path;

use pyrun_aws::names::parameter;
use pyrun_aws::quotas::{Quotas, Wanted};
use pyrun_aws::stack::{ChangeSet, Draft, Outputs, Plan, Stack, StackClient, TEMPLATE};
use pyrun_core::{Code, Fault};
use pyrun_store::{Body, Created, catalog};
use serde_json::json;

use super::asked::{self, Asked};
use super::package::Package;
use super::show::{self, Happening};
use super::{Cloud, confirm, forget_remotes};
use crate::args::deploy::DeployArgs;
use crate::console::{Console, words};
use crate::interrupt::{self, Interrupt};
use crate::remote::open_store;

/// What a stack costs while nobody uses it.
const IDLE: &str =
    "While nobody runs anything it costs nothing but what is stored, about $0.023 a GB and month.";

/// Everything that a deployment works with.
struct Deployment<'a> {
    cloud: Cloud,
    asked: Asked,
    package: Package,
    console: &'a Console,
    interrupt: Interrupt,
}

/// Makes the stack, or changes it.
pub async fn deploy(args: &DeployArgs, cache: &Path, console: &Console) -> Result<(), Fault> {
    let interrupt = Interrupt::listen()?;
    let asked = Asked::read(args)?;
    let cloud = Cloud::open(&args.account).await?;
    let existing = cloud.settled(console).await?;
    if let Some(stack) = &existing {
        StackClient::refuse_stuck(stack)?;
    }
    // What was not made yet is not there, and the processor of what is there stays.
    let existing = existing.filter(|stack| !stack.status.is_review());
    let usable = existing.as_ref().filter(|stack| !stack.status.is_remains());
    let arch = asked
        .value(usable, parameter::ARCHITECTURE)
        .unwrap_or(asked::word(crate::args::deploy::Arch::X86_64));
    let package = Package::find(args.artifacts.as_deref(), arch)?;
    heed_quotas(&cloud, &asked.wanted(usable), console).await?;
    let deployment = Deployment {
        cloud,
        asked,
        package,
        console,
        interrupt,
    };
    let Some(outputs) = deployment.carry_out(existing, args).await? else {
        return Ok(());
    };
    forget_remotes(cache);
    deployment.show_result(&outputs);
    Ok(())
}

/// Refuses what the account can't have, and warns of what may become a difficulty. Whoever may
/// deploy but not look at the limits deploys without.
async fn heed_quotas(cloud: &Cloud, wanted: &Wanted, console: &Console) -> Result<(), Fault> {
    let quotas = match Quotas::read(&cloud.connection).await {
        Ok(quotas) => quotas,
        Err(fault) if fault.code == Code::REMOTE_DENIED => {
            console.warn(&fault.message);
            return Ok(());
        }
        Err(fault) => return Err(fault),
    };
    quotas.refuse(wanted)?;
    for note in quotas.notes(wanted) {
        console.warn(&note);
    }
    Ok(())
}

impl Deployment<'_> {
    /// Plans, shows, asks, and does it; `None` when there was nothing to do or only to show.
    async fn carry_out(
        &self,
        existing: Option<Stack>,
        args: &DeployArgs,
    ) -> Result<Option<Outputs>, Fault> {
        let client = &self.cloud.client;
        let (remains, existing) = match existing {
            Some(stack) if stack.status.is_remains() => (Some(stack), None),
            other => (None, other),
        };
        let plan = match &remains {
            // Of remains nothing can be planned before they are gone.
            Some(_) => None,
            None => Some(client.plan(existing.as_ref(), &self.functions()).await?),
        };
        if plan == Some(Plan::Nothing) {
            self.say_nothing_changes(existing.as_ref());
            return Ok(None);
        }
        let set = match plan {
            Some(Plan::Change(set)) => Some(set),
            _ => None,
        };
        self.show_plan(
            set.as_ref(),
            remains.as_ref(),
            existing.as_ref(),
            args.dry_run,
        );
        let agreed = self.agreed(args).await;
        if !matches!(agreed, Ok(true)) {
            let discarded = match &set {
                Some(set) => client.discard(set).await,
                None => Ok(()),
            };
            // Why it does not go on matters more than that its plan stays behind.
            return agreed.and(discarded).map(|()| None);
        }
        let mut interrupt = self.interrupt.clone();
        let work = async {
            if let Some(remains) = &remains {
                self.remove(remains).await?;
            }
            match existing {
                Some(stack) => self.change(&stack, set).await,
                None => self.make(set).await,
            }
        };
        let stack = tokio::select! {
            stack = work => stack?,
            () = interrupt.wait() => {
                return Err(interrupt::fault()
                    .hint("what AWS has begun it ends without us: `pyrun deploy status` shows it"));
            }
        };
        stack.outputs().map(Some).ok_or_else(|| {
            Fault::new(
                Code::DEPLOY_FAILED,
                format!("the stack `{}` does not say where its store is", stack.name),
            )
        })
    }

    /// Whether to go on from the plan.
    async fn agreed(&self, args: &DeployArgs) -> Result<bool, Fault> {
        if args.dry_run || args.yes {
            return Ok(!args.dry_run);
        }
        let question = "\nDeploy? [y/N] ";
        confirm::confirm(self.console, &self.interrupt, question, confirm::is_yes).await?;
        Ok(true)
    }

    /// The whole stack.
    fn functions(&self) -> Draft {
        let mut draft = self.bucket_alone();
        for (name, key) in [
            (parameter::BUILDER_CODE, &self.package.builder.key),
            (parameter::RUNNER_CODE, &self.package.runner.key),
        ] {
            draft.parameters.insert(name.to_owned(), key.to_string());
        }
        draft
    }

    /// The stack without its functions.
    fn bucket_alone(&self) -> Draft {
        let mut parameters = self.asked.parameters.clone();
        parameters.insert(parameter::VERSION.to_owned(), self.package.version.clone());
        Draft {
            template: TEMPLATE.to_owned(),
            parameters,
        }
    }

    async fn remove(&self, remains: &Stack) -> Result<(), Fault> {
        let shown = Happening::new(self.console, "Removing");
        let removed = self
            .cloud
            .client
            .delete(remains, &|event| shown.event(event))
            .await;
        shown.end();
        removed.map(|_| ())
    }

    /// A first deployment.
    async fn make(&self, shown: Option<ChangeSet>) -> Result<Stack, Fault> {
        if let Some(shown) = shown {
            self.cloud.client.discard(&shown).await?;
        }
        let bucket = self.planned(None, &self.bucket_alone()).await?;
        let stack = self.execute(&bucket, "Making").await?;
        self.upload(&stack).await?;
        let functions = self.planned(Some(&stack), &self.functions()).await?;
        self.execute(&functions, "Making").await.map_err(|fault| {
            fault.hint("the bucket is made and stays: the next `pyrun deploy` goes on from there")
        })
    }

    /// A change of what is there.
    async fn change(&self, stack: &Stack, set: Option<ChangeSet>) -> Result<Stack, Fault> {
        self.upload(stack).await?;
        match set {
            Some(set) => self.execute(&set, "Changing").await,
            None => Ok(stack.clone()),
        }
    }

    async fn planned(&self, existing: Option<&Stack>, draft: &Draft) -> Result<ChangeSet, Fault> {
        match self.cloud.client.plan(existing, draft).await? {
            Plan::Change(set) => Ok(set),
            Plan::Nothing => Err(Fault::new(
                Code::DEPLOY_FAILED,
                format!(
                    "the stack `{}` was changed by somebody else meanwhile",
                    self.cloud.stack
                ),
            )
            .hint("run `pyrun deploy` again")),
        }
    }

    async fn execute(&self, set: &ChangeSet, doing: &'static str) -> Result<Stack, Fault> {
        let shown = Happening::new(self.console, doing);
        let stack = self
            .cloud
            .client
            .execute(set, &|event| shown.event(event))
            .await;
        shown.end();
        stack
    }

    /// Puts the programs and the policy into the bucket, where they are not there yet.
    async fn upload(&self, stack: &Stack) -> Result<(), Fault> {
        let outputs = stack.outputs().ok_or_else(|| {
            Fault::new(
                Code::DEPLOY_FAILED,
                format!("the stack `{}` does not say where its store is", stack.name),
            )
            .hint("`pyrun destroy` keeps the bucket; `pyrun deploy` then begins anew")
        })?;
        let store = open_store(&outputs.store, &self.cloud.connection)?;
        self.console.working("Uploading the functions' programs");
        let mut bytes = 0;
        for program in [&self.package.builder, &self.package.runner] {
            let body = Body::from(program.zip.clone());
            if store.put_new(&program.key, body).await? == Created::Yes {
                bytes += program.zip.len() as u64;
            }
        }
        if let Some(policy) = &self.asked.policy {
            let key = catalog::policy(&policy.sha256);
            store.put_new(&key, Body::from(policy.text.clone())).await?;
        }
        self.console.idle();
        if bytes > 0 {
            self.console
                .tell(&format!("  ✓ programs uploaded, {}", words::bytes(bytes)));
        }
        Ok(())
    }

    fn say_nothing_changes(&self, existing: Option<&Stack>) {
        if self.console.is_json() {
            let plan = json!({ "type": "plan", "creates": false, "changes": [] });
            self.console.out_line(&plan.to_string());
            return;
        }
        let version = existing
            .and_then(Stack::outputs)
            .map(|outputs| outputs.version);
        self.console.tell(&self.cloud.headline());
        self.console.tell(&format!(
            "Nothing to change: pyrun {} is deployed as asked for",
            version.unwrap_or_default()
        ));
    }

    fn show_plan(
        &self,
        set: Option<&ChangeSet>,
        remains: Option<&Stack>,
        existing: Option<&Stack>,
        is_dry_run: bool,
    ) {
        let console = self.console;
        if console.is_json() {
            let plan = set.map_or_else(
                || json!({ "type": "plan", "creates": true, "removes_remains": true }),
                show::plan_json,
            );
            console.out_line(&plan.to_string());
            return;
        }
        console.tell(&self.cloud.headline());
        if let Some(stack) = remains {
            console.tell(&format!(
                "\nIt is {}: {}.\nThey are removed, then the stack is made anew.",
                stack.status,
                stack.status.meaning()
            ));
        }
        if let Some(set) = set {
            console.tell("");
            let table = show::plan(set);
            if is_dry_run {
                console.table(&table);
            } else {
                console.show(&table);
            }
        }
        if existing.is_none() {
            console.tell(&format!(
                "\nThe bucket is made first, then the programs ({}) are put into it, then the rest is made.",
                words::bytes(self.package.size())
            ));
        }
        if existing.is_none() {
            console.tell(IDLE);
        }
        if is_dry_run {
            console.tell("Nothing was changed: this was a dry run");
        }
    }

    fn show_result(&self, outputs: &Outputs) {
        let console = self.console;
        if console.is_json() {
            console.out_line(
                &json!({
                    "type": "deployed",
                    "stack": self.cloud.stack,
                    "region": self.cloud.connection.region(),
                    "account": self.cloud.identity.account,
                    "version": outputs.version,
                    "store": outputs.store,
                    "builders": outputs.builders,
                    "runners": outputs.runners,
                })
                .to_string(),
            );
            return;
        }
        let pythons: Vec<&str> = outputs.runners.keys().map(String::as_str).collect();
        console.out_line(&format!(
            "Deployed pyrun {} for Python {}",
            outputs.version,
            pythons.join(", ")
        ));
        console.out_line(&format!("The store is {}", outputs.store));
        if self.cloud.stack == pyrun_aws::names::DEFAULT_STACK {
            console.tell("Next: `pyrun run --on aws FILE`, or `pyrun use aws` once for all");
        } else {
            console.tell(&format!(
                "Next: write `[on.{0}]` and `stack = \"{0}\"` into pyrun.toml, then `pyrun run --on {0} FILE`",
                self.cloud.stack
            ));
        }
    }
}
