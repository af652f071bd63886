//! A synthetic set of wheels for the benches: some 540 MB, many small modules and a few large
//! libraries each.
//!
//! In: nothing. Out: wheels in a temporary folder, checked, with a lock. Never: reaches the
//! network; leaves files behind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Cursor, Write as _};
use std::path::PathBuf;

use pyrun_builder::splice::Sources;
use pyrun_builder::wheel::{self, Limits, WheelContents};
use pyrun_core::{
    Arch, Lock, LockedPackage, LockedWheel, Os, PackageName, Sha256, Target, WheelFilename,
};
use tempfile::TempDir;

const WHEELS: u64 = 12;

/// The wheels.
pub struct Set {
    /// Where they lie.
    pub folder: TempDir,
    /// Their lock.
    pub lock: Lock,
    /// What their check found.
    pub contents: BTreeMap<PackageName, WheelContents>,
    /// The bytes of all.
    pub bytes: u64,
}

impl Set {
    fn path(&self, package: &PackageName) -> PathBuf {
        let filename = &self.lock.packages[package].wheel.filename;
        self.folder.path().join(filename.as_str())
    }

    /// Each wheel's file and lock entry.
    pub fn each(&self) -> impl Iterator<Item = (PathBuf, &LockedWheel)> {
        let wheel = |(package, locked)| {
            let _: &LockedPackage = locked;
            (self.path(package), &locked.wheel)
        };
        self.lock.packages.iter().map(wheel)
    }
}

impl Sources for Set {
    fn open(&self, package: &PackageName) -> io::Result<fs_err::File> {
        fs_err::File::open(self.path(package))
    }
}

/// Bytes that deflate to about a third, as libraries do.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [a, b, c, ..] = state.to_le_bytes();
        bytes.extend([a, b & 15, c & 3, 0, 0, a & 7, 0, 0]);
    }
    bytes.truncate(length);
    bytes
}

fn wheel(number: u64) -> (WheelFilename, Vec<u8>) {
    let name = format!("p{number}");
    let mut files = vec![
        (
            format!("{name}-1.dist-info/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n").into_bytes(),
        ),
        (
            format!("{name}-1.dist-info/WHEEL"),
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n".to_vec(),
        ),
    ];
    for module in 0..800 {
        let text = content(number << 20 | module, 12_000);
        files.push((format!("{name}/m{module}.py"), text));
    }
    for library in 0..3 {
        let bytes = content(number << 20 | 0x8_0000 | library, 20_000_000);
        files.push((format!("{name}/lib{library}.so"), bytes));
    }
    let mut record = String::new();
    for (path, bytes) in &files {
        let digest = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            Sha256::of(bytes).as_bytes(),
        );
        let _ = writeln!(record, "{path},sha256={digest},{}", bytes.len());
    }
    let record_path = format!("{name}-1.dist-info/RECORD");
    let _ = writeln!(record, "{record_path},,");
    files.push((record_path, record.into_bytes()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(1));
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        writer.start_file(path, options).expect("a member");
        writer.write_all(&bytes).expect("memory takes it");
    }
    let bytes = writer.finish().expect("an archive").into_inner();
    let filename = format!("{name}-1-py3-none-any.whl").parse();
    (filename.expect("a wheel's name"), bytes)
}

/// Makes the set.
pub fn set() -> Set {
    let folder = tempfile::tempdir().expect("a folder");
    let mut packages = BTreeMap::new();
    let mut contents = BTreeMap::new();
    let mut total = 0;
    for number in 0..WHEELS {
        let (filename, bytes) = wheel(number);
        let path = folder.path().join(filename.as_str());
        fs_err::write(&path, &bytes).expect("writable");
        total += bytes.len() as u64;
        let checked = wheel::check(&path, &filename, &Limits::default()).expect("a good wheel");
        contents.insert(filename.name().clone(), checked);
        let locked = LockedPackage {
            version: filename.version().clone(),
            wheel: LockedWheel {
                url: String::new(),
                sha256: Sha256::of(&bytes),
                size: Some(bytes.len() as u64),
                upload_time: None,
                filename: filename.clone(),
            },
            index: String::new(),
            requires_python: None,
            sdist: None,
            metadata: None,
            dependencies: Vec::new(),
        };
        packages.insert(filename.name().clone(), locked);
    }
    let target = Target {
        python: "3.12.1".parse().expect("a version"),
        free_threaded: false,
        os: Os::Glibc {
            major: 2,
            minor: 36,
        },
        arch: Arch::X86_64,
    };
    let lock = Lock {
        target,
        packages,
        resolved: None,
        exclude_newer: None,
    };
    Set {
        folder,
        lock,
        contents,
        bytes: total,
    }
}
