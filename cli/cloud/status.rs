//! What is deployed.

use std::time::{SystemTime, UNIX_EPOCH};

use pyrun_aws::stack::Stack;
use pyrun_core::{Code, Fault};
use serde_json::json;

use super::Cloud;
use crate::args::deploy::AccountArgs;
use crate::console::{Console, Tone, words};

/// Shows the stack: where it stands, its version against this one, functions, parameters.
pub async fn status(args: &AccountArgs, console: &Console) -> Result<(), Fault> {
    let cloud = Cloud::open(args).await?;
    let Some(stack) = cloud.client.look().await? else {
        return Err(Fault::new(
            Code::REMOTE_NO_STACK,
            format!(
                "there is no stack `{}` in {}, account {}",
                cloud.stack,
                cloud.connection.region(),
                cloud.identity.account
            ),
        )
        .hint("`pyrun deploy` makes one"));
    };
    cloud.client.refuse_foreign(&stack).await?;
    if console.is_json() {
        console.out_line(&as_json(&cloud, &stack).to_string());
        return Ok(());
    }
    let paint = console.paint_out();
    let line = |name: &str, value: &str| {
        let name = paint.tone(Tone::Bold, &format!("{name:<10}"));
        console.out_line(format!("{name} {value}").trim_end());
    };
    line("stack", &cloud.stack);
    line("region", cloud.connection.region());
    line("account", &cloud.identity.account);
    line(
        "state",
        &format!("{}: {}", stack.status, stack.status.meaning()),
    );
    if let Some(reason) = stack.reason.as_deref().filter(|_| !stack.status.is_good()) {
        line("", reason);
    }
    line("changed", &words::ago(now().saturating_sub(stack.changed)));
    if let Some(outputs) = stack.outputs() {
        line("version", &version(&outputs.version));
        line("store", &outputs.store);
        for (kind, functions) in [("builder", &outputs.builders), ("runner", &outputs.runners)] {
            for (python, name) in functions {
                line(kind, &format!("{python}  {name}"));
            }
        }
    }
    console.out_line("");
    for (name, value) in &stack.parameters {
        if !value.is_empty() {
            console.out_line(&format!("{name} = {value}"));
        }
    }
    Ok(())
}

fn version(deployed: &str) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    if deployed == ours {
        format!("{deployed}, as this pyrun")
    } else {
        format!("{deployed}, and this pyrun is {ours}: `pyrun deploy` brings them together")
    }
}

fn as_json(cloud: &Cloud, stack: &Stack) -> serde_json::Value {
    let outputs = stack.outputs().unwrap_or_default();
    json!({
        "type": "stack",
        "stack": cloud.stack,
        "region": cloud.connection.region(),
        "account": cloud.identity.account,
        "status": stack.status.as_str(),
        "reason": stack.reason,
        "changed": stack.changed,
        "version": outputs.version,
        "command_version": env!("CARGO_PKG_VERSION"),
        "store": outputs.store,
        "builders": outputs.builders,
        "runners": outputs.runners,
        "parameters": stack.parameters,
    })
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
