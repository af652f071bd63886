//! Where each member of a wheel lands in site-packages (binary distribution format, "Installing a
//! wheel 'distribution-1.0-py32-none-any.whl'").
//!
//! In: a member's name that is proven to stay inside its folder. Out: its path below site-packages,
//! or nothing for what is not installed.
//! Never: looks at content. There is one flat site-packages, laid out as `pip install --target`
//! does: `purelib` and `platlib` at its root, scripts in `bin/` with their `#!python` line as it is,
//! data at its root, headers in `include/python/<name>/`.
//!
//! Left out: INSTALLER, REQUESTED and `direct_url.json`, which tell how a machine came by a package;
//! RECORD, which is made anew, and its signatures, which then are void; and `__pycache__/*.pyc`,
//! since bytecode comes from the trusted builder alone.

use crate::wheel::WheelProblem;
use crate::zip::shown;

/// The names of a wheel's own folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `<name>-<version>.dist-info`.
    pub dist_info: String,
    /// `<name>-<version>.data`.
    data: String,
    /// The name, as the wheel spells it.
    distribution: String,
}

impl Layout {
    /// The folders of `stem`, which is `<name>-<version>` as the wheel spells it.
    pub fn new(stem: &str, distribution: &str) -> Self {
        Self {
            dist_info: format!("{stem}.dist-info"),
            data: format!("{stem}.data"),
            distribution: distribution.to_owned(),
        }
    }

    /// Whether it is RECORD or a signature of it, which no RECORD can vouch for.
    pub fn is_record(&self, name: &str) -> bool {
        matches!(
            self.document(name),
            Some("RECORD" | "RECORD.jws" | "RECORD.p7s")
        )
    }

    fn document<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.dist_info)?.strip_prefix('/')
    }
}

/// Where a member lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path below site-packages, with slashes.
    pub path: String,
    scheme: Scheme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Library,
    Scripts,
    Headers,
    Data,
}

impl Place {
    /// Whether Python looks there for modules.
    pub fn is_library(&self) -> bool {
        self.scheme == Scheme::Library
    }

    /// Whether it is a script, and so executable whatever the archive says.
    pub fn is_script(&self) -> bool {
        self.scheme == Scheme::Scripts
    }
}

/// What says how a package came here, which is another story for each place.
fn is_left_out(path: &str, layout: &Layout) -> bool {
    matches!(
        layout.document(path),
        Some("INSTALLER" | "REQUESTED" | "direct_url.json")
    )
}

/// Where the member lands; `None` when it is not installed.
pub fn place(name: &str, layout: &Layout) -> Result<Option<Place>, WheelProblem> {
    if name.ends_with('/') || layout.is_record(name) {
        return Ok(None);
    }
    if is_left_out(name, layout) {
        return Ok(None);
    }
    let place = match name
        .strip_prefix(&layout.data)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        None => Place {
            path: name.to_owned(),
            scheme: Scheme::Library,
        },
        Some(rest) => {
            data_place(rest, layout).ok_or_else(|| WheelProblem::Scheme(shown(name.as_bytes())))?
        }
    };
    // What is made anew or left out is so wherever in the archive it comes from.
    if layout.is_record(&place.path) || is_left_out(&place.path, layout) {
        return Ok(None);
    }
    // A second dist-info folder would make two packages of one.
    let folder = place.path.split('/').next().unwrap_or_default();
    if folder != layout.dist_info && folder.to_lowercase().ends_with(".dist-info") {
        return Err(WheelProblem::ForeignDistInfo(shown(folder.as_bytes())));
    }
    Ok(Some(place).filter(|place| !is_bytecode(&place.path)))
}

/// The place of `<scheme>/<path>` in the `.data` folder; `None` for an unknown scheme.
fn data_place(rest: &str, layout: &Layout) -> Option<Place> {
    let (scheme, path) = rest.split_once('/')?;
    let (scheme, path) = match scheme {
        "purelib" | "platlib" => (Scheme::Library, path.to_owned()),
        "scripts" => (Scheme::Scripts, format!("bin/{path}")),
        "data" => (Scheme::Data, path.to_owned()),
        "headers" => (
            Scheme::Headers,
            format!("include/python/{}/{path}", layout.distribution),
        ),
        _ => return None,
    };
    Some(Place { path, scheme })
}

/// A `.pyc` that Python would take for a source beside it; one without source stands elsewhere.
fn is_bytecode(path: &str) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else {
        return false;
    };
    (folder == "__pycache__" || folder.ends_with("/__pycache__"))
        && std::path::Path::new(file)
            .extension()
            .is_some_and(|suffix| suffix == "pyc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_land_as_with_pip_target() {
        let layout = Layout::new("Foo-1", "Foo");
        for (name, expected) in [
            ("foo/__init__.py", Some("foo/__init__.py")),
            ("Foo-1.dist-info/METADATA", Some("Foo-1.dist-info/METADATA")),
            ("Foo-1.data/purelib/bar.py", Some("bar.py")),
            ("Foo-1.data/platlib/baz.so", Some("baz.so")),
            ("Foo-1.data/scripts/tool", Some("bin/tool")),
            ("Foo-1.data/data/share/x", Some("share/x")),
            ("Foo-1.data/headers/f.h", Some("include/python/Foo/f.h")),
            ("Other-1.data/scripts/x", Some("Other-1.data/scripts/x")),
            ("foo/bare.pyc", Some("foo/bare.pyc")),
            ("foo/__pycache__/a.cpython-312.pyc", None),
            ("Foo-1.dist-info/RECORD", None),
            ("Foo-1.dist-info/RECORD.jws", None),
            ("Foo-1.dist-info/INSTALLER", None),
            ("Foo-1.dist-info/REQUESTED", None),
            ("Foo-1.dist-info/direct_url.json", None),
            ("Foo-1.data/purelib/Foo-1.dist-info/RECORD", None),
            ("Foo-1.data/platlib/Foo-1.dist-info/INSTALLER", None),
            ("foo/", None),
        ] {
            let place = place(name, &layout).expect(name);
            assert_eq!(place.map(|place| place.path).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let layout = Layout::new("foo-1", "foo");
        for name in [
            "foo-1.data/stdlib/os.py",
            "foo-1.data/file",
            "foo-1.data/purelib/other-1.dist-info/METADATA",
        ] {
            assert!(place(name, &layout).is_err(), "{name}");
        }
    }
}
