//! The server as tests hold it.
//!
//! In: functions, and what shall go wrong. Out: an address, and what happened.
//! Never: needs a runtime of the test's: it has a thread and a runtime of its own.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use super::StreamErrors;
use super::api;
use super::call;
use super::function::{Function, REGION};
use super::pool::{Connection, World};
use super::records::{CallRecord, Statistics};
use super::refusal::{Failure, ThrottleReason};
use crate::loopback;

/// How long tasks have to end when the server stops.
const STOP: Duration = Duration::from_secs(5);

/// A running Lambda. It stops when it is dropped, with every process that it started.
#[derive(Debug)]
pub struct LambdaServer {
    address: SocketAddr,
    world: Arc<World>,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl LambdaServer {
    /// The access key that may call.
    pub const ACCESS_KEY: &str = "AKIAEMULATED";
    /// Its secret.
    pub const SECRET_KEY: &str = "emulated-secret";
    /// The region of every function.
    pub const REGION: &str = REGION;

    /// Starts a server without functions on a free port.
    pub fn start() -> Self {
        let (listener, address) = loopback::bind();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("the machine can run a runtime");
        let handle = runtime.handle().clone();
        let world = Arc::new(World::new(Self::ACCESS_KEY));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&world);
        let watching = Arc::clone(&world);
        let threads = vec![
            std::thread::spawn(move || run(runtime, listener, &served, stopped)),
            std::thread::spawn(move || watching.registry.watch()),
        ];
        Self {
            address,
            world,
            handle,
            stop: Some(stop),
            threads,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables that lead the AWS SDK and command line here.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ACCESS_KEY_ID", Self::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", Self::SECRET_KEY.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL_LAMBDA", self.endpoint()),
        ]
    }

    /// Adds a function, in place of one of the same name, whose idle environments end.
    pub fn function(&self, function: Function) {
        let replaced = self.world.state().add(function);
        let world = Arc::clone(&self.world);
        self.wait(async move { world.retire(replaced).await });
    }

    /// Removes a function; its idle environments end.
    pub fn remove(&self, name: &str) {
        let idle = self.world.state().remove(name);
        let world = Arc::clone(&self.world);
        self.wait(async move { world.retire(idle).await });
    }

    /// Starts environments ahead of any call, as provisioned concurrency and snapshots do; how
    /// many of them are ready.
    pub fn provision(&self, name: &str, count: usize) -> usize {
        self.wait(call::provision(
            Arc::clone(&self.world),
            name.to_owned(),
            count,
        ))
    }

    /// Ends every idle environment: the next calls are cold.
    pub fn retire_idle(&self) {
        let idle = self.world.state().all_idle();
        let world = Arc::clone(&self.world);
        self.wait(async move { world.retire(idle).await });
    }

    /// Lets another access key call.
    pub fn allow_key(&self, access_key: &str) {
        self.world.state().keys.insert(access_key.to_owned());
    }

    /// How many calls the account may have at once; 1,000 unless said otherwise.
    pub fn set_account_concurrency(&self, calls: usize) {
        self.world.state().account_concurrency = calls;
    }

    /// Where streamed answers tell errors; [`StreamErrors::Details`] unless said otherwise.
    pub fn set_stream_errors(&self, errors: StreamErrors) {
        self.world.state().stream_errors = errors;
    }

    /// Throttles the next `count` calls, after those that are to fail already.
    pub fn throttle_next(&self, count: usize) {
        self.fail_next(count, &Failure::Throttle(ThrottleReason::CallerRate));
    }

    /// Lets the next `count` calls fail, after those that are to fail already.
    pub fn fail_next(&self, count: usize, failure: &Failure) {
        let failures = std::iter::repeat_n(failure.clone(), count);
        self.world.state().failures.extend(failures);
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&self) {
        self.world.state().failures.clear();
    }

    /// The counts.
    pub fn statistics(&self) -> Statistics {
        self.world.state().statistics
    }

    /// Every call that is over, in the order in which they ended.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.world.state().records.iter().cloned().collect()
    }

    /// How many environments are idle.
    pub fn idle(&self) -> usize {
        self.world.state().idle()
    }

    /// How many environments have processes.
    pub fn environments(&self) -> usize {
        self.world.registry.len()
    }

    /// The logs of a function's environments, the oldest first; the last 64 KB of each at least.
    pub fn logs(&self, name: &str) -> Vec<String> {
        let logs = self.world.state().logs(name);
        logs.iter().map(|log| log.text()).collect()
    }

    /// Forgets the calls and sets the counts to zero.
    pub fn clear(&self) {
        self.world.state().clear();
    }

    /// Does something in the server's runtime; a test may wait for it within its own.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.handle.spawn(async move {
            let _ = tell.send(work.await);
        });
        told.recv()
            .expect("the server does not stop while it is held")
    }
}

impl Drop for LambdaServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            // A panic of the server has failed the requests of the test already.
            let _ = thread.join();
        }
    }
}

/// Serves until the other end of `stopped` is dropped; then ends every process.
fn run(
    runtime: Runtime,
    listener: std::net::TcpListener,
    world: &Arc<World>,
    stopped: oneshot::Receiver<()>,
) {
    let served = Arc::clone(world);
    runtime.block_on(async move {
        let counted = Arc::clone(&served);
        let serving = loopback::serve(
            loopback::waited_for(listener),
            move || Connection::open(&counted),
            move |request| api::respond(Arc::clone(&served), request),
        );
        tokio::select! {
            _ = stopped => {}
            () = serving => {}
        }
    });
    // First no task is left that could start a process, then no process.
    runtime.shutdown_timeout(STOP);
    world.registry.stop();
    drop(world.state().all_idle());
}
