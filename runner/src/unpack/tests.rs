//! Good bundles arrive byte for byte, from a file, from memory and from a store alike; each flaw
//! is seen even when every digest vouches for it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pyrun_core::{Code, Fault, Sha256};
use pyrun_store::{MemoryStore, catalog};

use super::testing::{Bundle, Entry, bundle, bundle_with, companion, entry, pyc, tree};
use super::*;

type Result<T> = std::result::Result<T, UnpackError>;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn sources(bundle: &Bundle, folder: &Path) -> [BundleSource; 3] {
    let file = folder.join("bundle.zip");
    fs_err::write(&file, &bundle.bytes).expect("written");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let key = catalog::bundle(&bundle.lock());
    run(store.put(&key, bundle.bytes.clone().into())).expect("stored");
    [
        BundleSource::File(file),
        BundleSource::of(&store, key),
        BundleSource::Bytes(bundle.bytes.clone().into()),
    ]
}

/// Unpacks from everywhere; all agree.
fn unpack_all(bundle: &Bundle) -> Result<BTreeMap<String, (Vec<u8>, bool)>> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut results = Vec::new();
    for source in sources(bundle, folder.path()) {
        // Plenty of memory and next to none: one goes through memory, the other through files.
        for memory in [MEMORY, 1 << 10] {
            let root = tempfile::tempdir().expect("a folder");
            let source = source.clone();
            let result = run(unpack(source, &bundle.record, root.path(), memory, &|_| {}));
            results.push(result.map(|_| tree(root.path())));
        }
    }
    let first = results.remove(0);
    for other in results {
        match (&first, &other) {
            (Ok(first), Ok(other)) => assert_eq!(first, other),
            (Err(first), Err(other)) => assert_eq!(first.to_string(), other.to_string()),
            _ => panic!("{first:?} and {other:?}"),
        }
    }
    first
}

fn problem(bundle: &Bundle) -> String {
    match unpack_all(bundle) {
        Err(error @ UnpackError::Corrupt(_)) => {
            let text = error.to_string();
            assert_eq!(Fault::from(error).code, Code::BUNDLE_CORRUPT);
            text
        }
        other => panic!("it is damaged, but {other:?}"),
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn good() -> Vec<(&'static str, Vec<Entry>)> {
    let tool = Entry {
        mode: Some(0o100_755),
        ..entry("bin/tool", "#!python\n")
    };
    let stored = Entry {
        stored: true,
        ..entry("a/data.bin", noise(3_000_000))
    };
    let named = Entry {
        flags: 0x0800,
        ..entry("a/größe/x.txt", "é")
    };
    let mut many: Vec<Entry> = (0..300)
        .map(|number| entry(&format!("b/m{number}.py"), format!("V = {number}\n")))
        .collect();
    many.push(entry("b/zeros", vec![0; 5_000_000]));
    many.push(entry("b/empty.py", ""));
    let first = vec![
        entry("a-1.dist-info/METADATA", "Name: a\n"),
        stored,
        named,
        tool,
    ];
    vec![("a", first), ("b", many), ("c", Vec::new())]
}

#[test]
fn a_bundle_arrives_byte_for_byte() {
    for zip64 in [false, true] {
        let bundle = bundle_with(&good(), zip64, |_| {});
        let files = unpack_all(&bundle).expect("a good bundle");
        for (_, entries) in good() {
            for entry in entries {
                let path = String::from_utf8(entry.path).expect("UTF-8");
                let (content, executable) = &files[&path];
                assert_eq!(content, &entry.content, "{path}");
                assert_eq!(*executable, path == "bin/tool", "{path}");
            }
        }
        assert_eq!(files.len(), 4 + 302 + 2);
        let lock = &files[".pyrun/pylock.toml"].0;
        assert_eq!(Sha256::of(lock), bundle.lock().0);
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bundle.bytes)).expect("a zip");
        assert_eq!(zip.by_name("b/m7.py").expect("a member").size(), 6);
    }
}

#[test]
fn an_empty_bundle_is_a_bundle() {
    assert_eq!(unpack_all(&bundle(&[])).expect("a bundle").len(), 2);
}

#[test]
fn what_is_counted_is_what_was_written() {
    let bundle = bundle(&good());
    let root = tempfile::tempdir().expect("a folder");
    let source = BundleSource::Bytes(bundle.bytes.clone().into());
    let unpacked =
        run(unpack(source, &bundle.record, root.path(), MEMORY, &|_| {})).expect("unpacked");
    let expected = Unpacked {
        bytes: bundle.record.manifest.unpacked,
        files: 306,
    };
    assert_eq!(unpacked, expected);
}

