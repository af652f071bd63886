//! What a build needs, installed into a folder of its own.
//!
//! In: build requirements. Out: a `lib/pythonX.Y/site-packages` with them, and their commands in
//! `bin`; `warden.py` makes a virtual environment of it. Never: runs anything of what it installs;
//! takes a file from elsewhere than a wheel that is checked; touches the interpreter's own packages.

use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use pep508_rs::Requirement as Spec;
use pyrun_core::request::{Prerelease, Resolution, Selection};
use pyrun_core::{
    Code, Events, Fault, Lock, LockedPackage, Origin, Request, Requirement, ResolveOptions, Target,
    WheelFilename,
};
use pyrun_store::{Store, catalog};

use super::Sdists;
use super::error::SdistError;
use crate::fetch;
use crate::lawful;
use crate::wheel::{self, InstalledFile, WheelContents};
use crate::zip::{Entry, Inflater, ZipError};

/// The folder for packages in an environment.
pub(super) fn site_packages(environment: &Path, target: &Target) -> PathBuf {
    let threads = if target.free_threaded { "t" } else { "" };
    let python = format!("python{}{threads}", target.python.minor_text());
    environment.join("lib").join(python).join("site-packages")
}

/// Finds the versions of build requirements, which are held to the policy as all others are.
async fn search(sdists: &Sdists<'_>, request: &Request) -> Result<Lock, Fault> {
    // How far this goes on is no news to whoever asked for something else; that foreign code is run
    // is, and is said by the build itself.
    let events: Events<'_> = &|_| {};
    let (policy, now) = (sdists.policy, jiff::Timestamp::now());
    if let Some(policy) = policy {
        policy.check_request(request)?;
    }
    let lock = lawful::search(request, sdists, policy, now, events).await?;
    if let Some(policy) = policy {
        policy.check_lock(&lock, now)?;
    }
    Ok(lock)
}

/// Resolves build requirements and installs them into an environment.
pub(super) async fn furnish(
    sdists: &Sdists<'_>,
    target: &Target,
    requires: &[Spec],
    environment: &Path,
) -> Result<(), SdistError> {
    let site = site_packages(environment, target);
    let bin = environment.join("bin");
    for folder in [&site, &bin] {
        fs_err::create_dir_all(folder).map_err(|error| unwritable(&error))?;
    }
    if requires.is_empty() {
        return Ok(());
    }
    let request = Request {
        requirements: requires.iter().cloned().map(asked_for).collect(),
        requires_python: None,
        target: target.clone(),
        options: options(sdists.options),
    };
    let lock = Box::pin(search(sdists, &request)).await?;
    let check = |path: &Path, package: &LockedPackage| {
        wheel::check(path, &package.wheel.filename, &wheel::Limits::default()).map(drop)
    };
    let fetched = fetch::fetch_wheels(
        &lock,
        sdists.store,
        sdists.index,
        check,
        sdists.scratch,
        &|_| {},
    );
    fetched.await.map_err(Fault::from)?;
    for package in lock.packages.values() {
        install(sdists.store, sdists.scratch, package, &site, &bin).await?;
    }
    Ok(())
}

fn asked_for(spec: Spec) -> Requirement {
    let origin = Origin {
        place: "the build's requirements".to_owned(),
        span: None,
    };
    Requirement::new(spec, origin)
}

/// Of what the user asked for, what is about the index, and not about packages.
fn options(asked: &ResolveOptions) -> ResolveOptions {
    ResolveOptions {
        prerelease: Prerelease::default(),
        resolution: Resolution::default(),
        constraints: Vec::new(),
        overrides: Vec::new(),
        no_binary: Selection::None,
        require_hashes: false,
        ..asked.clone()
    }
}

fn unwritable(error: &io::Error) -> SdistError {
    Fault::from_error(Code::STORE_UNWRITABLE, error).into()
}

/// Unpacks a package from the store.
async fn install(
    store: &dyn Store,
    scratch: &Path,
    package: &LockedPackage,
    site: &Path,
    bin: &Path,
) -> Result<(), SdistError> {
    let key = catalog::wheel(&package.wheel.sha256);
    let copy;
    let path = if let Some(path) = store.path(&key) {
        path
    } else {
        // It was stored a moment ago, so it is there.
        let bytes = store.get(&key, None).await?.unwrap_or_default();
        let mut file =
            tempfile::NamedTempFile::new_in(scratch).map_err(|error| unwritable(&error))?;
        file.write_all(&bytes).map_err(|error| unwritable(&error))?;
        copy = file.into_temp_path();
        copy.to_path_buf()
    };
    let (filename, sha256) = (package.wheel.filename.clone(), package.wheel.sha256);
    let (site, bin) = (site.to_owned(), bin.to_owned());
    let work = move || {
        let contents = wheel::reopen(&path, &filename, &sha256, &wheel::Limits::default());
        let contents = contents.map_err(Fault::from)?;
        unpack(&path, &contents, &site, &bin).map_err(|error| refused(&filename, &error))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::new(Code::INTERNAL, error.to_string())))?;
    Ok(())
}

