//! The builder and the runner in two deployed functions.
//!
//! In: requests. Out: the lines that the functions send, a run's report with what it cost. Never:
//! knows a way to build or run of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyrun_aws::invoke::price::{self, Tariff};
use pyrun_aws::invoke::{Call, CallReport, Described, Ended, Functions, LONGEST, Mode};
use pyrun_core::protocol::{Ask, BuildRequest, Cost, Frame, PROTOCOL, PrepareRequest, RunRequest};
use pyrun_core::{Code, Event, Fault, LockHash, Target};
use tokio::sync::mpsc;

use super::describe::{self, gone};
use super::discovery::{Deployment, Role};
use super::open_store;
use super::relay::Relay;
use crate::interrupt::Interrupt;
use crate::remote::Wish;
use crate::remote::budget::Prices;
use crate::settings::Remote;
use crate::transport::{Answer, Transport};

/// A way to the functions of one Python version.
#[derive(Debug, Clone)]
pub struct Lambda(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    deployment: Deployment,
    functions: Functions,
    python: String,
    described: Described,
    tariff: Tariff,
    mode: Mode,
    interrupt: Interrupt,
    tally: Mutex<Tally>,
}

/// What came of the calls so far.
#[derive(Debug, Default)]
struct Tally {
    cost: Cost,
    open: u64,
    most_open: u64,
    started: u64,
}

impl Lambda {
    /// Opens a way to the newest Python of a remote that fits a wish.
    pub async fn open(
        remote: &Remote,
        cache: &Path,
        wish: &Wish<'_>,
        interrupt: Interrupt,
    ) -> Result<Self, Fault> {
        let deployment = Deployment::find(remote, cache).await?;
        let store = open_store(&deployment.store(), deployment.connection())?;
        let functions = Functions::new(deployment.connection(), store);
        let mode = remote.invoke.into();
        let mut reports = Vec::new();
        let (python, described) = describe::choose(
            &deployment,
            &functions,
            mode,
            wish,
            &remote.name,
            &mut reports,
        )
        .await?;
        let description = &described.description;
        let tariff = Tariff::new(description.target.arch, description.memory_bytes);
        let inner = Inner {
            tariff,
            deployment,
            functions,
            python,
            described,
            mode,
            interrupt,
            tally: Mutex::default(),
        };
        for report in &reports {
            inner.count(report);
        }
        Ok(Self(Arc::new(inner)))
    }

    /// What bundles for it are built for.
    pub fn target(&self) -> &Target {
        &self.0.described.description.target
    }

    /// Bytes of its disk that bundles may take.
    pub fn disk_bytes(&self) -> u64 {
        self.0.described.description.disk_bytes
    }

    /// Where this machine keeps what it knows of the remote.
    pub fn home(&self) -> PathBuf {
        self.0.deployment.home().to_owned()
    }

    /// Has a bundle's bytecode compiled without waiting for it.
    pub async fn build_aside(&self, request: BuildRequest) -> Result<(), Fault> {
        let inner = &self.0;
        let function = inner.function(Role::Builder)?;
        inner
            .functions
            .send(&function, &Ask::Build(Box::new(request)))
            .await
    }

    /// US dollars that the calls so far cost.
    pub fn spent(&self) -> f64 {
        self.0.tally().cost.usd
    }

    /// What the runner costs.
    pub fn prices(&self) -> Prices {
        Prices {
            request: self.0.tariff.request(),
            millisecond: self.0.tariff.millisecond(),
        }
    }

    /// How long a call of the runner may take, in milliseconds.
    pub fn longest_ms(&self) -> u64 {
        u64::try_from(self.0.longest().as_millis()).unwrap_or(u64::MAX)
    }

    /// The most calls that were open at one moment, and how many environments started for calls.
    /// An environment takes one call at a time: there are as many as were open at once, at least.
    pub fn environments(&self) -> (u64, u64) {
        let tally = self.0.tally();
        (tally.most_open, tally.started)
    }
}

impl Transport for Lambda {
    fn build(&self, request: BuildRequest) -> Answer {
        let inner = Arc::clone(&self.0);
        Answer::new(async move |lines| {
            let ask = Ask::Build(Box::new(request));
            inner.answer(Role::Builder, &ask, &lines).await;
        })
    }

    fn prepare(&self, lock: LockHash, hold_ms: u64) -> Answer {
        let inner = Arc::clone(&self.0);
        Answer::new(async move |lines| {
            let ask = Ask::Prepare(PrepareRequest {
                protocol: PROTOCOL,
                lock,
                hold_ms,
            });
            inner.answer(Role::Runner, &ask, &lines).await;
        })
    }