#[test]
fn every_unsafe_path_is_refused() {
    for path in [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a//b",
        "./a",
        "a/.",
        "a\\b",
        "a\0b",
        "",
        "a/",
        ".pyrun/site.json",
        ".PYRUN/x",
        "C:\\x",
    ] {
        let text = problem(&bundle(&[("a", vec![entry(path, "x")])]));
        assert!(
            text.contains("no path that a bundle may hold"),
            "{path}: {text}"
        );
    }
    let not_text = Entry {
        path: vec![0xff, b'a'],
        ..Entry::default()
    };
    let text = problem(&bundle(&[("a", vec![not_text])]));
    assert!(text.contains("no path"), "{text}");
    let long = entry(&"x".repeat(256), "x");
    assert!(problem(&bundle(&[("a", vec![long])])).contains("no path"));
}

#[test]
fn every_flaw_of_a_member_is_seen() {
    let plain = || entry("a/x.py", "VALUE = 1\n");
    let flaws: [(&str, Entry); 10] = [
        (
            "no regular file",
            Entry {
                mode: Some(0o120_777),
                ..plain()
            },
        ),
        (
            "no regular file",
            Entry {
                mode: Some(0o020_644),
                ..plain()
            },
        ),
        (
            "flags that no bundle has",
            Entry {
                flags: 1,
                ..plain()
            },
        ),
        (
            "flags that no bundle has",
            Entry {
                flags: 8,
                ..plain()
            },
        ),
        (
            "unknown way",
            Entry {
                method: Some(12),
                ..plain()
            },
        ),
        (
            "data of `a/x.py` is broken",
            Entry {
                crc32: Some(7),
                ..plain()
            },
        ),
        (
            "data of `a/x.py` is broken",
            Entry {
                size: Some(9),
                ..plain()
            },
        ),
        (
            "more than its record says",
            Entry {
                size: Some(11),
                ..plain()
            },
        ),
        (
            "size that it can't have",
            Entry {
                size: Some(4_000_000_000),
                ..plain()
            },
        ),
        (
            "differs from the directory",
            Entry {
                local_name: Some(b"a/y.py".to_vec()),
                ..plain()
            },
        ),
    ];
    for (expected, flaw) in flaws {
        let text = problem(&bundle(&[("a", vec![entry("a/__init__.py", ""), flaw])]));
        assert!(text.contains(expected), "{text} is not {expected}");
    }
    let gap = Entry { gap: 5, ..plain() };
    let text = problem(&bundle(&[("a", vec![gap, entry("a/y.py", "")])]));
    assert!(text.contains("differs from the directory"), "{text}");
}

#[test]
fn names_that_stand_twice_are_refused() {
    let twice = bundle(&[
        ("a", vec![entry("x.py", "1")]),
        ("b", vec![entry("x.py", "2")]),
    ]);
    assert!(problem(&twice).contains("twice"));
    let both = bundle(&[
        ("a", vec![entry("x", "1")]),
        ("b", vec![entry("x/y.py", "2")]),
    ]);
    assert!(problem(&both).contains("a file and a folder"));
}

type Lie = fn(&mut pyrun_core::Manifest);

#[test]
fn a_record_that_lies_is_found_out() {
    let lies: [(&str, Lie); 6] = [
        ("another format", |manifest| manifest.format += 1),
        ("not the one that it is named after", |manifest| {
            manifest.lock.0 = Sha256::of("another");
        }),
        ("is not where its record says", |manifest| {
            manifest.segments[1].offset += 1;
        }),
        ("a segment is not what", |manifest| {
            manifest.segments[1].sha256 = Sha256::of("");
        }),
        ("holds more than its record says", |manifest| {
            manifest.segments[1].unpacked -= 1;
        }),
        ("do not cover it", |manifest| manifest.segments.truncate(1)),
    ];
    for (expected, lie) in lies {
        let text = problem(&bundle_with(&good(), false, lie));
        assert!(text.contains(expected), "{text} is not {expected}");
    }
    let mut other = bundle(&good());
    other.record.manifest.python = "3.13".to_owned();
    assert!(problem(&other).contains("not the one in its record"));
    for tail_offset in [0, u64::MAX] {
        let mut other = bundle(&good());
        other.record.tail_offset = tail_offset;
        problem(&other);
    }
}

