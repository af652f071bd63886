//! A lock as text: its full and its canonical form.
//!
//! The emitter is our own and small because the canonical form is hashed: its bytes must never
//! change with a library's taste.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pep508_rs::PackageName;

use crate::digest::Sha256;
use crate::lock::kept::{Fields, Kept, KeptPackage};
use crate::lock::{Draft, Lock, LockedPackage, LockedSdist, LockedWheel, Unbuilt};
use crate::target::{Os, Target};

impl Lock {
    /// The form that is hashed: format, target family, and for each package, sorted by name, its
    /// version and its wheel's name and digest.
    pub fn canonical(&self) -> String {
        let mut text = header();
        for (name, package) in &self.packages {
            let filename = quote(package.wheel.filename.as_str());
            let _ = write!(
                text,
                "\n[[packages]]\nname = {}\nversion = {}\nwheels = [{{ name = {filename}, path = {filename}, hashes = {{ sha256 = \"{}\" }} }}]\n",
                quote(name.as_ref()),
                quote(&package.version.to_string()),
                package.wheel.sha256,
            );
        }
        let _ = write!(
            text,
            "\n[tool.pyrun]\nformat = {}\ntarget = {}\n",
            crate::FORMAT,
            quote(&self.target.family())
        );
        text
    }

    /// The form for people and other tools.
    pub fn to_toml(&self) -> String {
        self.to_toml_keeping(&Kept::default())
    }

    /// The same, with what stood in the lock that it was read from and has no place in a [`Lock`].
    pub fn to_toml_keeping(&self, kept: &Kept) -> String {
        let nothing = KeptPackage::default();
        let entries = self.packages.iter().map(|(name, package)| {
            let mut text = String::new();
            let kept = kept.packages.get(name).unwrap_or(&nothing);
            emit_package(&mut text, package, kept);
            (name, text)
        });
        full(self, entries, kept)
    }
}

impl Draft {
    /// The form for people and other tools.
    pub fn to_toml(&self) -> String {
        let mut entries: BTreeMap<&PackageName, String> = BTreeMap::new();
        for (name, package) in &self.lock.packages {
            let nothing = KeptPackage::default();
            emit_package(entries.entry(name).or_default(), package, &nothing);
        }
        for (name, unbuilt) in &self.unbuilt {
            emit_unbuilt(entries.entry(name).or_default(), unbuilt);
        }
        full(&self.lock, entries.into_iter(), &Kept::default())
    }
}

/// A whole file around entries, which come sorted by name.
fn full<'a>(
    lock: &Lock,
    entries: impl Iterator<Item = (&'a PackageName, String)>,
    kept: &Kept,
) -> String {
    let mut text = header();
    let (major, minor) = lock.target.python.minor();
    let _ = writeln!(
        text,
        "environments = [{}]",
        quote(&environment(&lock.target))
    );
    let _ = writeln!(text, "requires-python = \">={major}.{minor}\"");
    emit_fields(&mut text, &kept.fields);
    for (name, entry) in entries {
        let _ = write!(text, "\n[[packages]]\nname = {}\n", quote(name.as_ref()));
        text.push_str(&entry);
    }
    if !kept.tools.is_empty() {
        text.push_str("\n[tool]\n");
        emit_fields(&mut text, &kept.tools);
    }
    let _ = write!(text, "\n[tool.pyrun]\nformat = {}\n", crate::FORMAT);
    if let Some(resolved) = &lock.resolved {
        let _ = writeln!(text, "resolved = {}", quote(resolved));
    }
    if let Some(limit) = &lock.exclude_newer {
        let _ = writeln!(text, "exclude-newer = {}", quote(limit));
    }
    let _ = writeln!(text, "target = {}", target_table(&lock.target));
    text
}

fn header() -> String {
    "lock-version = \"1.0\"\ncreated-by = \"pyrun\"\n".to_owned()
}

/// A line for each, by name.
fn emit_fields(text: &mut String, fields: &Fields) {
    for (name, value) in fields {
        let _ = writeln!(text, "{} = {value}", key(name));
    }
}

fn emit_package(text: &mut String, package: &LockedPackage, kept: &KeptPackage) {
    let version = package.version.to_string();
    let bound = package.requires_python.as_deref();
    emit_head(text, &version, bound, &package.index, &package.dependencies);
    let wheel = &package.wheel;
    let mut own: Vec<String> = Vec::new();
    match &package.sdist {
        None => {
            let file = File {
                name: wheel.filename.as_str(),
                upload_time: wheel.upload_time.as_deref(),
                url: &wheel.url,
                size: wheel.size,
                sha256: &wheel.sha256,
            };
            let _ = writeln!(text, "wheels = [{}]", file.table(kept));
        }
        Some(sdist) => {
            let _ = writeln!(text, "sdist = {}", sdist_table(sdist));
            own.push(format!("built = {}", built_table(wheel)));
        }
    }
    own.extend(
        package
            .metadata
            .map(|digest| format!("metadata = \"{digest}\"")),
    );
    emit_fields(text, &kept.fields);
    if !kept.tools.is_empty() {
        text.push_str("[packages.tool]\n");
        emit_fields(text, &kept.tools);
    }
    if !own.is_empty() {
        let _ = writeln!(text, "[packages.tool.pyrun]\n{}", own.join("\n"));
    }
}