    fn run(&self, request: RunRequest) -> Answer {
        let inner = Arc::clone(&self.0);
        Answer::new(async move |lines| {
            let goes_on = inner.goes_on(&request);
            let mut interrupt = inner.interrupt.clone();
            let ask = Ask::Run(Box::new(request));
            tokio::select! {
                () = inner.answer(Role::Runner, &ask, &lines) => {}
                () = interrupt.wait() => {
                    let _ = lines.send(Frame::Fault(goes_on).to_line()).await;
                }
            }
        })
    }
}

impl Inner {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn function(&self, role: Role) -> Result<String, Fault> {
        self.deployment
            .function(role, &self.python)
            .ok_or_else(|| gone(&self.python))
    }

    fn longest(&self) -> Duration {
        match self.described.description.timeout_ms {
            0 => LONGEST,
            own => Duration::from_millis(own),
        }
    }

    /// What an interrupted run's user should know: AWS has no way to stop it.
    fn goes_on(&self, request: &RunRequest) -> Fault {
        let longest = self.longest();
        let limit = request.limits.timeout_ms.map(Duration::from_millis);
        let limit = limit.map_or(longest, |limit| limit.min(longest));
        Fault::new(Code::RUN_INTERRUPTED, "interrupted").hint(format!(
            "the run goes on in the cloud until it ends, {} at most: AWS has no way to stop it",
            words(limit)
        ))
    }

    /// Asks, passes the answer on, and ends it whatever happens.
    async fn answer(&self, role: Role, ask: &Ask, lines: &mpsc::Sender<String>) {
        let is_run = matches!(ask, Ask::Run(_));
        let mut relay = Relay::new(lines, is_run);
        let outcome = self.ask(role, ask, lines, &mut relay).await;
        if relay
            .version
            .as_ref()
            .is_some_and(|version| *version != self.described.version)
        {
            // Deployed anew since: the next command asks what it is.
            self.deployment.forget();
        }
        relay
            .end(outcome, |report| {
                report.cost = Some(self.tally().cost.clone());
            })
            .await;
    }

    /// Calls a function. One that is not there may have been deployed under another name since.
    async fn ask(
        &self,
        role: Role,
        ask: &Ask,
        lines: &mpsc::Sender<String>,
        relay: &mut Relay<'_>,
    ) -> Result<(), Fault> {
        let function = self.function(role)?;
        let fault = match self.call(role, &function, ask, lines, relay).await {
            Err(fault) if fault.code == Code::REMOTE_NO_STACK => fault,
            outcome => return outcome,
        };
        self.deployment.ask_again().await?;
        match self.function(role)? {
            renamed if renamed != function => self.call(role, &renamed, ask, lines, relay).await,
            _ => Err(fault),
        }
    }

    async fn call(
        &self,
        role: Role,
        function: &str,
        ask: &Ask,
        lines: &mpsc::Sender<String>,
        relay: &mut Relay<'_>,
    ) -> Result<(), Fault> {
        let call = Call {
            function,
            ask,
            mode: self.mode,
            longest: match role {
                Role::Runner => self.longest(),
                // A builder's own limit is not known here.
                Role::Builder => LONGEST,
            },
        };
        let events = |event: Event| {
            // Said before the answer begins, when there is room.
            let _ = lines.try_send(Frame::Phase(event).to_line());
        };
        let (sender, mut heard) = mpsc::channel(64);
        let calling = async {
            let ended = self.functions.call(call, &sender, &events).await;
            drop(sender);
            ended
        };
        let hearing = async {
            let mut open = None;
            while let Some(line) = heard.recv().await {
                open.get_or_insert_with(|| Open::count(&self.tally));
                if let Err(fault) = relay.hear(line).await {
                    // The call ends when nobody hears it.
                    drop(heard);
                    return Err(fault);
                }
            }
            Ok(())
        };
        let (ended, heard) = tokio::join!(calling, hearing);
        let Ended { report, outcome } = ended;
        self.count(&report);
        heard.and(outcome)
    }

    fn count(&self, report: &CallReport) {
        let mut tally = self.tally();
        price::add(&mut tally.cost, &self.tariff.cost(report));
        tally.started += u64::from(report.init_ms.is_some());
    }
}

/// A call that is being answered.
struct Open<'a>(&'a Mutex<Tally>);

impl<'a> Open<'a> {
    fn count(tally: &'a Mutex<Tally>) -> Self {
        {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.open += 1;
            tally.most_open = tally.most_open.max(tally.open);
        }
        Self(tally)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.open -= 1;
    }
}

fn words(time: Duration) -> String {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    crate::console::words::duration(micros)
}
