//! Searches among interpreters that are shell scripts with a canned answer, and once among the
//! real ones of the machine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use pyrun_core::{Code, Fault};

use super::*;

/// A machine in a folder: `bin` is on PATH, `home` is HOME.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs_err::create_dir_all(root.path().join("bin")).expect("a folder");
        Self { root }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn environment(&self) -> Environment {
        Environment {
            variables: BTreeMap::from([
                ("PATH", self.path("bin").into_os_string()),
                ("HOME", self.path("home").into_os_string()),
            ]),
            system: Vec::new(),
            images: None,
        }
    }

    fn script(&self, below: &str, body: &str) -> PathBuf {
        let path = self.path(below);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let calls = self.path("calls");
        let text = format!("#!/bin/sh\necho {below} >> {}\n{body}\n", calls.display());
        fs_err::write(&path, text).expect("a script");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        path
    }

    fn python(&self, below: &str, version: &str) -> PathBuf {
        self.answering(below, &answer(version))
    }

    fn answering(&self, below: &str, answer: &str) -> PathBuf {
        self.script(below, &format!("cat <<'X'\n{answer}\nend\nX"))
    }

    fn calls(&self) -> usize {
        fs_err::read_to_string(self.path("calls")).map_or(0, |text| text.lines().count())
    }

    fn find(&self, request: Option<&str>, requires: Option<&str>) -> Found {
        self.find_in(&self.environment(), request, requires)
    }

    fn find_in(
        &self,
        environment: &Environment,
        request: Option<&str>,
        requires: Option<&str>,
    ) -> Found {
        let request = request.map(|text| text.parse().expect("a request"));
        let requires = requires.map(|text| text.parse().expect("specifiers"));
        let wanted = Wanted {
            request: request.as_ref(),
            requires_python: requires.as_ref(),
        };
        find(&wanted, environment, &self.path("cache"))
    }

    /// The version that is found.
    fn version(&self, request: Option<&str>, requires: Option<&str>) -> String {
        let found = self.find(request, requires).expect("an interpreter");
        found.target.python.to_string()
    }
}

type Found = Result<Interpreter, InterpreterError>;

fn answer(version: &str) -> String {
    format!(
        "implementation=cpython\nversion={version}\nbits=64\nfree-threaded=0\nexecutable=\n\
         magic=3531\ncache-tag=cpython-312\nplatform=linux\nmachine=x86_64\nlibc=glibc 2.36"
    )
}

fn fault(found: Found) -> Fault {
    found.expect_err("no interpreter").into()
}

#[test]
fn the_newest_stable_one_with_the_gil_is_found() {
    let machine = Machine::new();
    machine.python("bin/python3.9", "3.9.18");
    machine.python("bin/python3.12", "3.12.1");
    machine.python("bin/python3.14", "3.14.0rc2");
    let free = answer("3.13.0").replace("free-threaded=0", "free-threaded=1");
    machine.answering("bin/python3.13t", &free);
    assert_eq!(machine.version(None, None), "3.12.1");
    assert_eq!(machine.version(Some("3.9"), None), "3.9.18");
    assert_eq!(machine.version(None, Some("<3.12")), "3.9.18");
    assert_eq!(machine.version(None, Some(">=3.14")), "3.14.0rc2");
    assert_eq!(machine.version(Some("3.13t"), None), "3.13.0");
}

#[test]
fn between_equals_the_first_on_path_wins() {
    let machine = Machine::new();
    let first = machine.python("bin/python3", "3.12.1");
    machine.python("home/.pyenv/versions/3.12.1/bin/python3", "3.12.1");
    let found = machine.find(None, None).expect("an interpreter");
    assert_eq!(found.executable, first);
}

#[test]
fn managed_interpreters_are_found_and_shims_are_left_alone() {
    let machine = Machine::new();
    machine.python("home/.pyenv/versions/3.11.7/bin/python3", "3.11.7");
    let uv = "home/.local/share/uv/python/cpython-3.12.4-linux/bin/python3";
    machine.python(uv, "3.12.4");
    machine.python("shims/python3", "3.13.0");
    let mut environment = machine.environment();
    environment
        .variables
        .insert("PATH", machine.path("shims").into_os_string());
    let found = machine.find_in(&environment, None, None);
    let found = found.expect("an interpreter");
    assert_eq!(found.executable, machine.path(uv));
    assert_eq!(machine.calls(), 2, "the shim was not asked");
}

