//! Known vulnerabilities from a dump of osv.dev.
//!
//! In: a zip of JSON records, as osv.dev gives it out for each ecosystem, or a folder of them; and
//! names with versions. Out: what the records say of them, and a warning for records that can't be
//! read. Never: holds more than one record in memory; reads one without a bound; asks the network.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pep440_rs::Version;
use pep508_rs::PackageName;
use pyrun_core::osv::{Record, Vulnerability};
use pyrun_core::{Code, Fault, Lock};

use crate::zip::{self, Archive, Inflater};

/// The largest record that is read. The largest that are published have some 500 kB.
const MAX_RECORD: u64 = 4 << 20;
/// How large the archive may be. That of `PyPI` has some 20 000 records.
const LIMITS: zip::Limits = zip::Limits {
    members: 1_000_000,
    directory: 128 << 20,
};
/// How deep folders are looked into.
const DEEPEST: usize = 4;

/// A dump, which is read once for each set of packages.
#[derive(Debug)]
pub struct Dump {
    path: PathBuf,
    last: Mutex<Option<(BTreeMap<PackageName, Version>, Found)>>,
}

/// What a dump says.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// By package, the worst first; records of one thing under several names stand as one.
    pub vulnerabilities: Vec<Vulnerability>,
    /// What could not be read.
    pub warnings: Vec<String>,
}

impl Dump {
    /// A dump: a zip archive or a folder. Whether it can be read shows when it is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            last: Mutex::default(),
        }
    }

    /// What is known of the packages of a lock.
    pub async fn find_in(&self, lock: &Lock) -> Result<Found, Fault> {
        let packages = lock.packages.iter();
        let packages = packages.map(|(name, package)| (name.clone(), package.version.clone()));
        self.find(packages.collect()).await
    }

    /// What is known of these versions.
    pub async fn find(&self, packages: BTreeMap<PackageName, Version>) -> Result<Found, Fault> {
        let known = self.last().clone();
        if let Some((_, found)) = known.filter(|(of, _)| *of == packages) {
            // What could not be read is said once.
            let warnings = Vec::new();
            return Ok(Found { warnings, ..found });
        }
        let (path, of) = (self.path.clone(), packages.clone());
        let search = move || {
            let mut search = Search {
                packages,
                found: Vec::new(),
                broken: 0,
                example: None,
            };
            search.through(&path).map(|()| search.finish(&path))
        };
        let found = tokio::task::spawn_blocking(search).await;
        let found = found.map_err(|error| {
            Fault::new(Code::INTERNAL, "reading the dump of vulnerabilities fails")
                .cause(error.to_string())
        })??;
        *self.last() = Some((of, found.clone()));
        Ok(found)
    }

    fn last(&self) -> MutexGuard<'_, Option<(BTreeMap<PackageName, Version>, Found)>> {
        // One assignment can't be left half-done.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Search {
    packages: BTreeMap<PackageName, Version>,
    found: Vec<Vulnerability>,
    broken: u64,
    /// One that can't be read, and why.
    example: Option<(String, String)>,
}

impl Search {
    fn through(&mut self, path: &Path) -> Result<(), Fault> {
        let about = fs_err::metadata(path).map_err(|error| unreadable(path, &error))?;
        if about.is_dir() {
            self.folder(path)
        } else {
            self.archive(path)
        }
    }

