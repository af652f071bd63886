//! What a run leaves to be done behind it: the bytecode of a bundle that has none yet.
//!
//! In: a lock hash and an interpreter. Out: a published companion, unpacked beside its bundle. A
//! process of its own does it, so that the user's prompt is back at once. Never: delays a run,
//! works twice at once on one bundle, says anything.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyrun_builder::bytecode;
use pyrun_core::{Code, Fault, LockHash};
use pyrun_runner::interpreter::{self, Environment, Interpreter, PythonRequest, Wanted};
use pyrun_runner::warm::Warm;
use pyrun_store::{Store, catalog};

use crate::depot;
use crate::settings::Place;

/// Starts the process that compiles a bundle's bytecode, unless it is compiled.
pub async fn start(place: &Place, store: &dyn Store, lock: &LockHash, interpreter: &Interpreter) {
    let companion = catalog::companion(lock, interpreter.magic);
    // Whatever keeps it from being started, the run itself has gone well.
    if !matches!(store.head(&companion).await, Ok(None)) {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut command = Command::new(program);
    command
        .arg("finish")
        .arg(lock.to_string())
        .arg("--python")
        .arg(&interpreter.executable)
        .arg("--store")
        .arg(place.store.to_string())
        .arg("--cache-dir")
        .arg(&place.cache)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in the terminal is not meant for it.
        .process_group(0);
    let _ = command.spawn();
}

/// Compiles the bytecode of one bundle and unpacks it beside the bundle.
pub async fn compile(place: &Place, lock: &LockHash, python: &Path) -> Result<(), Fault> {
    let Some(_turn) = Turn::take(&place.cache, lock)? else {
        return Ok(());
    };
    let request: PythonRequest = python.to_string_lossy().parse()?;
    let wanted = Wanted {
        request: Some(&request),
        requires_python: None,
    };
    let interpreter = interpreter::find(&wanted, &Environment::of_process(), &place.cache)?;
    let store: Arc<dyn Store> = depot::store(&place.store).await?;
    let Some(json) = store.get(&catalog::bundle_record(lock), None).await? else {
        return Ok(());
    };
    let record = serde_json::from_slice(&json)
        .map_err(|error| Fault::from_error(Code::BUNDLE_CORRUPT, &error))?;
    bytecode::ensure(
        &*store,
        &record,
        &compiler(&interpreter),
        &place.cache.join("scratch"),
        &|_| {},
    )
    .await?;
    Warm::open(&place.cache)
        .ensure(&store, lock, interpreter.magic, &|_| {})
        .await?;
    Ok(())
}

/// What the builder needs to know of an interpreter to compile with it.
pub fn compiler(interpreter: &Interpreter) -> bytecode::Compiler {
    bytecode::Compiler {
        python: interpreter.executable.clone(),
        magic: interpreter.magic,
        cache_tag: interpreter.cache_tag.clone(),
    }
}

/// The longest that a turn is waited for: the bytecode of a large bundle takes some ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The turn to compile a bundle on this machine, or to remove it: a file that is locked while the
/// value lives.
pub struct Turn(
    #[expect(dead_code, reason = "the lock is held by keeping the file open")] std::fs::File,
);

impl Turn {
    /// `None` when another process has it.
    fn take(cache: &Path, lock: &LockHash) -> Result<Option<Self>, Fault> {
        let folder = cache.join("finish");
        let unwritable = |error: std::io::Error| Fault::from_error(Code::STORE_UNWRITABLE, &error);
        fs_err::create_dir_all(&folder).map_err(unwritable)?;
        let file = fs_err::File::create(folder.join(lock.to_string()))
            .map_err(unwritable)?
            .into_file();
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// Waits for the turn; `None` when whoever has it keeps it for too long.
    pub async fn wait(cache: &Path, lock: &LockHash) -> Result<Option<Self>, Fault> {
        let end = Instant::now() + PATIENCE;
        loop {
            let turn = Self::take(cache, lock)?;
            if turn.is_some() || Instant::now() >= end {
                return Ok(turn);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
