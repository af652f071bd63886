//! Source distributions made in memory.
//!
//! In: what a test wants an archive to hold, member by member, hostile ones too. Out: its bytes.
//! Never: reads a clock or a disk. One description gives the same bytes on every machine.

use libdeflater::{CompressionLvl, Compressor};

use crate::archive::{Archive, Member};
use crate::index::IndexFile;
use crate::wheel::normalise;

const BLOCK: usize = 512;
/// 2024-01-01, the time of every member.
const TIME: u64 = 1_704_067_200;

/// A tar archive in the making: any header that can be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// An archive without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.member(name, b'0', "", 0o644, content.as_ref())
    }

    /// Adds a folder.
    #[must_use]
    pub fn folder(self, name: &str) -> Self {
        self.member(name, b'5', "", 0o755, b"")
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.member(name, b'2', target, 0o777, b"")
    }

    /// Adds a hard link.
    #[must_use]
    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(name, b'1', target, 0o644, b"")
    }

    /// Adds a pax header for the member behind it.
    #[must_use]
    pub fn pax(self, key: &str, value: &str) -> Self {
        let body = format!(" {key}={value}\n");
        let mut length = body.len() + 1;
        while length != body.len() + length.to_string().len() {
            length = body.len() + length.to_string().len();
        }
        let record = format!("{length}{body}");
        self.member("pax", b'x', "", 0o644, record.as_bytes())
    }

    /// Adds a member of any kind.
    #[must_use]
    pub fn member(
        self,
        name: impl AsRef<[u8]>,
        kind: u8,
        link: &str,
        mode: u32,
        content: &[u8],
    ) -> Self {
        let size = content.len() as u64;
        self.header(name.as_ref(), kind, link, mode, size)
            .raw(content)
    }

    /// Adds a header, whatever follows it.
    #[must_use]
    pub fn header(mut self, name: &[u8], kind: u8, link: &str, mode: u32, size: u64) -> Self {
        let mut block = [0u8; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &name[..name.len().min(100)]);
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, format!("{TIME:011o}").as_bytes());
        put(148, b"        ");
        put(156, &[kind]);
        put(157, &link.as_bytes()[..link.len().min(100)]);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend(block);
        self
    }

    /// Adds bytes as they are, filled up to a block.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        let padding = self.bytes.len().wrapping_neg() % BLOCK;
        self.bytes.resize(self.bytes.len() + padding, 0);
        self
    }

    /// The archive.
    pub fn tar(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }

    /// The archive, compressed.
    pub fn gz(&self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

/// `content` as a gzip file.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut out = vec![0; compressor.gzip_compress_bound(content.len())];
    let length = compressor
        .gzip_compress(content, &mut out)
        .expect("the bound is enough");
    out.truncate(length);
    out
}

/// Describes a source distribution: `<name>-<version>/` with its files.
#[derive(Debug, Clone)]
pub struct SdistBuilder {
    name: String,
    version: String,
    files: Vec<(String, Vec<u8>)>,
}

/// A backend that needs nothing but the standard library. It packs what lies in `src` into a wheel,
/// with the requirements that stand in `requires.txt`, and runs `hooks.py` before, if there is one.
pub const BACKEND: &str = r"
import base64, hashlib, os, zipfile

NAME, VERSION = open('name.txt').read().split()
STEM = NAME.replace('-', '_') + '-' + VERSION


def run(hook):
    if os.path.exists('hooks.py'):
        exec(compile(open('hooks.py').read(), 'hooks.py', 'exec'), {'HOOK': hook})


def metadata():
    text = 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' % (NAME, VERSION)
    for line in open('requires.txt').read().splitlines():
        text += 'Requires-Dist: %s\n' % line
    return text


def tag():
    return open('tag.txt').read().strip() if os.path.exists('tag.txt') else 'py3-none-any'


def build_wheel(folder, settings=None, prepared=None):
    run('build_wheel')
    files = {}
    for above, _, names in os.walk('src'):
        for name in names:
            path = os.path.join(above, name)
            files[os.path.relpath(path, 'src')] = open(path, 'rb').read()
    info = STEM + '.dist-info/'
    files[info + 'METADATA'] = metadata().encode()
    files[info + 'WHEEL'] = ('Wheel-Version: 1.0\nGenerator: kit\nRoot-Is-Purelib: true\nTag: %s\n' % tag()).encode()
    record = ''
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
        record += '%s,sha256=%s,%d\n' % (name, digest, len(content))
    files[info + 'RECORD'] = (record + info + 'RECORD,,\n').encode()
    wheel = '%s-%s.whl' % (STEM, tag())
    with zipfile.ZipFile(os.path.join(folder, wheel), 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel
";

impl SdistBuilder {
    /// A source distribution with [`BACKEND`], and one module of its name.
    pub fn new(name: &str, version: &str) -> Self {
        let module = normalise(name).replace('-', "_");
        Self::bare(name, version)
            .file(
                "pyproject.toml",
                "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
            )
            .file("backend.py", BACKEND)
            .file("name.txt", format!("{name} {version}"))
            .file("requires.txt", "")
            .file(
                &format!("src/{module}.py"),
                format!("VERSION = '{version}'\n"),
            )
    }

    /// A source distribution without any file.
    pub fn bare(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            files: Vec::new(),
        }
    }

    /// Adds a file, in place of one of the same name.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.retain(|(known, _)| known != path);
        self.files.push((path.to_owned(), content.into()));
        self
    }

    /// What the backend needs to be loaded.
    #[must_use]
    pub fn build_requires(self, listed: &[&str]) -> Self {
        let listed: Vec<String> = listed.iter().map(|one| format!("'{one}'")).collect();
        let text = format!(
            "[build-system]\nrequires = [{}]\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
            listed.join(", ")
        );
        self.file("pyproject.toml", text)
    }

    /// What its wheel needs.
    #[must_use]
    pub fn requires(self, requirement: &str) -> Self {
        self.file("requires.txt", requirement)
    }

    /// Python that runs before each hook, with the hook's name as `HOOK`.
    #[must_use]
    pub fn hooks(self, code: &str) -> Self {
        self.file("hooks.py", code)
    }

    /// A PKG-INFO that is certain of all that matters (PEP 643).
    #[must_use]
    pub fn pkg_info(self, more: &str) -> Self {
        let text = format!(
            "Metadata-Version: 2.2\nName: {}\nVersion: {}\n{more}",
            self.name, self.version
        );
        self.file("PKG-INFO", text)
    }

    /// `<name>-<version>`, its top folder.
    fn stem(&self) -> String {
        format!(
            "{}-{}",
            normalise(&self.name).replace('-', "_"),
            self.version
        )
    }

    /// The archive as `.tar.gz`.
    pub fn tar_gz(&self) -> Vec<u8> {
        let stem = self.stem();
        let members = self.files.iter();
        members
            .fold(Tar::new().folder(&stem), |tar, (path, content)| {
                tar.file(&format!("{stem}/{path}"), content)
            })
            .gz()
    }

    /// The archive as `.zip`.
    pub fn zip(&self) -> Vec<u8> {
        let stem = self.stem();
        let members = self.files.iter();
        let members = members
            .map(|(path, content)| Member::deflated(&format!("{stem}/{path}"), content, 0o100_644));
        let archive = Archive {
            members: members.collect(),
            ..Archive::default()
        };
        archive.to_bytes()
    }

    /// As a file of an index.
    pub fn build(&self) -> IndexFile {
        IndexFile::sdist(&self.name, &self.version, self.tar_gz())
    }
}
