//! The builder and the runner of this machine.
//!
//! In: where things are kept, how to resolve, which Python. Out: a transport to the two libraries.

use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_builder::index::{Client as Index, ClientOptions};
use pyrun_core::protocol::Freshness;
use pyrun_core::{Fault, LockHash};
use pyrun_runner::interpreter::{self, Environment, Interpreter, Wanted as WantedPython};
use pyrun_runner::{Runner, Surroundings};
use pyrun_store::Store;

use crate::interrupt::Interrupt;
use crate::remote::Wish;
use crate::settings::{Held, Place, Resolving};
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
        let index = Index::new(ClientOptions {
            offline: resolving.offline,
            refresh: resolving.freshness == Freshness::Upgrade,
            ..ClientOptions::new(resolving.options.indexes.clone(), place.cache.join("index"))
        })?;
        let mut builder = Builder::new(Arc::clone(&store), index, place.cache.join("scratch"))
            .with_policy(held.policy.clone())
            .with_vulnerabilities(held.osv.clone());
        if held.is_advice {
            builder = builder.with_advice();
        }
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

    /// Leaves a bundle's bytecode to be compiled behind this command, if it is not compiled yet.
    pub async fn finish_behind(&self, lock: &LockHash) {
        background::start(&self.place, &*self.store, lock, &self.interpreter).await;
    }
}
