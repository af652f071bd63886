//! Requirements to a lock, a lock to a bundle.
//!
//! In: a [`Request`] or a [`Lock`], an index, a store. Out: a published bundle; asked over the wire, frames.
//! Never: runs a package's code, but that of source distributions, which says so and is confined;
//! trusts a byte before its hash is checked; publishes half a bundle.

mod answer;
mod built;
pub mod bytecode;
mod doubt;
pub mod fetch;
mod held;
pub mod index;
pub mod install;
mod lawful;
pub mod lease;
pub mod osv;
pub mod resolve;
mod room;
pub mod sdist;
pub mod splice;
#[doc(hidden)]
pub mod strange;
#[cfg(test)]
mod tests;
pub mod wheel;
pub mod zip;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pyrun_core::protocol::{Freshness, Room};
use pyrun_core::{
    BundleRecord, Code, Event, Events, FORMAT, Fault, Lock, LockHash, LockedPackage, Phase, Policy,
    Request, Sha256,
};
use pyrun_store::{Body, Created, Store, catalog};

use bytecode::BytecodeError;
use held::Held;
use lease::{Acquired, Lease};
use sdist::Bench;
use splice::SpliceError;

/// Builds into a store, from what an index has.
#[derive(Debug)]
pub struct Builder {
    store: Arc<dyn Store>,
    index: index::Client,
    scratch: PathBuf,
    held: Held,
    disk: Option<u64>,
    bench: Option<Bench>,
}

/// A lock, and how it came.
#[derive(Debug)]
pub struct Locked {
    /// The lock.
    pub lock: Lock,
    /// Whether it was remembered rather than resolved.
    pub remembered: bool,
}

impl Builder {
    /// A builder whose unfinished files lie in `scratch`, best on the store's own disk.
    pub fn new(store: Arc<dyn Store>, index: index::Client, scratch: impl AsRef<Path>) -> Self {
        Self {
            store,
            index,
            scratch: scratch.as_ref().to_owned(),
            held: Held::default(),
            disk: None,
            bench: None,
        }
    }

    /// The same builder with a Python to build source distributions with; without one they are
    /// passed over.
    #[must_use]
    pub fn with_bench(self, bench: impl Into<Option<Bench>>) -> Self {
        let bench = bench.into();
        Self { bench, ..self }
    }

    /// The same builder, held to a policy, if there is one: it asks no index, locks no package and builds no bundle
    /// that the policy does not let in.
    #[must_use]
    pub fn with_policy(self, policy: impl Into<Option<Policy>>) -> Self {
        let policy = policy.into();
        let held = Held {
            policy,
            ..self.held
        };
        Self { held, ..self }
    }

    /// The same builder, whose policy guides the search for versions and refuses nothing: for whoever
    /// asks what would be refused.
    #[must_use]
    pub fn with_advice(self) -> Self {
        let held = Held {
            is_advice: true,
            ..self.held
        };
        Self { held, ..self }
    }

    /// The same builder with a dump of known vulnerabilities, if there is one, for a policy that asks for them.
    #[must_use]
    pub fn with_vulnerabilities(self, dump: impl Into<Option<Arc<osv::Dump>>>) -> Self {
        let held = Held {
            vulnerabilities: dump.into(),
            ..self.held
        };
        Self { held, ..self }
    }

    /// Keeps unfinished files within so many bytes of disk.
    #[must_use]
    pub fn with_disk(self, disk: u64) -> Self {
        let disk = Some(disk);
        Self { disk, ..self }
    }

