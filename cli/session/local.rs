//! The builder and the runner of this machine.
//!
//! In: where things are kept, how to resolve, which Python. Out: a transport to the two libraries.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_builder::sdist::Bench;
use pyrun_core::protocol::Room;
use pyrun_core::{Fault, LockHash};
use pyrun_runner::interpreter::{self, Environment, Interpreter, Wanted as WantedPython};
use pyrun_runner::{Runner, Surroundings};
use pyrun_store::Store;

use crate::interrupt::Interrupt;
use crate::remote::Wish;
use crate::settings::{Held, Place, Resolving, StoreAt};
use crate::transport::Local;
use crate::{background, depot};

/// The builder and the runner of this machine.
pub struct Here {
    /// The interpreter that bundles are for.
    pub interpreter: Interpreter,
    /// The way to the two libraries.
    pub transport: Local,
    place: Place,
    store: Arc<dyn Store>,
}

impl Here {
    /// Opens the two libraries.
    pub async fn open(
        place: Place,
        resolving: &Resolving,
        held: &Held,
        wish: &Wish<'_>,
        surroundings: Surroundings,
        interrupt: &Interrupt,
    ) -> Result<Self, Fault> {
        let wanted = WantedPython {
            request: wish.request,
            requires_python: wish.requires_python,
        };
        let interpreter = interpreter::find(&wanted, &Environment::of_process(), &place.cache)?;
        let store = depot::store(&place.store).await?;
        let index = resolving.index(&interpreter.target, &place.cache, false)?;
        let mut bench = Bench::new(&interpreter.executable, interpreter.target.clone());
        bench.bounds.clone_from(&held.bounds);
        let scratch = place.cache.join("scratch");
        let builder = Builder::new(Arc::clone(&store), index, scratch).with_bench(bench);
        let builder = held.bind(builder);
        let runner = Runner::new(Arc::clone(&store), &place.cache, interpreter.clone())
            .with_policy(held.policy.clone());
        let transport = Local::new(
            builder,
            runner,
            interpreter.clone(),
            surroundings,
            interrupt.channel(),
        );
        Ok(Self {
            interpreter,
            transport,
            place,
            store,
        })
    }

    /// What the disk below the cache has left; `None` where it does not say. Where the store lies on
    /// another disk, its wheels and bundles take nothing of it.
    pub fn room(&self) -> Option<Room> {
        let cache = self.place.cache.as_path();
        let there = cache.ancestors().find(|folder| folder.exists())?;
        let disk = rustix::fs::statvfs(there).ok()?;
        let holds_store = match &self.place.store {
            StoreAt::Folder(store) => store
                .ancestors()
                .find(|folder| folder.exists())
                .is_some_and(|store| is_one_disk(store, there)),
            StoreAt::Bucket(_) => false,
        };
        Some(Room {
            disk_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            holds_store,
        })
    }

    /// Leaves a bundle's bytecode to be compiled behind this command, if it is not compiled yet.
    pub async fn finish_behind(&self, lock: &LockHash) {
        background::start(&self.place, &*self.store, lock, &self.interpreter).await;
    }
}

fn is_one_disk(one: &Path, other: &Path) -> bool {
    let disk = |path: &Path| fs_err::metadata(path).map(|meta| meta.dev());
    matches!((disk(one), disk(other)), (Ok(one), Ok(other)) if one == other)
}