fn refused(filename: &WheelFilename, error: &ZipError) -> Fault {
    Fault::from_error(Code::STORE_UNWRITABLE, error).cause(format!(
        "`{filename}` is needed for a build and can't be unpacked"
    ))
}

fn unpack(path: &Path, contents: &WheelContents, site: &Path, bin: &Path) -> Result<(), ZipError> {
    let source = fs_err::File::open(path)?;
    let mut inflater = Inflater::default();
    let mut entry_points = Vec::new();
    let described = format!("{}/entry_points.txt", contents.dist_info);
    for file in &contents.files {
        let entry = Entry {
            name: file.path.clone(),
            method: file.method,
            crc32: file.crc32,
            compressed: file.compressed,
            size: file.size,
            mode: 0,
            data_offset: file.data_offset,
        };
        if file.size < 1 << 20 && (file.path == described || is_script(file)) {
            let bytes = inflater.read(&source, &entry)?;
            if file.path == described {
                entry_points = commands(&String::from_utf8_lossy(&bytes));
            }
            write(&target_of(file, site, bin), file.executable, |out| {
                out.write_all(&with_shebang(&bytes))
            })?;
            continue;
        }
        let mut outcome: Result<(), ZipError> = Ok(());
        write(&target_of(file, site, bin), file.executable, |out| {
            let mut written = Ok(());
            outcome = inflater.visit(&source, &entry, &mut |piece| {
                if written.is_ok() {
                    written = out.write_all(piece);
                }
            });
            written
        })?;
        outcome?;
    }
    let record = site.join(&contents.dist_info).join("RECORD");
    write(&record, false, |out| {
        out.write_all(wheel::render_record(contents).as_bytes())
    })?;
    for command in entry_points {
        write(&bin.join(&command.name), true, |out| {
            out.write_all(command.program().as_bytes())
        })?;
    }
    Ok(())
}

/// Whether it is one of a wheel's own scripts, which belong where a shell finds them.
fn is_script(file: &InstalledFile) -> bool {
    !file.library && file.executable && file.path.starts_with("bin/")
}

fn target_of(file: &InstalledFile, site: &Path, bin: &Path) -> PathBuf {
    match file.path.strip_prefix("bin/") {
        Some(name) if is_script(file) => bin.join(name),
        _ => site.join(&file.path),
    }
}

/// `#!python` stands for the interpreter that the wheel is installed for: the first on the path.
fn with_shebang(script: &[u8]) -> Vec<u8> {
    match script.strip_prefix(b"#!python") {
        Some(rest) => [b"#!/usr/bin/env python", rest].concat(),
        None => script.to_vec(),
    }
}

fn write(
    path: &Path,
    executable: bool,
    content: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mode = if executable { 0o755 } else { 0o644 };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    content(&mut file)?;
    if executable {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A command of `[console_scripts]` (entry points specification).
#[derive(Debug, PartialEq, Eq)]
struct Command {
    name: String,
    module: String,
    object: String,
}

impl Command {
    fn program(&self) -> String {
        let Self { module, object, .. } = self;
        format!(
            "#!/usr/bin/env python\nimport sys\nimport importlib\n\
             found = importlib.import_module('{module}')\n\
             for name in '{object}'.split('.'):\n    found = getattr(found, name)\n\
             sys.exit(found())\n"
        )
    }
}

/// The commands that an `entry_points.txt` names; what is no plain name is left out.
fn commands(text: &str) -> Vec<Command> {
    let dotted = |text: &str| {
        let part =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        text.split('.').all(part)
    };
    let is_file_name = |name: &str| {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
        !name.is_empty() && name.bytes().all(safe) && !name.starts_with('.')
    };
    let mut found = Vec::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.trim();
            continue;
        }
        let Some((name, rest)) = line.split_once('=') else {
            continue;
        };
        let reference = rest.split('[').next().unwrap_or(rest);
        let Some((module, object)) = reference.split_once(':') else {
            continue;
        };
        let (name, module, object) = (name.trim(), module.trim(), object.trim());
        // An interpreter of that name would be taken for the environment's own.
        let usable = is_file_name(name) && !name.starts_with("python");
        if section == "console_scripts" && usable && dotted(module) && dotted(object) {
            found.push(Command {
                name: name.to_owned(),
                module: module.to_owned(),
                object: object.to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_with_plain_names() {
        let found = commands(
            "[console_scripts]\nninja = ninja:ninja\n x-y=a.b : c.d [extra]\n../up = a:b\n\
             python3 = a:b\nbad = a;b:c\nnone = a\n[other]\nz = a:b\n",
        );
        let names: Vec<&str> = found.iter().map(|command| command.name.as_str()).collect();
        assert_eq!(names, ["ninja", "x-y"]);
        assert_eq!(
            (found[1].module.as_str(), found[1].object.as_str()),
            ("a.b", "c.d")
        );
        assert!(found[1].program().starts_with("#!/usr/bin/env python\n"));
    }
}
