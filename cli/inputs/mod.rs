//! Where requirements come from: scripts, requirements files, pyproject.toml, pylock.toml, uv.lock,
//! and words on the command line.
//!
//! In: the words. Out: one [`Input`] for each bundle they ask for. Never: asks an index, runs a
//! file.

mod address;
mod choice;
mod pylock;
mod pyproject;
pub mod requirements_txt;
pub mod script;
mod sources;
mod uv_lock;

use std::path::Path;

use pyrun_core::request::without_credentials;
use pyrun_core::{Code, Fault, Origin, Requirement, VersionSpecifiers, Wishes};

use crate::near::nearest;

pub use address::links;
pub use choice::Choice;
pub use pylock::Pylock;

/// What one bundle is made from.
#[derive(Debug, Clone)]
pub struct Input {
    /// How to call it in messages.
    pub name: String,
    /// What it asks for.
    pub wanted: Wanted,
}

impl Input {
    /// What of its file is passed over, in words.
    pub fn remarks(&self) -> impl Iterator<Item = &str> {
        let remarks = match &self.wanted {
            Wanted::Requirements(found) => found.remarks.as_slice(),
            Wanted::Lock(_) => &[],
        };
        remarks.iter().map(String::as_str)
    }
}

/// What an input asks for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Requirements to resolve.
    Requirements(Box<Requirements>),
    /// A lock to build as it is.
    Lock(Pylock),
}

/// Requirements with what their file says besides.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// The requirements.
    pub list: Vec<Requirement>,
    /// The file's bound on Python.
    pub requires_python: Option<VersionSpecifiers>,
    /// What the file says of how to resolve.
    pub settings: Wishes,
    /// What of the file is passed over, in words.
    pub remarks: Vec<String>,
}

/// Reads the sources of `pyrun lock` and `pyrun prewarm`.
pub fn read(sources: &[String], choice: &Choice) -> Result<Vec<Input>, Fault> {
    let mut inputs = Vec::new();
    let mut words = Requirements::default();
    let is_project = |source: &String| {
        let name = Path::new(source).file_name();
        name.is_some_and(|name| name == "pyproject.toml" || name == "uv.lock")
    };
    if !choice.is_empty() && !sources.iter().any(is_project) {
        return Err(Fault::new(
            Code::USAGE,
            "extras and groups are those of a project, and no source is one",
        )
        .hint(
            "name a pyproject.toml or a uv.lock; an extra of a package is written `NAME[EXTRA]`",
        ));
    }
    for source in sources {
        if let Some(mut found) = read_file(source, choice)? {
            inputs.append(&mut found);
        } else {
            words.list.push(parse_word(source)?);
        }
    }
    if !words.list.is_empty() {
        inputs.push(Input {
            name: "the command line".to_owned(),
            wanted: Wanted::Requirements(words.into()),
        });
    }
    Ok(inputs)
}

/// Reads a source that is a file; `None` when it is a requirement.
fn read_file(source: &str, choice: &Choice) -> Result<Option<Vec<Input>>, Fault> {
    let (path, _) = script::split(source);
    let name = Path::new(path)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let extension = Path::new(path)
        .extension()
        .map(std::ffi::OsStr::to_ascii_lowercase);
    let extension = extension
        .as_deref()
        .and_then(std::ffi::OsStr::to_str)
        .unwrap_or_default();
    let one = |wanted| {
        Ok(Some(vec![Input {
            name: path.to_owned(),
            wanted,
        }]))
    };
    let requirements = |found: Requirements| one(Wanted::Requirements(found.into()));
    match extension {
        "py" => script::inputs(source).map(Some),
        "toml" if is_pylock(&name) => one(Wanted::Lock(Pylock::read(path)?)),
        "toml" if name == "pyproject.toml" => {
            requirements(pyproject::read(path, &read_text(path)?, choice)?)
        }
        "toml" => Err(Fault::new(
            Code::USAGE,
            format!("`{path}` is neither a pyproject.toml nor a pylock.toml"),
        )
        .hint("PEP 751 names lock files `pylock.toml` or `pylock.NAME.toml`")),
        "lock" if name == "uv.lock" => one(Wanted::Lock(Pylock::read_chosen(path, choice)?)),
        "txt" | "in" => requirements(requirements_txt::read(path)?),
        _ => Ok(None),
    }
}

/// PEP 751, "File Name".
fn is_pylock(name: &str) -> bool {
    name == "pylock.toml"
        || name
            .strip_prefix("pylock.")
            .and_then(|rest| rest.strip_suffix(".toml"))
            .is_some_and(|middle| !middle.is_empty() && !middle.contains('.'))
}

