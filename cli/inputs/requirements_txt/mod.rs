//! requirements.txt as pip reads it ("Requirements File Format"), and the files it includes.
//!
//! In: a file's path. Out: its requirements, its bounds and what it says of indexes and formats,
//! each with its place. Never: passes over what would change the meaning of a build; what can't be
//! honoured is refused by name, or said where it changes nothing that matters.

mod lines;
#[cfg(test)]
mod tests;
mod variables;
mod words;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pyrun_core::request::{Prerelease, without_credentials};
use pyrun_core::{Code, Fault, Origin, Requirement, Sha256, Wishes};

use super::{Requirements, address, read_bytes};
use lines::Line;
use words::{Known, Word};

/// Reads a requirements file and those it includes.
pub fn read(path: &str) -> Result<Requirements, Fault> {
    File::read_all(path, Role::Requirements)
}

/// Reads a file of bounds (`--constraint`); what it says of indexes and formats comes with it.
pub fn read_constraints(path: &str) -> Result<Wishes, Fault> {
    File::read_all(path, Role::Constraints).map(|found| found.settings)
}

/// Reads a file of replacements (`--override`).
pub fn read_overrides(path: &str) -> Result<Wishes, Fault> {
    let found = File::read_all(path, Role::Requirements)?;
    Ok(Wishes {
        overrides: found.list,
        ..found.settings
    })
}

/// What a file's requirements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// What is asked for.
    Requirements,
    /// Bounds on it (`-c`).
    Constraints,
}

/// A file that is read, with what it includes.
struct File<'a> {
    path: &'a Path,
    role: Role,
    found: &'a mut Requirements,
    included: Vec<(PathBuf, Role)>,
}

impl File<'_> {
    fn read_all(path: &str, role: Role) -> Result<Requirements, Fault> {
        let mut found = Requirements::default();
        let mut seen = BTreeSet::new();
        let mut pending = vec![(PathBuf::from(path), role)];
        while let Some((path, role)) = pending.pop() {
            let known = path.canonicalize().unwrap_or_else(|_| path.clone());
            if !seen.insert((known, role)) {
                continue;
            }
            let mut file = File {
                path: &path,
                role,
                found: &mut found,
                included: Vec::new(),
            };
            file.read()?;
            // In the order in which they stand.
            pending.extend(file.included.into_iter().rev());
        }
        Ok(found)
    }

    fn read(&mut self) -> Result<(), Fault> {
        let name = self.path.to_string_lossy().into_owned();
        let text = lines::decode(&read_bytes(&name)?).map_err(|problem| {
            Fault::new(Code::SCRIPT_UNREADABLE, format!("`{name}` {problem}"))
                .hint("save the file as UTF-8")
        })?;
        for line in lines::split(&name, &text) {
            self.line(&line)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) -> Result<(), Fault> {
        let words = words::read(&line.text).map_err(|wrong| {
            let fault = invalid(wrong.message, line, wrong.range);
            match wrong.meant {
                Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
                None => fault,
            }
        })?;
        if words.requirement.is_empty() {
            return words
                .options
                .iter()
                .try_for_each(|word| self.option(word, line));
        }
        let mut requirement = self.requirement(
            &line.text[words.requirement.clone()],
            &words.requirement,
            line,
        )?;
        for word in &words.options {
            requirement.hashes.extend(hash_of(word, line)?);
        }
        self.found.settings.require_hashes |= !requirement.hashes.is_empty();
        match self.role {
            Role::Requirements => self.found.list.push(requirement),
            Role::Constraints if requirement.spec.extras.is_empty() => {
                self.found.settings.constraints.push(requirement);
            }
            Role::Constraints => {
                let message = format!("the constraint on `{}` has extras", requirement.spec.name);
                return Err(invalid(message, line, words.requirement)
                    .cause("a constraint brings nothing in, and so no extra either")
                    .hint("name the extra in a requirement"));
            }
        }
        Ok(())
    }

    fn requirement(
        &self,
        text: &str,
        range: &Range<usize>,
        line: &Line,
    ) -> Result<Requirement, Fault> {
        let expanded = variables::expand(text).map_err(|name| unset(&name, line, range.clone()))?;
        let span = line.span(range.clone());
        let origin = Origin {
            place: format!("{}:{}", span.file, span.line),
            span: Some(span),
        };
        address::requirement(&expanded, self.folder(), origin).map_err(|fault| {
            if expanded == text {
                return fault;
            }
            // What a variable holds is not shown: it may be a secret.
            let message = format!("`{text}` is not a requirement (PEP 508)");
            invalid(message, line, range.clone()).cause("as its variables are set")
        })
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn option(&mut self, word: &Word, line: &Line) -> Result<(), Fault> {
        let value = variables::expand(&word.value)
            .map_err(|name| unset(&name, line, word.range.clone()))?;
        let taken = self.take(word, &value, line);
        taken.map_err(|fault| {
            if value == word.value {
                return fault;
            }
            // What a variable holds is not shown: it may be a secret.
            let (spelling, written) = (word.option.spelling(), &word.value);
            let message = format!("`{spelling} {written}` can't be used as its variables are set");
            let hidden = Fault::new(fault.code, message).span(line.span(word.range.clone()));
            hidden.hint("look at what the variables hold, which is not shown here")
        })
    }

    /// Takes what an option says, with its variables' values in place.
    fn take(&mut self, word: &Word, value: &str, line: &Line) -> Result<(), Fault> {
        let settings = &mut self.found.settings;
        match word.option {
            Known::Requirement => self.include(value, Role::Requirements, word, line)?,
            Known::Constraint => self.include(value, Role::Constraints, word, line)?,
            Known::IndexUrl => settings.indexes = vec![index(value, word, line)?],
            Known::ExtraIndexUrl => settings.extra_indexes.push(index(value, word, line)?),
            Known::NoIndex => settings.no_index = true,
            Known::FindLinks => {
                let links = address::links(value, self.folder());
                self.found.settings.find_links.push(links);
            }
            Known::NoBinary | Known::OnlyBinary => {
                let taken = if word.option == Known::NoBinary {
                    settings.formats.no_binary(value)
                } else {
                    settings.formats.only_binary(value)
                };
                taken.map_err(|error| invalid(error.to_string(), line, word.range.clone()))?;
            }
            Known::Pre => settings.prerelease = Some(Prerelease::Allow),
            Known::RequireHashes => settings.require_hashes = true,
            Known::PreferBinary | Known::TrustedHost | Known::UseFeature => {
                self.found.remarks.push(format!(
                    "{}: `{}` is passed over: {}",
                    line.place(word.range.start),
                    word.option.spelling(),
                    passed_over(word.option)
                ));
            }
            Known::Editable => return Err(editable(word, line)),
            Known::Hash | Known::GlobalOption | Known::ConfigSettings => {
                let message = format!("`{}` stands without a requirement", word.option.spelling());
                return Err(invalid(message, line, word.range.clone())
                    .hint("write it behind the requirement, on the same line"));
            }
        }
        Ok(())
    }

    /// A file that is named is meant from where the naming one lies.
    fn include(&mut self, value: &str, role: Role, word: &Word, line: &Line) -> Result<(), Fault> {
        let Some(path) = address::path_of(value) else {
            let message = format!("`{}` is an address", without_credentials(value));
            return Err(invalid(message, line, word.range.clone())
                .cause("a requirements file is read from this machine alone")
                .hint("download it, and name the file"));
        };
        let path = self.folder().join(path);
        let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
        if !path.is_file() {
            let message = format!("there is no file `{}`", path.display());
            let fault = Fault::new(Code::SCRIPT_UNREADABLE, message);
            return Err(fault.span(line.span(word.range.clone())));
        }
        // As uv has it: a file of bounds includes bounds alone.
        self.included.push((path, self.role.max(role)));
        Ok(())
    }
}

fn invalid(message: String, line: &Line, range: Range<usize>) -> Fault {
    Fault::new(Code::REQUIREMENT_INVALID, message).span(line.span(range))
}

fn unset(name: &str, line: &Line, range: Range<usize>) -> Fault {
    invalid(format!("the variable `{name}` is not set"), line, range)
        .hint(format!("set `{name}`, or write its value into the file"))
}

fn index(value: &str, word: &Word, line: &Line) -> Result<String, Fault> {
    let known = ["https://", "http://", "file://"];
    if known.iter().any(|scheme| value.starts_with(scheme)) {
        return Ok(value.to_owned());
    }
    let shown = without_credentials(value);
    let message = format!("`{shown}` is not the address of an index");
    Err(invalid(message, line, word.range.clone())
        .hint("a folder of wheels is named with `--find-links`"))
}

fn passed_over(option: Known) -> &'static str {
    match option {
        Known::PreferBinary => {
            "the newest version that fits is taken, and built where it has no wheel; `--only-binary` keeps to wheels"
        }
        Known::TrustedHost => "a certificate is checked whoever shows it",
        _ => "it is about pip itself",
    }
}

