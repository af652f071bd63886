//! Writes bundles for tests: good ones, and ones with a flaw that their digests vouch for.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use libdeflater::{CompressionLvl, Compressor};
use pyrun_core::{BundleRecord, FORMAT, LockHash, Manifest, Segment, Sha256};

/// A file of a bundle; the later fields are lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) content: Vec<u8>,
    pub(crate) stored: bool,
    pub(crate) mode: Option<u32>,
    pub(crate) flags: u16,
    pub(crate) method: Option<u16>,
    pub(crate) crc32: Option<u32>,
    pub(crate) size: Option<u32>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) gap: usize,
}

pub(crate) fn entry(path: &str, content: impl Into<Vec<u8>>) -> Entry {
    Entry {
        path: path.into(),
        content: content.into(),
        ..Entry::default()
    }
}

/// Bytecode of one magic number, as far as a header goes.
pub(crate) fn pyc(path: &str, magic: u16, body: &str) -> Entry {
    let mut content = magic.to_le_bytes().to_vec();
    content.extend_from_slice(b"\r\n\x01\0\0\0source-h");
    content.extend_from_slice(body.as_bytes());
    entry(path, content)
}

#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u64,
    pub(crate) zip64: bool,
}

impl Writer {
    pub(crate) fn add(&mut self, entry: &Entry) {
        let offset = u32::try_from(self.bytes.len()).expect("a small bundle");
        let data = if entry.stored {
            entry.content.clone()
        } else {
            deflate(&entry.content)
        };
        let mut crc = libdeflater::Crc::new();
        crc.update(&entry.content);
        let method = entry.method.unwrap_or(if entry.stored { 0 } else { 8 });
        let common = |name: &[u8], extra: u16| {
            let mut head = Vec::new();
            head.extend(20u16.to_le_bytes());
            head.extend(entry.flags.to_le_bytes());
            head.extend(method.to_le_bytes());
            head.extend([0, 0, 0x21, 0]);
            head.extend(entry.crc32.unwrap_or(crc.sum()).to_le_bytes());
            let length = u32::try_from(data.len()).expect("a small file");
            head.extend(length.to_le_bytes());
            let size = u32::try_from(entry.content.len()).expect("a small file");
            head.extend(entry.size.unwrap_or(size).to_le_bytes());
            head.extend(
                u16::try_from(name.len())
                    .expect("a short name")
                    .to_le_bytes(),
            );
            head.extend(extra.to_le_bytes());
            head
        };
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.path);
        self.bytes.extend(0x0403_4b50u32.to_le_bytes());
        self.bytes.extend(common(local_name, 0));
        self.bytes.extend(local_name);
        self.bytes.extend(&data);
        self.bytes.extend(vec![0; entry.gap]);
        // A central entry tells an offset of 4 GiB or more, or a forced one, by zip64.
        let extra = if self.zip64 { 12 } else { 0 };
        self.directory.extend(0x0201_4b50u32.to_le_bytes());
        self.directory.extend([20, 3]);
        self.directory.extend(common(&entry.path, extra));
        self.directory.extend([0; 6]);
        let mode = entry.mode.unwrap_or(0o100_644) << 16;
        self.directory.extend(mode.to_le_bytes());
        let short = if self.zip64 { u32::MAX } else { offset };
        self.directory.extend(short.to_le_bytes());
        self.directory.extend(&entry.path);
        if self.zip64 {
            self.directory.extend([1, 0, 8, 0]);
            self.directory.extend(u64::from(offset).to_le_bytes());
        }
        self.count += 1;
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u64;
        let length = self.directory.len() as u64;
        self.bytes.append(&mut self.directory);
        let bytes = &mut self.bytes;
        if self.zip64 {
            let record_at = bytes.len() as u64;
            bytes.extend(0x0606_4b50u32.to_le_bytes());
            bytes.extend(44u64.to_le_bytes());
            bytes.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for value in [self.count, self.count, length, offset] {
                bytes.extend(value.to_le_bytes());
            }
            bytes.extend(0x0706_4b50u32.to_le_bytes());
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(record_at.to_le_bytes());
            bytes.extend(1u32.to_le_bytes());
        }
        let narrow = |value: u64| u32::try_from(value).expect("a small bundle");
        let (count, length, offset) = if self.zip64 {
            (u16::MAX, u32::MAX, u32::MAX)
        } else {
            let count = u16::try_from(self.count).expect("few files");
            (count, narrow(length), narrow(offset))
        };
        bytes.extend(0x0605_4b50u32.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(count.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0; 2]);
        self.bytes
    }
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut data = vec![0; compressor.deflate_compress_bound(content.len())];
    let length = compressor
        .deflate_compress(content, &mut data)
        .expect("there is room");
    data.truncate(length);
    data
}