fn parse_word(word: &str) -> Result<Requirement, Fault> {
    let origin = Origin {
        place: "the command line".to_owned(),
        span: None,
    };
    address::requirement(word, Path::new("."), origin).map_err(|fault| {
        if Path::new(word).is_file() && !word.contains(".whl") {
            return Fault::new(Code::USAGE, format!("`{word}` is a file of a kind that names no requirements"))
                .hint("scripts end in `.py`, requirements files in `.txt`; pyproject.toml, pylock.toml and uv.lock are read too");
        }
        fault
    })
}

/// A requirement from its text (PEP 508).
fn parse_requirement(text: &str, origin: Origin) -> Result<Requirement, Fault> {
    match pyrun_core::parse_requirement(text) {
        Ok(spec) => Ok(Requirement::new(spec, origin)),
        Err(error) => {
            let shown = if text.contains("://") {
                without_credentials(text)
            } else {
                text.to_owned()
            };
            let mut fault = Fault::new(
                Code::REQUIREMENT_INVALID,
                format!("`{shown}` is not a requirement (PEP 508)"),
            )
            .cause(error.reason);
            if let Some(span) = origin.span {
                fault = fault.span(span);
            }
            Err(fault.hint("a requirement is a name with versions, such as `requests>=2,<3` or `pandas[parquet]`"))
        }
    }
}

/// A text file, or a fault that says why not.
pub fn read_text(path: &str) -> Result<String, Fault> {
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("`{path}` is not UTF-8 text, at byte {at}");
        Fault::new(Code::SCRIPT_UNREADABLE, message).hint("save the file as UTF-8")
    })
}

/// A file's bytes, or a fault that says why not.
fn read_bytes(path: &str) -> Result<Vec<u8>, Fault> {
    let fault = |message: String| Fault::new(Code::SCRIPT_UNREADABLE, message);
    fs_err::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            fault(format!("there is no file `{path}`")).hint(near(path))
        }
        std::io::ErrorKind::IsADirectory => fault(format!("`{path}` is a folder, not a file")),
        _ => fault(format!("can't read `{path}`")).cause(io_cause(&error)),
    })
}

/// The system's own words, without the path that the message names already.
fn io_cause(error: &std::io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(std::error::Error::source)
        .map(ToString::to_string);
    inner.unwrap_or_else(|| error.to_string())
}

/// What a missing file may have been meant to be.
fn near(path: &str) -> String {
    let path = Path::new(path);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let wanted = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let Ok(entries) = fs_err::read_dir(folder) else {
        return format!("there is no folder `{}` either", folder.display());
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    match nearest(&wanted, names) {
        Some(name) => format!("did you mean `{}`?", path.with_file_name(name).display()),
        None => "check the path; it is looked for from the current folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_are_known_by_their_name() {
        for (name, is) in [
            ("pylock.toml", true),
            ("pylock.dev.toml", true),
            ("pylock..toml", false),
            ("lock.toml", false),
        ] {
            assert_eq!(is_pylock(name), is, "{name}");
        }
    }

    #[test]
    fn words_become_one_input() {
        let words = ["numpy>=2".to_owned(), "pandas".to_owned()];
        let inputs = read(&words, &Choice::default()).expect("requirements");
        assert_eq!(inputs.len(), 1);
        let Wanted::Requirements(found) = &inputs[0].wanted else {
            panic!("requirements")
        };
        assert_eq!(found.list.len(), 2);
    }

    #[test]
    fn a_missing_file_is_named_with_its_neighbour() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("script.py"), "").expect("a file");
        let path = folder
            .path()
            .join("scirpt.py")
            .to_string_lossy()
            .into_owned();
        let fault = read_text(&path).expect_err("missing");
        assert!(fault.hints[0].contains("script.py"), "{fault:?}");
    }

    #[test]
    fn nonsense_is_no_requirement() {
        let words = ["numpy=>2".to_owned()];
        let fault = read(&words, &Choice::default()).expect_err("not a specifier");
        assert_eq!(fault.code, Code::REQUIREMENT_INVALID);
    }

    #[test]
    fn extras_and_groups_are_those_of_a_project() {
        let choice = Choice {
            all_extras: true,
            ..Choice::default()
        };
        let fault = read(&["numpy".to_owned()], &choice).expect_err("no project");
        assert_eq!(fault.code, Code::USAGE);
    }
}
