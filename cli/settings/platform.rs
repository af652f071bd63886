//! A target in words: `--platform aarch64-manylinux_2_28 --python-version 3.13`.
//!
//! In: the words. Out: a [`Platform`], and with a Python a `Target`. Never: looks at this machine:
//! what the words leave open is filled in as it says here, everywhere in the same way.

use pyrun_core::{Arch, Code, Fault, Os, PythonVersion, Target};

/// An operating system and a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// The operating system, with its C library's or its own version.
    pub os: Os,
    /// The processor.
    pub arch: Arch,
}

/// Linux without a version: what wheels of today need, and what Lambda's Pythons from 3.12 on have.
const LINUX: Os = Os::Glibc {
    major: 2,
    minor: 28,
};
/// musl without a version.
const MUSL: Os = Os::Musl { major: 1, minor: 2 };
/// macOS without a version.
const MACOS: Os = Os::Macos {
    major: 14,
    minor: 0,
};

impl Platform {
    /// Reads the words: pyrun's own, uv's (`--python-platform`) and wheel tags.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let lower = text.to_ascii_lowercase();
        Self::known(&lower)
            .or_else(|| Self::machine_first(&lower))
            .or_else(|| Self::tag(&lower))
            .ok_or_else(|| unknown(text, &lower))
    }

    /// Words that are whole names.
    fn known(text: &str) -> Option<Self> {
        let (os, arch) = match text {
            "linux" | "x86_64" | "linux-x86_64" | "x86_64-unknown-linux-gnu" | "x86_64-linux" => {
                (LINUX, Arch::X86_64)
            }
            "aarch64"
            | "arm64"
            | "linux-aarch64"
            | "linux-arm64"
            | "aarch64-linux"
            | "aarch64-unknown-linux-gnu" => (LINUX, Arch::Aarch64),
            "x86_64-unknown-linux-musl" | "x86_64-musl" => (MUSL, Arch::X86_64),
            "aarch64-unknown-linux-musl" | "aarch64-musl" => (MUSL, Arch::Aarch64),
            "macos" | "macos-arm64" | "macos-aarch64" | "aarch64-apple-darwin" => {
                (MACOS, Arch::Aarch64)
            }
            "macos-x86_64" | "x86_64-apple-darwin" => (MACOS, Arch::X86_64),
            _ => return None,
        };
        Some(Self { os, arch })
    }

    /// `x86_64-manylinux_2_28`, `aarch64-musllinux_1_2`, `arm64-macosx_14_0`.
    fn machine_first(text: &str) -> Option<Self> {
        let (machine, system) = text.split_once('-')?;
        let arch = Arch::from_machine(machine)?;
        Some(Self {
            os: system_of(system)?,
            arch,
        })
    }

    /// `manylinux_2_28_x86_64`, as wheels are called.
    fn tag(text: &str) -> Option<Self> {
        ["x86_64", "aarch64", "arm64"].iter().find_map(|machine| {
            let system = text.strip_suffix(machine)?.strip_suffix('_')?;
            Some(Self {
                os: system_of(system)?,
                arch: Arch::from_machine(machine)?,
            })
        })
    }

    /// The target with a Python. A version without its last number means its first release.
    pub fn with_python(self, python: &PythonVersion, free_threaded: bool) -> Target {
        let full = python.full();
        let whole = if full.release().len() > 2 || full.any_prerelease() {
            python.clone()
        } else {
            let text = format!("{}.0", python.minor_text());
            text.parse().expect("a version and a number are a version")
        };
        Target {
            python: whole,
            free_threaded,
            os: self.os,
            arch: self.arch,
        }
    }
}

/// A system by the names of wheel tags (PEP 600, PEP 656, PEP 425).
fn system_of(text: &str) -> Option<Os> {
    let numbers = |rest: &str| -> Option<(u16, u16)> {
        let (major, minor) = rest.split_once('_')?;
        let small = |text: &str| text.parse::<u16>().ok().filter(|number| *number <= 99);
        Some((small(major)?, small(minor)?))
    };
    match text {
        "manylinux1" => return Some(Os::Glibc { major: 2, minor: 5 }),
        "manylinux2010" => {
            return Some(Os::Glibc {
                major: 2,
                minor: 12,
            });
        }
        "manylinux2014" => {
            return Some(Os::Glibc {
                major: 2,
                minor: 17,
            });
        }
        _ => {}
    }
    if let Some(rest) = text.strip_prefix("manylinux_") {
        let (major, minor) = numbers(rest).filter(|(major, _)| *major == 2)?;
        return Some(Os::Glibc { major, minor });
    }
    if let Some(rest) = text.strip_prefix("musllinux_") {
        let (major, minor) = numbers(rest).filter(|(major, _)| *major == 1)?;
        return Some(Os::Musl { major, minor });
    }
    let rest = text
        .strip_prefix("macosx_")
        .or_else(|| text.strip_prefix("macos_"))?;
    let (major, minor) = numbers(rest).filter(|(major, _)| *major >= 10)?;
    Some(Os::Macos { major, minor })
}

