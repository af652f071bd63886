//! `[project]` of a pyproject.toml (PEP 621).

use pep440_rs::VersionSpecifiers;
use pyrun_core::{Code, Fault, Origin, Span};
use serde::Deserialize;
use toml::Spanned;

use super::{Requirements, parse_requirement};

#[derive(Deserialize)]
struct File {
    project: Option<Project>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Project {
    #[serde(default)]
    dependencies: Vec<Spanned<String>>,
    requires_python: Option<Spanned<String>>,
    #[serde(default)]
    dynamic: Vec<String>,
}

/// Reads the project's dependencies.
pub fn read(path: &str, text: &str) -> Result<Requirements, Fault> {
    let wrong = |message: String| Fault::new(Code::REQUIREMENT_INVALID, message);
    let file: File = toml::from_str(text).map_err(|error| {
        let fault = wrong(format!("`{path}` can't be read: {}", error.message()));
        match error.span() {
            Some(range) => fault.span(place(path, text, range)),
            None => fault,
        }
    })?;
    let Some(project) = file.project else {
        return Err(
            wrong(format!("`{path}` has no `[project]` table (PEP 621)"))
                .hint("name the requirements on the command line instead"),
        );
    };
    if project.dynamic.iter().any(|field| field == "dependencies") {
        return Err(wrong(format!(
            "`{path}` leaves its dependencies to a build backend (`dynamic`)"
        ))
        .hint("only dependencies that stand in the file can be read without running anything"));
    }
    let mut found = Requirements::default();
    for dependency in &project.dependencies {
        let origin = Origin {
            place: path.to_owned(),
            span: Some(place(path, text, dependency.span())),
        };
        found
            .list
            .push(parse_requirement(dependency.get_ref(), origin)?);
    }
    if let Some(bound) = project.requires_python {
        let specifiers: VersionSpecifiers = bound.get_ref().parse().map_err(|_| {
            wrong(format!(
                "`{}` is not a bound on Python (PEP 440)",
                bound.get_ref()
            ))
            .span(place(path, text, bound.span()))
        })?;
        found.requires_python = Some(specifiers);
    }
    Ok(found)
}

/// The place of a byte range.
fn place(path: &str, text: &str, range: std::ops::Range<usize>) -> Span {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.start..]
        .find('\n')
        .map_or(text.len(), |at| range.start + at);
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Span {
        file: path.to_owned(),
        line: number(text[..range.start].matches('\n').count() + 1),
        column: number(text[start..range.start].chars().count() + 1),
        length: number(text[range.start..range.end.min(end)].chars().count().max(1)),
        text: text[start..end].trim_end_matches('\r').to_owned(),
        label: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_and_the_bound_on_python_are_read() {
        let text = "[project]\nname = \"x\"\nrequires-python = \">=3.10\"\ndependencies = [\n  \"numpy>=2\",\n  \"rich\",\n]\n";
        let found = read("pyproject.toml", text).expect("requirements");
        assert_eq!(found.list.len(), 2);
        assert_eq!(found.list[0].origin.to_string(), "pyproject.toml:5");
        assert_eq!(
            found.requires_python.map(|bound| bound.to_string()),
            Some(">=3.10".to_owned())
        );
    }

    #[test]
    fn what_can_t_be_read_is_shown() {
        for (text, part) in [
            ("[project]\ndependencies = [\"a b\"]\n", "a b"),
            ("[project]\ndynamic = [\"dependencies\"]\n", "dynamic"),
            ("[tool.x]\n", "[project]"),
            ("[project\n", "can't be read"),
        ] {
            let fault = read("pyproject.toml", text).expect_err(text);
            assert!(fault.message.contains(part), "{fault:?}");
        }
    }
}
