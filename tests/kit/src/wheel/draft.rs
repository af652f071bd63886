//! A wheel before it becomes an archive: its files, and the RECORD over them.
//!
//! In: files. Out: the same files and a RECORD of their digests and sizes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pyrun_core::Sha256;

/// A file that becomes a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFile {
    /// The member's name.
    pub path: String,
    /// The bytes.
    pub content: Vec<u8>,
    /// The Unix mode with the kind of file, such as `0o100644`.
    pub mode: u32,
    stored: bool,
}

impl MemberFile {
    /// A file of any mode.
    pub fn new(path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            mode,
            stored: false,
        }
    }

    /// A plain file of text.
    pub fn text(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self::new(path, content.into(), 0o100_644)
    }

    /// The same file, never deflated.
    #[must_use]
    pub fn stored(mut self) -> Self {
        self.stored = true;
        self
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored
    }
}

/// The names that a wheel's own folders have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The name as an import name and as file names have it.
    pub package: String,
    /// `{name}-{version}`.
    pub stem: String,
}

impl Names {
    pub(super) fn new(package: &str, version: &str) -> Self {
        Self {
            package: package.to_owned(),
            stem: format!("{package}-{version}"),
        }
    }

    /// The path of a file in the dist-info.
    pub(super) fn dist_info(&self, file: &str) -> String {
        format!("{}.dist-info/{file}", self.stem)
    }
}

/// A row of RECORD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub path: String,
    pub hash: String,
    pub size: String,
}

/// A wheel's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub names: Names,
    pub files: Vec<MemberFile>,
}

impl Draft {
    pub(super) fn new(names: Names, files: Vec<MemberFile>) -> Self {
        Self { names, files }
    }

    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.files.iter().find(|file| file.path == path);
        file.map(|file| file.content.clone())
    }

    /// Adds a file before the dist-info.
    pub(super) fn add(&mut self, file: MemberFile) {
        self.files.insert(0, file);
    }

    /// Changes the text of a file of the dist-info.
    pub(super) fn edit(&mut self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.names.dist_info(file);
        let found = self.files.iter_mut().find(|file| file.path == path);
        let file = found.expect("each builder writes METADATA and WHEEL");
        let text = String::from_utf8(std::mem::take(&mut file.content));
        file.content = change(text.expect("dist-info files are text")).into_bytes();
    }

    /// Leaves out a file of the dist-info.
    pub(super) fn drop(&mut self, file: &str) {
        let path = self.names.dist_info(file);
        self.files.retain(|file| file.path != path);
    }

    /// Adds RECORD, last.
    pub(super) fn write_record(&mut self) {
        let rows = self.rows();
        self.put_record(&rows);
    }

    /// Writes RECORD anew with changed rows.
    pub(super) fn change_record(&mut self, change: impl FnOnce(&mut Vec<Row>)) {
        self.drop("RECORD");
        let mut rows = self.rows();
        change(&mut rows);
        self.put_record(&rows);
    }

    fn rows(&self) -> Vec<Row> {
        self.files.iter().map(row).collect()
    }

    fn put_record(&mut self, rows: &[Row]) {
        let path = self.names.dist_info("RECORD");
        let mut text = String::new();
        for Row { path, hash, size } in rows {
            text.extend([&csv(path), ",", hash, ",", size, "\n"]);
        }
        text.extend([&csv(&path), ",,\n"]);
        self.files.push(MemberFile::text(path, text));
    }
}

fn row(file: &MemberFile) -> Row {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::of(&file.content).as_bytes());
    Row {
        path: file.path.clone(),
        hash: format!("sha256={digest}"),
        size: file.content.len().to_string(),
    }
}

/// A field as Python's csv module writes it.
fn csv(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