fn editable(word: &Word, line: &Line) -> Fault {
    let message = format!("`{}` names a source tree", word.option.spelling());
    invalid(message, line, word.range.clone())
        .cause("a bundle is made of files that do not change, and a tree is there to be changed")
        .hint("build a wheel from it (`python -m build --wheel`), and name the wheel's path")
}

/// The digest that an option behind a requirement names.
fn hash_of(word: &Word, line: &Line) -> Result<Option<Sha256>, Fault> {
    let place = word.range.clone();
    match word.option {
        Known::Hash => {}
        Known::ConfigSettings | Known::GlobalOption => {
            let message = format!(
                "`{}` changes how a package is built",
                word.option.spelling()
            );
            return Err(invalid(message, line, place)
                .cause("a built wheel is known by its source's digest, so that the same lock gives the same bytes")
                .hint("build the wheel yourself, and name its path"));
        }
        other => {
            let message = format!("`{}` stands behind a requirement", other.spelling());
            return Err(invalid(message, line, place).hint("write it on a line of its own"));
        }
    }
    match word.value.split_once(':') {
        Some(("sha256", digits)) => {
            digits
                .trim()
                .parse()
                .map(Some)
                .map_err(|error: pyrun_core::digest::DigestError| {
                    invalid(error.to_string(), line, place)
                })
        }
        Some((algorithm, _)) => {
            Err(
                invalid(format!("the digest is one of `{algorithm}`"), line, place)
                    .cause("files are known by their sha256 here")
                    .hint("write `--hash=sha256:…`; `pip hash FILE` prints it"),
            )
        }
        None => Err(
            invalid(format!("`{}` is not a digest", word.value), line, place)
                .hint("write `--hash=sha256:…`"),
        ),
    }
}
