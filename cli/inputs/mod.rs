//! Where requirements come from: scripts, requirements files, pyproject.toml, pylock.toml, and
//! words on the command line.
//!
//! In: the words. Out: one [`Input`] for each bundle they ask for. Never: asks an index, runs a
//! file.

mod pylock;
mod pyproject;
mod requirements_txt;
pub mod script;

use std::path::Path;

use pep440_rs::VersionSpecifiers;
use pyrun_core::{Code, Fault, Origin, Requirement};

use crate::settings::ScriptSettings;

pub use pylock::Pylock;

/// What one bundle is made from.
#[derive(Debug, Clone)]
pub struct Input {
    /// How to call it in messages.
    pub name: String,
    /// What it asks for.
    pub wanted: Wanted,
}

/// What an input asks for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Requirements to resolve.
    Requirements(Requirements),
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
    pub settings: ScriptSettings,
}

/// Reads the sources of `pyrun lock` and `pyrun prewarm`.
pub fn read(sources: &[String]) -> Result<Vec<Input>, Fault> {
    let mut inputs = Vec::new();
    let mut words = Requirements::default();
    for source in sources {
        if let Some(mut found) = read_file(source)? {
            inputs.append(&mut found);
        } else {
            words.list.push(parse_word(source)?);
        }
    }
    if !words.list.is_empty() {
        inputs.push(Input {
            name: "the command line".to_owned(),
            wanted: Wanted::Requirements(words),
        });
    }
    Ok(inputs)
}

/// Reads a source that is a file; `None` when it is a requirement.
fn read_file(source: &str) -> Result<Option<Vec<Input>>, Fault> {
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
    match extension {
        "py" => script::inputs(source).map(Some),
        "toml" if is_pylock(&name) => one(Wanted::Lock(Pylock::read(path)?)),
        "toml" if name == "pyproject.toml" => one(Wanted::Requirements(pyproject::read(
            path,
            &read_text(path)?,
        )?)),
        "toml" => Err(Fault::new(
            Code::USAGE,
            format!("`{path}` is neither a pyproject.toml nor a pylock.toml"),
        )
        .hint("PEP 751 names lock files `pylock.toml` or `pylock.NAME.toml`")),
        "txt" | "in" => one(Wanted::Requirements(requirements_txt::read(path)?)),
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
    parse_requirement(word, origin).map_err(|fault| {
        if Path::new(word).exists() {
            return Fault::new(Code::USAGE, format!("`{word}` is a file of a kind that names no requirements"))
                .hint("scripts end in `.py`, requirements files in `.txt`; pyproject.toml and pylock.toml are read too");
        }
        fault
    })
}

/// A requirement from its text (PEP 508).
fn parse_requirement(text: &str, origin: Origin) -> Result<Requirement, Fault> {
    match pyrun_core::parse_requirement(text) {
        Ok(spec) => Ok(Requirement::new(spec, origin)),
        Err(error) => {
            let mut fault = Fault::new(
                Code::REQUIREMENT_INVALID,
                format!("`{text}` is not a requirement (PEP 508)"),
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
    let fault = |message: String| Fault::new(Code::SCRIPT_UNREADABLE, message);
    let bytes = fs_err::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            fault(format!("there is no file `{path}`")).hint(near(path))
        }
        std::io::ErrorKind::IsADirectory => fault(format!("`{path}` is a folder, not a file")),
        _ => fault(format!("can't read `{path}`")).cause(io_cause(&error)),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        fault(format!("`{path}` is not UTF-8 text, at byte {at}")).hint("save the file as UTF-8")
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
    let best = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|name| (strsim::jaro_winkler(&name, &wanted), name))
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, name)) => format!("did you mean `{}`?", path.with_file_name(name).display()),
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
        let inputs = read(&["numpy>=2".to_owned(), "pandas".to_owned()]).expect("requirements");
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
        let fault = read(&["numpy=>2".to_owned()]).expect_err("not a specifier");
        assert_eq!(fault.code, Code::REQUIREMENT_INVALID);
    }
}
