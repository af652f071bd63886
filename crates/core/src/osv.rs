//! Known vulnerabilities, as osv.dev's records describe them (OSV schema 1.x).
//!
//! In: a record's JSON. Out: whether it speaks of a version of a package, and what it says. Never:
//! counts a record that was withdrawn; takes a severity that it can't read for a mild one.

use std::collections::BTreeSet;
use std::fmt;

use pep440_rs::Version;
use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};

mod cvss;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// CVSS below 4.
    Low,
    /// CVSS below 7.
    Medium,
    /// CVSS below 9.
    High,
    /// CVSS 9 and more.
    Critical,
}

impl Severity {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "low" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" => Self::High,
            "critical" => Self::Critical,
            _ => return None,
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// A vulnerability of one version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vulnerability {
    /// The package.
    pub package: PackageName,
    /// The version that is affected.
    pub version: Version,
    /// The record's name, such as `GHSA-…` or `PYSEC-…`.
    pub id: String,
    /// Its other names, sorted.
    pub aliases: Vec<String>,
    /// One line on it; may be empty.
    pub summary: String,
    /// How bad it is, where the record says it.
    pub severity: Option<Severity>,
    /// The lowest later version that mends it, where the record says one.
    pub fixed: Option<Version>,
}

impl Vulnerability {
    /// Whether the two tell of the same thing: records of several databases name each other.
    pub fn is_same(&self, other: &Self) -> bool {
        let names = |of: &'_ Self| -> Vec<String> {
            let all = of.aliases.iter().chain([&of.id]);
            all.cloned().collect()
        };
        let theirs = names(other);
        self.package == other.package && names(self).iter().any(|name| theirs.contains(name))
    }
}

/// A record, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Record {
    id: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    details: String,
    #[serde(default)]
    severity: Vec<Score>,
    #[serde(default)]
    database_specific: Specific,
    #[serde(default)]
    affected: Vec<Affected>,
}

#[derive(Debug, Deserialize)]
struct Score {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    score: String,
}

/// What a database adds. Databases are free to put anything here.
#[derive(Debug, Default)]
struct Specific {
    severity: Option<Severity>,
}

