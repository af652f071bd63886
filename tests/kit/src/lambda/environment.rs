//! One environment: a process with its descendants, a folder, a Runtime API and a log.
//!
//! In: a function, and calls one after the other. Out: each call's end, with the environment
//! frozen and ready for the next, or ended.
//! Never: serves two calls at once; runs between calls; leaves a process behind.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::call::Call;
use super::ending::Ending;
use super::function::{Function, Place};
use super::limits::{Registry, Watched};
use super::log::Log;
use super::processes::{Tree, kill_all};
use super::runtime_api::{self, Delivery, Desk, Event, FunctionError, Responded};
use crate::loopback;

/// How long what a dead process had sent may take to be read.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a restore may take ("Lambda quotas" has the same for init).
const RESTORE: Duration = Duration::from_secs(10);
/// A program that was just written may still be open for writing in a process that another
/// thread is starting at the moment.
const BUSY_FILE: (usize, Duration) = (200, Duration::from_millis(5));

/// An environment.
#[derive(Debug)]
pub(super) struct Environment {
    /// Counted from 1.
    pub number: u64,
    pub function: Arc<Function>,
    pub log: Arc<Log>,
    folder: TempDir,
    address: String,
    start: &'static str,
    token: String,
    api: JoinHandle<()>,
    desk: Arc<Desk>,
    events: mpsc::Receiver<Event>,
    process: Option<Process>,
    gate: Option<Gate>,
    /// How the answer to the call of the moment went.
    answered: Option<Responded>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    watched: Arc<Watched>,
}

/// Where a process waits for work.
#[derive(Debug)]
enum Gate {
    Next(tokio::sync::oneshot::Sender<Delivery>),
    Restore(tokio::sync::oneshot::Sender<()>),
}

/// How a call went in its environment.
#[derive(Debug)]
pub(super) struct Served {
    /// What the caller gets instead of, or after, the answer.
    pub error: Option<FunctionError>,
    /// Why the environment can't serve another call.
    pub ending: Option<Ending>,
    /// From the delivery to the request for the next.
    pub duration: Duration,
    /// From the release of a snapshot to the request for its first call.
    pub restore: Option<Duration>,
}

impl Environment {
    /// An environment without a process, on a new port, with a new folder.
    pub(super) async fn open(
        number: u64,
        function: Arc<Function>,
        start: &'static str,
        token: String,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["tmp", "pyrun"] {
            fs_err::create_dir(folder.path().join(name))?;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (tell, events) = mpsc::channel(16);
        let desk = Arc::new(Desk::new(tell, function.role.clone(), token.clone()));
        let served = Arc::clone(&desk);
        let api = tokio::spawn(loopback::serve(
            listener,
            || (),
            move |request| runtime_api::respond(Arc::clone(&served), request),
        ));
        Ok(Self {
            number,
            function,
            log: Arc::default(),
            folder,
            address,
            start,
            token,
            api,
            desk,
            events,
            process: None,
            gate: None,
            answered: None,
        })
    }

    /// Starts its process and waits until it is ready for a call or a snapshot.
    pub(super) async fn boot(
        &mut self,
        registry: &Registry,
        deadline: Instant,
    ) -> Result<(), Ending> {
        let child = self.spawn().await?;
        let root = child.id().expect("it is not waited for");
        let tree = Tree::new(root, format!("AWS_LAMBDA_RUNTIME_API={}", self.address));
        let watched = Arc::new(Watched::new(
            tree,
            self.folder.path().to_owned(),
            self.function.memory_mb << 20,
            self.function.storage_mb << 20,
        ));
        registry.add(Arc::clone(&watched));
        self.process = Some(Process { child, watched });
        self.gate = Some(self.reach_gate(deadline).await?);
        Ok(())
    }

    async fn spawn(&self) -> Result<Child, Ending> {
        let unable = |error: io::Error| Ending::NoProgram(error.to_string());
        let place = Place {
            number: self.number,
            folder: self.folder.path(),
            api: &self.address,
            start: self.start,
            token: &self.token,
        };
        let (output, input) = io::pipe().map_err(unable)?;
        let mut command = Command::new(&self.function.program);
        command
            .args(self.function.arguments())
            .env_clear()
            .envs(self.function.variables(&place))
            .current_dir(self.function.task_root())
            .stdin(Stdio::null())
            .stdout(input.try_clone().map_err(unable)?)
            .stderr(input)
            .process_group(0)
            .kill_on_drop(true);
        self.log
            .follow(Receiver::from_owned_fd(output.into()).map_err(unable)?);
        let (mut attempts, pause) = BUSY_FILE;
        loop {
            match command.spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempts > 0 => {
                    attempts -= 1;
                    tokio::time::sleep(pause).await;
                }
                spawned => return spawned.map_err(unable),
            }
        }
    }

