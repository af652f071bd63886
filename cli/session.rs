//! What a command works with: settings, a Python, a way to the builder and the runner.
//!
//! In: arguments and what the input says of itself. Out: a [`Session`], on this machine or on a
//! remote. Never: touches the network for a session on this machine with its store in a folder.

mod elsewhere;
mod local;
mod reach;

use std::path::PathBuf;

use pyrun_builder::index::Client as Index;
use pyrun_core::protocol::{BuildRequest, Freshness, Goal, Limits, PROTOCOL, Room};
use pyrun_core::{Code, Fault, LockHash, PackageName, Request, Target, Wishes};
use pyrun_runner::Surroundings;
use pyrun_runner::interpreter::PythonRequest;
use pyrun_runner::warm::Warm;

use crate::args::{PlaceArgs, ResolveArgs, TargetArgs};
use crate::client::{Built, Client, Outcome};
use crate::console::Console;
use crate::inputs::{Requirements, Wanted};
use crate::interrupt::Interrupt;
use crate::remote::Lambda;
use crate::remote::Wish;
use crate::remote::budget::{Affordable, Budget};
use crate::remote::locks::{Locks, Remembered};
use crate::settings::held::refuse_policy;
use crate::settings::{FileSettings, Held, Place, Platform, Remote, Resolving, refuse_store};
use crate::transport::Transport;

use elsewhere::There;
use local::Here;

/// How long a command waits to leave something to be done behind it.
const PARTING: std::time::Duration = std::time::Duration::from_secs(2);

/// What a command works with.
pub struct Session {
    side: Side,
    resolving: Resolving,
    held: Held,
    cache: PathBuf,
    interrupt: Interrupt,
}

/// Where the builder and the runner are.
enum Side {
    /// In this process.
    Here(Box<Here>),
    /// In this process, for another platform: a builder alone.
    There(Box<There>),
    /// In two functions.
    Remote(Lambda),
}

impl Session {
    /// Opens a session for one input: on the remote that is in use, else on this machine.
    pub async fn open(
        place: &PlaceArgs,
        resolve: &ResolveArgs,
        file: &FileSettings,
        wanted: &Wanted,
        target: &TargetArgs,
        surroundings: Surroundings,
    ) -> Result<Self, Fault> {
        let Some(remote) = Remote::choose(place.on.as_deref(), file)? else {
            let held = Held::resolve(&resolve.held, file)?;
            return Self::open_held(place, resolve, file, wanted, target, surroundings, held).await;
        };
        refuse_store(place, &remote.name)?;
        refuse_policy(&resolve.held, &remote.name)?;
        if target.platform.is_some() {
            return Err(has_a_platform(&remote.name));
        }
        let resolving = Resolving::resolve(resolve, &own(wanted), file)?;
        if resolving.offline {
            return Err(not_offline(&remote.name));
        }
        let cache = Place::cache(place, file)?;
        let interrupt = Interrupt::listen()?;
        let python = python(&resolving, wanted)?;
        let wish = wish(python.as_ref(), wanted);
        let opening = Lambda::open(&remote, &cache, &wish, interrupt.clone());
        let mut stop = interrupt.clone();
        let lambda = tokio::select! {
            // Boxed: what the SDK keeps between two steps is large.
            opened = Box::pin(opening) => opened?,
            () = stop.wait() => return Err(crate::interrupt::fault()),
        };
        Ok(Self {
            side: Side::Remote(lambda),
            resolving,
            // A remote is held to its own policy, and to no other.
            held: Held {
                osv: Held::dump(&resolve.held, file),
                ..Held::default()
            },
            cache,
            interrupt,
        })
    }

    /// Opens a session on this machine, held to what the caller says.
    pub async fn open_held(
        place: &PlaceArgs,
        resolve: &ResolveArgs,
        file: &FileSettings,
        wanted: &Wanted,
        target: &TargetArgs,
        surroundings: Surroundings,
        held: Held,
    ) -> Result<Self, Fault> {
        let mut resolving = Resolving::resolve(resolve, &own(wanted), file)?;
        let cache = Place::cache(place, file)?;
        let platform = target.platform.as_deref().map(Platform::read).transpose()?;
        if let Some(policy) = &held.policy {
            resolving.pin(policy, names(wanted));
        }
        let interrupt = Interrupt::listen()?;
        let python = python(&resolving, wanted)?;
        let wish = wish(python.as_ref(), wanted);
        let place = Place::resolve(place, file)?;
        let side = if let Some(platform) = platform {
            let locked = locked(wanted);
            let there = There::open(place, &resolving, &held, platform, &wish, locked).await?;
            Side::There(Box::new(there))
        } else {
            let here = Here::open(place, &resolving, &held, &wish, surroundings, &interrupt);
            let here = here.await?;
            Side::Here(Box::new(here))
        };
        Ok(Self {
            side,
            resolving,
            held,
            cache,
            interrupt,
        })
    }

