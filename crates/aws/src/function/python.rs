//! The function's one Python.
//!
//! In: the path that was set, or the places where a function's Python is. Out: a [`Python`], asked
//! once a process. Never: waits longer than its limit; hands Python a variable that it does not
//! need; looks for another Python where one was named.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pyrun_core::{Arch, Code, Fault, Os, PythonVersion, Target};
use tokio::process::Command;

use crate::names;

/// How long Python may take to say what it is. A cold disk makes a bare start take a second.
const PATIENCE: Duration = Duration::from_secs(10);
const SCRIPT: &str = include_str!("python.py");

/// A `CPython`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The file to execute.
    pub executable: PathBuf,
    /// What bundles for it are built for.
    pub target: Target,
    /// The number that its bytecode starts with (PEP 3147): the first two bytes, little endian.
    pub magic: u16,
    /// The middle of its bytecode files' names, such as `cpython-312` (PEP 3147).
    pub cache_tag: String,
}

/// Where the function's Python is: the one that was named, the managed runtime's, or the first on
/// the `PATH`.
pub(super) fn locate(named: Option<&Path>) -> Result<PathBuf, Fault> {
    let managed = Path::new(names::MANAGED_PYTHON);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = match named {
        Some(named) => vec![named.to_owned()],
        None => std::iter::once(managed.to_owned())
            .chain(std::env::split_paths(&path).map(|folder| folder.join("python3")))
            .collect(),
    };
    let found = candidates.iter().find(|path| path.is_file());
    found.cloned().ok_or_else(|| {
        let looked = candidates
            .iter()
            .map(|path| format!("`{}`", path.display()));
        Fault::new(Code::PYTHON_NOT_FOUND, "the function has no Python")
            .cause(format!(
                "looked at {}",
                looked.collect::<Vec<_>>().join(", ")
            ))
            .hint(format!(
                "deploy it on a managed Python runtime, or set `{}`",
                names::PYTHON
            ))
    })
}

/// Asks the Python at `path` what it is.
pub(super) async fn ask(path: &Path) -> Result<Python, Fault> {
    let mut command = Command::new(path);
    command
        .args(["-I", "-S", "-c", SCRIPT])
        .env_clear()
        // The managed runtimes' Python finds its own library by it.
        .envs(
            ["LD_LIBRARY_PATH", "PATH"]
                .into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(broken(path, format!("it does not start: {error}"))),
        Err(_) => {
            let waited = PATIENCE.as_secs();
            return Err(broken(path, format!("it did not answer within {waited} s")));
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    read(path, &said).map_err(|reason| broken(path, reason))
}

fn broken(path: &Path, reason: String) -> Fault {
    let message = format!(
        "the function's Python at `{}` can't be used",
        path.display()
    );
    Fault::new(Code::PYTHON_BROKEN, message)
        .cause(reason)
        .hint(format!(
            "deploy it on a managed Python runtime, or name another with `{}`",
            names::PYTHON
        ))
}

fn read(path: &Path, said: &str) -> Result<Python, String> {
    let lines: Vec<&str> = said.lines().collect();
    let [
        implementation,
        version,
        threads,
        libc,
        machine,
        magic,
        cache_tag,
        executable,
        "end",
    ] = lines[..]
    else {
        return Err("it does not answer as CPython does".to_owned());
    };
    if implementation != "cpython" {
        return Err(format!("it is `{implementation}`, not CPython"));
    }
    let version: PythonVersion = version.parse().map_err(|error| format!("{error}"))?;
    let stated = PathBuf::from(executable);
    Ok(Python {
        executable: if stated.is_absolute() && stated.is_file() {
            stated
        } else {
            path.to_owned()
        },
        target: Target {
            python: version,
            free_threaded: threads == "t",
            os: glibc(libc).ok_or("its C library is not glibc")?,
            arch: Arch::from_machine(machine)
                .ok_or_else(|| format!("pyrun does not know the processor `{machine}`"))?,
        },
        magic: magic
            .parse()
            .map_err(|_| "its bytecode magic number is no number")?,
        cache_tag: cache_tag.to_owned(),
    })
}

fn glibc(text: &str) -> Option<Os> {
    let mut numbers = text.strip_prefix("glibc ")?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some(Os::Glibc {
        major: next()?,
        minor: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "cpython\n3.12.7\n\nglibc 2.34\nx86_64\n3531\ncpython-312\n\nend\n";

    #[test]
    fn an_answer_is_read() {
        let python = read(Path::new("/var/lang/bin/python3"), ANSWER).expect("a Python");
        assert_eq!(python.target.python.minor(), (3, 12));
        assert_eq!(
            python.target.os,
            Os::Glibc {
                major: 2,
                minor: 34
            }
        );
        assert_eq!(python.magic, 3531);
        assert_eq!(python.executable, Path::new("/var/lang/bin/python3"));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (from, to) in [
            ("cpython\n", "pypy\n"),
            ("glibc 2.34", "musl 1.2"),
            ("x86_64", "riscv64"),
            ("3531", "many"),
            ("end\n", ""),
            ("3.12.7", "three"),
        ] {
            let answer = ANSWER.replacen(from, to, 1);
            assert!(read(Path::new("/python"), &answer).is_err(), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_no_python_is_broken() {
        let fault = ask(Path::new("/bin/true")).await.expect_err("no Python");
        assert_eq!(fault.code, Code::PYTHON_BROKEN);
        let fault = ask(Path::new("/nowhere")).await.expect_err("no file");
        assert_eq!(fault.code, Code::PYTHON_BROKEN);
    }

    #[test]
    fn one_that_is_named_and_not_there_is_not_replaced() {
        let fault = locate(Some(Path::new("/nowhere/python3"))).expect_err("not there");
        assert_eq!(fault.code, Code::PYTHON_NOT_FOUND);
        assert!(fault.causes[0].contains("/nowhere/python3"), "{fault:?}");
    }
}
