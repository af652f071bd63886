//! Finds the `CPython` interpreter that a run uses.
//!
//! In: what is wished for, the environment, a cache folder. Out: an [`Interpreter`], or an error
//! that lists everything looked at. Never: runs an interpreter twice while its file is unchanged;
//! on a warm start it runs nothing and reads no folder, it only compares some files' stamps.

mod error;
mod memory;
mod probe;
mod request;
mod search;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use pyrun_core::{PythonVersion, Target, Version, VersionSpecifiers};
use serde::{Deserialize, Serialize};

pub use error::{InterpreterError, Rejected};
pub use request::{PythonRequest, PythonRequestError};
pub use search::Environment;

use memory::Memory;
use probe::Answer;
use search::Search;

/// A `CPython` that runs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The file to execute: never a virtual environment's, and never a shim.
    pub executable: PathBuf,
    /// What bundles for it are built for.
    pub target: Target,
    /// The number that its bytecode starts with (PEP 3147): the first two bytes, little endian.
    pub magic: u16,
    /// The middle of its bytecode files' names, such as `cpython-312` (PEP 3147).
    pub cache_tag: String,
}

/// What is wished for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// `--python-version`; without it `PYRUN_PYTHON` counts.
    pub request: Option<&'a PythonRequest>,
    /// The script's own bound.
    pub requires_python: Option<&'a VersionSpecifiers>,
}

/// The best interpreter for a wish: stable ones before pre-releases, those with the GIL before
/// free-threaded ones, the newest of these, and the first on PATH between equals.
pub fn find(
    wanted: &Wanted<'_>,
    environment: &Environment,
    cache_dir: &Path,
) -> Result<Interpreter, InterpreterError> {
    let request = effective_request(wanted, environment)?;
    let requires = wanted.requires_python;
    let mut memory = Memory::load(cache_dir);
    let key = memory::choice_key(request.as_ref(), requires, environment);
    if let Some(interpreter) = memory.choice(&key) {
        return Ok(interpreter.clone());
    }
    let search = match &request {
        Some(PythonRequest::Path(path)) => Search::at(path),
        _ => Search::everywhere(environment),
    };
    let answers = ask_all(search.candidates, &mut memory);
    let chosen = choose(request.as_ref(), requires, answers, &search.watched);
    if let Ok(interpreter) = &chosen {
        memory.keep_choice(key, interpreter, search.watched);
    }
    memory.save();
    chosen
}

fn effective_request(
    wanted: &Wanted<'_>,
    environment: &Environment,
) -> Result<Option<PythonRequest>, InterpreterError> {
    let request = match (wanted.request, environment.get("PYRUN_PYTHON")) {
        (Some(request), _) => request.clone(),
        (None, Some(text)) => text
            .to_string_lossy()
            .parse()
            .map_err(InterpreterError::Variable)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(match request {
        // Remembered choices must not depend on the current folder.
        PythonRequest::Path(path) => {
            PythonRequest::Path(std::path::absolute(&path).unwrap_or(path))
        }
        version @ PythonRequest::Version { .. } => version,
    }))
}

/// Asks those whose answer is not known, a few at a time; the order stays.
fn ask_all(candidates: Vec<PathBuf>, memory: &mut Memory) -> Vec<(PathBuf, Answer)> {
    let known: Vec<Option<Answer>> = candidates
        .iter()
        .map(|path| memory.answer(path).cloned())
        .collect();
    let unknown: Vec<usize> = (0..known.len()).filter(|at| known[*at].is_none()).collect();
    let fresh = Mutex::new(known);
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, |cores| cores.get().min(8));
    thread::scope(|scope| {
        for _ in 0..workers.min(unknown.len()) {
            scope.spawn(|| {
                while let Some(&at) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = probe::ask(&candidates[at], probe::PATIENCE);
                    fresh.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(answer);
                }
            });
        }
    });
    let answers = fresh.into_inner().unwrap_or_else(PoisonError::into_inner);
    for &at in &unknown {
        if let Some(answer) = &answers[at] {
            memory.keep_answer(&candidates[at], answer);
        }
    }
    candidates
        .into_iter()
        .zip(answers)
        .filter_map(|(path, answer)| Some((path, answer?)))
        .collect()
}

fn choose(
    request: Option<&PythonRequest>,
    requires: Option<&VersionSpecifiers>,
    answers: Vec<(PathBuf, Answer)>,
    searched: &[PathBuf],
) -> Result<Interpreter, InterpreterError> {
    let mut best: Option<Interpreter> = None;
    let mut rejected = Vec::new();
    for (path, answer) in answers {
        match judge(request, requires, path, answer)? {
            Ok(found) => {
                if best
                    .as_ref()
                    .is_none_or(|so_far| rank(&found) > rank(so_far))
                {
                    best = Some(found);
                }
            }
            Err(reason) => rejected.push(reason),
        }
    }
    best.ok_or_else(|| InterpreterError::NotFound {
        wanted: error::wanted_text(request.map(ToString::to_string), requires),
        rejected,
        searched: searched.to_vec(),
        suggestion: error::suggest(|version| {
            request.is_none_or(|request| request.accepts(version, true))
                && requires.is_none_or(|bound| satisfies(version, bound))
        }),
    })
}

/// Whether an interpreter fits, or why not. One that was named by its path and is broken is an
/// error of its own: nothing else was asked for.
fn judge(
    request: Option<&PythonRequest>,
    requires: Option<&VersionSpecifiers>,
    path: PathBuf,
    answer: Answer,
) -> Result<Result<Interpreter, Rejected>, InterpreterError> {
    let found = match answer {
        Answer::Usable(found) => found,
        Answer::Broken { reason } if matches!(request, Some(PythonRequest::Path(_))) => {
            return Err(InterpreterError::Broken { path, reason });
        }
        Answer::Broken { reason } => {
            return Ok(Err(Rejected {
                path,
                version: None,
                reason,
            }));
        }
        Answer::Unusable { version, reason } => {
            return Ok(Err(Rejected {
                path,
                version,
                reason,
            }));
        }
    };
    let version = &found.target.python;
    let unwanted = request.filter(|request| !request.accepts(version, found.target.free_threaded));
    let too_strict = requires.filter(|bound| !satisfies(version, bound));
    let reason = match (unwanted, too_strict) {
        (Some(request), _) => format!("`{request}` is asked for"),
        (None, Some(bound)) => format!("the script requires `{bound}`"),
        (None, None) => return Ok(Ok(found)),
    };
    Ok(Err(Rejected {
        path,
        version: Some(version.to_string()),
        reason,
    }))
}

/// `3.14.0rc2` satisfies `>=3.14`: whoever runs a pre-release means it to count as its release.
fn satisfies(version: &PythonVersion, bound: &VersionSpecifiers) -> bool {
    let full = version.full();
    bound.contains(full)
        || full.any_prerelease() && bound.contains(&Version::new(full.release().iter().copied()))
}

fn rank(interpreter: &Interpreter) -> (bool, bool, &PythonVersion) {
    let target = &interpreter.target;
    (
        !target.python.full().any_prerelease(),
        !target.free_threaded,
        &target.python,
    )
}
