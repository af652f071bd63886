//! Sets of versions and lists of things as words. Pure.

use std::collections::BTreeSet;

use pep440_rs::Version;
use pyrun_core::{Request, Target, WheelFilename};

use super::candidates::{Candidates, Reason, Rejected};
use super::choices::Choices;
use crate::index::FileKind;

/// More parts than this are counted, not listed.
const MAX_PARTS: usize = 4;

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    match (items.pop(), items.is_empty()) {
        (None, _) => String::new(),
        (Some(last), true) => last,
        (Some(last), false) => format!("{} and {last}", items.join(", ")),
    }
}

/// Some versions of a package as the subject of a sentence, and whether it is a plural.
///
/// "`a` 1.0", "`a` 1.0 to 2.3 and 3.1", "every version of `a`".
pub(super) fn subject(label: &str, candidates: &Candidates, choices: &Choices) -> (String, bool) {
    let versions = &candidates.versions;
    let chosen: Vec<usize> = choices.candidates().collect();
    if chosen.len() == versions.len() && chosen.len() > 1 {
        return (format!("every version of {label}"), false);
    }
    let stable = |place: usize| !versions[place].version.any_prerelease();
    let some_stable = chosen.iter().any(|place| stable(*place));
    // Between releases nobody misses the pre-releases.
    let counts = |place: usize| !some_stable || stable(place);
    let all: Vec<(&Version, bool)> = (0..versions.len())
        .filter(|place| counts(*place))
        .map(|place| (&versions[place].version, choices.contains(place)))
        .collect();
    if all.iter().all(|(_, chosen)| *chosen) && all.len() > 1 {
        return (format!("every version of {label}"), false);
    }
    let shown = all.iter().filter(|(_, chosen)| *chosen).count();
    (format!("{label} {}", runs(&all)), shown > 1)
}

/// Neighbours of a sorted list as "1.0 to 2.0".
pub(super) fn runs(all: &[(&Version, bool)]) -> String {
    let mut parts: Vec<(String, usize)> = Vec::new();
    for group in all
        .chunk_by(|one, two| one.1 == two.1)
        .filter(|group| group[0].1)
    {
        let (first, last) = (group[0].0, group[group.len() - 1].0);
        match group.len() {
            1 => parts.push((first.to_string(), 1)),
            2 => parts.extend([(first.to_string(), 1), (last.to_string(), 1)]),
            count => parts.push((format!("{first} to {last}"), count)),
        }
    }
    let rest: usize = parts.iter().skip(MAX_PARTS).map(|(_, count)| count).sum();
    let shown = parts.into_iter().take(MAX_PARTS).map(|(text, _)| text);
    if rest == 0 {
        list(shown)
    } else {
        list(shown.chain([format!("{rest} more")]))
    }
}

/// Sorted versions, all of them meant.
pub(super) fn versions<'a>(all: impl IntoIterator<Item = &'a Version>) -> String {
    let all: Vec<_> = all.into_iter().map(|version| (version, true)).collect();
    match all.as_slice() {
        [] => "none".to_owned(),
        [(only, _)] => only.to_string(),
        [(one, _), (two, _)] => format!("{one} and {two}"),
        [(first, _), .., (last, _)] => format!("{first} to {last}"),
    }
}

/// Why a version is out, as the end of a sentence that begins with the version.
pub(super) fn why_not(candidates: &Candidates, rejected: &Rejected, request: &Request) -> String {
    let limit = request.options.exclude_newer.as_deref().unwrap_or_default();
    match &rejected.reason {
        Reason::SourceOnly | Reason::OnlyBinary => "has no wheel, only sources".to_owned(),
        Reason::NoBinary => "has no sources, only wheels".to_owned(),
        Reason::Digest => "has no file with a digest that is asked for".to_owned(),
        Reason::Tags => format!(
            "has wheels only for {}",
            wheels_for(candidates, &rejected.version, &request.target)
        ),
        Reason::Python(bound) => {
            format!(
                "needs Python {bound}, and the target has {}",
                request.target.python
            )
        }
        Reason::TooNew(Some(_)) => {
            format!("was uploaded after {limit}, which `--exclude-newer` sets as the end")
        }
        Reason::TooNew(None) => {
            "has no upload time on the index, which `--exclude-newer` has to know".to_owned()
        }
        Reason::Prerelease => "is shut out by `--prerelease disallow`".to_owned(),
        Reason::Yanked(why) if why.trim().is_empty() => {
            "is yanked, and not asked for exactly".to_owned()
        }
        Reason::Yanked(why) => format!("is yanked ({}), and not asked for exactly", why.trim()),
    }
}

