//! Compatibility tags (PEP 425, PEP 600, PEP 656) of a target, best first.
//!
//! The order is that of `packaging.tags.sys_tags()` for CPython: what is most specific to the
//! interpreter first, then its stable ABI from the newest down, then pure Python.

use std::collections::HashMap;

use crate::target::{Arch, Os, Target};
use crate::wheel::WheelFilename;

/// The tags a target accepts, each with its rank.
#[derive(Debug, Clone)]
pub struct Tags {
    // python tag → abi tag → platform tag → rank (0 is best)
    ranks: HashMap<String, HashMap<String, HashMap<String, u32>>>,
}

impl Tags {
    /// The tags of `target`.
    pub fn of(target: &Target) -> Self {
        let mut tags = Self {
            ranks: HashMap::new(),
        };
        let mut rank = 0;
        for (python, abi, platform) in list(target) {
            tags.ranks
                .entry(python)
                .or_default()
                .entry(abi)
                .or_default()
                .entry(platform)
                .or_insert_with(|| {
                    rank += 1;
                    rank - 1
                });
        }
        tags
    }

    /// How well the wheel fits: 0 is best, `None` when it does not.
    pub fn rank(&self, wheel: &WheelFilename) -> Option<u32> {
        let mut best: Option<u32> = None;
        for python in wheel.python_tags() {
            let Some(abis) = self.ranks.get(python) else {
                continue;
            };
            for abi in wheel.abi_tags() {
                let Some(platforms) = abis.get(abi) else {
                    continue;
                };
                for platform in wheel.platform_tags() {
                    if let Some(rank) = platforms.get(platform) {
                        best = Some(best.map_or(*rank, |known| known.min(*rank)));
                    }
                }
            }
        }
        best
    }
}

/// All tags of a target, best first, as `(python, abi, platform)`.
fn list(target: &Target) -> Vec<(String, String, String)> {
    let (major, minor) = target.python.minor();
    let platforms = platforms(target);
    let interpreter = format!("cp{major}{minor}");
    let threads = if target.free_threaded { "t" } else { "" };
    let mut tags = Vec::new();
    let mut add = |python: &str, abi: &str| {
        for platform in &platforms {
            tags.push((python.to_owned(), abi.to_owned(), platform.clone()));
        }
    };
    add(&interpreter, &format!("{interpreter}{threads}"));
    if !target.free_threaded {
        add(&interpreter, "abi3");
    }
    add(&interpreter, "none");
    if !target.free_threaded {
        // abi3 exists since CPython 3.2.
        for older in (2..minor).rev() {
            add(&format!("cp{major}{older}"), "abi3");
        }
    }
    let pythons = || {
        std::iter::once(format!("py{major}{minor}"))
            .chain(std::iter::once(format!("py{major}")))
            .chain((0..minor).rev().map(|older| format!("py{major}{older}")))
    };
    for python in pythons() {
        add(&python, "none");
    }
    tags.push((interpreter, "none".to_owned(), "any".to_owned()));
    for python in pythons() {
        tags.push((python, "none".to_owned(), "any".to_owned()));
    }
    tags
}

/// The platform tags of a target, best first.
fn platforms(target: &Target) -> Vec<String> {
    let arch = target.arch.as_str();
    match target.os {
        Os::Glibc { major, minor } => manylinux(arch, major, minor),
        Os::Musl { major, minor } => (0..=minor)
            .rev()
            .map(|older| format!("musllinux_{major}_{older}_{arch}"))
            .chain(std::iter::once(format!("linux_{arch}")))
            .collect(),
        Os::Macos { major, minor } => macos(target.arch, major, minor),
    }
}

/// PEP 600, with the older names that it defines as aliases (PEP 513, 571, 599).
fn manylinux(arch: &str, major: u16, minor: u16) -> Vec<String> {
    // The oldest glibc that a tag of this architecture can name.
    let oldest = if arch == "x86_64" { 5 } else { 17 };
    let mut tags = Vec::new();
    for older in (oldest..=minor).rev() {
        tags.push(format!("manylinux_{major}_{older}_{arch}"));
        let alias = match older {
            17 => Some("manylinux2014"),
            12 => Some("manylinux2010"),
            5 => Some("manylinux1"),
            _ => None,
        };
        if let Some(alias) = alias {
            tags.push(format!("{alias}_{arch}"));
        }
    }
    tags.push(format!("linux_{arch}"));
    tags
}

/// macOS: since 11 the minor version of a tag is 0; an Arm machine never runs x86-64 wheels in
/// an Arm interpreter, but takes `universal2`.
fn macos(arch: Arch, major: u16, minor: u16) -> Vec<String> {
    let formats: &[&str] = match arch {
        Arch::Aarch64 => &["arm64", "universal2"],
        Arch::X86_64 => &[
            "x86_64",
            "intel",
            "fat64",
            "fat3",
            "universal2",
            "universal",
        ],
    };
    let mut releases: Vec<(u16, u16)> = Vec::new();
    if major >= 11 {
        releases.extend((11..=major).rev().map(|release| (release, 0)));
        let newest_ten = 16;
        releases.extend((4..=newest_ten).rev().map(|release| (10, release)));
    } else {
        releases.extend((4..=minor).rev().map(|release| (10, release)));
    }
    let mut tags = Vec::new();
    for (major, minor) in releases {
        for format in formats {
            // Before macOS 11 only fat binaries exist for an Arm machine.
            if arch == Arch::Aarch64 && major == 10 && *format == "arm64" {
                continue;
            }
            tags.push(format!("macosx_{major}_{minor}_{format}"));
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(minor: u16) -> Target {
        Target {
            python: "3.12.1".parse().expect("a version"),
            free_threaded: false,
            os: Os::Glibc { major: 2, minor },
            arch: Arch::X86_64,
        }
    }

    fn rank(target: &Target, name: &str) -> Option<u32> {
        Tags::of(target).rank(&name.parse().expect("a wheel name"))
    }

    #[test]
    fn more_specific_wheels_rank_better() {
        let target = linux(36);
        let order = [
            "a-1-cp312-cp312-manylinux_2_28_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-cp312-cp312-linux_x86_64.whl",
            "a-1-cp312-abi3-manylinux2014_x86_64.whl",
            "a-1-cp39-abi3-manylinux2014_x86_64.whl",
            "a-1-py3-none-manylinux2014_x86_64.whl",
            "a-1-cp312-none-any.whl",
            "a-1-py312-none-any.whl",
            "a-1-py2.py3-none-any.whl",
            "a-1-py31-none-any.whl",
        ];
        let ranks: Vec<_> = order
            .iter()
            .map(|name| rank(&target, name).expect(name))
            .collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
    }

    #[test]
    fn wheels_for_others_do_not_fit() {
        for name in [
            "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_28_aarch64.whl",
            "a-1-cp312-cp312-manylinux_2_35_x86_64.whl",
            "a-1-cp312-cp312t-manylinux_2_17_x86_64.whl",
            "a-1-cp313-abi3-manylinux_2_17_x86_64.whl",
            "a-1-cp312-cp312-musllinux_1_2_x86_64.whl",
            "a-1-cp312-cp312-win_amd64.whl",
            "a-1-py2-none-any.whl",
        ] {
            assert_eq!(rank(&linux(34), name), None, "{name}");
        }
    }
}
