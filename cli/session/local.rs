//! The builder and the runner of this machine.
//!
//! In: where things are kept, how to resolve, which Python. Out: a transport to the two libraries.

use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_builder::index::{Client as Index, ClientOptions};
use pyrun_builder::sdist::Bench;
use pyrun_core::protocol::Freshness;
use pyrun_core::{Fault, LockHash};
use pyrun_runner::interpreter::{self, Environment, Interpreter, Wanted as WantedPython};
use pyrun_runner::{Runner, Surroundings};
use pyrun_store::Store;

use crate::interrupt::Interrupt;
use crate::remote::Wish;
use crate::settings::{Place, Resolving};
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
        let options = resolving.options_for(&interpreter.target);
        let index = Index::new(ClientOptions {
            offline: resolving.offline,
            refresh: resolving.freshness == Freshness::Upgrade,
            ..ClientOptions::of(&options, place.cache.join("index"))
        })?;
        let bench = Bench::new(&interpreter.executable, interpreter.target.clone());
        let scratch = place.cache.join("scratch");
        let builder = Builder::new(Arc::clone(&store), index, scratch).with_bench(bench);
        let runner = Runner::new(Arc::clone(&store), &place.cache, interpreter.clone());
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

    /// Leaves a bundle's bytecode to be compiled behind this command, if it is not compiled yet.
    pub async fn finish_behind(&self, lock: &LockHash) {
        background::start(&self.place, &*self.store, lock, &self.interpreter).await;
    }
}
