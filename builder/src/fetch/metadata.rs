//! A wheel's own metadata against what was said of it when it was locked.
//!
//! In: a wheel that was checked, its entry in the lock, what indexes said on this machine. Out:
//! nothing, or a fault that says what differs. Never: asks an index: the lock has a digest of what was
//! said, so that a lie is found wherever the wheel is fetched.

use std::path::Path;

use pep508_rs::PackageName;
use pyrun_core::{Code, Fault, LockedPackage};

use crate::index::{IndexError, Metadata, Seen, differences, read_wheel};

/// Checks that a wheel says of itself what was said of it. Blocks.
pub(crate) fn check_metadata(
    path: &Path,
    package: &LockedPackage,
    seen: &Seen,
) -> Result<(), Fault> {
    let Some(digest) = &package.metadata else {
        return Ok(());
    };
    let name = package.wheel.filename.name();
    let own = read_wheel(path, name).map_err(|error| unreadable(package, &error))?;
    if own.digest() == *digest {
        return Ok(());
    }
    let said = seen.metadata(&package.index, &package.wheel.sha256);
    // What is kept may be older or younger than the lock.
    let said = said.filter(|said| said.digest() == *digest);
    let causes = match said {
        Some(said) => differences(&said, &own),
        None => against_lock(package, &own),
    };
    let message = format!(
        "`{}` says other things of itself than were said of it when it was locked",
        package.wheel.filename
    );
    let fault = causes
        .into_iter()
        .fold(Fault::new(Code::PACKAGE_METADATA, message), Fault::cause);
    Err(fault.hint(format!(
        "versions were chosen by what was said: lock again with `--upgrade`; if it stays so, the \
         index of `{name}` is not to be trusted"
    )))
}

/// The file's own path says nothing to anybody.
fn unreadable(package: &LockedPackage, error: &IndexError) -> Fault {
    let filename = &package.wheel.filename;
    let message = format!("`{filename}` has METADATA that can't be read");
    let reason = match error {
        IndexError::Broken { problem, .. } => format!("it {problem}"),
        other => other.to_string(),
    };
    Fault::new(Code::WHEEL_METADATA, message)
        .cause(reason)
        .hint("choose another version of the package, or tell its authors")
}

/// What of it the lock alone can tell.
fn against_lock(package: &LockedPackage, own: &Metadata) -> Vec<String> {
    let mut causes = Vec::new();
    let shown = own.requires_python.as_ref().map(|bound| {
        let parts: Vec<String> = bound.iter().map(ToString::to_string).collect();
        parts.join(",")
    });
    if shown != package.requires_python {
        let text = |bound: &Option<String>| match bound {
            Some(bound) => format!("`{bound}`"),
            None => "none".to_owned(),
        };
        causes.push(format!(
            "the lock has the bound {} on Python, and the wheel {}",
            text(&package.requires_python),
            text(&shown)
        ));
    }
    let names = |name: &PackageName| own.requires_dist.iter().any(|one| one.name == *name);
    let made_up = package.dependencies.iter().filter(|name| !names(name));
    causes.extend(made_up.map(|name| {
        format!("`{name}` was locked as a dependency, and the wheel does not name it")
    }));
    if causes.is_empty() {
        causes.push("its requirements or extras are others".to_owned());
    }
    causes
}

#[cfg(test)]
mod tests;