    /// A client that speaks to this session's builder and runner.
    pub fn client<'a>(&'a self, console: &'a Console) -> Client<'a> {
        let transport: &dyn Transport = match &self.side {
            Side::Here(here) => &here.transport,
            Side::There(there) => &there.transport,
            Side::Remote(lambda) => lambda,
        };
        Client::new(transport, console, self.interrupt.clone())
    }

    /// What it is held to.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// What this machine knows of the index that is used, or the index itself.
    pub fn index(&self, offline: bool) -> Result<Index, Fault> {
        self.resolving.index(self.target(), &self.cache, offline)
    }

    /// The functions, where the builder and the runner are that.
    pub fn lambda(&self) -> Option<&Lambda> {
        match &self.side {
            Side::Here(_) | Side::There(_) => None,
            Side::Remote(lambda) => Some(lambda),
        }
    }

    /// Whether bundles are for another platform than that of whoever could run them from here.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.side, Side::There(_))
    }

    /// Whether bytecode can be compiled for the target.
    pub fn compiles(&self) -> bool {
        match &self.side {
            Side::There(there) => there.compiles,
            Side::Here(_) | Side::Remote(_) => true,
        }
    }

    /// What bundles are built for.
    pub fn target(&self) -> &Target {
        match &self.side {
            Side::Here(here) => &here.interpreter.target,
            Side::There(there) => &there.target,
            Side::Remote(lambda) => lambda.target(),
        }
    }

    /// What there is for a bundle where it is to run; `None` where that is not known.
    fn room(&self) -> Option<Room> {
        match &self.side {
            Side::Here(here) => here.room(),
            Side::There(_) => None,
            Side::Remote(lambda) => Some(Room {
                disk_bytes: lambda.disk_bytes(),
                holds_store: false,
            }),
        }
    }

    /// The question to the builder.
    pub fn build_request(&self, wanted: &Wanted, goal: Goal) -> Result<BuildRequest, Fault> {
        let target = self.target();
        let (found, pylock) = match wanted {
            Wanted::Requirements(found) => (found.as_ref().clone(), None),
            Wanted::Lock(file) => {
                let draft = file.draft(target)?;
                if self.lambda().is_some() {
                    reach::check_lock(&draft)?;
                }
                (Requirements::default(), Some(draft.to_toml()))
            }
        };
        let options = self.resolving.options_for(target);
        if self.lambda().is_some() {
            reach::check(&found.list, &options)?;
        }
        Ok(BuildRequest {
            protocol: PROTOCOL,
            request: Request {
                requirements: found.list,
                requires_python: found.requires_python,
                target: target.clone(),
                options,
            },
            pylock,
            freshness: self.resolving.freshness,
            goal,
            doubt: false,
            room: self.room(),
        })
    }

    /// The lock that answers a question, where that is known without asking the builder.
    pub fn known_lock(&self, wanted: &Wanted, request: &BuildRequest) -> Option<LockHash> {
        let lambda = self.lambda()?;
        match wanted {
            Wanted::Lock(file) => Some(file.lock(self.target()).ok()?.hash()),
            Wanted::Requirements(_) if request.freshness == Freshness::Upgrade => None,
            Wanted::Requirements(_) => {
                let remembered = Locks::below(&lambda.home()).recall(&request.request.hash());
                remembered.map(|remembered| remembered.lock)
            }
        }
    }

    /// Remembers what a builder of a remote answered, for the next run.
    pub fn remember(&self, request: &BuildRequest, lock: LockHash, bytecode: bool) {
        if let Some(lambda) = self.lambda()
            && request.pylock.is_none()
        {
            Locks::below(&lambda.home())
                .remember(&request.request.hash(), Remembered { lock, bytecode });
        }
    }

    /// The limits of a run that may cost no more than a budget; a run on this machine costs nothing.
    pub fn afford(&self, budget: Option<Budget>, limits: Limits) -> Result<Affordable, Fault> {
        match (self.lambda(), budget) {
            (Some(lambda), Some(budget)) => {
                budget.afford(limits, lambda.prices(), lambda.spent(), lambda.longest_ms())
            }
            _ => Ok(Affordable {
                limits,
                shortened: None,
            }),
        }
    }

    /// Leaves to be done what nobody has to wait for: a bundle's bytecode, if it is not compiled
    /// yet. Whatever keeps it from being begun, the run itself has gone as it has.
    pub async fn finish_behind(&self, request: &BuildRequest, outcome: &Outcome) {
        match &self.side {
            Side::Here(here) => here.finish_behind(&outcome.lock).await,
            Side::There(_) => {}
            Side::Remote(lambda) => {
                // What is kept of uses is for `cache` alone.
                let _ = Warm::open(&lambda.home()).record_use(&outcome.lock);
                if let Some(built) = &outcome.built {
                    self.ask_for_bytecode(lambda, request, built, outcome.result.is_ok())
                        .await;
                }
            }
        }
    }

    /// Once for each lock, and only after a run that shows that it is of use.
    async fn ask_for_bytecode(
        &self,
        lambda: &Lambda,
        request: &BuildRequest,
        built: &Built,
        of_use: bool,
    ) {
        let known = Locks::below(&lambda.home()).recall(&request.request.hash());
        let asked = known.is_some_and(|known| known.lock == built.lock && known.bytecode);
        if asked || !of_use {
            self.remember(request, built.lock, asked);
            return;
        }
        let aside = BuildRequest {
            pylock: Some(built.pylock.clone()),
            freshness: Freshness::Remembered,
            goal: Goal::Bytecode,
            ..request.clone()
        };
        let sent = tokio::time::timeout(PARTING, Box::pin(lambda.build_aside(aside))).await;
        self.remember(request, built.lock, matches!(sent, Ok(Ok(()))));
    }
}

