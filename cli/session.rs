//! What a command works with: settings, an interpreter, a way to the builder and the runner.
//!
//! In: arguments and what the input says of itself. Out: a [`Session`]. Never: touches the network.

use std::sync::Arc;

use pep440_rs::VersionSpecifiers;
use pyrun_builder::Builder;
use pyrun_builder::index::{Client as Index, ClientOptions};
use pyrun_core::protocol::{BuildRequest, Freshness, Goal, PROTOCOL};
use pyrun_core::{Fault, LockHash, Request};
use pyrun_runner::interpreter::{
    self, Environment, Interpreter, PythonRequest, Wanted as WantedPython,
};
use pyrun_runner::{Runner, Surroundings};
use pyrun_store::{DirStore, Store};

use crate::args::{PlaceArgs, ResolveArgs};
use crate::background;
use crate::client::Client;
use crate::console::Console;
use crate::inputs::{Requirements, Wanted};
use crate::interrupt::Interrupt;
use crate::settings::{FileSettings, Place, Resolving, ScriptSettings};
use crate::transport::Local;

/// What a command works with.
pub struct Session {
    /// Where things are kept.
    pub place: Place,
    /// The interpreter that bundles are for.
    pub interpreter: Interpreter,
    store: Arc<dyn Store>,
    resolving: Resolving,
    transport: Local,
    interrupt: Interrupt,
}

impl Session {
    /// Opens a session for one input.
    pub fn open(
        place: &PlaceArgs,
        resolve: &ResolveArgs,
        file: &FileSettings,
        wanted: &Wanted,
        surroundings: Surroundings,
    ) -> Result<Self, Fault> {
        let place = Place::resolve(place, file)?;
        let script = match wanted {
            Wanted::Requirements(found) => found.settings.clone(),
            Wanted::Lock(_) => ScriptSettings::default(),
        };
        let resolving = Resolving::resolve(resolve, &script, file)?;
        let interpreter = interpreter(&place, &resolving, wanted)?;
        let interrupt = Interrupt::listen()?;
        let store: Arc<dyn Store> = Arc::new(DirStore::open(&place.store)?);
        let index = Index::new(ClientOptions {
            offline: resolving.offline,
            refresh: resolving.freshness == Freshness::Upgrade,
            ..ClientOptions::new(resolving.options.indexes.clone(), place.cache.join("index"))
        })?;
        let builder = Builder::new(Arc::clone(&store), index, place.cache.join("scratch"));
        let runner = Runner::new(Arc::clone(&store), &place.cache, interpreter.clone());
        let transport = Local::new(
            builder,
            runner,
            interpreter.clone(),
            surroundings,
            interrupt.channel(),
        );
        Ok(Self {
            place,
            interpreter,
            store,
            resolving,
            transport,
            interrupt,
        })
    }

    /// A client that speaks to this session's builder and runner.
    pub fn client<'a>(&'a self, console: &'a Console) -> Client<'a> {
        Client::new(&self.transport, console, self.interrupt.clone())
    }

    /// Leaves a bundle's bytecode to be compiled behind this command, if it is not compiled yet.
    pub async fn finish_behind(&self, lock: &LockHash) {
        background::start(&self.place, &*self.store, lock, &self.interpreter).await;
    }

    /// The question to the builder.
    pub fn build_request(&self, wanted: &Wanted, goal: Goal) -> Result<BuildRequest, Fault> {
        let target = &self.interpreter.target;
        let (found, pylock) = match wanted {
            Wanted::Requirements(found) => (found.clone(), None),
            Wanted::Lock(file) => (Requirements::default(), Some(file.lock(target)?.to_toml())),
        };
        Ok(BuildRequest {
            protocol: PROTOCOL,
            request: Request {
                requirements: found.list,
                requires_python: found.requires_python,
                target: target.clone(),
                options: self.resolving.options.clone(),
            },
            pylock,
            freshness: self.resolving.freshness,
            goal,
            doubt: false,
        })
    }
}

/// The interpreter that was asked for, on the command line, by the input, or by its lock.
fn interpreter(
    place: &Place,
    resolving: &Resolving,
    wanted: &Wanted,
) -> Result<Interpreter, Fault> {
    let locked = match wanted {
        Wanted::Lock(file) => file.python().map(|python| python.minor_text()),
        Wanted::Requirements(_) => None,
    };
    let text = resolving.python.as_ref().or(locked.as_ref());
    let request = text.map(|text| text.parse::<PythonRequest>()).transpose()?;
    let bound: Option<&VersionSpecifiers> = match wanted {
        Wanted::Requirements(found) => found.requires_python.as_ref(),
        Wanted::Lock(_) => None,
    };
    let wanted = WantedPython {
        request: request.as_ref(),
        requires_python: bound,
    };
    Ok(interpreter::find(
        &wanted,
        &Environment::of_process(),
        &place.cache,
    )?)
}
