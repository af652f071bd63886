//! A small world with a bench: an index, a store, this machine's Python.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use pyrun_core::target::Os;
use pyrun_core::{Arch, Event, Fault, LockedWheel, ResolveOptions, Target};
use pyrun_kit::{IndexFile, IndexServer, Packages, SdistBuilder};
use pyrun_store::{MemoryStore, Store};

use super::super::{Bench, Ground, Sdists};
use crate::index::testing::{World, name};
use crate::index::{Client, File, FileKind, Metadata, Project, Source as _};

/// What this machine's Python is.
pub(super) fn own_target() -> Target {
    static FOUND: LazyLock<Target> = LazyLock::new(|| {
        let code = "import platform, sys; print(platform.python_version(), *(platform.libc_ver()[1] or '1.2').split('.'), platform.machine(), 't' in sys.abiflags)";
        let output = std::process::Command::new(pyrun_kit::python())
            .args(["-c", code])
            .output();
        let text = String::from_utf8(output.expect("Python starts").stdout).expect("text");
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |text: &str| text.parse().expect("a number");
        Target {
            python: words[0].parse().expect("a version"),
            free_threaded: words[4] == "True",
            os: if words[1] == "2" {
                Os::Glibc {
                    major: 2,
                    minor: number(words[2]),
                }
            } else {
                Os::Musl { major: 1, minor: 2 }
            },
            arch: Arch::from_machine(words[3]).expect("a known machine"),
        }
    });
    FOUND.clone()
}

/// A world.
pub(super) struct Scene {
    pub(super) server: IndexServer,
    pub(super) store: Arc<dyn Store>,
    pub(super) bench: Bench,
    pub(super) target: Target,
    options: ResolveOptions,
    world: World,
    client: Client,
    said: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    pub(super) fn new(packages: impl Into<Packages>) -> Self {
        let server = IndexServer::start(packages);
        let world = World::new();
        let options = ResolveOptions {
            indexes: vec![server.url()],
            ..ResolveOptions::default()
        };
        Self {
            client: world.client(&server),
            store: Arc::new(MemoryStore::new()),
            bench: Bench::new(pyrun_kit::python(), own_target()),
            target: own_target(),
            options,
            world,
            server,
            said: Arc::default(),
        }
    }

    /// A world of one source distribution.
    pub(super) fn of(sdist: &SdistBuilder) -> Self {
        Self::new([sdist.build()])
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.world.cache.path().join("scratch")
    }

    /// How many files and folders of builds there are.
    fn left(&self) -> usize {
        fs_err::read_dir(self.scratch()).map_or(0, Iterator::count)
    }

    /// What was said since the last question.
    pub(super) fn said(&self) -> Vec<String> {
        std::mem::take(
            &mut *self
                .said
                .lock()
                .expect("no test panics while it holds this"),
        )
    }

    async fn with<T>(
        &self,
        package: &str,
        ask: impl AsyncFnOnce(&Sdists<'_>, &Project, &File) -> T,
    ) -> T {
        let said = Arc::clone(&self.said);
        let events = move |event| {
            if let Event::Warning { message } = event {
                said.lock()
                    .expect("no test panics while it holds this")
                    .push(message);
            }
        };
        let scratch = self.scratch();
        let ground = Ground {
            index: &self.client,
            store: &*self.store,
            scratch: &scratch,
            bench: Some(&self.bench),
            policy: None,
            target: &self.target,
            options: &self.options,
        };
        let sdists = Sdists::new(ground, &events);
        let project = sdists
            .project(&name(package))
            .await
            .expect("an index")
            .expect("known");
        let mut files = project.files.iter();
        let file = files
            .find(|file| file.kind == FileKind::Sdist)
            .expect("an sdist");
        ask(&sdists, &project, file).await
    }

    /// The metadata of the package's source distribution.
    pub(super) async fn metadata(&self, package: &str) -> Result<Arc<Metadata>, Fault> {
        let ask = async |sdists: &Sdists<'_>, project: &Project, file: &File| {
            sdists.metadata(project, file).await.map_err(Fault::from)
        };
        self.with(package, ask).await
    }

    /// Its wheel.
    pub(super) async fn build(&self, package: &str) -> Result<LockedWheel, Fault> {
        let ask = async |sdists: &Sdists<'_>, project: &Project, file: &File| {
            sdists.build(project, file).await.map_err(|fault| *fault)
        };
        self.with(package, ask).await
    }

    /// Its wheel, after its metadata was asked for.
    pub(super) async fn said_then_built(&self, package: &str) -> Result<LockedWheel, Fault> {
        let ask = async |sdists: &Sdists<'_>, project: &Project, file: &File| {
            sdists.metadata(project, file).await.map_err(Fault::from)?;
            assert_eq!(self.left(), 0, "its tree is gone once it has spoken");
            let built = sdists.build(project, file).await.map_err(|fault| *fault);
            assert_eq!(self.left(), 0, "and once it is built");
            built
        };
        self.with(package, ask).await
    }

    /// The bytes of a wheel in the store.
    pub(super) async fn wheel(&self, wheel: &LockedWheel) -> Vec<u8> {
        let key = pyrun_store::catalog::wheel(&wheel.sha256);
        let bytes = self.store.get(&key, None).await.expect("a store");
        bytes.expect("it is there").to_vec()
    }
}

/// A wheel of the kit's as a file of an index.
pub(super) fn wheel(builder: &pyrun_kit::WheelBuilder) -> IndexFile {
    builder.build().into()
}
