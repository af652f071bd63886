//! Wheels made in memory.
//!
//! In: what a test wants a wheel to hold, and what shall be wrong with it. Out: the wheel's bytes
//! with a true METADATA, WHEEL and RECORD, unless a [`Flaw`] says otherwise.
//! Never: reads a clock or a disk. One description gives the same bytes on every machine.

mod draft;
mod flaw;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pyrun_core::Sha256;

use crate::archive::{Archive, DESCRIPTOR, Member};
pub use draft::MemberFile;
use draft::{Draft, Names};
pub use flaw::Flaw;

/// A finished wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// `{name}-{version}(-{build})?-{tag}.whl`.
    pub filename: String,
    /// The archive.
    pub bytes: Bytes,
    /// The archive's digest.
    pub sha256: Sha256,
    /// The project's normalised name.
    pub project: String,
    /// The version.
    pub version: String,
    /// METADATA, as it stands in the wheel (as it should stand, where a flaw leaves it out).
    pub metadata: String,
    /// `Requires-Python`, if there is one.
    pub requires_python: Option<String>,
}

impl Wheel {
    /// Writes the wheel into a folder under its own name.
    pub fn write_into(&self, folder: impl AsRef<Path>) -> PathBuf {
        let path = folder.as_ref().join(&self.filename);
        fs_err::write(&path, &self.bytes).expect("a test's folder can be written to");
        path
    }
}

/// A legal way of writing the archive that few tools choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Members stand as they are, not deflated.
    Stored,
    /// CRC and sizes follow the data.
    DataDescriptors,
    /// Local headers hold their sizes in zip64 extra fields.
    Zip64Extras,
    /// Folders have members of their own.
    Directories,
    /// dist-info stands first.
    DistInfoFirst,
}

impl Layout {
    /// Every layout there is.
    pub const ALL: &[Self] = &[
        Self::Stored,
        Self::DataDescriptors,
        Self::Zip64Extras,
        Self::Directories,
        Self::DistInfoFirst,
    ];
}

/// Describes a wheel. Without any file of its own, it holds `<name>/__init__.py`, which sets
/// `__version__`.
#[derive(Debug, Clone)]
pub struct WheelBuilder {
    name: String,
    version: String,
    tag: String,
    build_tag: Option<String>,
    headers: Vec<(String, String)>,
    purelib: Option<bool>,
    files: Vec<MemberFile>,
    data: Vec<MemberFile>,
    entry_points: Vec<(String, String)>,
    bare: bool,
    layouts: Vec<Layout>,
    flaws: Vec<Flaw>,
}

