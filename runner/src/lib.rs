//! A bundle and a call to frames.
//!
//! In: a [`RunRequest`] and a store. Out: frames.
//! Never: writes a bundle; trusts what a worker says; leaves a process behind.

pub mod interpreter;
#[cfg(test)]
mod tests;
pub mod unpack;
pub mod warm;
pub mod worker;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use pyrun_core::protocol::{Frame, PhaseCost, Report, RunRequest, StartKind};
use pyrun_core::{Code, Event, Events, Fault, LockHash, Phase, Policy};
use pyrun_store::Store;
use tokio::sync::{mpsc, watch};

use interpreter::Interpreter;
use warm::{Site, Warm};
use worker::{Folder, Job, Outcome, Output, Stdin, Worker};

/// Runs calls against the bundles of a store.
#[derive(Debug)]
pub struct Runner {
    store: Arc<dyn Store>,
    warm: Warm,
    interpreter: Interpreter,
    cache: PathBuf,
    policy: Option<Policy>,
}

/// What a run finds around it, beside its bundle.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The folder it runs in; `None` for a fresh one that goes away when it ends.
    pub folder: Option<PathBuf>,
    /// A folder that comes first on `sys.path`.
    pub import_from: Option<PathBuf>,
    /// What it reads.
    pub stdin: Stdin,
    /// Where it writes.
    pub output: Output,
    /// When it is to end at the latest, whatever it was given: the machine goes away after that.
    pub until: Option<tokio::time::Instant>,
}

impl Surroundings {
    /// A function finds nothing but its bundle.
    pub fn function() -> Self {
        Self {
            folder: None,
            import_from: None,
            stdin: Stdin::Null,
            output: Output::Frames,
            until: None,
        }
    }

    /// The same, on a machine that goes away after `moment`.
    #[must_use]
    pub fn until(mut self, moment: tokio::time::Instant) -> Self {
        self.until = Some(moment);
        self
    }

    /// A program finds what it would find without pyrun: the current folder, its neighbours, and
    /// the standard streams, unless its output is wanted as frames.
    pub fn program(folder: &Path, script: &Path, output: Output) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            import_from: folder.join(script).parent().map(Path::to_owned),
            stdin: Stdin::Inherit,
            output,
            until: None,
        }
    }
}

impl Runner {
    /// A runner that keeps its unpacked bundles below `cache`.
    pub fn new(store: Arc<dyn Store>, cache: &Path, interpreter: Interpreter) -> Self {
        Self {
            store,
            warm: Warm::open(cache),
            interpreter,
            cache: cache.to_owned(),
            policy: None,
        }
    }

    /// Unpacks with about this much memory, in bytes, at most.
    #[must_use]
    pub fn with_memory(self, memory: u64) -> Self {
        Self {
            warm: self.warm.with_memory(memory),
            ..self
        }
    }

    /// The same runner, held to a policy, if there is one: it unpacks and runs no bundle whose record holds a
    /// package that the policy does not let in.
    #[must_use]
    pub fn with_policy(self, policy: impl Into<Option<Policy>>) -> Self {
        let policy = policy.into();
        Self { policy, ..self }
    }

    /// Keeps its unpacked bundles within so many bytes of disk.
    #[must_use]
    pub fn with_disk(self, disk: u64) -> Self {
        Self {
            warm: self.warm.with_disk(disk),
            ..self
        }
    }