    /// Waits until the process asks for work.
    async fn reach_gate(&mut self, deadline: Instant) -> Result<Gate, Ending> {
        loop {
            match self.happening(deadline).await? {
                Event::Next(deliver) => return Ok(Gate::Next(deliver)),
                Event::Restore(go) => return Ok(Gate::Restore(go)),
                Event::InitError(error) => return Err(Ending::Reported(error)),
                // There was no question to answer.
                Event::Responded(_) => {}
            }
        }
    }

    /// What the process does next, or what ends it.
    async fn happening(&mut self, deadline: Instant) -> Result<Event, Ending> {
        let process = self.process.as_mut().expect("it was started");
        tokio::select! {
            biased;
            // The other end is in the desk, which is in this environment.
            Some(event) = self.events.recv() => Ok(event),
            status = process.child.wait() => Err(Ending::Exited(status.ok())),
            () = process.watched.over_memory() => Err(Ending::Memory),
            () = tokio::time::sleep_until(deadline) => Err(Ending::Timeout),
        }
    }

    /// Whether it waits for a call with a live process.
    pub(super) fn is_ready(&mut self) -> bool {
        let process = self.process.as_mut();
        let lives = process.is_some_and(|process| matches!(process.child.try_wait(), Ok(None)));
        lives && self.gate.is_some()
    }

    /// Gives it a call. Where it has no process, or a dead one, that is started first, in the
    /// call's own time, as Lambda does after a failed init.
    pub(super) async fn invoke(
        &mut self,
        registry: &Registry,
        call: &Call,
        data: mpsc::Sender<Bytes>,
    ) -> Served {
        let mut begun = Instant::now();
        let mut restore = None;
        self.answered = None;
        self.desk.open(&call.id, call.streamed_limit, data);
        if self.gate.is_none()
            && let Err(ending) = self.boot(registry, begun + self.function.timeout).await
        {
            return self.end(call, Err(ending), begun, restore).await;
        }
        self.thaw().await;
        if let Some(Gate::Restore(_)) = &self.gate {
            let released = Instant::now();
            if let Err(ending) = self.restore(released + RESTORE).await {
                return self.end(call, Err(ending), begun, restore).await;
            }
            restore = Some(released.elapsed());
            begun = Instant::now();
        }
        let deadline = begun + self.function.timeout;
        let result = match self.deliver(call, deadline).await {
            Ok(()) => self.answer(deadline).await,
            Err(ending) => Err(ending),
        };
        self.end(call, result, begun, restore).await
    }

    async fn end(
        &mut self,
        call: &Call,
        result: Result<(), Ending>,
        begun: Instant,
        restore: Option<Duration>,
    ) -> Served {
        let duration = begun.elapsed();
        let ending = result.err();
        if ending.is_some() {
            // What it had sent is still in the sockets, which end with it.
            self.signal(|watched| watched.tree.kill()).await;
        }
        let begun_answer = self.desk.close();
        if ending.is_some() && begun_answer && self.answered.is_none() {
            self.answered = self.drain().await;
        }
        let error = match self.answered.take() {
            // What comes after a whole answer is of the log alone.
            Some(Responded::Whole) => None,
            Some(Responded::Failed(error)) => Some(error),
            answered => match &ending {
                Some(ending) => Some(ending.error(&call.id, self.function.timeout)),
                None => answered.map(|_| {
                    let text = "the runtime's answer broke off";
                    FunctionError::new("Runtime.TruncatedResponse", text)
                }),
            },
        };
        Served {
            error,
            ending,
            duration,
            restore,
        }
    }