#[test]
fn a_cut_off_bundle_and_a_missing_one_are_told_apart() {
    let mut cut = bundle(&good());
    cut.bytes.truncate(cut.bytes.len() / 2);
    let folder = tempfile::tempdir().expect("a folder");
    for source in sources(&cut, folder.path()) {
        let result = run(unpack(source, &cut.record, folder.path(), MEMORY, &|_| {}));
        assert!(matches!(result, Err(UnpackError::Corrupt(_))), "{result:?}");
    }
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for source in [
        BundleSource::File(folder.path().join("none.zip")),
        BundleSource::of(&store, catalog::bundle(&cut.lock())),
    ] {
        let result = run(unpack(source, &cut.record, folder.path(), MEMORY, &|_| {}));
        assert!(matches!(result, Err(UnpackError::Missing)), "{result:?}");
    }
}

#[test]
fn a_segment_that_is_damaged_writes_none_of_its_files() {
    let mut damaged = bundle(&good());
    let last = damaged.record.manifest.segments[1].offset + 40;
    damaged.bytes[usize::try_from(last).expect("small")] ^= 1;
    let folder = tempfile::tempdir().expect("a folder");
    for source in sources(&damaged, folder.path()) {
        let root = tempfile::tempdir().expect("a folder");
        let result = run(unpack(
            source,
            &damaged.record,
            root.path(),
            MEMORY,
            &|_| {},
        ));
        assert!(matches!(result, Err(UnpackError::Corrupt(_))), "{result:?}");
        let files = tree(root.path());
        assert!(
            !files.keys().any(|path| path.starts_with("b/")),
            "{files:?}"
        );
    }
}

fn unpack_bytecode(bytes: Vec<u8>, root: &Path, place: Place) -> Result<Unpacked> {
    run(unpack_companion(
        BundleSource::Bytes(bytes.into()),
        3531,
        root,
        place,
    ))
}

#[test]
fn bytecode_comes_into_a_fresh_and_into_a_live_folder() {
    let path = "a/__pycache__/x.cpython-312.pyc";
    for place in [Place::Fresh, Place::Live] {
        let root = tempfile::tempdir().expect("a folder");
        let old = root.path().join(path);
        fs_err::create_dir_all(old.parent().expect("a folder")).expect("a folder");
        fs_err::write(&old, "what a wheel brought").expect("written");
        let new = pyc(path, 3531, "new");
        let other = pyc("b/c/__pycache__/y.cpython-312.pyc", 3531, "other");
        let bytes = companion(&[new.clone(), other]);
        let unpacked = unpack_bytecode(bytes, root.path(), place).expect("unpacked");
        assert_eq!(unpacked.files, 2);
        let files = tree(root.path());
        assert_eq!(files.len(), 2, "no draft is left: {files:?}");
        assert_eq!(files[path].0, new.content);
    }
}

#[test]
fn a_companion_that_is_no_bytecode_is_refused() {
    let flaws = [
        (entry("a/__pycache__/x.py", "print()"), "is no bytecode"),
        (pyc("a/x.pyc", 3531, ""), "is no bytecode"),
        (pyc("x/__pycache__/y/z.pyc", 3531, ""), "is no bytecode"),
        (pyc("../__pycache__/x.pyc", 3531, ""), "no path"),
        (pyc("__pycache__/x.pyc", 3495, ""), "magic number 3531"),
        (entry("__pycache__/x.pyc", "short"), "magic number 3531"),
    ];
    for (flaw, expected) in flaws {
        let root = tempfile::tempdir().expect("a folder");
        let error = unpack_bytecode(companion(&[flaw]), root.path(), Place::Live);
        let text = error.expect_err("refused").to_string();
        assert!(text.contains(expected), "{text} is not {expected}");
        assert!(tree(root.path()).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever byte changes, a bundle is refused: a digest covers each.
    #[test]
    fn no_changed_byte_goes_unseen(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bundle = bundle(&[("a", vec![entry("a/x.py", "VALUE = 1\n")]), ("b", Vec::new())]);
        let at = at.index(bundle.bytes.len());
        bundle.bytes[at] ^= flip;
        let root = tempfile::tempdir().expect("a folder");
        let source = BundleSource::Bytes(bundle.bytes.into());
        let result = run(unpack(source, &bundle.record, root.path(), MEMORY, &|_| {}));
        prop_assert!(matches!(result, Err(UnpackError::Corrupt(_))));
    }

    /// Nothing vouches for a companion's directory: whatever stands there, the answer is an
    /// answer, and no file lands outside.
    #[test]
    fn a_mutilated_companion_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let entries = [pyc("a/__pycache__/x.pyc", 3531, "x"), pyc("__pycache__/y.pyc", 3531, "y")];
        let mut bytes = companion(&entries);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        let outer = tempfile::tempdir().expect("a folder");
        let root = outer.path().join("root");
        fs_err::create_dir(&root).expect("a folder");
        let _ = unpack_bytecode(bytes, &root, Place::Live);
        prop_assert!(tree(outer.path()).keys().all(|path| path.starts_with("root/")));
    }
}
