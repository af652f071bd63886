//! What changes from one lock to another.
//!
//! In: two locks, the time, what is known of publishers and licences. Out: changes, each with what
//! one should look at. Never: asks anybody; says that a change is good or bad.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pyrun_core::{Lock, LockedPackage, PackageName};
use serde::Serialize;

/// A release is young for so many days.
pub const YOUNG: i64 = 14;

/// What happened to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It is new.
    New,
    /// It has another version or another file.
    Changed,
    /// It is gone.
    Removed,
}

/// What one should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// The version is lower than before.
    Downgrade,
    /// The same version has another file.
    File,
    /// It brings code for a processor, and did not before.
    Native,
    /// It is built from source, and was not before.
    Source,
    /// It was uploaded a short time ago.
    Young,
    /// It comes from another index.
    Index,
    /// Another publisher uploaded it, as far as the index says.
    Publisher,
    /// Its licence is not known, or is another one.
    Licence,
}

/// A change of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The package.
    pub package: PackageName,
    /// What happened.
    pub kind: Kind,
    /// The version before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The version from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// What one should look at.
    pub notes: Vec<Note>,
}

/// Something to look at, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Which kind of thing.
    pub sign: Sign,
    /// In words.
    pub text: String,
}

/// What the world says of a change beside the two locks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// The publishers of the old and of the new file, where the index was asked.
    pub publishers: Option<(Vec<String>, Vec<String>)>,
    /// The licence of the old file.
    pub old_licence: Licence,
    /// The licence of the new file.
    pub new_licence: Licence,
}

/// What is known of a licence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Licence {
    /// Nothing: the metadata was not to be had.
    #[default]
    NotRead,
    /// The metadata states none that can be understood.
    Unknown,
    /// The metadata states it, as an SPDX expression.
    Stated(String),
}

/// The changes from `old` to `new`, by name.
pub fn changes(
    old: &Lock,
    new: &Lock,
    now: Timestamp,
    outside: &BTreeMap<PackageName, Outside>,
) -> Vec<Change> {
    let names: BTreeSet<&PackageName> = old.packages.keys().chain(new.packages.keys()).collect();
    let nothing = Outside::default();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (old.packages.get(name), new.packages.get(name));
        let kind = match (before, after) {
            (Some(before), Some(after)) if is_same(before, after) => return None,
            (Some(_), Some(_)) => Kind::Changed,
            (None, _) => Kind::New,
            (_, None) => Kind::Removed,
        };
        let outside = outside.get(name).unwrap_or(&nothing);
        let version = |package: Option<&LockedPackage>| Some(package?.version.to_string());
        Some(Change {
            package: name.clone(),
            kind,
            old: version(before),
            new: version(after),
            notes: after
                .map(|after| notes(before, after, now, outside))
                .unwrap_or_default(),
        })
    });
    changes.collect()
}

fn is_same(before: &LockedPackage, after: &LockedPackage) -> bool {
    before.version == after.version
        && before.wheel.sha256 == after.wheel.sha256
        && before.index == after.index
}

fn notes(
    before: Option<&LockedPackage>,
    after: &LockedPackage,
    now: Timestamp,
    outside: &Outside,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |sign, text: String| notes.push(Note { sign, text });
    if let Some(before) = before {
        if after.version < before.version {
            note(Sign::Downgrade, "a lower version than before".to_owned());
        }
        if after.version == before.version && after.wheel.sha256 != before.wheel.sha256 {
            let (old, new) = (&before.wheel.filename, &after.wheel.filename);
            note(
                Sign::File,
                if old == new {
                    format!("`{new}` has other bytes than before")
                } else {
                    format!("another file of the same version: `{new}` instead of `{old}`")
                },
            );
        }
        if !before.index.is_empty() && before.index != after.index {
            let text = match after.index.as_str() {
                "" => format!("no longer from the index {}", before.index),
                index => format!("from the index {index} instead of {}", before.index),
            };
            note(Sign::Index, text);
        }
    }
    if is_native(after) && !before.is_some_and(is_native) {
        let tags: Vec<&str> = after.wheel.filename.platform_tags().collect();
        note(Sign::Native, format!("native code, for {}", tags.join(".")));
    }
    if after.sdist.is_some() && before.is_none_or(|before| before.sdist.is_none()) {
        note(Sign::Source, "built from source".to_owned());
    }
    let uploaded = match &after.sdist {
        Some(sdist) => sdist.upload_time.as_deref(),
        None => after.wheel.upload_time.as_deref(),
    };
    if let Some(text) = uploaded.and_then(|text| young(text, now)) {
        note(Sign::Young, text);
    }
    if let Some((old, new)) = &outside.publishers
        && !old.is_empty()
        && old != new
    {
        let old = old.join(", ");
        note(
            Sign::Publisher,
            if new.is_empty() {
                format!("the index names no publisher, and {old} before")
            } else {
                format!("published by {} instead of {old}", new.join(", "))
            },
        );
    }
    match (&outside.old_licence, &outside.new_licence) {
        (_, Licence::Unknown) => note(Sign::Licence, "its licence is not known".to_owned()),
        (Licence::Stated(old), Licence::Stated(new)) if old != new => {
            note(Sign::Licence, format!("licence {new} instead of {old}"));
        }
        _ => {}
    }
    notes
}

