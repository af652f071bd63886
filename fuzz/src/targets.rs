//! What is fuzzed: each reader of what strangers write. tests/it/seeds.rs includes this file, and
//! replays all seeds and all that was ever found.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken.

use pyrun_core::osv::Record;
use pyrun_core::protocol::{Ask, Frame};
use pyrun_core::{Lock, Policy, Request, parse_marker, parse_requirement};

/// Reads bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder of seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", pyrun_builder::strange::archive),
    ("wheel", pyrun_builder::strange::wheel),
    ("wheel-end", pyrun_builder::strange::wheel_end),
    ("page", pyrun_builder::strange::page),
    ("metadata", pyrun_builder::strange::metadata),
    ("sdist", pyrun_builder::strange::sdist),
    ("pkg-info", pyrun_builder::strange::pkg_info),
    ("build-system", pyrun_builder::strange::build_system),
    ("osv", osv),
    ("requirement", requirement),
    ("input", input),
    ("frame", frame),
    ("lock", lock),
    ("policy", policy),
    ("script", script),
];

fn requirement(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = parse_marker(text);
    match parse_requirement(text) {
        Ok(found) => {
            // The same as it is sent: it must come back the same.
            if let Some(pep508_rs::VersionOrUrl::VersionSpecifier(_)) = &found.version_or_url {
                let again = parse_requirement(&found.to_string());
                assert!(again.is_ok_and(|again| again == found), "{found}");
            }
        }
        Err(error) => {
            let end = error.start + error.length;
            assert!(
                error.start <= text.len() && end <= text.len() + 1,
                "{error:?}"
            );
        }
    }
}

/// A file of requirements. The first byte chooses its name, and so its kind.
fn input(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else {
        return;
    };
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let names = [
        "requirements.txt",
        "pyproject.toml",
        "pylock.toml",
        "uv.lock",
    ];
    let path = folder.path().join(names[usize::from(*kind) % names.len()]);
    if fs_err::write(&path, text).is_ok() {
        pyrun::strange_input(&path.to_string_lossy());
    }
}

fn frame(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        pyrun_runner::worker::strange_line(line);
        let Ok(text) = std::str::from_utf8(line) else {
            continue;
        };
        if let Ok(frame) = Frame::from_line(text) {
            let again = Frame::from_line(&frame.to_line());
            assert!(again.is_ok(), "{frame:?}");
        }
        if let Ok(Ask::Build(build)) = serde_json::from_str::<Ask>(text) {
            assert_eq!(build.request.hash(), build.request.clone().hash());
        }
        if let Ok(request) = serde_json::from_str::<Request>(text) {
            let _ = request.canonical_requirements();
        }
    }
}

fn lock(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(lock) = Lock::from_toml(&text, None) {
        let again = Lock::from_toml(&lock.to_toml(), None).expect("what is written is read");
        assert_eq!(again.hash(), lock.hash());
    }
}

/// What a policy is held against.
const LOCK: &str = r#"
lock-version = "1.0"
created-by = "pyrun"
[[packages]]
name = "six"
version = "1.0"
wheels = [{ name = "six-1.0-py3-none-any.whl", url = "https://h/six-1.0-py3-none-any.whl", hashes = { sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } }]
[tool.pyrun]
target = { python = "3.12.1", arch = "x86_64", os = { name = "glibc", major = 2, minor = 36 } }
"#;

fn policy(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(policy) = Policy::parse(&text) {
        let lock = Lock::from_toml(LOCK, None).expect("it says what it is for");
        let _ = policy.check_lock(&lock, jiff::Timestamp::UNIX_EPOCH);
        let _ = policy.words();
    }
}

fn script(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = pyrun_script::read("script.py", &text) {
        let fault = pyrun_core::Fault::from(error);
        assert!(!fault.message.is_empty());
    }
}

/// A record of osv.dev.
fn osv(bytes: &[u8]) {
    let Ok(record) = Record::parse(bytes) else {
        return;
    };
    let package = "a".parse().expect("a name");
    for version in ["0.0.dev1", "1.5", "2!3.post1+local"] {
        let version = version.parse().expect("a version");
        if let Some(found) = record.of(&package, &version) {
            assert!(found.fixed.is_none_or(|fixed| fixed > version));
            let texts = found.aliases.iter().chain([&found.id, &found.summary]);
            for text in texts {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }
}
