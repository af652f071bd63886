//! What earlier searches found, so that a warm start runs no interpreter and reads no folder.
//!
//! In: `<cache>/interpreters.json`. Out: answers whose files are unchanged. Never: fails; a
//! missing, broken or read-only cache only makes the search slower.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pyrun_core::{Sha256, VersionSpecifiers};
use serde::{Deserialize, Serialize};

use super::Interpreter;
use super::probe::Answer;
use super::request::PythonRequest;
use super::search::Environment;

/// Raised when the meaning of a remembered answer changes.
const FORMAT: u32 = 1;
/// Bytes; what is larger was not written by pyrun.
const LARGEST: u64 = 1024 * 1024;
/// Searches with different wishes or environments that are remembered.
const MOST_CHOICES: usize = 64;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    #[serde(default)]
    format: u32,
    #[serde(skip)]
    path: PathBuf,
    #[serde(skip)]
    changed: bool,
    /// By path.
    answers: BTreeMap<PathBuf, (Stamp, Answer)>,
    /// By everything that the choice depended on.
    choices: BTreeMap<Sha256, Choice>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Choice {
    interpreter: Interpreter,
    watched: Vec<(PathBuf, Option<Stamp>)>,
}

/// What tells a changed file or folder from an unchanged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    seconds: i64,
    nanoseconds: i64,
    inode: u64,
    device: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs_err::metadata(path).ok()?;
        Some(Self {
            size: meta.size(),
            seconds: meta.mtime(),
            nanoseconds: meta.mtime_nsec(),
            inode: meta.ino(),
            device: meta.dev(),
        })
    }
}

/// The name of a choice: all that it depends on but the disk.
pub(super) fn choice_key(
    request: Option<&PythonRequest>,
    requires: Option<&VersionSpecifiers>,
    environment: &Environment,
) -> Sha256 {
    let mut text = Vec::new();
    let mut add = |part: &[u8]| {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part);
    };
    add(request
        .map(ToString::to_string)
        .unwrap_or_default()
        .as_bytes());
    add(requires
        .map(ToString::to_string)
        .unwrap_or_default()
        .as_bytes());
    for (name, value) in &environment.variables {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    for folder in environment.system.iter().chain(&environment.images) {
        add(folder.as_os_str().as_bytes());
    }
    Sha256::of(text)
}

impl Memory {
    /// What is remembered below `cache_dir`.
    pub(super) fn load(cache_dir: &Path) -> Self {
        let path = cache_dir.join("interpreters.json");
        let known = read_bounded(&path)
            .and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
            .filter(|memory| memory.format == FORMAT)
            .unwrap_or_default();
        Self {
            format: FORMAT,
            path,
            ..known
        }
    }

    /// The interpreter that the same search chose, if nothing that it looked at has changed.
    pub(super) fn choice(&self, key: &Sha256) -> Option<&Interpreter> {
        let choice = self.choices.get(key)?;
        choice
            .watched
            .iter()
            .all(|(path, stamp)| Stamp::of(path) == *stamp)
            .then_some(&choice.interpreter)
    }

    /// What this interpreter said, if it is still the same file.
    pub(super) fn answer(&self, path: &Path) -> Option<&Answer> {
        let (stamp, answer) = self.answers.get(path)?;
        (Stamp::of(path) == Some(*stamp)).then_some(answer)
    }

    /// Keeps an answer. That an interpreter is broken may be cured from outside, so it is not kept.
    pub(super) fn keep_answer(&mut self, path: &Path, answer: &Answer) {
        if matches!(answer, Answer::Broken { .. }) {
            return;
        }
        if let Some(stamp) = Stamp::of(path) {
            self.answers
                .insert(path.to_owned(), (stamp, answer.clone()));
            self.changed = true;
        }
    }

    /// Keeps a choice together with what it depends on.
    pub(super) fn keep_choice(
        &mut self,
        key: Sha256,
        interpreter: &Interpreter,
        watched: Vec<PathBuf>,
    ) {
        if self.choices.len() >= MOST_CHOICES {
            self.choices.clear();
        }
        let watched = watched
            .into_iter()
            .chain([interpreter.executable.clone()])
            .map(|path| {
                let stamp = Stamp::of(&path);
                (path, stamp)
            })
            .collect();
        self.choices.insert(
            key,
            Choice {
                interpreter: interpreter.clone(),
                watched,
            },
        );
        self.changed = true;
    }

    /// Writes what is new, whole or not at all.
    pub(super) fn save(mut self) {
        if !self.changed {
            return;
        }
        self.answers.retain(|path, _| path.exists());
        let write = || -> std::io::Result<()> {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            fs_err::create_dir_all(folder)?;
            let file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&file, &self)?;
            file.persist(&self.path)?;
            Ok(())
        };
        // Not remembering costs the next search some time and nothing else.
        let _ = write();
    }
}

fn read_bounded(path: &Path) -> Option<Vec<u8>> {
    let small = fs_err::metadata(path).ok()?.len() <= LARGEST;
    small.then(|| fs_err::read(path).ok()).flatten()
}
