//! What a bundle is built for: one Python on one platform, and the PEP 508 marker environment
//! that follows from it.
//!
//! The kernel's release and version are left empty in the marker environment: a lock must not
//! depend on which kernel resolved it.

use std::fmt;

use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};
use serde::{Deserialize, Serialize};

use crate::python::PythonVersion;

/// One Python on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Target {
    /// The interpreter's full version.
    pub python: PythonVersion,
    /// Whether the interpreter was built without the GIL (PEP 703): its ABI tag ends in `t`.
    #[serde(default)]
    pub free_threaded: bool,
    /// The operating system and its C library or release.
    pub os: Os,
    /// The processor.
    pub arch: Arch,
}

/// A target as it is read, before its numbers are checked.
#[derive(Deserialize)]
struct Unchecked {
    python: PythonVersion,
    #[serde(default)]
    free_threaded: bool,
    os: Os,
    arch: Arch,
}

impl TryFrom<Unchecked> for Target {
    type Error = String;

    /// A system's version is a small number: the list of tags grows with it.
    fn try_from(read: Unchecked) -> Result<Self, Self::Error> {
        let (Os::Glibc { major, minor } | Os::Musl { major, minor } | Os::Macos { major, minor }) =
            read.os;
        if major > 99 || minor > 99 {
            return Err(format!("`{}` is no system that there is", read.os));
        }
        Ok(Self {
            python: read.python,
            free_threaded: read.free_threaded,
            os: read.os,
            arch: read.arch,
        })
    }
}

/// The operating system, with the version that wheel tags speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Os {
    /// Linux with the GNU C library (PEP 600 `manylinux`).
    Glibc {
        /// glibc's major version.
        major: u16,
        /// glibc's minor version.
        minor: u16,
    },
    /// Linux with musl (PEP 656 `musllinux`).
    Musl {
        /// musl's major version.
        major: u16,
        /// musl's minor version.
        minor: u16,
    },
    /// macOS.
    Macos {
        /// The release's major version.
        major: u16,
        /// The release's minor version.
        minor: u16,
    },
}

/// The processor, by the name that wheel tags give it on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm; macOS calls it `arm64`.
    Aarch64,
}

impl Arch {
    /// The name in Linux wheel tags, and what `uname -m` prints there.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// From `platform.machine()`.
    pub fn from_machine(machine: &str) -> Option<Self> {
        match machine {
            "x86_64" | "amd64" | "AMD64" => Some(Self::X86_64),
            "aarch64" | "arm64" => Some(Self::Aarch64),
            _ => None,
        }
    }
}

impl Target {
    /// What of the target enters a lock hash: the ABI and the kind of platform. The patch
    /// version and the C library's version do not: they decided which wheels were chosen, and
    /// those enter by their own hashes.
    pub fn family(&self) -> String {
        let (major, minor) = self.python.minor();
        let threads = if self.free_threaded { "t" } else { "" };
        let os = match self.os {
            Os::Glibc { .. } => "linux-gnu",
            Os::Musl { .. } => "linux-musl",
            Os::Macos { .. } => "macos",
        };
        format!(
            "cpython-{major}.{minor}{threads}-{os}-{}",
            self.arch.as_str()
        )
    }

    /// A target of this family: its patch version and its C library's version are 0, for the
    /// family does not tell them.
    pub fn from_family(family: &str) -> Option<Self> {
        let rest = family.strip_prefix("cpython-")?;
        let (python, platform) = rest.split_once('-')?;
        let (os, arch) = platform.rsplit_once('-')?;
        let target = Self {
            python: python.trim_end_matches('t').parse().ok()?,
            free_threaded: python.ends_with('t'),
            os: match os {
                "linux-gnu" => Os::Glibc { major: 2, minor: 0 },
                "linux-musl" => Os::Musl { major: 1, minor: 0 },
                "macos" => Os::Macos {
                    major: 11,
                    minor: 0,
                },
                _ => return None,
            },
            arch: Arch::from_machine(arch)?,
        };
        (target.family() == family).then_some(target)
    }

    /// `linux` or `darwin`, as `sys.platform` says.
    pub fn sys_platform(&self) -> &'static str {
        match self.os {
            Os::Glibc { .. } | Os::Musl { .. } => "linux",
            Os::Macos { .. } => "darwin",
        }
    }

    /// What `platform.machine()` says there.
    pub fn machine(&self) -> &'static str {
        match (self.os, self.arch) {
            (Os::Macos { .. }, Arch::Aarch64) => "arm64",
            (_, arch) => arch.as_str(),
        }
    }

    /// The PEP 508 environment that markers are evaluated in.
    pub fn markers(&self) -> MarkerEnvironment {
        let full = self.python.to_string();
        let short = self.python.minor_text();
        let system = match self.os {
            Os::Glibc { .. } | Os::Musl { .. } => "Linux",
            Os::Macos { .. } => "Darwin",
        };
        MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: &full,
            os_name: "posix",
            platform_machine: self.machine(),
            platform_python_implementation: "CPython",
            platform_release: "",
            platform_system: system,
            platform_version: "",
            python_full_version: &full,
            python_version: &short,
            sys_platform: self.sys_platform(),
        })
        .expect("a checked Python version is a valid marker version")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = if self.free_threaded {
            " (free-threaded)"
        } else {
            ""
        };
        write!(
            f,
            "Python {}{threads} on {} {}",
            self.python,
            self.os,
            self.machine()
        )
    }
}

impl fmt::Display for Os {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glibc { major, minor } => write!(f, "Linux (glibc {major}.{minor})"),
            Self::Musl { major, minor } => write!(f, "Linux (musl {major}.{minor})"),
            Self::Macos { major, minor } => write!(f, "macOS {major}.{minor}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What this crate's tests are for.
    pub(crate) fn target() -> Target {
        Target {
            python: "3.12.1".parse().expect("a version"),
            free_threaded: false,
            os: Os::Glibc {
                major: 2,
                minor: 36,
            },
            arch: Arch::X86_64,
        }
    }

    #[test]
    fn the_family_leaves_out_what_only_chose_the_wheels() {
        let mut other = target();
        other.python = "3.12.7".parse().expect("a version");
        other.os = Os::Glibc {
            major: 2,
            minor: 17,
        };
        assert_eq!(target().family(), "cpython-3.12-linux-gnu-x86_64");
        assert_eq!(other.family(), target().family());
        other.free_threaded = true;
        for known in [target(), other] {
            let again = Target::from_family(&known.family()).expect("a family");
            assert_eq!(again.family(), known.family());
        }
        for wrong in [
            "",
            "cpython-3.12",
            "cpython-3.12-plan9-x86_64",
            "pypy-3.12-macos-aarch64",
            "cpython-3.12tt-macos-aarch64",
        ] {
            assert_eq!(Target::from_family(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_target_that_would_have_millions_of_tags_is_refused() {
        let json = serde_json::to_string(&target()).expect("JSON");
        assert_eq!(serde_json::from_str::<Target>(&json).ok(), Some(target()));
        let absurd = json.replace("\"minor\":36", "\"minor\":65535");
        assert!(serde_json::from_str::<Target>(&absurd).is_err());
    }

    #[test]
    fn markers_follow_the_target_and_not_the_kernel() {
        let markers = target().markers();
        assert_eq!(markers.python_full_version().to_string(), "3.12.1");
        assert_eq!(markers.platform_release(), "");
        assert_eq!(markers.sys_platform(), "linux");
    }
}