/// A bundle and what its builder says of it.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) bytes: Vec<u8>,
    pub(crate) record: BundleRecord,
}

impl Bundle {
    pub(crate) fn lock(&self) -> LockHash {
        self.record.manifest.lock
    }
}

/// A bundle of some packages, in their order.
pub(crate) fn bundle(packages: &[(&str, Vec<Entry>)]) -> Bundle {
    bundle_with(packages, false, |_| {})
}

/// A bundle whose manifest is changed before it is sealed.
pub(crate) fn bundle_with(
    packages: &[(&str, Vec<Entry>)],
    zip64: bool,
    change: impl FnOnce(&mut Manifest),
) -> Bundle {
    let mut writer = Writer {
        zip64,
        ..Writer::default()
    };
    let mut segments = Vec::new();
    for (name, entries) in packages {
        let offset = writer.bytes.len();
        for entry in entries {
            writer.add(entry);
        }
        let own = &writer.bytes[offset..];
        segments.push(Segment {
            package: name.parse().expect("a name"),
            version: "1".parse().expect("a version"),
            wheel: format!("{name}-1-py3-none-any.whl")
                .parse()
                .expect("a wheel"),
            wheel_sha256: Sha256::of(name),
            offset: offset as u64,
            length: own.len() as u64,
            sha256: Sha256::of(own),
            unpacked: entries.iter().map(|entry| entry.content.len() as u64).sum(),
            files: entries.len() as u64,
            imports: vec![(*name).to_owned()],
            depends: Vec::new(),
            pth: entries.iter().any(|entry| entry.path.ends_with(b".pth")),
        });
    }
    let tail_offset = writer.bytes.len();
    let names: Vec<&str> = packages.iter().map(|(name, _)| *name).collect();
    let lock = format!("lock-version = \"1.0\" # {}\n", names.join(", "));
    let mut manifest = Manifest {
        format: FORMAT,
        lock: LockHash(Sha256::of(&lock)),
        python: "3.12".to_owned(),
        target: "cpython-3.12-linux-gnu-x86_64".to_owned(),
        unpacked: segments.iter().map(|segment| segment.unpacked).sum(),
        files: segments.iter().map(|segment| segment.files).sum(),
        segments,
    };
    change(&mut manifest);
    let json = serde_json::to_vec(&manifest).expect("plain values");
    for mut note in [entry("pylock.toml", lock), entry("manifest.json", json)] {
        note.stored = true;
        writer.add(&note);
    }
    let bytes = writer.finish();
    let record = BundleRecord {
        manifest,
        size: bytes.len() as u64,
        sha256: Sha256::of(&bytes),
        tail_offset: tail_offset as u64,
        tail_sha256: Sha256::of(&bytes[tail_offset..]),
        built: String::new(),
        about: std::collections::BTreeMap::new(),
        extra: BTreeMap::new(),
    };
    Bundle { bytes, record }
}

/// A companion.
pub(crate) fn companion(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::default();
    for entry in entries {
        writer.add(entry);
    }
    writer.finish()
}

/// All files below a folder, with their content and whether they can be executed.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, (Vec<u8>, bool)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).expect("below it");
            let mode = fs_err::metadata(&path)
                .expect("a file")
                .permissions()
                .mode();
            let content = fs_err::read(&path).expect("a file");
            let name = name.to_str().expect("UTF-8").to_owned();
            files.insert(name, (content, mode & 0o100 != 0));
        }
    }
    files
}
