//! A lock as text: its full and its canonical form.
//!
//! The emitter is our own and small because the canonical form is hashed: its bytes must never
//! change with a library's taste.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::lock::kept::{Kept, KeptPackage};
use crate::lock::{Lock, LockedPackage};
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
        let mut text = header();
        let (major, minor) = self.target.python.minor();
        let _ = writeln!(
            text,
            "environments = [{}]",
            quote(&environment(&self.target))
        );
        let _ = writeln!(text, "requires-python = \">={major}.{minor}\"");
        emit_fields(&mut text, &kept.fields);
        let nothing = KeptPackage::default();
        for (name, package) in &self.packages {
            let _ = write!(text, "\n[[packages]]\nname = {}\n", quote(name.as_ref()));
            emit_package(
                &mut text,
                package,
                kept.packages.get(name).unwrap_or(&nothing),
            );
        }
        if !kept.tools.is_empty() {
            text.push_str("\n[tool]\n");
            emit_fields(&mut text, &kept.tools);
        }
        let _ = write!(text, "\n[tool.pyrun]\nformat = {}\n", crate::FORMAT);
        if let Some(resolved) = &self.resolved {
            let _ = writeln!(text, "resolved = {}", quote(resolved));
        }
        let _ = writeln!(text, "target = {}", target_table(&self.target));
        text
    }
}

fn header() -> String {
    "lock-version = \"1.0\"\ncreated-by = \"pyrun\"\n".to_owned()
}

/// A line for each, by name.
fn emit_fields(text: &mut String, fields: &BTreeMap<String, toml::Value>) {
    for (name, value) in fields {
        let _ = writeln!(text, "{} = {value}", key(name));
    }
}

fn emit_package(text: &mut String, package: &LockedPackage, kept: &KeptPackage) {
    let _ = writeln!(text, "version = {}", quote(&package.version.to_string()));
    if let Some(bound) = &package.requires_python {
        let _ = writeln!(text, "requires-python = {}", quote(bound));
    }
    if !package.index.is_empty() {
        let _ = writeln!(text, "index = {}", quote(&package.index));
    }
    if !package.dependencies.is_empty() {
        let names: Vec<String> = package
            .dependencies
            .iter()
            .map(|name| format!("{{ name = {} }}", quote(name.as_ref())))
            .collect();
        let _ = writeln!(text, "dependencies = [{}]", names.join(", "));
    }
    let wheel = &package.wheel;
    let mut fields = vec![format!("name = {}", quote(wheel.filename.as_str()))];
    if let Some(time) = &wheel.upload_time {
        // PEP 751 wants a TOML time; what is no time is left out rather than written wrong.
        if is_toml_time(time) {
            fields.push(format!("upload-time = {time}"));
        }
    }
    fields.push(format!("url = {}", quote(&wheel.url)));
    if let Some(size) = wheel.size {
        fields.push(format!("size = {size}"));
    }
    let mut hashes = vec![format!("sha256 = \"{}\"", wheel.sha256)];
    let of = |(name, value): (&String, &toml::Value)| format!("{} = {value}", key(name));
    hashes.extend(kept.hashes.iter().map(of));
    fields.push(format!("hashes = {{ {} }}", hashes.join(", ")));
    fields.extend(kept.wheel.iter().map(of));
    let _ = writeln!(text, "wheels = [{{ {} }}]", fields.join(", "));
    emit_fields(text, &kept.fields);
    if !kept.tools.is_empty() {
        text.push_str("[packages.tool]\n");
        emit_fields(text, &kept.tools);
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
