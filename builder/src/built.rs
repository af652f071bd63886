//! Where the builder meets source distributions: its index builds them, and its locks name wheels
//! that were built.
//!
//! In: locks, and drafts of locks. Out: their built wheels in the store. Never: takes another wheel
//! for the one that a lock names.

use pyrun_core::lock::Draft;
use pyrun_core::{Code, Events, Fault, Lock, ResolveOptions, Target};
use pyrun_store::catalog;

use crate::Builder;
use crate::sdist::{Ground, Problem, SdistError, Sdists};

impl Builder {
    /// The index, with a bench behind it.
    pub(crate) fn sdists<'a>(
        &'a self,
        target: &'a Target,
        options: &'a ResolveOptions,
        events: Events<'a>,
    ) -> Sdists<'a> {
        let ground = Ground {
            index: &self.index,
            store: &*self.store,
            scratch: &self.scratch,
            bench: self.bench.as_ref(),
            // Advice keeps forbidden code from being run too.
            policy: self.held.policy.as_ref(),
            target,
            options,
        };
        Sdists::new(ground, events)
    }

    /// Builds what a lock of another tool has a source distribution of alone.
    pub async fn complete(
        &self,
        mut draft: Draft,
        options: &ResolveOptions,
        events: Events<'_>,
    ) -> Result<Lock, Fault> {
        let target = draft.lock.target.clone();
        let sdists = self.sdists(&target, options, events);
        for (name, unbuilt) in draft.unbuilt.clone() {
            let (version, index) = (&unbuilt.version, &unbuilt.index);
            let wheel = sdists.complete(&name, version, index, &unbuilt.sdist);
            draft.add(&name, wheel.await?);
        }
        Ok(draft.finish()?)
    }

    /// Builds again those built wheels of a lock that the store has not, or not any more.
    pub(crate) async fn restore(&self, lock: &Lock, events: Events<'_>) -> Result<(), Fault> {
        // The build tools of that time, so that the same comes of it.
        let now = self.index.asks();
        let time = lock.exclude_newer.clone().or_else(|| lock.resolved.clone());
        let then = time.map(|time| ResolveOptions {
            exclude_newer: Some(time),
            ..now.clone()
        });
        let benches: Vec<Sdists<'_>> = then
            .iter()
            .chain([&now])
            .map(|options| self.sdists(&lock.target, options, events))
            .collect();
        for (name, package) in &lock.packages {
            let Some(sdist) = &package.sdist else {
                continue;
            };
            let expected = package.wheel.sha256;
            if self.store.head(&catalog::wheel(&expected)).await?.is_some() {
                continue;
            }
            let (version, index) = (&package.version, &package.index);
            let mut restored = Err(not_built(name.as_ref()).into());
            for sdists in &benches {
                restored = sdists.restore(name, version, index, sdist, expected).await;
                // An index that does not say when its files came has none of that time.
                let lacks = matches!(
                    restored,
                    Err(SdistError::Build {
                        problem: Problem::Requirements(_),
                        ..
                    })
                );
                if !lacks {
                    break;
                }
            }
            restored?;
        }
        Ok(())
    }
}

fn not_built(name: &str) -> Fault {
    Fault::new(Code::SDIST_BUILD, format!("`{name}` is not built"))
}