impl WheelBuilder {
    /// A `py3-none-any` wheel.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            tag: "py3-none-any".to_owned(),
            build_tag: None,
            headers: Vec::new(),
            purelib: None,
            files: Vec::new(),
            data: Vec::new(),
            entry_points: Vec::new(),
            bare: false,
            layouts: Vec::new(),
            flaws: Vec::new(),
        }
    }

    /// Adds a line to METADATA.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((key.into(), value.into()));
        self
    }

    /// Adds a `Requires-Dist`.
    #[must_use]
    pub fn requires(self, requirement: impl Into<String>) -> Self {
        self.header("Requires-Dist", requirement)
    }

    /// Sets `Requires-Python`.
    #[must_use]
    pub fn requires_python(self, specifiers: impl Into<String>) -> Self {
        self.header("Requires-Python", specifiers)
    }

    /// Adds a `Provides-Extra`.
    #[must_use]
    pub fn extra(self, name: impl Into<String>) -> Self {
        self.header("Provides-Extra", name)
    }

    /// Sets the tag, such as `cp312-cp312-manylinux_2_17_x86_64`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = tag.into();
        self
    }

    /// Sets the build tag.
    #[must_use]
    pub fn build_tag(mut self, tag: impl Into<String>) -> Self {
        self.build_tag = Some(tag.into());
        self
    }

    /// Sets `Root-Is-Purelib`; without it, wheels for any platform are pure.
    #[must_use]
    pub fn purelib(mut self, purelib: bool) -> Self {
        self.purelib = Some(purelib);
        self
    }

    /// Adds a file beside the dist-info.
    #[must_use]
    pub fn file(self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    /// Adds a file with its executable bits set.
    #[must_use]
    pub fn executable(self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.file_with_mode(path, content, 0o755)
    }

    /// Adds a file with these permissions.
    #[must_use]
    pub fn file_with_mode(
        mut self,
        path: impl Into<String>,
        content: impl Into<Vec<u8>>,
        permissions: u32,
    ) -> Self {
        self.files
            .push(MemberFile::new(path, content, 0o100_000 | permissions));
        self
    }

    /// Adds a `.pth` file at the root.
    #[must_use]
    pub fn pth(self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.file(name, content)
    }

    /// Adds a file of the `.data` folder, such as `purelib/module.py` or `data/share/x.txt`.
    #[must_use]
    pub fn data_file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.data.push(MemberFile::new(path, content, 0o100_644));
        self
    }

    /// Adds a script of the `.data/scripts` folder.
    #[must_use]
    pub fn script(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        let path = format!("scripts/{name}");
        self.data.push(MemberFile::new(path, content, 0o100_755));
        self
    }

    /// Adds a console script, such as `tool = name:main`.
    #[must_use]
    pub fn entry_point(self, line: impl Into<String>) -> Self {
        self.entry_point_in("console_scripts", line)
    }

    /// Adds an entry point to a group.
    #[must_use]
    pub fn entry_point_in(mut self, group: impl Into<String>, line: impl Into<String>) -> Self {
        self.entry_points.push((group.into(), line.into()));
        self
    }

    /// No file but the dist-info, as metapackages are.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Writes the archive in a rarer, legal way. Several can be combined.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layouts.push(layout);
        self
    }

    /// Makes the wheel wrong in one way.
    #[must_use]
    pub fn flaw(mut self, flaw: Flaw) -> Self {
        self.flaws.push(flaw);
        self
    }

    /// The wheel's file name.
    pub fn filename(&self) -> String {
        let stem = self.names().stem;
        match &self.build_tag {
            Some(build) => format!("{stem}-{build}-{}.whl", self.tag),
            None => format!("{stem}-{}.whl", self.tag),
        }
    }

    /// The wheel.
    pub fn build(&self) -> Wheel {
        let names = self.names();
        let metadata_path = names.dist_info("METADATA");
        let mut draft = Draft::new(names, self.contents());
        self.flaws
            .iter()
            .for_each(|flaw| flaw.spoil_files(&mut draft));
        draft.write_record();
        self.flaws
            .iter()
            .for_each(|flaw| flaw.spoil_record(&mut draft));
        let metadata = draft.content(&metadata_path).map_or_else(
            || self.metadata(),
            |text| String::from_utf8_lossy(&text).into_owned(),
        );
        let mut archive = self.archive(&draft);
        self.flaws
            .iter()
            .for_each(|flaw| flaw.spoil_archive(&mut archive));
        let mut bytes = archive.to_bytes();
        self.flaws
            .iter()
            .for_each(|flaw| flaw.spoil_bytes(&mut bytes));
        Wheel {
            filename: self.filename(),
            sha256: Sha256::of(&bytes),
            bytes: bytes.into(),
            project: normalise(&self.name),
            version: self.version.clone(),
            metadata,
            requires_python: self.first_header("Requires-Python"),
        }
    }

    fn names(&self) -> Names {
        let name = normalise(&self.name).replace('-', "_");
        Names::new(&name, &self.version.replace('-', "_"))
    }

    fn first_header(&self, key: &str) -> Option<String> {
        let header = self.headers.iter().find(|(name, _)| name == key);
        header.map(|(_, value)| value.clone())
    }

    fn has(&self, layout: Layout) -> bool {
        self.layouts.contains(&layout)
    }

    /// Every file but RECORD, dist-info last.
    fn contents(&self) -> Vec<MemberFile> {
        let names = self.names();
        let mut files = self.files.clone();
        let package = names.package.clone();
        if files.is_empty() && self.data.is_empty() && !self.bare {
            let text = format!("__version__ = {:?}\n", self.version);
            files.push(MemberFile::text(format!("{package}/__init__.py"), text));
        }
        for file in &self.data {
            let mut file = file.clone();
            file.path = format!("{}.data/{}", names.stem, file.path);
            files.push(file);
        }
        files.push(MemberFile::text(
            names.dist_info("METADATA"),
            self.metadata(),
        ));
        files.push(MemberFile::text(
            names.dist_info("WHEEL"),
            self.wheel_file(),
        ));
        if !self.entry_points.is_empty() {
            let path = names.dist_info("entry_points.txt");
            files.push(MemberFile::text(
                path,
                text::entry_points(&self.entry_points),
            ));
        }
        files
    }

    fn metadata(&self) -> String {
        text::metadata(&self.name, &self.version, &self.headers)
    }

    fn wheel_file(&self) -> String {
        let purelib = self.purelib.unwrap_or(self.tag.ends_with("-any"));
        text::wheel(purelib, self.build_tag.as_deref(), &self.tag)
    }

    fn archive(&self, draft: &Draft) -> Archive {
        let mut files: Vec<&MemberFile> = draft.files.iter().collect();
        if self.has(Layout::DistInfoFirst) {
            let dist_info = draft.names.dist_info("");
            files.sort_by_key(|file| !file.path.starts_with(&dist_info));
        }
        let mut members = Vec::new();
        let mut folders: Vec<String> = Vec::new();
        for file in files {
            if self.has(Layout::Directories) {
                for folder in parents(&file.path) {
                    if !folders.iter().any(|known| known == folder) {
                        folders.push(folder.to_owned());
                        members.push(Member::directory(folder));
                    }
                }
            }
            members.push(self.member(file));
        }
        Archive::of(members)
    }

    fn member(&self, file: &MemberFile) -> Member {
        let mut member = if self.has(Layout::Stored) || file.is_stored() {
            Member::stored(&file.path, &file.content, file.mode)
        } else {
            Member::deflated(&file.path, &file.content, file.mode)
        };
        if self.has(Layout::DataDescriptors) {
            member.headers(|header| header.flags |= DESCRIPTOR);
        }
        if self.has(Layout::Zip64Extras) {
            member.local.zip64 = true;
        }
        member
    }
}

/// A project's name as indexes spell it (PEP 503, "Normalized Names").
pub fn normalise(name: &str) -> String {
    let mut out = String::new();
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('-');
        }
        out += &part.to_ascii_lowercase();
    }
    out
}

/// The folders above a path, outermost first, each with its slash.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}