fn has_a_platform(remote: &str) -> Fault {
    Fault::new(
        Code::USAGE,
        format!("`--platform` was asked for, and the functions of `{remote}` have one"),
    )
    .hint("leave it out, or build on this machine with `--on local`")
}

/// What an input's own file says of how to resolve.
fn own(wanted: &Wanted) -> Wishes {
    match wanted {
        Wanted::Requirements(found) => found.settings.clone(),
        Wanted::Lock(_) => Wishes::default(),
    }
}

/// What is asked of a Python.
fn wish<'a>(request: Option<&'a PythonRequest>, wanted: &'a Wanted) -> Wish<'a> {
    Wish {
        request,
        requires_python: match wanted {
            Wanted::Requirements(found) => found.requires_python.as_ref(),
            Wanted::Lock(_) => None,
        },
    }
}

/// What the input's own lock is for, where it is one and says so. What it says wrongly is told
/// where the lock is read.
fn locked(wanted: &Wanted) -> Option<Target> {
    match wanted {
        Wanted::Lock(file) => file.target().ok().flatten(),
        Wanted::Requirements(_) => None,
    }
}

/// The packages that are asked for directly.
fn names(wanted: &Wanted) -> Vec<PackageName> {
    match wanted {
        Wanted::Requirements(found) => {
            let names = found.list.iter().map(|asked| asked.spec.name.clone());
            names.collect()
        }
        Wanted::Lock(_) => Vec::new(),
    }
}

fn not_offline(remote: &str) -> Fault {
    Fault::new(
        Code::USAGE,
        format!("`--offline` was asked for, and the remote `{remote}` is reached over the network"),
    )
    .hint("`--locked` keeps a remote from asking an index; `--on local` stays on this machine")
}

/// The Python that was asked for, on the command line or by the input's lock.
fn python(resolving: &Resolving, wanted: &Wanted) -> Result<Option<PythonRequest>, Fault> {
    let locked = locked(wanted).map(|target| {
        let free_threaded = if target.free_threaded { "t" } else { "" };
        format!("{}{free_threaded}", target.python.minor_text())
    });
    let text = resolving.python.as_ref().or(locked.as_ref());
    Ok(text.map(|text| text.parse()).transpose()?)
}