    /// Makes a run and says all of it in frames: last `result` or `fault`, then `report`.
    /// A `true` from `interrupt` ends it as Ctrl-C does.
    ///
    /// The future is of one known type, so that its code is compiled here, once, and not again in
    /// each program that waits for it.
    pub fn run<'a>(
        &'a self,
        request: &'a RunRequest,
        surroundings: &'a Surroundings,
        frames: &'a mpsc::Sender<Frame>,
        interrupt: watch::Receiver<bool>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(self.run_and_report(request, surroundings, frames, interrupt))
    }

    async fn run_and_report(
        &self,
        request: &RunRequest,
        surroundings: &Surroundings,
        frames: &mpsc::Sender<Frame>,
        interrupt: watch::Receiver<bool>,
    ) {
        let began = Instant::now();
        let mut outcome = self.outcome(request, surroundings, frames, interrupt).await;
        outcome.report.micros = micros_since(began);
        // Nobody hears it only when the question was taken back.
        let _ = frames.send(outcome.last).await;
        let _ = frames.send(Frame::Report(outcome.report)).await;
    }

    async fn outcome(
        &self,
        request: &RunRequest,
        surroundings: &Surroundings,
        frames: &mpsc::Sender<Frame>,
        interrupt: watch::Receiver<bool>,
    ) -> Outcome {
        let began = Instant::now();
        let mut stop = interrupt.clone();
        let whole = request.limits.whole_ms.map(Duration::from_millis);
        let here = tokio::select! {
            here = self.site(&request.lock, frames) => here,
            () = worker::interrupted(&mut stop) => Err(worker::interruption()),
            () = over(whole) => Err(out_of_time()),
        };
        let here = match here {
            Ok(here) => here,
            Err(fault) => return failed(fault),
        };
        let unpacking = PhaseCost {
            phase: Phase::Extract,
            micros: micros_since(began),
            bytes: here.site.bytes,
        };
        let worker = match Worker::install(&self.cache.join("runner")) {
            Ok(worker) => worker,
            Err(error) => return failed(error.into()),
        };
        let fresh = std::env::temp_dir();
        let request = match within(request, began, surroundings.until) {
            Ok(request) => request,
            Err(fault) => return failed(fault),
        };
        let job = Job {
            python: &self.interpreter.executable,
            site: Some(&here.site.path),
            pth: here.site.pth,
            request: &request,
            folder: surroundings
                .folder
                .as_deref()
                .map_or(Folder::Fresh(&fresh), Folder::At),
            stdin: surroundings.stdin,
            output: surroundings.output,
            import_from: surroundings.import_from.as_deref(),
        };
        let mut outcome = worker.run(&job, frames, interrupt).await;
        if here.was_unpacked {
            outcome.report.phases.insert(0, unpacking);
            outcome.report.start = StartKind::Cold;
        }
        if let Err(error) = self.warm.record_use(&request.lock) {
            outcome
                .report
                .notes
                .push(format!("the run could not be counted: {error}"));
        }
        outcome
    }

    /// The unpacked bundle, saying in frames what it takes to have it.
    async fn site(&self, lock: &LockHash, frames: &mpsc::Sender<Frame>) -> Result<Here, Fault> {
        let warm = self.warm.site(lock)?;
        let admitted = warm.as_ref().is_some_and(|site| self.has_admitted(site));
        if let Some(site) =
            warm.filter(|site| admitted && site.has_bytecode(self.interpreter.magic))
        {
            return Ok(Here {
                site,
                was_unpacked: false,
            });
        }
        let (sender, mut spoken) = mpsc::unbounded_channel::<Event>();
        let pass_on = async {
            let mut was_unpacked = false;
            while let Some(event) = spoken.recv().await {
                was_unpacked |= matches!(
                    event,
                    Event::Finished {
                        phase: Phase::Extract,
                        ..
                    }
                );
                let _ = frames.send(Frame::Phase(event)).await;
            }
            was_unpacked
        };
        let work = async move {
            let tell = move |event| {
                let _ = sender.send(event);
            };
            if !admitted {
                self.admit(lock, &tell).await?;
            }
            let magic = self.interpreter.magic;
            let site = self.warm.ensure(&self.store, lock, magic, &tell).await?;
            if let Some(policy) = &self.policy {
                // A verdict that can't be remembered is given anew the next time.
                let _ = site.remember_verdict(policy.digest());
            }
            Ok::<Site, Fault>(site)
        };
        let (site, was_unpacked) = tokio::join!(work, pass_on);
        Ok(Here {
            site: site?,
            was_unpacked,
        })
    }

    /// Whether the policy, where there is one, is known to let this bundle in.
    fn has_admitted(&self, site: &Site) -> bool {
        let policy = self.policy.as_ref();
        policy.is_none_or(|policy| site.has_verdict(policy.digest()))
    }

    /// Whether the policy, where there is one, lets in what the bundle's record says it holds.
    async fn admit(&self, lock: &LockHash, events: Events<'_>) -> Result<(), Fault> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        let record = self.warm.record(&self.store, lock, events).await?;
        policy.check_record(&record, jiff::Timestamp::now())
    }

    /// Unpacks a bundle ahead of its first run.
    pub fn prepare<'a>(
        &'a self,
        lock: &'a LockHash,
        frames: &'a mpsc::Sender<Frame>,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { self.site(lock, frames).await.map(drop) })
    }
}

/// Ends when a time is over, if there is one.
async fn over(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The request with no more time for Python than is left of the whole call, which began at `began`,
/// and of the machine, which goes away at `until`.
fn within(
    request: &RunRequest,
    began: Instant,
    until: Option<tokio::time::Instant>,
) -> Result<Cow<'_, RunRequest>, Fault> {
    let gone = micros_since(began).div_ceil(1000);
    let of_call = request
        .limits
        .whole_ms
        .map(|whole| whole.saturating_sub(gone));
    if of_call == Some(0) {
        return Err(out_of_time());
    }
    let of_machine = until.map(|until| {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    });
    if of_machine == Some(0) {
        let message = "no time was left to run when the bundle was ready";
        return Err(Fault::new(Code::RUN_TIMEOUT, message)
            .hint("run again: the bundle is ready now, if the same machine answers"));
    }
    let own = request.limits.timeout_ms;
    let least = [own, of_call, of_machine].into_iter().flatten().min();
    if least == own {
        return Ok(Cow::Borrowed(request));
    }
    let mut request = request.clone();
    request.limits.timeout_ms = least;
    Ok(Cow::Owned(request))
}

fn out_of_time() -> Fault {
    Fault::new(
        Code::RUN_TIMEOUT,
        "the time for the whole call was over before Python started",
    )
    .hint("allow more time; the bundle is unpacked faster the next time")
}

/// An unpacked bundle, and whether this run had to unpack it.
struct Here {
    site: Site,
    was_unpacked: bool,
}

fn failed(fault: Fault) -> Outcome {
    Outcome {
        last: Frame::Fault(fault),
        report: Report::default(),
    }
}

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
