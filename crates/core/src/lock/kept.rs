//! What stands in a lock and has no place in a [`Lock`]: written back as it came.
//!
//! In: the text of a lock, and what was read of it for a target. Out: the fields of other tools and
//! of versions of PEP 751 to come. Never: keeps what reading has decided (markers, the wheels of
//! other targets, extras and groups), or what pyrun says itself.

use std::collections::BTreeMap;

use pep508_rs::PackageName;

use super::Lock;
use super::filename::filename_in;
use super::read::LockError;

/// Fields by their names.
pub type Fields = BTreeMap<String, toml::Value>;

/// What stands in a lock and has no place in a [`Lock`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// At the top.
    pub fields: Fields,
    /// `[tool.*]`, but for pyrun's own.
    pub tools: Fields,
    /// With a package.
    pub packages: BTreeMap<PackageName, KeptPackage>,
}

/// What stands with a package of a lock and has no place in a [`super::LockedPackage`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptPackage {
    /// In the entry itself.
    pub fields: Fields,
    /// `[packages.tool.*]`, but for pyrun's own.
    pub tools: Fields,
    /// With its wheel.
    pub wheel: Fields,
    /// Digests of its wheel by other algorithms.
    pub hashes: Fields,
}

/// Fields at the top that a [`Lock`] holds, or that reading has decided.
const TOP: &[&str] = &[
    "lock-version",
    "created-by",
    "environments",
    "requires-python",
    "extras",
    "dependency-groups",
    "default-groups",
    "packages",
    "tool",
];
/// Fields of a package, likewise.
const PACKAGE: &[&str] = &[
    "name",
    "version",
    "marker",
    "requires-python",
    "index",
    "dependencies",
    "wheels",
    "sdist",
    "archive",
    "vcs",
    "directory",
    "tool",
];
/// Fields of a wheel, likewise.
const WHEEL: &[&str] = &["name", "url", "path", "size", "upload-time", "hashes"];

impl Kept {
    /// Reads what is left over of a lock's text once `lock` has been read of it.
    pub fn read(text: &str, lock: &Lock) -> Result<Self, LockError> {
        let file: toml::Table = super::read::parse(text)?;
        let entries = file.get("packages").and_then(toml::Value::as_array);
        let entries = entries
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_table);
        let mut packages = BTreeMap::new();
        for entry in entries {
            if let Some((name, kept)) = package(entry, lock) {
                packages.insert(name, kept);
            }
        }
        Ok(Self {
            fields: without(&file, TOP),
            tools: tools(&file),
            packages,
        })
    }
}

/// What is left of an entry, where the lock has its wheel.
fn package(entry: &toml::Table, lock: &Lock) -> Option<(PackageName, KeptPackage)> {
    let name: PackageName = entry.get("name")?.as_str()?.parse().ok()?;
    let filename = lock.packages.get(&name)?.wheel.filename.as_str();
    let wheels = entry.get("wheels").and_then(toml::Value::as_array);
    let wheels = wheels
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table);
    let mut of_target = wheels.filter(|wheel| {
        let text = |key| wheel.get(key).and_then(toml::Value::as_str);
        filename_in(text("name"), text("url"), text("path")).as_deref() == Some(filename)
    });
    let wheel = of_target.next();
    let is_built = lock.packages.get(&name)?.sdist.is_some();
    if wheel.is_none() && !is_built {
        return None;
    }
    let hashes = wheel.and_then(|wheel| wheel.get("hashes")?.as_table());
    let kept = KeptPackage {
        fields: without(entry, PACKAGE),
        tools: tools(entry),
        wheel: wheel.map(|wheel| without(wheel, WHEEL)).unwrap_or_default(),
        hashes: hashes
            .map(|all| without(all, &["sha256"]))
            .unwrap_or_default(),
    };
    (kept != KeptPackage::default()).then_some((name, kept))
}

fn tools(table: &toml::Table) -> Fields {
    let tools = table.get("tool").and_then(toml::Value::as_table);
    tools
        .map(|tools| without(tools, &["pyrun"]))
        .unwrap_or_default()
}

fn without(table: &toml::Table, known: &[&str]) -> Fields {
    let fields = table
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()));
    fields
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::target::tests::target;

    #[test]
    fn what_others_wrote_is_written_back_sorted() {
        let sha256 = Sha256::of("");
        let text = format!(
            "lock-version = \"1.0\"\ncreated-by = \"x\"\nzeta = [1, {{ b = 2, a = \"é\" }}]\nalpha = 2026-01-01\n\
             extras = [\"e\"]\n\
             [[packages]]\nname = \"six\"\nversion = \"1.0\"\nmarker = \"sys_platform == 'win32'\"\nlost = 1\n\
             wheels = [{{ name = \"six-1.0-py3-none-any.whl\", url = \"https://h/1\", hashes = {{ sha256 = \"{sha256}\" }} }}]\n\
             [[packages]]\nname = \"six\"\nversion = \"1.1\"\nmarker = \"sys_platform == 'linux'\"\n\"new field\" = true\n\
             attestation-identities = [{{ kind = \"GitHub\", repository = \"a/b\" }}]\n\
             [[packages.wheels]]\nname = \"six-1.1-py3-none-any.whl\"\nurl = \"https://h/2\"\nsignature = \"s\"\n\
             [packages.wheels.hashes]\nsha512 = \"00\"\nsha256 = \"{sha256}\"\n\
             [packages.tool.uv]\nx = 1\n[packages.tool.pyrun]\ny = 2\n\
             [tool.other]\nk = [\"v\"]\n[tool.pyrun]\nz = 3\n"
        );
        let lock = Lock::from_toml(&text.replace("[tool.pyrun]\nz = 3\n", ""), Some(&target()))
            .expect(&text);
        let kept = Kept::read(&text, &lock).expect("kept");
        let written = lock.to_toml_keeping(&kept);
        for part in [
            "\nalpha = 2026-01-01\nzeta = [1, { a = \"é\", b = 2 }]\n",
            "hashes = { sha256 = \"",
            ", sha512 = \"00\" }, signature = \"s\" }]\n",
            "attestation-identities = [{ kind = \"GitHub\", repository = \"a/b\" }]\n\"new field\" = true\n\
             [packages.tool]\nuv = { x = 1 }\n",
            "\n[tool]\nother = { k = [\"v\"] }\n\n[tool.pyrun]\nformat",
        ] {
            assert!(written.contains(part), "{part}\nis not in\n{written}");
        }
        assert!(
            !written.contains("lost") && !written.contains("extras"),
            "{written}"
        );
        let again = Lock::from_toml(&written, None).expect(&written);
        assert_eq!(again, lock);
        assert_eq!(Kept::read(&written, &again).expect("kept"), kept);
        assert_eq!(again.to_toml_keeping(&kept), written);
        assert_eq!(lock.to_toml_keeping(&Kept::default()), lock.to_toml());
    }
}