    /// The lock of a request: remembered, or resolved and remembered from now on.
    pub async fn lock(
        &self,
        request: &Request,
        freshness: Freshness,
        events: Events<'_>,
    ) -> Result<Locked, Fault> {
        self.held.admit_request(request)?;
        let hash = request.hash();
        if self.held.is_advice && freshness != Freshness::Locked {
            // Nothing is remembered of what would be.
            let lock = self.resolve(request, events).await?;
            let remembered = false;
            return Ok(Locked { lock, remembered });
        }
        let known = self.remembered(&hash, events).await?;
        match (
            self.held
                .fresh_enough(freshness, known.as_ref(), events)
                .await?,
            known,
        ) {
            (Freshness::Remembered | Freshness::Locked, Some(lock)) => Ok(Locked {
                lock,
                remembered: true,
            }),
            (Freshness::Locked, None) => Err(never_locked()),
            (Freshness::Remembered, None) => {
                let lock = self.resolve(request, events).await?;
                let locked = self.remember_first(&hash, lock).await?;
                if locked.remembered {
                    // Another's, who may be held to another policy.
                    self.held.admit(&locked.lock, events).await?;
                }
                Ok(locked)
            }
            (Freshness::Upgrade, old) => {
                let lock = self.resolve(request, events).await?;
                let changed = old.is_none_or(|old| old.hash() != lock.hash());
                if changed {
                    self.store
                        .put(&catalog::lock(&hash), lock.to_toml().into())
                        .await?;
                }
                Ok(Locked {
                    lock,
                    remembered: false,
                })
            }
        }
    }

    async fn resolve(&self, request: &Request, events: Events<'_>) -> Result<Lock, Fault> {
        let phase = Phase::Resolve;
        events(Event::Started { phase });
        let began = Instant::now();
        let now = jiff::Timestamp::now();
        let sdists = self.sdists(&request.target, &request.options, events);
        let policy = self.held.policy.as_ref();
        let mut lock = lawful::search(request, &sdists, policy, now, events).await?;
        lock.resolved = Some(now.to_string());
        // What is not let in is not remembered either.
        self.held.admit(&lock, events).await?;
        events(finished(phase, began, 0, lock.packages.len() as u64));
        Ok(lock)
    }

    /// The bundle of a lock: published already, or fetched, spliced and published. Of several
    /// builders of one lock, one builds and the others wait for it.
    pub async fn bundle(&self, lock: &Lock, events: Events<'_>) -> Result<BundleRecord, Fault> {
        self.bundle_for(lock, None, events).await
    }

    /// The same; what is not built yet is refused where it doesn't fit into the room that there is
    /// for it.
    async fn bundle_for(
        &self,
        lock: &Lock,
        room: Option<&Room>,
        events: Events<'_>,
    ) -> Result<BundleRecord, Fault> {
        self.held.admit(lock, events).await?;
        let hash = lock.hash();
        let mut waited = None;
        let waiting = |_: &lease::Holder| {
            waited.get_or_insert_with(|| {
                events(Event::Started { phase: Phase::Wait });
                Instant::now()
            });
        };
        let record = self.bundle_in_turn(lock, hash, room, waiting, events).await;
        if let Some(began) = waited {
            events(finished(Phase::Wait, began, 0, 0));
        }
        self.admitted(lock, record?, events).await
    }

    async fn bundle_in_turn(
        &self,
        lock: &Lock,
        hash: LockHash,
        room: Option<&Room>,
        mut waiting: impl FnMut(&lease::Holder) + Send,
        events: Events<'_>,
    ) -> Result<BundleRecord, Fault> {
        loop {
            if let Some(record) = self.published(&hash, events).await? {
                return Ok(record);
            }
            if let Some(room) = room {
                room::check(lock, &*self.store, room).await?;
            }
            match Lease::acquire(Arc::clone(&self.store), hash, &mut waiting).await? {
                Acquired::Done => {}
                Acquired::Held(lease) => {
                    let record = self.build(lock, events).await;
                    lease.release().await;
                    return record;
                }
            }
        }
    }

    /// The bytecode of a lock's bundle for one interpreter: compiled already, or compiled and
    /// published. A wheel that went away or was damaged in the store is fetched again; where that
    /// can't be, its share of the bundle serves.
    pub async fn bytecode(
        &self,
        lock: &Lock,
        record: &BundleRecord,
        compiler: &bytecode::Compiler,
        events: Events<'_>,
    ) -> Result<(), Fault> {
        let (store, scratch) = (&*self.store, &self.scratch);
        for _ in 0..lock.packages.len() {
            match bytecode::ensure_from_wheels(store, record, compiler, scratch, events).await {
                Err(BytecodeError::Missing { package }) => {
                    let mut missing = lock.clone();
                    missing.packages.retain(|name, _| *name == package);
                    if self.fetch(&missing, events).await.is_err() {
                        break;
                    }
                }
                done => return Ok(done.map(drop)?),
            }
        }
        bytecode::ensure(store, record, compiler, scratch, events).await?;
        Ok(())
    }