    fn archive(&mut self, path: &Path) -> Result<(), Fault> {
        let file = fs_err::File::open(path).map_err(|error| unreadable(path, &error))?;
        let archive = Archive::open(file, &LIMITS).map_err(|error| unreadable(path, &error))?;
        let mut inflater = Inflater::default();
        for entry in archive
            .entries()
            .iter()
            .filter(|entry| is_json(&entry.name))
        {
            if entry.size > MAX_RECORD {
                self.skip(&entry.name, format!("it has {} bytes", entry.size));
                continue;
            }
            match inflater.read(archive.source(), entry) {
                Ok(bytes) => self.record(&entry.name, &bytes),
                Err(error) => self.skip(&entry.name, error.to_string()),
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> Result<(), Fault> {
        let mut folders = vec![(path.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = fs_err::read_dir(&folder).map_err(|error| unreadable(path, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| unreadable(path, &error))?;
                let (file, name) = (
                    entry.path(),
                    entry.file_name().to_string_lossy().into_owned(),
                );
                let kind = fs_err::metadata(&file).map(|about| (about.is_dir(), about.is_file()));
                match kind {
                    Ok((true, _)) if depth < DEEPEST => folders.push((file, depth + 1)),
                    // Never a pipe, which may have no end.
                    Ok((_, true)) if is_json(&name) => match read_bounded(&file) {
                        Ok(bytes) => self.record(&name, &bytes),
                        Err(error) => self.skip(&name, error.to_string()),
                    },
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, name: &str, bytes: &[u8]) {
        match Record::parse(bytes) {
            Ok(record) => {
                let named = record.packages().into_iter();
                let here = named.filter_map(|name| self.packages.get_key_value(name));
                let hits = here.filter_map(|(name, version)| record.of(name, version));
                self.found.extend(hits);
            }
            Err(error) => self.skip(name, error.to_string()),
        }
    }

    fn skip(&mut self, name: &str, why: String) {
        self.broken += 1;
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        // The same one whatever the order of a folder.
        if self
            .example
            .as_ref()
            .is_none_or(|(known, _)| shown < *known)
        {
            self.example = Some((shown, why));
        }
    }

    fn finish(self, path: &Path) -> Found {
        let warnings = self.example.map(|(name, why)| {
            let (count, s) = (self.broken, if self.broken == 1 { "" } else { "s" });
            format!(
                "{count} record{s} of `{}` can't be read and count{} for nothing, such as `{name}`: {why}",
                path.display(),
                if self.broken == 1 { "s" } else { "" },
            )
        });
        Found {
            vulnerabilities: merged(self.found),
            warnings: warnings.into_iter().collect(),
        }
    }
}

/// Records of several databases that name each other, as one: whichever name comes first, with
/// the worst severity and the first fix of them.
fn merged(mut found: Vec<Vulnerability>) -> Vec<Vulnerability> {
    found.sort_by(|a, b| (&a.package, &a.id).cmp(&(&b.package, &b.id)));
    let mut merged: Vec<Vulnerability> = Vec::new();
    for one in found {
        let Some(same) = merged.iter_mut().find(|known| known.is_same(&one)) else {
            merged.push(one);
            continue;
        };
        let names = one.aliases.into_iter().chain([one.id]);
        same.aliases.extend(names.filter(|name| *name != same.id));
        same.aliases.sort();
        same.aliases.dedup();
        same.severity = same.severity.max(one.severity);
        same.fixed = match (same.fixed.take(), one.fixed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if same.summary.is_empty() {
            same.summary = one.summary;
        }
    }
    merged.sort_by(|a, b| {
        let order = (&a.package, std::cmp::Reverse(a.severity), &a.id);
        order.cmp(&(&b.package, std::cmp::Reverse(b.severity), &b.id))
    });
    merged
}

fn is_json(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?
        .take(MAX_RECORD + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_RECORD {
        return Err(std::io::Error::other(format!(
            "it has more than {MAX_RECORD} bytes"
        )));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        Code::CONFIG_INVALID,
        format!("`{}` can't be read as a dump of osv.dev", path.display()),
    )
    .cause(error.to_string())
    .hint("it is the `all.zip` of osv.dev's ecosystem PyPI, or a folder of its records")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, alias: &str, more: &str) -> String {
        format!(
            "{{\"id\": \"{id}\", \"aliases\": [\"{alias}\"], {more} \"affected\": [{{\"package\": {{\"ecosystem\": \"PyPI\", \"name\": \"six\"}}, \"ranges\": [{{\"type\": \"ECOSYSTEM\", \"events\": [{{\"introduced\": \"0\"}}, {{\"fixed\": \"1.2\"}}]}}]}}]}}"
        )
    }

    fn write(folder: &Path, files: &[(&str, String)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs_err::write(path, text).expect("a file");
        }
    }

    async fn find(path: &Path, version: &str) -> Found {
        let package = (
            "six".parse().expect("a name"),
            version.parse().expect("a version"),
        );
        Dump::new(path)
            .find([package].into())
            .await
            .expect("a dump")
    }

    fn files() -> Vec<(&'static str, String)> {
        let severity = "\"database_specific\": {\"severity\": \"HIGH\"},";
        vec![
            (
                "PYSEC-1.json",
                record("PYSEC-1", "CVE-1", "\"summary\": \"s\","),
            ),
            ("GHSA-1.json", record("GHSA-1", "CVE-1", severity)),
            ("deep/PYSEC-2.json", record("PYSEC-2", "CVE-2", "")),
            ("PYSEC-3.json", "{\"id\": 3".to_owned()),
            ("note.txt", "not a record".to_owned()),
        ]
    }

    fn check(found: &Found) {
        let ids: Vec<&str> = found
            .vulnerabilities
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        assert_eq!(ids, ["GHSA-1", "PYSEC-2"]);
        assert_eq!(found.vulnerabilities[0].aliases, ["CVE-1", "PYSEC-1"]);
        assert_eq!(found.vulnerabilities[0].summary, "s");
        assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
        assert!(
            found.warnings[0].contains("PYSEC-3.json"),
            "{:?}",
            found.warnings
        );
    }

    #[tokio::test]
    async fn a_folder_of_records_is_searched() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &files());
        check(&find(folder.path(), "1.1").await);
        assert!(find(folder.path(), "1.2").await.vulnerabilities.is_empty());
    }

    #[tokio::test]
    async fn an_archive_of_records_is_searched() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("all.zip");
        let mut writer = ::zip::ZipWriter::new(fs_err::File::create(&path).expect("a file"));
        let options = ::zip::write::SimpleFileOptions::default();
        for (name, text) in files() {
            writer.start_file(name, options).expect("a member");
            writer.write_all(text.as_bytes()).expect("written");
        }
        writer.start_file("HUGE-1.json", options).expect("a member");
        writer
            .write_all(&vec![b' '; usize::try_from(MAX_RECORD).expect("small") + 1])
            .expect("written");
        writer.finish().expect("an archive");
        let found = find(&path, "1.1").await;
        assert!(
            found.warnings[0].starts_with("2 records"),
            "{:?}",
            found.warnings
        );
        assert_eq!(found.vulnerabilities.len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_dump_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &[("x.zip", "no archive".to_owned())]);
        for name in ["x.zip", "missing.zip"] {
            let fault = Dump::new(folder.path().join(name))
                .find(BTreeMap::new())
                .await;
            assert_eq!(fault.expect_err(name).code, Code::CONFIG_INVALID, "{name}");
        }
    }
}