/// What the wheels of a version are for: other Pythons ("cp38–cp311"), or, when there are some for
/// this Python, other platforms ("Windows and macOS").
fn wheels_for(candidates: &Candidates, version: &Version, target: &Target) -> String {
    let files = &candidates.project().files;
    let wheels: Vec<WheelFilename> = files
        .iter()
        .filter(|file| file.kind == FileKind::Wheel && file.version == *version)
        .filter_map(|file| file.filename.parse().ok())
        .collect();
    let mut platforms: Vec<String> = wheels
        .iter()
        .filter(|wheel| is_for_python(wheel, target))
        .flat_map(WheelFilename::platform_tags)
        .map(platform)
        .collect();
    platforms.sort();
    platforms.dedup();
    if platforms.is_empty() {
        let pythons = pythons(&wheels);
        let without = |wheel: &WheelFilename| wheel.abi_tags().any(|tag| tag.ends_with('t'));
        return if target.free_threaded && !wheels.iter().any(without) {
            format!("{pythons} with the GIL")
        } else {
            pythons
        };
    }
    platforms.truncate(MAX_PARTS);
    list(platforms)
}

fn is_for_python(wheel: &WheelFilename, target: &Target) -> bool {
    let (major, own) = target.python.minor();
    let own_abi = format!(
        "cp{major}{own}{}",
        if target.free_threaded { "t" } else { "" }
    );
    let abi = |wanted: &str| wheel.abi_tags().any(|tag| tag == wanted);
    wheel.python_tags().any(|tag| match minor(tag) {
        // A Python without the GIL has no stable ABI yet.
        Some((_, older)) if abi("abi3") => !target.free_threaded && older <= u32::from(own),
        Some((_, other)) => other == u32::from(own) && (abi(&own_abi) || abi("none")),
        None => tag
            .strip_prefix("py")
            .is_some_and(|rest| rest.starts_with(&major.to_string())),
    })
}

/// The Pythons of wheels: "cp38–cp311", or other tags where there are only such.
fn pythons(wheels: &[WheelFilename]) -> String {
    let tags = || wheels.iter().flat_map(WheelFilename::python_tags);
    let mut known: Vec<(u32, u32)> = tags().filter_map(minor).collect();
    known.sort_unstable();
    known.dedup();
    let show = |(major, minor): &(u32, u32)| format!("cp{major}{minor}");
    match known.as_slice() {
        [] => {
            let others: BTreeSet<&str> = tags().collect();
            list(others.into_iter().take(MAX_PARTS).map(str::to_owned))
        }
        [only] => show(only),
        [first, .., last] => format!("{}–{}", show(first), show(last)),
    }
}

fn minor(tag: &str) -> Option<(u32, u32)> {
    let digits = tag.strip_prefix("cp")?;
    let (major, minor) = digits.split_at_checked(1)?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A platform tag in words.
fn platform(tag: &str) -> String {
    if tag == "any" {
        return "any platform".to_owned();
    }
    if tag.starts_with("win") {
        return "Windows".to_owned();
    }
    let (system, rest) = tag.split_once('_').unwrap_or((tag, ""));
    let glibc = match system {
        "macosx" => return "macOS".to_owned(),
        "manylinux1" => "2.5",
        "manylinux2010" => "2.12",
        "manylinux2014" => "2.17",
        "manylinux" => {
            let mut parts = rest.splitn(3, '_');
            return match (parts.next(), parts.next(), parts.next()) {
                (Some(major), Some(minor), Some(arch)) => {
                    format!("Linux {arch} (glibc {major}.{minor})")
                }
                _ => tag.to_owned(),
            };
        }
        "linux" => return format!("Linux {rest}"),
        "musllinux" => {
            let mut parts = rest.splitn(3, '_');
            return match (parts.next(), parts.next(), parts.next()) {
                (Some(major), Some(minor), Some(arch)) => {
                    format!("Linux {arch} (musl {major}.{minor})")
                }
                _ => tag.to_owned(),
            };
        }
        _ => return tag.to_owned(),
    };
    format!("Linux {rest} (glibc {glibc})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_versions_read_well() {
        let all: Vec<Version> = ["1", "2", "3", "4", "5", "7", "9"]
            .iter()
            .map(|text| text.parse().expect("a version"))
            .collect();
        let shown = |pattern: &str| {
            let marked: Vec<_> = all
                .iter()
                .zip(pattern.chars().map(|mark| mark == 'x'))
                .collect();
            runs(&marked)
        };
        assert_eq!(shown("x......"), "1");
        assert_eq!(shown("xx....."), "1 and 2");
        assert_eq!(shown("xxx...x"), "1 to 3 and 9");
        assert_eq!(shown("x.xxx.x"), "1, 3 to 5 and 9");
    }

    #[test]
    fn platforms_read_well() {
        for (tag, words) in [
            ("win_amd64", "Windows"),
            ("macosx_11_0_arm64", "macOS"),
            ("manylinux_2_28_x86_64", "Linux x86_64 (glibc 2.28)"),
            ("manylinux2014_aarch64", "Linux aarch64 (glibc 2.17)"),
            ("linux_x86_64", "Linux x86_64"),
            ("musllinux_1_2_x86_64", "Linux x86_64 (musl 1.2)"),
            ("any", "any platform"),
            ("emscripten_3_1_46_wasm32", "emscripten_3_1_46_wasm32"),
        ] {
            assert_eq!(platform(tag), words);
        }
    }
}
