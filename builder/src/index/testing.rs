//! What the tests of this crate's network code share.
//!
//! In: indexes. Out: a client of theirs with a cache of its own, which fails fast. Never: leaves
//! 127.0.0.1.

use std::time::Duration;

use pep508_rs::PackageName;
use pyrun_core::{Arch, Fault, LockedPackage, LockedWheel, Os, Target, WheelFilename};
use pyrun_kit::{IndexServer, Wheel, WheelBuilder};
use tempfile::TempDir;

use crate::index::{Client, ClientOptions, File, Limits, Project, Source as _};

/// A cache folder that several clients may share one after the other.
pub(crate) struct World {
    pub(crate) cache: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            cache: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Options of a client that neither waits nor lingers.
    pub(crate) fn options(&self, indexes: &[&str]) -> ClientOptions {
        let indexes = indexes.iter().map(|url| (*url).to_owned()).collect();
        let mut options = ClientOptions::new(indexes, self.cache.path().to_owned());
        options.limits = Limits {
            backoff: Duration::from_millis(1),
            patience: Duration::from_millis(1),
            ..Limits::default()
        };
        options
    }

    pub(crate) fn client(&self, server: &IndexServer) -> Client {
        Client::new(self.options(&[&server.url()])).expect("options")
    }

    pub(crate) fn offline(&self, server: &IndexServer) -> Client {
        let mut options = self.options(&[&server.url()]);
        options.offline = true;
        Client::new(options).expect("options")
    }
}

pub(crate) fn name(text: &str) -> PackageName {
    text.parse().expect("a name")
}

/// The project, which must be known.
pub(crate) async fn project(client: &Client, text: &str) -> std::sync::Arc<Project> {
    let found = client.project(&name(text)).await;
    found.expect("an answer").expect("a known project")
}

/// The fault of asking for a project.
pub(crate) async fn project_fault(client: &Client, text: &str) -> Fault {
    let found = client.project(&name(text)).await;
    Fault::from(found.expect_err("a failure"))
}

/// The only file of a project.
pub(crate) fn only(project: &Project) -> &File {
    let [file] = &project.files[..] else {
        panic!("one file: {project:?}")
    };
    file
}

/// A small wheel with two requirements.
pub(crate) fn wheel() -> Wheel {
    WheelBuilder::new("Foo.Bar", "1.0")
        .requires("six>=1.9.*")
        .requires("numpy; extra == 'x'")
        .requires_python(">=3.8")
        .extra("x")
        .file("foo_bar/__init__.py", "VALUE = 1\n")
        .build()
}

/// A wheel of about `size` bytes that deflate can't make smaller.
pub(crate) fn large_wheel(project: &str, size: usize) -> Wheel {
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    WheelBuilder::new(project, "1.0")
        .requires("six>=1.9.*")
        .file(
            format!("{project}.bin"),
            noise.take(size).collect::<Vec<u8>>(),
        )
        .build()
}

/// What the tests' locks are for.
pub(crate) fn target() -> Target {
    Target {
        python: "3.12.1".parse().expect("a version"),
        free_threaded: false,
        os: Os::Glibc {
            major: 2,
            minor: 36,
        },
        arch: Arch::X86_64,
    }
}

/// A wheel as a lock names it.
pub(crate) fn locked(wheel: &Wheel, server: &IndexServer) -> (PackageName, LockedPackage) {
    let filename: WheelFilename = wheel.filename.parse().expect("a wheel's name");
    let package = LockedPackage {
        version: filename.version().clone(),
        wheel: LockedWheel {
            url: server.file_url(&wheel.filename),
            sha256: wheel.sha256,
            size: Some(wheel.bytes.len() as u64),
            upload_time: None,
            filename: filename.clone(),
        },
        index: server.url(),
        requires_python: None,
        sdist: None,
        metadata: None,
        dependencies: Vec::new(),
    };
    (filename.name().clone(), package)
}
