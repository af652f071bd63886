//! The builder as a deployed function.
//!
//! In: questions to build a bundle. Out: frames. Never: builds for another Python than its own;
//! leaves a file of a build behind when it is answered.

use std::path::PathBuf;
use std::process::ExitCode;

use async_trait::async_trait;
use pyrun_aws::function::{self, Call, Function, Place};
use pyrun_builder::Builder;
use pyrun_builder::bytecode::Compiler;
use pyrun_builder::index::{Client, ClientOptions};
use pyrun_builder::sdist::Bench;
use pyrun_core::protocol::{Ask, BuildRequest, Frame, Freshness};
use pyrun_core::{Code, Fault, Target};
use rustix::process::DumpableBehavior;
use tokio::sync::mpsc;

struct Deployed {
    place: Place,
    compiler: Compiler,
}

#[async_trait]
impl Function for Deployed {
    const NAME: &'static str = "builder";

    async fn open(place: Place) -> Result<Self, Fault> {
        let compiler = Compiler {
            python: place.python.executable.clone(),
            magic: place.python.magic,
            cache_tag: place.python.cache_tag.clone(),
        };
        Ok(Self { place, compiler })
    }

    async fn answer(
        &self,
        ask: Ask,
        call: &Call,
        frames: &mpsc::Sender<Frame>,
    ) -> Result<(), Fault> {
        let Ask::Build(mut request) = ask else {
            return Err(call.refuse(&ask));
        };
        if let Some(policy) = &self.place.policy {
            policy.pin(&mut request.request);
        }
        fits(&request.request.target, &self.place.python.target)?;
        // What a call that was killed left behind makes way too.
        let scratch = Scratch(self.place.cache.join("scratch"));
        scratch.empty();
        let builder = self.builder(&request, &scratch)?;
        builder.answer(*request, &self.compiler, frames).await;
        Ok(())
    }
}

impl Deployed {
    /// A builder that asks the request's own indexes.
    fn builder(&self, request: &BuildRequest, scratch: &Scratch) -> Result<Builder, Fault> {
        let pages = self.place.cache.join("index");
        // Pages are kept for the next call, as long as they leave the disk to the wheels.
        if function::used_below(&pages) > self.place.disk_bytes / 4 {
            let _ = fs_err::remove_dir_all(&pages);
        }
        let index = Client::new(ClientOptions {
            refresh: request.freshness == Freshness::Upgrade,
            ..ClientOptions::of(&request.request.options, pages)
        })?;
        let (store, python) = (self.place.store.clone(), &self.place.python);
        let mut bench = Bench::new(&python.executable, python.target.clone());
        // A build leaves this process what it needs to tell how it ended.
        let bounds = &mut bench.bounds;
        bounds.memory = bounds.memory.min(self.place.memory_bytes / 4 * 3);
        bounds.disk = bounds.disk.min(self.place.disk_bytes / 2);
        Ok(Builder::new(store, index, &scratch.0)
            .with_disk(self.place.disk_bytes / 4 * 3)
            .with_bench(bench)
            .with_policy(self.place.policy.clone()))
    }
}

/// The folder for a build's unfinished files, which goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn empty(&self) {
        // That there is none, or that it is in the way, shows in what is written next.
        let _ = pyrun_builder::sdist::remove(&self.0);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.empty();
    }
}

/// Bytecode is compiled by the builder's own Python.
fn fits(asked: &Target, own: &Target) -> Result<(), Fault> {
    let abi = |target: &Target| (target.python.minor(), target.free_threaded);
    if abi(asked) == abi(own) {
        return Ok(());
    }
    let (asked, own) = (asked.python.minor_text(), own.python.minor_text());
    Err(Fault::new(
        Code::PYTHON_NOT_FOUND,
        format!("this builder has Python {own}, and was asked to build for Python {asked}"),
    )
    .hint(format!("name the builder of Python {asked} in `builder` of the remote in pyrun.toml, or use `--python-version {own}`")))
}

fn main() -> ExitCode {
    // What a source distribution runs is of this process's user: it must not read its credentials.
    // A kernel that refuses takes nothing from the other layers.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    function::serve::<Deployed>()
}
