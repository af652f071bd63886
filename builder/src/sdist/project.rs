//! How a project says that it is built (PEP 517, PEP 518).
//!
//! In: its `pyproject.toml`, if it has one. Out: the backend and what that needs. Never: runs
//! anything; takes a path that leaves the project.

use pep508_rs::Requirement;

use pyrun_core::parse_requirement;
use pyrun_core::pep508::marker_weight;

use super::error::Problem;
use crate::index::MAX_WEIGHT;

/// A build backend, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BuildSystem {
    /// `module` or `module:object`.
    pub(super) backend: String,
    /// Folders of the project that the backend itself lies in.
    pub(super) backend_path: Vec<String>,
    /// What must be installed to load it.
    pub(super) requires: Vec<Requirement>,
}

/// What is built with setuptools without saying so.
const LEGACY: &str = "setuptools.build_meta:__legacy__";
/// More than any project means.
const MAX_REQUIREMENTS: usize = 500;

impl BuildSystem {
    /// Setuptools as it was before PEP 517.
    fn legacy() -> Self {
        Self {
            backend: LEGACY.to_owned(),
            backend_path: Vec::new(),
            requires: vec!["setuptools>=40.8.0".parse().expect("a valid requirement")],
        }
    }

    /// Reads `[build-system]`. Without that table, or without its `build-backend`, it is
    /// setuptools, as both PEPs say; a project without a `setup.py` is none of those.
    pub(super) fn read(pyproject: Option<&str>, has_setup_py: bool) -> Result<Self, Problem> {
        let Some(text) = pyproject else {
            return if has_setup_py {
                Ok(Self::legacy())
            } else {
                Err(Problem::NoProject)
            };
        };
        let wrong = |what: &str| Problem::Project(what.to_owned());
        let file: toml::Table = toml::from_str(text)
            .map_err(|error| Problem::Project(format!("is no TOML: {}", error.message())))?;
        let table = match file.get("build-system") {
            None => return Ok(Self::legacy()),
            Some(toml::Value::Table(table)) => table,
            Some(_) => return Err(wrong("has a `build-system` that is no table")),
        };
        let listed = table
            .get("requires")
            .ok_or_else(|| wrong("has a `[build-system]` without `requires`"))?;
        let listed =
            strings(listed).ok_or_else(|| wrong("has `requires` that are no list of texts"))?;
        let requires = requirements(&listed)?;
        let backend_path = match table.get("backend-path") {
            None => Vec::new(),
            Some(listed) => strings(listed)
                .filter(|paths| paths.iter().all(|path| is_inside(path)))
                .ok_or_else(|| {
                    wrong("has a `backend-path` that is no list of folders inside it")
                })?,
        };
        let backend = match table.get("build-backend") {
            None => LEGACY.to_owned(),
            Some(toml::Value::String(name)) if is_backend(name) => name.clone(),
            Some(_) => return Err(wrong("has a `build-backend` that names no module")),
        };
        Ok(Self {
            backend,
            backend_path,
            requires,
        })
    }
}

/// Requirements as a project or its backend writes them.
pub(super) fn requirements(listed: &[String]) -> Result<Vec<Requirement>, Problem> {
    let weights = listed.iter().map(|text| marker_weight(text));
    if listed.len() > MAX_REQUIREMENTS || weights.fold(0, u64::saturating_add) > MAX_WEIGHT {
        let problem = "has more build requirements than any project means";
        return Err(Problem::Project(problem.to_owned()));
    }
    let read = |text: &String| {
        parse_requirement(text).map_err(|_| {
            let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
            Problem::Project(format!("needs `{text}`, which is no requirement (PEP 508)"))
        })
    };
    listed.iter().map(read).collect()
}

fn strings(value: &toml::Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A relative path that does not climb.
fn is_inside(path: &str) -> bool {
    !path.starts_with('/')
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| part != "..")
}

fn is_backend(name: &str) -> bool {
    let dotted = |text: &str| {
        text.split('.')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    let (module, object) = name.split_once(':').unwrap_or((name, "x"));
    name.len() < 200 && dotted(module) && dotted(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BuildSystem, Problem> {
        BuildSystem::read(Some(text), false)
    }

    #[test]
    fn a_project_without_a_build_system_is_one_of_setuptools() {
        for found in [
            BuildSystem::read(None, true),
            read(""),
            read("[project]\nname = 'a'\n"),
        ] {
            assert_eq!(found.expect("legacy"), BuildSystem::legacy());
        }
        let found = read("[build-system]\nrequires = ['wheel']\n").expect("no backend");
        assert_eq!(found.backend, LEGACY);
        assert_eq!(found.requires.len(), 1);
        let none = BuildSystem::read(None, false);
        assert!(matches!(none, Err(Problem::NoProject)), "{none:?}");
    }

    #[test]
    fn the_backend_and_its_path_are_read() {
        let found = read(
            "[build-system]\nrequires = ['flit_core >=3,<4']\nbuild-backend = 'a.b:c.d'\n\
             backend-path = ['.', 'build/x']\nunknown = 1\n",
        )
        .expect("a build system");
        assert_eq!(found.backend, "a.b:c.d");
        assert_eq!(found.backend_path, [".", "build/x"]);
        assert_eq!(found.requires[0].to_string(), "flit-core>=3,<4");
    }

    #[test]
    fn what_is_needed_has_bounds() {
        let many = vec!["a".to_owned(); MAX_REQUIREMENTS + 1];
        assert!(requirements(&many).is_err());
        let tangled = format!("a; {}", vec!["extra == 'x'"; 60].join(" or "));
        assert!(requirements(&vec![tangled; 2000]).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("[", "TOML"),
            ("build-system = 1", "no table"),
            ("[build-system]", "without `requires`"),
            ("[build-system]\nrequires = 'x'", "no list"),
            ("[build-system]\nrequires = [1]", "no list"),
            ("[build-system]\nrequires = ['?']", "`?`"),
            // The builder's own variables are no part of an address.
            (
                "[build-system]\nrequires = ['x @ https://h/${PATH}/x-1-py3-none-any.whl']",
                "no requirement",
            ),
            (
                "[build-system]\nrequires = []\nbuild-backend = 'os;x'",
                "names no module",
            ),
            (
                "[build-system]\nrequires = []\nbuild-backend = 1",
                "names no module",
            ),
            (
                "[build-system]\nrequires = []\nbackend-path = ['../x']",
                "inside it",
            ),
            (
                "[build-system]\nrequires = []\nbackend-path = ['/x']",
                "inside it",
            ),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