#[test]
fn a_shim_is_asked_when_there_is_nothing_else() {
    let machine = Machine::new();
    machine.python("shims/python3", "3.13.0");
    let mut environment = machine.environment();
    environment
        .variables
        .insert("PATH", machine.path("shims").into_os_string());
    assert!(machine.find_in(&environment, None, None).is_ok());
}

#[test]
fn a_second_search_asks_nobody_until_something_changes() {
    let machine = Machine::new();
    machine.python("bin/python3.11", "3.11.7");
    assert_eq!(machine.version(None, None), "3.11.7");
    assert_eq!(machine.version(None, None), "3.11.7");
    assert_eq!(machine.calls(), 1);
    machine.python("bin/python3.12", "3.12.1");
    assert_eq!(
        machine.version(None, None),
        "3.12.1",
        "a new one is noticed"
    );
    assert_eq!(machine.calls(), 2, "the old one was not asked again");
    machine.python("home/.pyenv/versions/3.13.0/bin/python3", "3.13.0");
    assert_eq!(machine.version(None, None), "3.13.0");
    machine.python("home/.pyenv/versions/3.13.0/bin/python3", "3.10.100");
    assert_eq!(
        machine.version(None, None),
        "3.12.1",
        "a changed one is noticed"
    );
    fs_err::remove_file(machine.path("bin/python3.12")).expect("removed");
    assert_eq!(
        machine.version(None, None),
        "3.11.7",
        "a lost one is noticed"
    );
}

#[test]
fn another_wish_does_not_get_the_remembered_answer() {
    let machine = Machine::new();
    machine.python("bin/python3.11", "3.11.7");
    machine.python("bin/python3.12", "3.12.1");
    assert_eq!(machine.version(None, None), "3.12.1");
    assert_eq!(machine.version(Some("3.11"), None), "3.11.7");
    assert_eq!(machine.version(None, Some("<3.12")), "3.11.7");
    assert_eq!(machine.calls(), 2);
}

#[test]
fn a_corrupt_memory_is_no_memory() {
    let machine = Machine::new();
    machine.python("bin/python3", "3.12.1");
    machine.version(None, None);
    let cache = machine.path("cache/interpreters.json");
    for text in [
        "",
        "{",
        "[]",
        r#"{"format":1}"#,
        r#"{"format":99,"answers":{},"choices":{}}"#,
    ] {
        fs_err::write(&cache, text).expect("written");
        assert_eq!(machine.version(None, None), "3.12.1", "{text}");
    }
    assert_eq!(machine.calls(), 6);
}

#[test]
fn an_environment_leads_to_the_interpreter_it_was_made_from() {
    let machine = Machine::new();
    let base = machine.python("base/bin/python3.12", "3.12.1");
    fs_err::create_dir_all(machine.path("venv/bin")).expect("a folder");
    let home = machine.path("base/bin");
    let settings = format!("home = {}\nversion = 3.12.1\n", home.display());
    fs_err::write(machine.path("venv/pyvenv.cfg"), settings).expect("written");
    fs_err::os::unix::fs::symlink(&base, machine.path("venv/bin/python")).expect("a link");
    let folder = machine.path("venv");
    for request in [folder.join("bin/python"), folder] {
        let request = request.to_str().expect("UTF-8").to_owned();
        let found = machine.find(Some(&request), None).expect("an interpreter");
        assert_eq!(found.executable, base, "{request}");
    }
}

#[test]
fn the_variable_is_a_request_unless_there_is_one() {
    let machine = Machine::new();
    machine.python("bin/python3.11", "3.11.7");
    machine.python("bin/python3.12", "3.12.1");
    let mut environment = machine.environment();
    environment.variables.insert("PYRUN_PYTHON", "3.11".into());
    let version = |request| {
        let found = machine.find_in(&environment, request, None);
        found.expect("an interpreter").target.python.to_string()
    };
    assert_eq!(version(None), "3.11.7");
    assert_eq!(version(Some("3.12")), "3.12.1");
    environment.variables.insert("PYRUN_PYTHON", "snake".into());
    let found = machine.find_in(&environment, None, None);
    assert_eq!(fault(found).code, Code::CONFIG_INVALID);
}