    /// Fetches and splices; a wheel that was damaged in the store, or went away meanwhile, is
    /// fetched again.
    async fn build(&self, lock: &Lock, events: Events<'_>) -> Result<BundleRecord, Fault> {
        if let Some(disk) = self.disk {
            room::check_scratch(lock, disk)?;
        }
        let mut tries = lock.packages.len();
        loop {
            self.fetch(lock, events).await?;
            let built = jiff::Timestamp::now().to_string();
            let admit = |about: &_| self.held.admit_contents(lock, about);
            let (store, scratch) = (&*self.store, &self.scratch);
            match splice::publish_if(store, lock, scratch, &built, &admit, events).await {
                Err(SpliceError::Missing { .. }) if tries > 0 => tries -= 1,
                published => return Ok(published?),
            }
        }
    }

    async fn fetch(&self, lock: &Lock, events: Events<'_>) -> Result<(), Fault> {
        fs_err::create_dir_all(&self.scratch)
            .map_err(|error| Fault::from_error(Code::STORE_UNWRITABLE, &error))?;
        self.restore(lock, events).await?;
        let seen = self.index.seen();
        let check = move |path: &Path, package: &LockedPackage| {
            wheel::check(path, &package.wheel.filename, &wheel::Limits::default())?;
            fetch::check_metadata(path, package, &seen)
        };
        let phase = Phase::Download;
        events(Event::Started { phase });
        let began = Instant::now();
        let fetched = fetch::fetch_wheels(
            lock,
            &*self.store,
            &self.index,
            check,
            &self.scratch,
            events,
        )
        .await?;
        events(finished(phase, began, fetched.bytes, fetched.downloaded));
        Ok(())
    }

    /// The record of a bundle that is there. One that can't be used is a miss: it is set aside.
    async fn published(
        &self,
        lock: &LockHash,
        events: Events<'_>,
    ) -> Result<Option<BundleRecord>, Fault> {
        let key = catalog::bundle_record(lock);
        let Some(json) = self.store.get(&key, None).await? else {
            return Ok(None);
        };
        let record = serde_json::from_slice::<BundleRecord>(&json).ok();
        let record = record
            .filter(|record| record.manifest.lock == *lock && record.manifest.format == FORMAT);
        if record.is_none() {
            let message = format!(
                "the record of bundle `{}` can't be read and is made anew",
                lock.0.short()
            );
            events(Event::Warning { message });
            self.store.delete(&key).await?;
        }
        Ok(record)
    }

    /// A lock from the store. One that can't be read is a miss: it is said, and made anew.
    async fn remembered(
        &self,
        request: &Sha256,
        events: Events<'_>,
    ) -> Result<Option<Lock>, Fault> {
        let Some(bytes) = self.store.get(&catalog::lock(request), None).await? else {
            return Ok(None);
        };
        match Lock::from_toml(&String::from_utf8_lossy(&bytes), None) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) => {
                let message = format!("a remembered lock can't be read and is made anew: {error}");
                events(Event::Warning { message });
                self.store.delete(&catalog::lock(request)).await?;
                Ok(None)
            }
        }
    }

    /// Of two that resolve one request at once, the first to finish decides for both.
    async fn remember_first(&self, request: &Sha256, lock: Lock) -> Result<Locked, Fault> {
        let key = catalog::lock(request);
        if self.store.put_new(&key, Body::from(lock.to_toml())).await? == Created::No
            && let Some(lock) = self.remembered(request, &|_| {}).await?
        {
            return Ok(Locked {
                lock,
                remembered: true,
            });
        }
        Ok(Locked {
            lock,
            remembered: false,
        })
    }
}

fn finished(phase: Phase, began: Instant, bytes: u64, items: u64) -> Event {
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Event::Finished {
        phase,
        micros,
        bytes,
        items,
    }
}

fn never_locked() -> Fault {
    Fault::new(
        Code::LOCK_STALE,
        "these requirements are not locked yet, and `--locked` forbids resolving them",
    )
    .hint("run once without `--locked`, or give a lock with `--lock FILE`")
}
