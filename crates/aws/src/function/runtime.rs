//! The function's life on AWS Lambda: its start, its snapshot, and its calls.
//!
//! In: the Runtime API. Out: each answer as a stream of its own lines. Never: waits for Python or
//! the store before it asks for the first call; goes on when an answer could not be delivered.
//!
//! `lambda_runtime` asks for calls and speaks to `SnapStart`. Its own answers are made for function
//! URLs, and begin with a prelude that is no frame: a layer answers in their place.

use std::ffi::OsString;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{
    BoxFuture, Diagnostic, Error, LambdaEvent, LambdaInvocation, Runtime, SnapStartResource,
    service_fn,
};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{PooledClient, build_request};
use pyrun_core::Fault;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;

use super::settings::{RUNTIME_API, Settings};
use super::shell::Shell;
use super::{Function, conversation, log};

const API: &str = "/2018-06-01/runtime";
/// What an answer is.
const CONTENT_TYPE: &str = "application/x-ndjson";
/// AWS's name for a call, which comes with it and goes back with its answer.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

/// Runs the function until its environment ends.
pub(super) fn run<F: Function>() -> ExitCode {
    if let Err(problem) = check_address::<F>(std::env::var_os(RUNTIME_API)) {
        log::end(&problem);
        return ExitCode::FAILURE;
    }
    log::note_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log::end(&format!("can't start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let error = runtime.block_on(live::<F>());
    log::end(&error);
    // What still runs in the background has nobody to work for.
    runtime.shutdown_background();
    ExitCode::FAILURE
}

/// Whether the Runtime API has an address; the library that asks it would panic over another.
fn check_address<F: Function>(address: Option<OsString>) -> Result<(), String> {
    let Some(address) = address.filter(|address| !address.is_empty()) else {
        return Err(format!(
            "this is the {} of a pyrun stack: AWS Lambda starts it, and `pyrun deploy` brings it there",
            F::NAME
        ));
    };
    match address.to_str().map(str::parse::<http::Uri>) {
        Some(Ok(uri)) if uri.host().is_some() => Ok(()),
        _ => Err(format!(
            "`{RUNTIME_API}` is `{}`, which is no address such as `127.0.0.1:9001`",
            address.display()
        )),
    }
}

/// Lives, and returns why it could not go on.
async fn live<F: Function>() -> String {
    let client = Arc::new(client());
    let settings = Settings::read(|name| std::env::var(name).ok());
    let shell = match settings.and_then(Shell::<F>::new) {
        Ok(shell) => Arc::new(shell),
        Err(fault) => {
            report(&client, "init/error", &fault).await;
            return fault.to_string();
        }
    };
    if !is_snapshot() {
        warm_up(&shell);
    }
    let replaced = service_fn(|_: LambdaEvent<IgnoredAny>| async { Ok::<(), Diagnostic>(()) });
    let answering = Answering {
        shell: Arc::clone(&shell),
        client: Arc::clone(&client),
    };
    let runtime = Runtime::new(replaced)
        .layer(answering)
        .register_snapstart_resource(Arc::new(Snapshot { shell, client }));
    match runtime.run().await {
        Ok(()) => "the Runtime API has no more calls".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A way to the Runtime API on which a line waits for no other: by default the second small write
/// would wait for the first to be acknowledged, some 40 ms.
fn client() -> PooledClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    PooledClient::builder().with_connector(connector).build()
}

fn is_snapshot() -> bool {
    std::env::var("AWS_LAMBDA_INITIALIZATION_TYPE").is_ok_and(|kind| kind == "snap-start")
}

/// Gets ready beside the wait for a call. What fails now is tried again, and told, by the call.
fn warm_up<F: Function>(shell: &Arc<Shell<F>>) {
    let shell = Arc::clone(shell);
    tokio::spawn(async move { shell.function().await.map(drop) });
}

/// Tells the Runtime API that the function can't start, in a fault that reaches the caller.
async fn report(client: &PooledClient, path: &str, fault: &Fault) {
    let text = serde_json::to_string(fault).expect("faults are plain values");
    let body = serde_json::json!({
        "errorType": fault.code,
        "errorMessage": text,
        "stackTrace": [],
    });
    let request = build_request()
        .method(Method::POST)
        .uri(format!("{API}/{path}"))
        .header("content-type", "application/json")
        .header("lambda-runtime-function-error-type", fault.code.as_str())
        .body(Body::from(body.to_string()))
        .expect("a request of constants and a code is one");
    if let Err(error) = client.call(request).await {
        log::end(&format!("can't tell the Runtime API: {error}"));
    }
}

/// What is done before a snapshot and after it is restored.
struct Snapshot<F> {
    shell: Arc<Shell<F>>,
    client: Arc<PooledClient>,
}

impl<F: Function> Snapshot<F> {
    /// The function can't live: says so itself, since what `lambda_runtime` would report on is
    /// an error without its code, then ends the process.
    async fn end(&self, path: &str, fault: Fault) -> Error {
        report(&self.client, path, &fault).await;
        log::end(&fault.to_string());
        std::process::exit(1)
    }
}

impl<F: Function> SnapStartResource for Snapshot<F> {
    /// Python is asked, and its files are read once: they are then part of the snapshot.
    fn before_snapshot(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self.shell.python().await {
                Ok(_) => Ok(()),
                Err(fault) => Err(self.end("init/error", fault).await),
            }
        })
    }

    /// Clients, credentials and connections begin here: two restored environments share none.
    fn after_restore(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.client.reset_pool();
            match self.shell.store().await {
                Ok(_) => {
                    warm_up(&self.shell);
                    Ok(())
                }
                Err(fault) => Err(self.end("restore/error", fault).await),
            }
        })
    }
}

