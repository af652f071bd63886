//! The builder of this machine, for a platform that is not this machine's.
//!
//! In: where things are kept, how to resolve, a platform in words. Out: a transport to the builder.
//! Never: a run; an interpreter of the target is not needed, and bytecode is compiled only where
//! one of its version is here.

use pyrun_builder::Builder;
use pyrun_builder::sdist::Bench;
use pyrun_core::{Code, Fault, Target};
use pyrun_runner::interpreter::{self, Environment, Interpreter, Wanted as WantedPython};

use crate::remote::Wish;
use crate::settings::{Held, Place, Platform, Resolving, platform};
use crate::transport::Elsewhere;
use crate::{background, depot};

/// The builder of this machine, for another platform.
pub struct There {
    /// What bundles are for.
    pub target: Target,
    /// The way to the builder.
    pub transport: Elsewhere,
    /// Whether an interpreter is here whose bytecode is the target's.
    pub compiles: bool,
}

impl There {
    /// Opens the builder. `locked` is what the input's own lock is for; its Python counts.
    pub async fn open(
        place: Place,
        resolving: &Resolving,
        held: &Held,
        platform: Platform,
        wish: &Wish<'_>,
        locked: Option<Target>,
    ) -> Result<Self, Fault> {
        let find = |wanted: &WantedPython<'_>| {
            interpreter::find(wanted, &Environment::of_process(), &place.cache)
        };
        let wanted = WantedPython {
            request: wish.request,
            requires_python: wish.requires_python,
        };
        let same = find(&wanted).ok();
        let target = match (&resolving.python, locked, &same) {
            (Some(text), ..) => {
                let (python, free_threaded) = platform::python(text)?;
                platform.with_python(&python, free_threaded)
            }
            (None, Some(locked), _) => platform.with_python(&locked.python, locked.free_threaded),
            (None, None, Some(here)) => {
                platform.with_python(&here.target.python, here.target.free_threaded)
            }
            (None, None, None) => return Err(no_python()),
        };
        let is_same = |here: &Interpreter| {
            let here = &here.target;
            here.python.minor() == target.python.minor()
                && here.free_threaded == target.free_threaded
        };
        let same = same.filter(is_same);
        let compiles = same.is_some();
        let here = match same {
            Some(here) => here,
            None => find(&WantedPython::default())?,
        };
        let store = depot::store(&place.store).await?;
        let index = resolving.index(&target, &place.cache, false)?;
        let bench = Bench::new(&here.executable, here.target.clone());
        let scratch = place.cache.join("scratch");
        let builder = Builder::new(store, index, scratch).with_bench(bench);
        let builder = held.bind(builder);
        Ok(Self {
            target,
            transport: Elsewhere::new(builder, background::compiler(&here)),
            compiles,
        })
    }
}

fn no_python() -> Fault {
    Fault::new(
        Code::USAGE,
        "`--platform` names a machine, and nothing says which Python is there",
    )
    .hint("give its version with `--python-version 3.13`")
}