impl<'de> Deserialize<'de> for Specific {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        let severity = value.get("severity").and_then(serde_json::Value::as_str);
        Ok(Self {
            severity: severity.and_then(Severity::parse),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Affected {
    #[serde(default)]
    package: Option<Package>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    severity: Vec<Score>,
}

/// A package by the name that its ecosystem knows it by.
#[derive(Debug, Deserialize)]
struct Package {
    ecosystem: String,
    #[serde(deserialize_with = "name")]
    name: Option<PackageName>,
}

/// The name, read once for all that ask for it; what is none here is no package of this ecosystem.
fn name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PackageName>, D::Error> {
    Ok(String::deserialize(from)?.parse().ok())
}

#[derive(Debug, Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

/// One of these is set.
#[derive(Debug, Default, Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

impl Record {
    /// Reads a record.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The record's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The packages that it speaks of.
    pub fn packages(&self) -> BTreeSet<&PackageName> {
        self.affected.iter().filter_map(Affected::name).collect()
    }

    /// What it says of a version of a package; `None` when that is not affected.
    pub fn of(&self, package: &PackageName, version: &Version) -> Option<Vulnerability> {
        if self.withdrawn.is_some() {
            return None;
        }
        let affected = self.affected.iter();
        let mut hits = affected
            .filter(|affected| affected.name() == Some(package) && affected.holds(version))
            .peekable();
        hits.peek()?;
        let hits: Vec<&Affected> = hits.collect();
        let stated = hits.iter().flat_map(|hit| &hit.severity);
        let stated = stated.chain(&self.severity).filter_map(Score::severity);
        let fixes = hits.iter().flat_map(|hit| hit.fixes());
        let mut aliases: Vec<String> = self.aliases.iter().map(|text| line(text)).collect();
        aliases.sort();
        aliases.dedup();
        let summary = match self.summary.trim() {
            "" => self.details.trim().lines().next().unwrap_or_default(),
            text => text,
        };
        Some(Vulnerability {
            package: package.clone(),
            version: version.clone(),
            id: line(&self.id),
            aliases,
            summary: line(summary),
            severity: stated.max().or(self.database_specific.severity),
            fixed: fixes.filter(|fix| fix > version).min(),
        })
    }
}

/// One line of text, short enough to be shown.
fn line(text: &str) -> String {
    let printable = |c: &char| !c.is_control();
    text.chars().filter(printable).take(200).collect()
}

impl Score {
    fn severity(&self) -> Option<Severity> {
        if !self.kind.starts_with("CVSS_V3") {
            return None;
        }
        Some(match cvss::base_score(&self.score)? {
            ..40 => Severity::Low,
            40..70 => Severity::Medium,
            70..90 => Severity::High,
            _ => Severity::Critical,
        })
    }
}

impl Affected {
    /// The package of PyPI that it speaks of.
    fn name(&self) -> Option<&PackageName> {
        let package = self.package.as_ref()?;
        let is_pypi = package.ecosystem.split(':').next() == Some("PyPI");
        package.name.as_ref().filter(|_| is_pypi)
    }

    fn holds(&self, version: &Version) -> bool {
        let listed = self.versions.iter().any(|text| {
            let same = text.parse::<Version>();
            same.is_ok_and(|same| same == *version)
        });
        listed || self.ranges.iter().any(|range| range.holds(version))
    }

    fn fixes(&self) -> impl Iterator<Item = Version> + '_ {
        let ranges = self.ranges.iter().filter(|range| range.is_of_versions());
        let events = ranges.flat_map(|range| &range.events);
        events.filter_map(|event| event.fixed.as_ref()?.parse().ok())
    }
}

impl Range {
    fn is_of_versions(&self) -> bool {
        // Ranges of commits say nothing of releases.
        matches!(self.kind.as_str(), "ECOSYSTEM" | "SEMVER")
    }

    /// OSV, "Evaluation": the events in the order of their versions, each turning it on or off.
    fn holds(&self, version: &Version) -> bool {
        if !self.is_of_versions() {
            return false;
        }
        let read = |text: &Option<String>| match text.as_deref() {
            // Before everything there is, pre-releases of 0 too.
            Some("0") => Some(None),
            Some(text) => text.parse::<Version>().ok().map(Some),
            None => None,
        };
        let mut events: Vec<(Option<Version>, u8)> = Vec::new();
        for event in &self.events {
            // What ends at a version ends before what begins there.
            events.extend(read(&event.fixed).map(|at| (at, 0)));
            events.extend(read(&event.introduced).map(|at| (at, 1)));
            events.extend(read(&event.last_affected).map(|at| (at, 2)));
            events.extend(read(&event.limit).map(|at| (at, 0)));
        }
        events.sort();
        let mut inside = false;
        for (at, kind) in events {
            let reached = at.as_ref().is_none_or(|at| match kind {
                2 => version > at,
                _ => version >= at,
            });
            if reached {
                inside = kind == 1;
            }
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(affected: &str, more: &str) -> Record {
        let json = format!(
            "{{\"id\": \"PYSEC-1\", \"summary\": \"bad\\u001b[2J thing\"{more}, \"affected\": [{{\"package\": {{\"ecosystem\": \"PyPI\", \"name\": \"Foo_Bar\"}}, {affected}}}]}}"
        );
        Record::parse(json.as_bytes()).expect(&json)
    }

    fn hits(record: &Record, version: &str) -> bool {
        let name = "foo-bar".parse().expect("a name");
        let version = version.parse().expect("a version");
        record.of(&name, &version).is_some()
    }

    #[test]
    fn ranges_turn_on_and_off() {
        let record = record(
            "\"ranges\": [{\"type\": \"GIT\", \"events\": [{\"introduced\": \"0\"}]}, {\"type\": \"ECOSYSTEM\", \"events\": [{\"fixed\": \"1.5\"}, {\"introduced\": \"1.0\"}, {\"introduced\": \"2.0rc1\"}, {\"last_affected\": \"2.3\"}]}], \"versions\": [\"0.1.0\"]",
            "",
        );
        for (version, expected) in [
            ("0.1", true),
            ("0.2", false),
            ("1.0", true),
            ("1.4.9", true),
            ("1.5", false),
            ("2.0rc1", true),
            ("2.3", true),
            ("2.3.1", false),
        ] {
            assert_eq!(hits(&record, version), expected, "{version}");
        }
        let other = "bar".parse().expect("a name");
        assert_eq!(record.of(&other, &"1.0".parse().expect("a version")), None);
    }

    #[test]
    fn a_record_knows_its_packages_and_passes_over_what_is_none() {
        let affected = |ecosystem: &str, name: &str| {
            format!(
                "{{\"package\": {{\"ecosystem\": \"{ecosystem}\", \"name\": \"{name}\"}}, \"versions\": [\"1\"]}}"
            )
        };
        let all = [
            affected("PyPI", "Foo_Bar"),
            affected("PyPI", "foo.bar"),
            affected("PyPI:x", "six"),
            affected("npm", "@left/pad"),
            affected("npm", "pad"),
            affected("PyPI", "not a name"),
        ];
        let json = format!("{{\"id\": \"X-1\", \"affected\": [{}]}}", all.join(", "));
        let record = Record::parse(json.as_bytes()).expect(&json);
        let names: Vec<String> = record.packages().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["foo-bar", "six"]);
        assert!(hits(&record, "1"));
    }

    #[test]
    fn zero_is_before_everything() {
        let record = record(
            "\"ranges\": [{\"type\": \"ECOSYSTEM\", \"events\": [{\"introduced\": \"0\"}]}]",
            "",
        );
        assert!(hits(&record, "0.0.dev1") && hits(&record, "99"));
    }

    #[test]
    fn what_was_withdrawn_does_not_count() {
        let affected = "\"versions\": [\"1.0\"]";
        assert!(hits(&record(affected, ""), "1.0"));
        assert!(!hits(
            &record(affected, ", \"withdrawn\": \"2024-01-01T00:00:00Z\""),
            "1.0"
        ));
    }

    #[test]
    fn severity_fix_and_names_are_said() {
        let of = |record: &Record| {
            let name = "foo-bar".parse().expect("a name");
            record
                .of(&name, &"1.0".parse().expect("a version"))
                .expect("affected")
        };
        let affected = "\"ranges\": [{\"type\": \"ECOSYSTEM\", \"events\": [{\"introduced\": \"0\"}, {\"fixed\": \"1.2\"}, {\"introduced\": \"2\"}, {\"fixed\": \"2.1\"}]}]";
        let found = of(&record(
            affected,
            ", \"aliases\": [\"GHSA-x\", \"CVE-1\"], \"severity\": [{\"type\": \"CVSS_V3\", \"score\": \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"}]",
        ));
        assert_eq!(found.severity, Some(Severity::Critical));
        assert_eq!(found.fixed, "1.2".parse().ok());
        assert_eq!(found.aliases, ["CVE-1", "GHSA-x"]);
        assert_eq!(found.summary, "bad[2J thing");
        let found = of(&record(
            affected,
            ", \"database_specific\": {\"severity\": \"MODERATE\", \"x\": [1]}",
        ));
        assert_eq!(found.severity, Some(Severity::Medium));
        assert_eq!(of(&record(affected, "")).severity, None);
    }
}
