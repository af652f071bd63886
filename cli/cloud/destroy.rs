//! Removing a stack.

use std::path::Path;

use pyrun_aws::stack::{Bucket, Outputs, Stack, Weight};
use pyrun_core::Fault;
use serde_json::json;

use super::show::Happening;
use super::{Cloud, confirm, forget_remotes};
use crate::args::deploy::DestroyArgs;
use crate::console::{Console, words};
use crate::interrupt::{self, Interrupt};

/// US dollars for a gigabyte and month of S3 Standard, by the list price of us-east-1 of November
/// 2026: to say what stays costs.
const GB_MONTH: f64 = 0.023;

/// Removes the stack; the bucket too, if that is asked for.
pub async fn destroy(args: &DestroyArgs, cache: &Path, console: &Console) -> Result<(), Fault> {
    let interrupt = Interrupt::listen()?;
    let cloud = Cloud::open(&args.account).await?;
    let stack = cloud.existing(console).await?;
    let outputs = stack.outputs();
    let bucket = outputs
        .as_ref()
        .map(|outputs| Bucket::new(&cloud.connection, outputs));
    let weight = match &bucket {
        // That it can't be weighed keeps nobody from removing it.
        Some(bucket) => bucket.weigh().await.ok(),
        None => None,
    };
    show(
        &cloud,
        &stack,
        outputs.as_ref(),
        weight,
        args.purge,
        console,
    );
    if !args.yes {
        let question = "Type the stack's name to remove it: ";
        let name = cloud.stack.clone();
        confirm::confirm(console, &interrupt, question, |answer| answer == name).await?;
    }
    let mut interrupt = interrupt;
    let work = remove(&cloud, &stack, bucket.as_ref(), args.purge, console);
    tokio::select! {
        done = work => done?,
        () = interrupt.wait() => {
            return Err(interrupt::fault()
                .hint("what AWS has begun it ends without us: `pyrun deploy status` shows it"));
        }
    }
    forget_remotes(cache);
    Ok(())
}

fn show(
    cloud: &Cloud,
    stack: &Stack,
    outputs: Option<&Outputs>,
    weight: Option<Weight>,
    is_purge: bool,
    console: &Console,
) {
    console.tell(&cloud.headline());
    console.tell(&format!("It is {}.", stack.status));
    let Some(outputs) = outputs else {
        return;
    };
    let held = weight.map_or_else(String::new, |weight| {
        let more = if weight.is_partial { "more than " } else { "" };
        format!(
            ", {more}{}, {}",
            words::count(weight.objects, "object"),
            words::bytes(weight.bytes)
        )
    });
    let functions = (outputs.builders.len() + outputs.runners.len()) as u64;
    console.tell(&format!(
        "Removed: {} with their roles, logs and alarms",
        words::count(functions, "function")
    ));
    if is_purge {
        console.tell(&format!(
            "Removed for good: the bucket {}{held}",
            outputs.bucket()
        ));
    } else {
        let cost = weight.map_or_else(String::new, |weight| format!(", {}", monthly(weight.bytes)));
        console.tell(&format!(
            "Kept: the bucket {}{held}{cost}; `--purge` removes it too",
            outputs.bucket()
        ));
    }
}

/// What bytes cost that stay.
fn monthly(bytes: u64) -> String {
    let dollars = bytes as f64 / 1e9 * GB_MONTH;
    if dollars < 0.01 {
        "less than a cent a month".to_owned()
    } else {
        format!("about ${dollars:.2} a month")
    }
}

async fn remove(
    cloud: &Cloud,
    stack: &Stack,
    bucket: Option<&Bucket>,
    is_purge: bool,
    console: &Console,
) -> Result<(), Fault> {
    let shown = Happening::new(console, "Removing");
    let removed = cloud
        .client
        .delete(stack, &|event| shown.event(event))
        .await;
    shown.end();
    removed?;
    // Functions that write are gone by now, so an empty bucket stays empty.
    let emptied = match bucket.filter(|_| is_purge) {
        Some(bucket) => {
            console.working("Emptying the bucket");
            let emptied = bucket
                .purge(&|count| {
                    let count = words::count(count, "object");
                    console.working(&format!("Emptying the bucket, {count} removed"));
                })
                .await;
            console.idle();
            Some(emptied?)
        }
        None => None,
    };
    if console.is_json() {
        console.out_line(
            &json!({
                "type": "destroyed",
                "stack": cloud.stack,
                "bucket": bucket.map(Bucket::name),
                "purged": emptied.map(|emptied| emptied.objects),
            })
            .to_string(),
        );
        return Ok(());
    }
    console.out_line(&format!("Removed the stack `{}`", cloud.stack));
    match (bucket, emptied) {
        (Some(bucket), Some(emptied)) => console.out_line(&format!(
            "Removed the bucket {} with {}",
            bucket.name(),
            words::count(emptied.objects, "object")
        )),
        (Some(bucket), None) => console.tell(&format!(
            "The bucket {0} stays. `aws s3 rb --force s3://{0}` removes it; a new `pyrun deploy` makes another",
            bucket.name()
        )),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_has_a_price() {
        assert_eq!(monthly(1_000_000), "less than a cent a month");
        assert_eq!(monthly(100_000_000_000), "about $2.30 a month");
    }
}