/// Answers calls.
struct Answering<F> {
    shell: Arc<Shell<F>>,
    client: Arc<PooledClient>,
}

impl<F, S> Layer<S> for Answering<F> {
    type Service = Self;

    fn layer(&self, _replaced: S) -> Self {
        Self {
            shell: Arc::clone(&self.shell),
            client: Arc::clone(&self.client),
        }
    }
}

impl<F: Function> Service<LambdaInvocation> for Answering<F> {
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<'static, Result<(), Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let (shell, client) = (Arc::clone(&self.shell), Arc::clone(&self.client));
        Box::pin(async move { answer(&shell, &client, invocation).await })
    }
}

/// Answers one call. An error means that the answer could not be delivered: then the process must
/// end, and what is left of the call with it.
async fn answer<F: Function>(
    shell: &Shell<F>,
    client: &PooledClient,
    invocation: LambdaInvocation,
) -> Result<(), Error> {
    let id = invocation.context.request_id.clone();
    let mut request = build_request()
        .method(Method::POST)
        .uri(format!("{API}/invocation/{id}/response"))
        .header("content-type", CONTENT_TYPE)
        .header("transfer-encoding", "chunked")
        .header("lambda-runtime-function-response-mode", "streaming");
    if let Some(value) = invocation.parts.headers.get(INVOCATION_ID) {
        request = request.header(INVOCATION_ID, value);
    }
    let (lines, spoken) = mpsc::channel(1);
    let (body, delivery) = deliver(spoken);
    let request: Request<Body> = request.body(body)?;
    let deadline = invocation.context.deadline;
    let talk = async {
        let talk = conversation::hold(shell, &invocation.body, deadline, lines);
        tokio::join!(talk, delivery).0
    };
    let (mut talk, mut post) = (pin!(talk), pin!(client.call(request)));
    let (mut entry, response) = tokio::select! {
        entry = &mut talk => (entry, post.await?),
        response = &mut post => {
            let response = response?;
            if !response.status().is_success() {
                let status = response.status();
                return Err(format!("the Runtime API refused a call's answer: {status}").into());
            }
            // It may say so before the answer is over, and goes on listening.
            (talk.await, response)
        }
    };
    entry.request_id = id;
    let status = response.status();
    entry.refused = (!status.is_success()).then(|| status.as_u16());
    log::write(&entry);
    Ok(())
}

/// A body that is what comes from a channel, and the work of feeding it.
fn deliver(mut lines: mpsc::Receiver<Bytes>) -> (Body, impl Future<Output = ()>) {
    let (mut sender, body) = Body::channel();
    let feed = async move {
        while let Some(line) = lines.recv().await {
            if sender.send_data(line).await.is_err() {
                return;
            }
        }
    };
    (body, feed)
}
