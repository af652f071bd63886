//! A lock that is looked at, and the graph of what needs what in it.
//!
//! In: sources as `tree` and `why` take them. Out: a [`Seen`]. A lock that says what it is for is
//! looked at as it is, without a Python or an index.

use pyrun_core::protocol::Goal;
use pyrun_core::{Code, Fault, Lock, Requirement, Target, Wishes};
use pyrun_runner::Surroundings;

use crate::args::{ChoiceArgs, PlaceArgs, ResolveArgs, TargetArgs};
use crate::console::Console;
use crate::graph::Graph;
use crate::graph::known;
use crate::inputs::{self, Choice, Input, Pylock, Wanted};
use crate::session::Session;
use crate::settings::{FileSettings, Place, Platform, Resolving};

/// Where one looks when no source is named.
const USUAL: [&str; 3] = ["pylock.toml", "pyproject.toml", "requirements.txt"];

/// A lock that is looked at.
pub struct Seen {
    /// How to call its source.
    pub name: String,
    /// The lock.
    pub lock: Lock,
    /// Who needs whom in it.
    pub graph: Graph,
}

/// The one input that sources come to.
pub fn one_input(sources: &[String], choice: &Choice, what: &str) -> Result<Input, Fault> {
    let mut inputs = inputs::read(sources, choice)?;
    match (inputs.len(), inputs.pop()) {
        (1, Some(input)) => Ok(input),
        (count, last) => {
            let names: Vec<String> = inputs
                .into_iter()
                .chain(last)
                .map(|input| input.name)
                .collect();
            Err(Fault::new(
                Code::USAGE,
                format!("{what} is for one set of requirements; these are {count}"),
            )
            .cause(names.join(", "))
            .hint("name one source, and one function of a script as `FILE:FUNCTION`"))
        }
    }
}

/// The sources, or the usual one of this folder.
fn sources(named: &[String]) -> Result<Vec<String>, Fault> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let here = super::here()?;
    let usual = USUAL.iter().find(|name| here.join(name).is_file());
    let usual = usual.map(|name| vec![(*name).to_owned()]);
    usual.ok_or_else(|| {
        Fault::new(Code::USAGE, "no source is named").hint(
            "name a script, a requirements.txt, a pyproject.toml, a pylock.toml, or requirements such as 'pandas>=2'",
        )
    })
}

/// The lock of sources, and its graph.
pub async fn look(
    named: &[String],
    choice: &ChoiceArgs,
    target: &TargetArgs,
    resolve: &ResolveArgs,
    place: &PlaceArgs,
    console: &Console,
) -> Result<Seen, Fault> {
    let input = one_input(&sources(named)?, &Choice::read(choice)?, "this")?;
    input.remarks().for_each(|remark| console.remark(remark));
    let file = FileSettings::find(&super::here()?)?;
    let own = match &input.wanted {
        Wanted::Lock(pylock) => own_target(pylock, resolve, target, &file)?
            .map(|target| pylock.lock(&target))
            .transpose()?,
        Wanted::Requirements(_) => None,
    };
    let (lock, index) = if let Some(lock) = own {
        let resolving = Resolving::resolve(resolve, &Wishes::default(), &file)?;
        let cache = Place::cache(place, &file)?;
        let index = resolving.index(&lock.target, &cache, tells_needs(&lock))?;
        (lock, index)
    } else {
        let surroundings = Surroundings::function();
        let session =
            Session::open(place, resolve, &file, &input.wanted, target, surroundings).await?;
        let lock = match &input.wanted {
            Wanted::Lock(pylock) => pylock.lock(session.target())?,
            Wanted::Requirements(_) => {
                let request = session.build_request(&input.wanted, Goal::Lock)?;
                let built = session.client(console).build(request).await?;
                Lock::from_toml(&built.pylock, None)?
            }
        };
        let index = session.index(tells_needs(&lock))?;
        (lock, index)
    };
    let known = known::metadata(&lock, &index, |_| true).await;
    let requirements: &[Requirement] = match &input.wanted {
        Wanted::Requirements(found) => &found.list,
        Wanted::Lock(_) => &[],
    };
    Ok(Seen {
        graph: Graph::of(&lock, requirements, &known),
        name: input.name,
        lock,
    })
}

/// What a lock file says itself that it is for, on the platform that is asked for; `None` where it
/// says nothing, or where another Python is asked for.
pub fn own_target(
    pylock: &Pylock,
    resolve: &ResolveArgs,
    target: &TargetArgs,
    file: &FileSettings,
) -> Result<Option<Target>, Fault> {
    if resolve.python_version.is_some() || file.python_version.is_some() {
        return Ok(None);
    }
    let platform = target.platform.as_deref().map(Platform::read).transpose()?;
    Ok(pylock.target()?.map(|own| match platform {
        Some(platform) => platform.with_python(&own.python, own.free_threaded),
        None => own,
    }))
}

/// Whether a lock says who needs whom; some tools' don't, and then the index is asked.
fn tells_needs(lock: &Lock) -> bool {
    let mut packages = lock.packages.values();
    lock.packages.len() < 2 || packages.any(|package| !package.dependencies.is_empty())
}
