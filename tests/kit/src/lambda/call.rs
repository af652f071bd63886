//! One call from its permit to its record.
//!
//! In: a permit, a question, and where the answer goes. Out: the answer's parts as they come,
//! then how it ended; the environment frozen for the next call, or gone.
//! Never: stops because the caller went away; repeats a call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::environment::{Environment, Served};
use super::function::Function;
use super::pool::{Permit, World};
use super::records::{CallRecord, Report};
use super::runtime_api::FunctionError;

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub id: String,
    pub arn: String,
    pub trace: String,
    pub client_context: Option<String>,
    pub payload: Bytes,
    /// Bytes that a streamed answer may have.
    pub streamed_limit: usize,
    /// Whether the caller asked for a stream.
    pub streamed: bool,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Completion {
    pub error: Option<FunctionError>,
    /// The last 4 KB of its log.
    pub tail: Vec<u8>,
}

/// Serves a call. The parts of the answer go to `data`, its end to `done`.
pub(super) async fn serve(
    permit: Permit,
    call: Call,
    data: mpsc::Sender<Bytes>,
    done: oneshot::Sender<Completion>,
) {
    let world = permit.world();
    let function = Arc::clone(&permit.function);
    let idle = world.take_idle(&function).await;
    let cold = idle.is_none();
    let opened = match idle {
        Some(environment) => Ok(environment),
        None => open(&world, &function, start_of(&function)).await,
    };
    let mut environment = match opened {
        Ok(environment) => environment,
        Err(error) => {
            let error = FunctionError::new("Sandbox.Failure", &error.to_string());
            let _ = done.send(Completion {
                error: Some(error),
                tail: Vec::new(),
            });
            return;
        }
    };
    let log = Arc::clone(&environment.log);
    let mark = log.mark();
    let mut init = None;
    if cold {
        init = boot(&world, &mut environment).await;
        // A snapshot was made before anybody called.
        init = init.filter(|_| !function.snap_start);
    }
    log.line(&format!("START RequestId: {} Version: $LATEST", call.id));
    if !environment.is_ready() {
        world.state().statistics.environments_started += 1;
    }
    let served = environment.invoke(&world.registry, &call, data).await;
    if served.ending.is_none() {
        environment.freeze().await;
    }
    let record = write(&environment, &call, &served, cold, init);
    let over_storage = environment.over_storage();
    let completion = Completion {
        tail: log.tail(mark),
        error: served.error,
    };
    if served.ending.is_none() {
        world.put_idle(environment).await;
    } else {
        environment.kill(&world.registry).await;
        drop(environment);
    }
    world.state().record(record, over_storage);
    drop(permit);
    // The caller may have gone away.
    let _ = done.send(completion);
}

/// The lines and the record of a call that is over.
fn write(
    environment: &Environment,
    call: &Call,
    served: &Served,
    cold: bool,
    init: Option<Duration>,
) -> CallRecord {
    let function = &environment.function;
    let report = Report {
        id: &call.id,
        duration: served.duration,
        init,
        restore: served.restore,
        memory_mb: function.memory_mb,
        peak_bytes: environment.peak(),
        status: served.ending.as_ref().map(super::ending::Ending::status),
    };
    let log = &environment.log;
    if let Some(ending) = &served.ending {
        log.line(&ending.line(&call.id, function.timeout));
    }
    log.line(&format!("END RequestId: {}", call.id));
    log.line(&report.line());
    CallRecord {
        function: function.name.clone(),
        request_id: call.id.clone(),
        environment: environment.number,
        cold,
        streamed: call.streamed,
        duration: served.duration,
        init: init.or(served.restore),
        billed_ms: report.billed_ms(),
        memory_mb: function.memory_mb,
        peak_memory_bytes: report.peak_bytes,
        storage_bytes: environment.storage(),
        request_bytes: call.payload.len() as u64,
        error: served.error.as_ref().map(|error| error.kind.clone()),
    }
}

/// Environments that are started ahead of any call, and frozen; how many of them are ready.
pub(super) async fn provision(world: Arc<World>, name: String, count: usize) -> usize {
    let Some(function) = world.state().find(&name) else {
        return 0;
    };
    let start = match start_of(&function) {
        "on-demand" => "provisioned-concurrency",
        other => other,
    };
    let mut ready = 0;
    for _ in 0..count {
        let Ok(mut environment) = open(&world, &function, start).await else {
            continue;
        };
        if boot(&world, &mut environment).await.is_some() {
            environment.freeze().await;
            world.put_idle(environment).await;
            ready += 1;
        }
    }
    ready
}

fn start_of(function: &Function) -> &'static str {
    if function.snap_start {
        "snap-start"
    } else {
        "on-demand"
    }
}

async fn open(
    world: &World,
    function: &Arc<Function>,
    start: &'static str,
) -> std::io::Result<Environment> {
    let (number, token) = {
        let mut state = world.state();
        (state.number(), state.request_id())
    };
    let environment = Environment::open(number, Arc::clone(function), start, token).await?;
    world.state().keep_log(&environment);
    Ok(environment)
}

/// The init phase: what it took, or `None` where it failed and will be repeated by the call.
async fn boot(world: &World, environment: &mut Environment) -> Option<Duration> {
    world.state().statistics.environments_started += 1;
    let begun = Instant::now();
    let deadline = begun + environment.function.init_timeout;
    let result = environment.boot(&world.registry, deadline).await;
    let took = begun.elapsed();
    let Err(ending) = result else {
        return Some(took);
    };
    environment.log.line(&format!(
        "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\t{}",
        took.as_secs_f64() * 1000.0,
        ending.status()
    ));
    environment.kill(&world.registry).await;
    None
}
