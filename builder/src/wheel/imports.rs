//! The top-level names that a wheel lets Python import, read from where its files land.

use std::collections::BTreeSet;

use crate::install::Place;

/// Names found so far.
#[derive(Debug, Default)]
pub(super) struct Imports(BTreeSet<String>);

impl Imports {
    /// Notes a file. Packages count by any module below them, so namespace packages (PEP 420) count
    /// like others; scripts, headers and data do not.
    pub fn add(&mut self, place: &Place) {
        if !place.is_library() {
            return;
        }
        let name = match place.path.split_once('/') {
            Some((folder, below)) => module_name(below).map(|_| folder),
            None => module_name(&place.path),
        };
        if let Some(name) = name.filter(|name| is_identifier(name))
            && !self.0.contains(name)
        {
            self.0.insert(name.to_owned());
        }
    }

    /// All of them, sorted.
    pub fn into_names(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// The module that a file is, by the suffixes that `CPython` loads on Linux and macOS:
/// `.cpython-312-x86_64-linux-gnu.so`, `.abi3.so`, `.so`, `.py`, `.pyc`.
fn module_name(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    let (stem, suffix) = file.split_once('.')?;
    let is_module = match suffix.rsplit('.').next()? {
        // `a.b.py` can't be imported, `a.abi3.so` can.
        "py" | "pyc" => !suffix.contains('.'),
        "so" => true,
        _ => false,
    };
    (is_module && is_identifier(stem)).then_some(stem)
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::{Layout, place};

    #[test]
    fn modules_packages_extensions_and_namespaces_are_found() {
        let layout = Layout::new("a-1", "a");
        let mut imports = Imports::default();
        for name in [
            "pkg/__init__.py",
            "space/inner/deep.py",
            "module.py",
            "_fast.cpython-312-x86_64-linux-gnu.so",
            "stable/_x.abi3.so",
            "libs.libs/libfoo-1a2b.so.3",
            "stubs-stubs/__init__.pyi",
            "data/only.txt",
            "a.b.py",
            "x.pth",
            "a-1.dist-info/METADATA",
            "a-1.data/purelib/moved/__init__.py",
            "a-1.data/scripts/tool.py",
            "a-1.data/data/share/thing.py",
        ] {
            let place = place(name, &layout).expect("a place").expect("kept");
            imports.add(&place);
        }
        assert_eq!(
            imports.into_names(),
            ["_fast", "module", "moved", "pkg", "space", "stable"]
        );
    }
}