    /// Waits for an answer that has begun to end, after its process did.
    async fn drain(&mut self) -> Option<Responded> {
        let deadline = Instant::now() + DRAIN;
        loop {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(Event::Responded(responded))) => return Some(responded),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Releases a snapshot.
    async fn restore(&mut self, deadline: Instant) -> Result<(), Ending> {
        if let Some(Gate::Restore(go)) = self.gate.take() {
            // One that gave up waiting asks for work in another way.
            let _ = go.send(());
        }
        let gate = self.reach_gate(deadline).await?;
        self.gate = Some(gate);
        Ok(())
    }

    async fn deliver(&mut self, call: &Call, deadline: Instant) -> Result<(), Ending> {
        let left = deadline.saturating_duration_since(Instant::now());
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let deadline_ms = (since_1970.unwrap_or_default() + left).as_millis();
        let mut gate = self.gate.take();
        loop {
            let Some(Gate::Next(deliver)) = gate else {
                gate = Some(self.reach_gate(deadline).await?);
                continue;
            };
            let delivery = Delivery {
                id: call.id.clone(),
                arn: call.arn.clone(),
                deadline_ms,
                trace: call.trace.clone(),
                client_context: call.client_context.clone(),
                payload: call.payload.clone(),
            };
            // A process that hung up and asks anew is no rare sight after a freeze.
            match deliver.send(delivery) {
                Ok(()) => return Ok(()),
                Err(_) => gate = Some(self.reach_gate(deadline).await?),
            }
        }
    }

    /// Waits for the answer, and for the request for the next call behind it.
    async fn answer(&mut self, deadline: Instant) -> Result<(), Ending> {
        loop {
            match self.happening(deadline).await? {
                Event::Responded(responded) => self.answered = Some(responded),
                Event::Next(deliver) if self.answered.is_some() => {
                    self.gate = Some(Gate::Next(deliver));
                    return Ok(());
                }
                // It owes an answer: dropping what it asks refuses it.
                Event::Next(_) | Event::Restore(_) | Event::InitError(_) => {}
            }
        }
    }

    /// Stops its processes.
    pub(super) async fn freeze(&self) {
        self.signal(Watched::freeze).await;
    }

    async fn thaw(&self) {
        self.signal(Watched::thaw).await;
    }

    /// Ends its processes.
    pub(super) async fn kill(&mut self, registry: &Registry) {
        self.signal(|watched| watched.tree.kill()).await;
        self.bury(registry).await;
    }

    /// Ends the processes of several environments.
    pub(super) async fn kill_all(environments: Vec<Self>, registry: &Registry) {
        let watched: Vec<Arc<Watched>> = environments
            .iter()
            .filter_map(|one| Some(Arc::clone(&one.process.as_ref()?.watched)))
            .collect();
        blocking(move || {
            let trees: Vec<&Tree> = watched.iter().map(|one| &one.tree).collect();
            kill_all(&trees);
        })
        .await;
        for mut environment in environments {
            environment.bury(registry).await;
        }
    }

    /// Takes note that its processes are dead.
    async fn bury(&mut self, registry: &Registry) {
        self.gate = None;
        if let Some(mut process) = self.process.take() {
            // The tree is dead, so that this does not wait.
            let _: io::Result<ExitStatus> = process.child.wait().await;
            registry.remove(&process.watched);
        }
    }

    /// The most memory that it used, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.watched(Watched::peak)
    }

    /// The most disk that it was seen to use, in bytes.
    pub(super) fn storage(&self) -> u64 {
        self.watched(Watched::storage)
    }

    /// Whether it was seen to use more disk than it may.
    pub(super) fn over_storage(&self) -> bool {
        self.watched(Watched::over_storage)
    }

    fn watched<T: Default>(&self, look: impl FnOnce(&Watched) -> T) -> T {
        let process = self.process.as_ref();
        process.map_or_else(T::default, |process| look(&process.watched))
    }

    /// Does something with its processes.
    async fn signal(&self, action: impl FnOnce(&Watched) + Send + 'static) {
        if let Some(process) = &self.process {
            let watched = Arc::clone(&process.watched);
            blocking(move || action(&watched)).await;
        }
    }
}

/// Reads `/proc` where that holds up nobody.
async fn blocking(action: impl FnOnce() + Send + 'static) {
    let done = tokio::task::spawn_blocking(action).await;
    done.expect("signals are sent without a panic");
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.api.abort();
    }
}