/// Whether its wheel is for one kind of machine.
fn is_native(package: &LockedPackage) -> bool {
    package
        .wheel
        .filename
        .platform_tags()
        .any(|tag| tag != "any")
}

fn young(uploaded: &str, now: Timestamp) -> Option<String> {
    let uploaded: Timestamp = uploaded.parse().ok()?;
    let age = now.duration_since(uploaded);
    if age >= SignedDuration::from_hours(24 * YOUNG) {
        return None;
    }
    let days = age.as_hours().max(0) / 24;
    Some(match days {
        0 => "uploaded less than a day ago".to_owned(),
        1 => "uploaded 1 day ago".to_owned(),
        days => format!("uploaded {days} days ago"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::testing::lock;

    fn told(old: &Lock, new: &Lock, outside: &BTreeMap<PackageName, Outside>) -> Vec<String> {
        let now = "2020-01-15T00:00:00Z".parse().expect("a time");
        let changes = changes(old, new, now, outside).into_iter().map(|change| {
            let notes: Vec<String> = change.notes.into_iter().map(|note| note.text).collect();
            let versions = [change.old, change.new].map(Option::unwrap_or_default);
            format!(
                "{:?} {} {}: {}",
                change.kind,
                change.package,
                versions.join(">"),
                notes.join("; ")
            )
        });
        changes.collect()
    }

    #[test]
    fn versions_come_change_and_go() {
        let old = lock(&[
            ("a", "1", &[]),
            ("b", "2", &[]),
            ("c", "1", &[]),
            ("d", "1", &[]),
        ]);
        let new = lock(&[
            ("a", "2", &[]),
            ("b", "1", &[]),
            ("c", "1", &[]),
            ("e", "1", &[]),
        ]);
        assert_eq!(
            told(&old, &new, &BTreeMap::new()),
            [
                "Changed a 1>2: ",
                "Changed b 2>1: a lower version than before",
                "Removed d 1>: ",
                "New e >1: ",
            ]
        );
        assert!(told(&old, &old, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn what_one_should_look_at_is_said() {
        let old = lock(&[("a", "1", &[]), ("b", "1", &[])]);
        let mut new = lock(&[("a", "2", &[]), ("b", "1", &[]), ("c", "1", &[])]);
        let get = |name: &str| -> PackageName { name.parse().expect("a name") };
        for (name, package) in &mut new.packages {
            match name.as_ref() {
                "a" => {
                    package.wheel.filename = "a-2-cp312-cp312-manylinux_2_17_x86_64.whl"
                        .parse()
                        .expect("a wheel");
                    package.wheel.upload_time = Some("2020-01-02T00:00:00Z".to_owned());
                    package.index = "https://i/simple".to_owned();
                }
                "b" => package.wheel.sha256 = pyrun_core::Sha256::of("other"),
                _ => package.wheel.upload_time = Some("2020-01-01T00:00:00Z".to_owned()),
            }
        }
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let outside = BTreeMap::from([
            (
                get("a"),
                Outside {
                    publishers: Some((names(&["GitHub a/a"]), names(&["GitHub evil/a"]))),
                    old_licence: Licence::Stated("MIT".to_owned()),
                    new_licence: Licence::Stated("GPL-3.0-only".to_owned()),
                },
            ),
            (
                get("c"),
                Outside {
                    new_licence: Licence::Unknown,
                    ..Outside::default()
                },
            ),
        ]);
        assert_eq!(
            told(&old, &new, &outside),
            [
                "Changed a 1>2: from the index https://i/simple instead of https://h/simple; \
                 native code, for manylinux_2_17_x86_64; uploaded 13 days ago; \
                 published by GitHub evil/a instead of GitHub a/a; licence GPL-3.0-only instead of MIT",
                "Changed b 1>1: `b-1-py3-none-any.whl` has other bytes than before",
                "New c >1: its licence is not known",
            ]
        );
    }
}
