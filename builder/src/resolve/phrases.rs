//! Sets of versions and lists of things as words. Pure.

use pep440_rs::Version;

use super::candidates::{Candidates, Reason};
use super::choices::Choices;
use crate::index::FileKind;
use pyrun_core::WheelFilename;

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
    (format!("{label} {}", runs(&all)), chosen.len() > 1)
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
pub(super) fn why_not(
    candidates: &Candidates,
    version: &Version,
    reason: &Reason,
    target: &str,
    python: &str,
) -> String {
    match reason {
        Reason::SourceOnly => "has no wheel, only sources".to_owned(),
        Reason::Tags => format!(
            "has no wheel for {target}, only for {}",
            wheels_for(candidates, version)
        ),
        Reason::Python(bound) => format!("needs Python {bound}, and the target has {python}"),
        Reason::TooNew(Some(time)) => {
            format!("was uploaded at {time}, which `exclude-newer` shuts out")
        }
        Reason::TooNew(None) => {
            "has no upload time on the index, and `exclude-newer` is set".to_owned()
        }
        Reason::NoDigest => "can't be checked: the index gives no sha256".to_owned(),
        Reason::Prerelease => "is a pre-release, and none are allowed".to_owned(),
        Reason::Yanked(why) if why.trim().is_empty() => {
            "is yanked, and not asked for exactly".to_owned()
        }
        Reason::Yanked(why) => format!("is yanked ({}), and not asked for exactly", why.trim()),
    }
}

/// What the wheels of a version are for: "cp38–cp311", "Windows and macOS".
fn wheels_for(candidates: &Candidates, version: &Version) -> String {
    let files = &candidates.project().files;
    let wheels: Vec<WheelFilename> = files
        .iter()
        .filter(|file| file.kind == FileKind::Wheel && file.version == *version)
        .filter_map(|file| file.filename.parse().ok())
        .collect();
    let mut pythons: Vec<(u32, u32)> = Vec::new();
    let mut other_pythons: Vec<String> = Vec::new();
    let mut platforms: Vec<String> = Vec::new();
    for wheel in &wheels {
        for tag in wheel.python_tags() {
            match minor(tag) {
                Some(version) => pythons.push(version),
                None => other_pythons.push(tag.to_owned()),
            }
        }
        platforms.extend(wheel.platform_tags().map(platform));
    }
    pythons.sort_unstable();
    pythons.dedup();
    other_pythons.sort();
    other_pythons.dedup();
    platforms.sort();
    platforms.dedup();
    let show = |(major, minor): &(u32, u32)| format!("cp{major}{minor}");
    let mut shown: Vec<String> = match pythons.as_slice() {
        [] => Vec::new(),
        [only] => vec![show(only)],
        [first, .., last] => vec![format!("{}–{}", show(first), show(last))],
    };
    shown.extend(other_pythons.into_iter().take(MAX_PARTS));
    platforms.truncate(MAX_PARTS);
    format!("{} on {}", list(shown), list(platforms))
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
    let system = match system {
        "macosx" => return "macOS".to_owned(),
        "linux" | "manylinux1" | "manylinux2010" | "manylinux2014" => "Linux",
        "musllinux" => "Linux (musl)",
        "manylinux" => {
            let mut parts = rest.splitn(3, '_');
            if let (Some(major), Some(minor), Some(arch)) =
                (parts.next(), parts.next(), parts.next())
            {
                return format!("Linux {arch} (glibc {major}.{minor})");
            }
            "Linux"
        }
        _ => return tag.to_owned(),
    };
    let arch = rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    format!("{system} {arch}")
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
            ("manylinux2014_aarch64", "Linux aarch64"),
            ("musllinux_1_2_x86_64", "Linux (musl) x86_64"),
            ("any", "any platform"),
            ("emscripten_3_1_46_wasm32", "emscripten_3_1_46_wasm32"),
        ] {
            assert_eq!(platform(tag), words);
        }
    }
}