fn unknown(text: &str, lower: &str) -> Fault {
    let fault = Fault::new(
        Code::USAGE,
        format!("`{text}` is no platform that bundles are built for"),
    );
    if lower.contains("windows") || lower.starts_with("win") {
        return fault.hint("functions run on Linux and macOS");
    }
    fault.hint("write `x86_64`, `aarch64`, `x86_64-manylinux_2_28`, `aarch64-musllinux_1_2` or `macos-arm64`")
}

/// The version in `--python-version`, where it is one version: `3.13`, `3.13.2`, `python3.13`,
/// `3.13t`.
pub fn python(text: &str) -> Result<(PythonVersion, bool), Fault> {
    let bare = ["cpython", "python"]
        .iter()
        .find_map(|name| text.strip_prefix(name))
        .map_or(text, |rest| rest.trim_start_matches(['@', '-']));
    let (number, free_threaded) = match bare.strip_suffix('t') {
        Some(number) => (number, true),
        None => (bare, false),
    };
    let version = number.parse::<PythonVersion>().ok();
    let version = version.filter(|version| version.minor() >= (3, 8) && version.minor().0 == 3);
    version
        .map(|version| (version, free_threaded))
        .ok_or_else(|| {
            Fault::new(
                Code::USAGE,
                format!("`{text}` is no Python that a platform can be named with"),
            )
            .hint("give the version alone: `--python-version 3.13`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let platform = Platform::read(text).expect(text);
        let target = platform.with_python(&"3.13".parse().expect("a version"), false);
        target.to_string()
    }

    #[test]
    fn every_spelling_names_one_platform() {
        for (spellings, target) in [
            (
                &[
                    "x86_64",
                    "linux",
                    "x86_64-unknown-linux-gnu",
                    "X86_64-manylinux_2_28",
                ][..],
                "Python 3.13.0 on Linux (glibc 2.28) x86_64",
            ),
            (
                &[
                    "aarch64",
                    "arm64",
                    "aarch64-manylinux_2_28",
                    "manylinux_2_28_aarch64",
                ],
                "Python 3.13.0 on Linux (glibc 2.28) aarch64",
            ),
            (
                &["aarch64-manylinux2014", "aarch64-manylinux_2_17"],
                "Python 3.13.0 on Linux (glibc 2.17) aarch64",
            ),
            (
                &[
                    "x86_64-musllinux_1_2",
                    "x86_64-unknown-linux-musl",
                    "musllinux_1_2_x86_64",
                ],
                "Python 3.13.0 on Linux (musl 1.2) x86_64",
            ),
            (
                &[
                    "macos-arm64",
                    "macos",
                    "aarch64-apple-darwin",
                    "macosx_14_0_arm64",
                ],
                "Python 3.13.0 on macOS 14.0 arm64",
            ),
            (&["macos-x86_64"], "Python 3.13.0 on macOS 14.0 x86_64"),
        ] {
            for text in spellings {
                assert_eq!(words(text), target, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in [
            "",
            "windows",
            "x86_64-pc-windows-msvc",
            "riscv64",
            "x86_64-manylinux_3_1",
            "x86_64-manylinux_2_999",
            "x86_64-manylinux_2",
            "aarch64-macosx_9_0",
        ] {
            assert_eq!(Platform::read(text).expect_err(text).code, Code::USAGE);
        }
    }

    #[test]
    fn a_python_is_one_version() {
        for (text, version, free_threaded) in [
            ("3.13", "3.13", false),
            ("3.13.2", "3.13.2", false),
            ("python3.12", "3.12", false),
            ("cpython@3.14t", "3.14", true),
        ] {
            let found = python(text).expect(text);
            assert_eq!(found, (version.parse().expect("a version"), free_threaded));
        }
        for text in ["/usr/bin/python3", ">=3.12", "2.7", "3", "pypy3.10"] {
            assert!(python(text).is_err(), "{text}");
        }
    }
}