/// The wheel that an sdist was built into: PEP 751 has no place for a file without an address but
/// a tool's own.
fn built_table(wheel: &LockedWheel) -> String {
    let mut fields = vec![format!("name = {}", quote(wheel.filename.as_str()))];
    if let Some(size) = wheel.size {
        fields.push(format!("size = {size}"));
    }
    fields.push(format!("hashes = {{ sha256 = \"{}\" }}", wheel.sha256));
    format!("{{ {} }}", fields.join(", "))
}

fn emit_unbuilt(text: &mut String, package: &Unbuilt) {
    let version = package.version.to_string();
    let bound = package.requires_python.as_deref();
    emit_head(text, &version, bound, &package.index, &package.dependencies);
    let _ = writeln!(text, "sdist = {}", sdist_table(&package.sdist));
}

fn sdist_table(sdist: &LockedSdist) -> String {
    let file = File {
        name: &sdist.filename,
        upload_time: sdist.upload_time.as_deref(),
        url: &sdist.url,
        size: sdist.size,
        sha256: &sdist.sha256,
    };
    file.table(&KeptPackage::default())
}

fn emit_head(
    text: &mut String,
    version: &str,
    requires_python: Option<&str>,
    index: &str,
    dependencies: &[PackageName],
) {
    let _ = writeln!(text, "version = {}", quote(version));
    if let Some(bound) = requires_python {
        let _ = writeln!(text, "requires-python = {}", quote(bound));
    }
    if !index.is_empty() {
        let _ = writeln!(text, "index = {}", quote(index));
    }
    if !dependencies.is_empty() {
        let names: Vec<String> = dependencies
            .iter()
            .map(|name| format!("{{ name = {} }}", quote(name.as_ref())))
            .collect();
        let _ = writeln!(text, "dependencies = [{}]", names.join(", "));
    }
}

/// A file of an index, as a lock has it.
struct File<'a> {
    name: &'a str,
    upload_time: Option<&'a str>,
    url: &'a str,
    size: Option<u64>,
    sha256: &'a Sha256,
}

impl File<'_> {
    /// With what another tool wrote of it besides.
    fn table(&self, kept: &KeptPackage) -> String {
        let mut fields = vec![format!("name = {}", quote(self.name))];
        // PEP 751 wants a TOML time; what is no time is left out rather than written wrong.
        if let Some(time) = self.upload_time.filter(|time| is_toml_time(time)) {
            fields.push(format!("upload-time = {time}"));
        }
        fields.push(format!("url = {}", quote(self.url)));
        if let Some(size) = self.size {
            fields.push(format!("size = {size}"));
        }
        let of = |(name, value): (&String, &toml::Value)| format!("{} = {value}", key(name));
        let mut hashes = vec![format!("sha256 = \"{}\"", self.sha256)];
        hashes.extend(kept.hashes.iter().map(of));
        fields.push(format!("hashes = {{ {} }}", hashes.join(", ")));
        fields.extend(kept.wheel.iter().map(of));
        format!("{{ {} }}", fields.join(", "))
    }
}

/// The PEP 508 marker that says which environment the lock is for.
fn environment(target: &Target) -> String {
    format!(
        "python_version == '{}' and sys_platform == '{}' and platform_machine == '{}' and implementation_name == 'cpython'",
        target.python.minor_text(),
        target.sys_platform(),
        target.machine()
    )
}

fn target_table(target: &Target) -> String {
    let (os, major, minor) = match target.os {
        Os::Glibc { major, minor } => ("glibc", major, minor),
        Os::Musl { major, minor } => ("musl", major, minor),
        Os::Macos { major, minor } => ("macos", major, minor),
    };
    format!(
        "{{ python = \"{}\", free_threaded = {}, arch = \"{}\", os = {{ name = \"{os}\", major = {major}, minor = {minor} }} }}",
        target.python,
        target.free_threaded,
        target.arch.as_str()
    )
}

fn is_toml_time(text: &str) -> bool {
    text.parse::<toml::value::Datetime>()
        .is_ok_and(|time| time.offset.is_some())
}

/// A key as it stands before `=`: quoted where it holds more than a bare key may.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    quote(name)
}

/// A TOML basic string.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
