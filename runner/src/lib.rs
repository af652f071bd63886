//! A bundle and a call to frames.
//!
//! In: a [`RunRequest`] and a store. Out: frames.
//! Never: writes a bundle; trusts what a worker says; leaves a process behind.

pub mod interpreter;
pub mod unpack;
pub mod warm;
pub mod worker;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyrun_core::protocol::{Frame, PhaseCost, Report, RunRequest, StartKind};
use pyrun_core::{Code, Event, Fault, LockHash, Phase};
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
}

impl Surroundings {
    /// A function finds nothing but its bundle.
    pub fn function() -> Self {
        Self {
            folder: None,
            import_from: None,
            stdin: Stdin::Null,
            output: Output::Frames,
        }
    }

    /// A program finds what it would find without pyrun: the current folder, its neighbours, and
    /// the standard streams, unless its output is wanted as frames.
    pub fn program(folder: &Path, script: &Path, output: Output) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            import_from: folder.join(script).parent().map(Path::to_owned),
            stdin: Stdin::Inherit,
            output,
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
        }
    }

    /// Makes a run and says all of it in frames: last `result` or `fault`, then `report`.
    /// A `true` from `interrupt` ends it as Ctrl-C does.
    pub async fn run(
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
        let request = &match within(request, began) {
            Ok(request) => request,
            Err(fault) => return failed(fault),
        };
        let worker = match Worker::install(&self.cache.join("runner")) {
            Ok(worker) => worker,
            Err(error) => return failed(error.into()),
        };
        let fresh = std::env::temp_dir();
        let job = Job {
            python: &self.interpreter.executable,
            site: Some(&here.site.path),
            pth: here.site.pth,
            request,
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
        if let Some(site) = warm.filter(|site| site.has_bytecode(self.interpreter.magic)) {
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
            self.warm
                .ensure(&self.store, lock, self.interpreter.magic, &tell)
                .await
        };
        let (site, was_unpacked) = tokio::join!(work, pass_on);
        Ok(Here {
            site: site?,
            was_unpacked,
        })
    }

    /// Unpacks a bundle ahead of its first run.
    pub async fn prepare(
        &self,
        lock: &LockHash,
        frames: &mpsc::Sender<Frame>,
    ) -> Result<(), Fault> {
        self.site(lock, frames).await.map(drop)
    }
}

/// Ends when a time is over, if there is one.
async fn over(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The request with no more time for Python than is left of the whole.
fn within(request: &RunRequest, began: Instant) -> Result<Cow<'_, RunRequest>, Fault> {
    let Some(whole) = request.limits.whole_ms else {
        return Ok(Cow::Borrowed(request));
    };
    let left = whole.saturating_sub(micros_since(began).div_ceil(1000));
    if left == 0 {
        return Err(out_of_time());
    }
    let mut request = request.clone();
    let own = request.limits.timeout_ms.unwrap_or(left);
    request.limits.timeout_ms = Some(own.min(left));
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

#[cfg(test)]
mod tests {
    use pyrun_core::Sha256;
    use pyrun_core::protocol::{Entry, Limits, PROTOCOL, Script};

    use super::*;

    fn timeout(timeout_ms: Option<u64>, whole_ms: Option<u64>, gone: Duration) -> Option<u64> {
        let request = RunRequest {
            protocol: PROTOCOL,
            lock: LockHash(Sha256::of("x")),
            script: Script {
                path: "x.py".to_owned(),
                source: String::new(),
            },
            entry: Entry::Program { argv: Vec::new() },
            limits: Limits {
                timeout_ms,
                whole_ms,
                ..Limits::default()
            },
            env: std::collections::BTreeMap::new(),
        };
        let began = Instant::now().checked_sub(gone).expect("the clock runs");
        let within = within(&request, began).expect("time is left");
        within.limits.timeout_ms
    }

    #[test]
    fn python_has_what_is_left_of_the_whole_time() {
        let gone = Duration::from_secs(10);
        assert_eq!(timeout(None, None, gone), None);
        assert_eq!(timeout(Some(7), None, gone), Some(7));
        assert_eq!(timeout(Some(7), Some(60_000), gone), Some(7));
        let left = timeout(None, Some(60_000), gone).expect("a limit");
        assert!((1..=50_000).contains(&left), "{left}");
        let less = timeout(Some(90_000), Some(60_000), gone).expect("a limit");
        assert!((1..=50_000).contains(&less), "{less}");
    }

    #[tokio::test]
    async fn time_that_is_over_is_over() {
        over(Some(Duration::ZERO)).await;
        assert_eq!(out_of_time().code, Code::RUN_TIMEOUT);
    }
}