#[test]
fn the_fault_lists_what_was_looked_at_and_why_it_does_not_fit() {
    let machine = Machine::new();
    machine.python("bin/python3.12", "3.12.1");
    machine.script("bin/python3.11", "echo 'broken pipe dream' >&2; exit 1");
    machine.script("bin/python3.10", "echo 'Unknown option: -I' >&2; exit 2");
    machine.answering(
        "bin/python3.9",
        &answer("3.9.1").replace("bits=64", "bits=32"),
    );
    machine.answering("bin/python3", "implementation=pypy\nversion=3.10.14");
    machine.answering("bin/python", "implementation=cpython\nversion=3.8.18");
    let fault = fault(machine.find(Some("3.13"), Some(">=3.10")));
    assert_eq!(fault.code, Code::PYTHON_NOT_FOUND);
    let root = machine.root.path().to_str().expect("UTF-8").to_owned();
    let text = fault.causes.join("\n").replace(&root, "");
    let expected = "\
`/bin/python3.12` is Python 3.12.1: `3.13` is asked for
`/bin/python3.11`: it says `broken pipe dream`
CPython 3.9 or newer is needed, and here are 2 (`/bin/python3.10`), 3.8.18 (`/bin/python`)
`/bin/python3.9` is Python 3.9.1: it is a 32-bit build
`/bin/python3` is Python 3.10.14: it is `pypy`, not CPython";
    assert_eq!(text, expected);
    assert!(fault.hints[0].contains("uv python install 3.13"));
}

#[test]
fn a_bound_that_no_supported_python_satisfies_gets_another_hint() {
    let machine = Machine::new();
    machine.python("bin/python3.12", "3.12.1");
    let fault = fault(machine.find(None, Some("<3.9")));
    assert!(fault.hints[0].contains("3.9 to 3.14"), "{fault:?}");
}

#[test]
fn a_named_interpreter_that_does_not_work_is_broken() {
    let machine = Machine::new();
    let path = machine.script("odd/python", "exit 0");
    let found = machine.find(path.to_str(), None);
    assert_eq!(fault(found).code, Code::PYTHON_BROKEN);
    let found = machine.find(Some("/no/such/python"), None);
    assert_eq!(fault(found).code, Code::PYTHON_NOT_FOUND);
}

#[test]
fn one_that_never_answers_or_never_stops_is_broken() {
    let machine = Machine::new();
    for body in ["exec sleep 600", "exec cat /dev/zero"] {
        let path = machine.script("bin/python3", body);
        let answer = probe::ask(&path, Duration::from_millis(300));
        assert!(matches!(answer, Answer::Broken { .. }), "{answer:?}");
    }
}

#[test]
fn what_is_relative_on_path_is_not_run() {
    let machine = Machine::new();
    let mut environment = machine.environment();
    environment.variables.insert("PATH", ".:bin::".into());
    let found = machine.find_in(&environment, None, None);
    assert!(matches!(found, Err(InterpreterError::NotFound { .. })));
}

/// Whatever Python this machine has says of itself what its own library says.
#[test]
fn a_real_interpreter_is_described_as_it_describes_itself() {
    let cache = tempfile::tempdir().expect("a folder");
    let found = find(&Wanted::default(), &Environment::of_process(), cache.path());
    let Ok(found) = found else {
        // A machine without Python can't tell.
        return;
    };
    let script = "import importlib.util as u, platform, sys, sysconfig\n\
        print(int.from_bytes(u.MAGIC_NUMBER[:2], 'little'), sys.implementation.cache_tag, \
        platform.python_version(), platform.machine(), \
        bool(sysconfig.get_config_var('Py_GIL_DISABLED')), sep=' ')";
    let output = std::process::Command::new(&found.executable)
        .args(["-I", "-c", script])
        .output()
        .expect("it runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let target = &found.target;
    let expected = format!(
        "{} {} {} {} {}",
        found.magic,
        found.cache_tag,
        target.python,
        target.machine(),
        if target.free_threaded {
            "True"
        } else {
            "False"
        }
    );
    assert_eq!(said.trim(), expected);
}
