//! Wheels to a bundle, by copying compressed members as they are.
//!
//! In: a lock, and a store that holds its wheels. Out: the bundle's record, published after the
//! bundle itself, so that whoever finds the record finds all of it.
//! Never: compresses or inflates (what is made here is stored as it is, so the bytes depend on no
//! compressor); takes a wheel whose digest is not the lock's; lets time, path, order of arrival,
//! umask or locale reach a byte.
//!
//! The order of a bundle: wheel by wheel, sorted by package name, each one contiguous segment; in a
//! segment the dist-info first, then the rest, each sorted by path; then `pylock.toml`,
//! `manifest.json` and the central directory.

mod collide;
mod error;
mod gather;
mod plan;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use pep508_rs::PackageName;
use pyrun_core::{About, BundleRecord, Event, Events, Fault, Lock, Phase, Sha256};
use pyrun_store::{Body, Created, Store, catalog};
use tokio::sync::mpsc;

pub use error::SpliceError;
pub use plan::{Data, Plan, PlannedFile, PlannedSegment, plan};
pub use write::{Sources, write};

use gather::Gathered;

/// The bundle's last two members, which no wheel can bring.
pub const LOCK_MEMBER: &str = "pylock.toml";
/// See [`pyrun_core::Manifest`].
pub const MANIFEST_MEMBER: &str = "manifest.json";

/// Builds the lock's bundle from wheels in the store, and publishes it: the bundle, then its record.
///
/// Large files are made in `scratch`, which should be on the store's file system: then publishing
/// moves no byte. `built` is the time that the record shows, as RFC 3339.
///
/// Two builders of one lock do no harm: they make the same bytes. A bundle without a record, left by
/// a builder that was killed, is replaced by the same bytes.
///
/// A wheel that is not in the store, or is not what its digest says (it is removed then), is
/// [`SpliceError::Missing`]: fetch it and call again.
pub async fn publish(
    store: &dyn Store,
    lock: &Lock,
    scratch: &Path,
    built: &str,
    events: Events<'_>,
) -> Result<BundleRecord, SpliceError> {
    publish_if(store, lock, scratch, built, &|_| Ok(()), events).await
}

/// Whether wheels may become a bundle that say these things of themselves.
pub type Admit<'a> = &'a (dyn Fn(&BTreeMap<PackageName, About>) -> Result<(), Fault> + Send + Sync);

/// The same as [`publish`], if `admit` lets in what the wheels say of themselves; else nothing is
/// published.
pub async fn publish_if(
    store: &dyn Store,
    lock: &Lock,
    scratch: &Path,
    built: &str,
    admit: Admit<'_>,
    events: Events<'_>,
) -> Result<BundleRecord, SpliceError> {
    let started = Instant::now();
    events(Event::Started {
        phase: Phase::Splice,
    });
    let wheels = gather::gather(store, lock, scratch, events).await?;
    let about = said(lock, &wheels);
    admit(&about).map_err(|fault| SpliceError::Refused(Box::new(fault)))?;
    let file = gather::temporary(scratch)?;
    let path = file.path().to_owned();
    let mut record = splice(lock.clone(), wheels, Output::File(path), events).await?;
    built.clone_into(&mut record.built);
    record.about = about;
    let record = put(store, record, file.path()).await?;
    events(Event::Finished {
        phase: Phase::Splice,
        micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        bytes: record.size,
        items: record.manifest.segments.len() as u64,
    });
    Ok(record)
}

/// What a lock and its wheels in the store say of each package.
pub async fn about(
    store: &dyn Store,
    lock: &Lock,
    scratch: &Path,
    events: Events<'_>,
) -> Result<BTreeMap<PackageName, About>, SpliceError> {
    Ok(said(
        lock,
        &gather::gather(store, lock, scratch, events).await?,
    ))
}

fn said(lock: &Lock, wheels: &Gathered) -> BTreeMap<PackageName, About> {
    let packages = lock.packages.iter();
    let about = packages.map(|(name, package)| {
        let contents = wheels.contents.get(name);
        let about = About {
            licence: contents.and_then(|contents| contents.licence.clone()),
            size: wheels.sizes.get(name).copied(),
            ..About::of(package)
        };
        (name.clone(), about)
    });
    about.collect()
}

/// The digest that the lock's bundle must have, made anew from the wheels in the store and kept
/// nowhere: what `cache verify --rebuild` compares with.
pub async fn rebuild(
    store: &dyn Store,
    lock: &Lock,
    scratch: &Path,
    events: Events<'_>,
) -> Result<Sha256, SpliceError> {
    let wheels = gather::gather(store, lock, scratch, events).await?;
    let record = splice(lock.clone(), wheels, Output::Nowhere, events).await?;
    Ok(record.sha256)
}

#[derive(Debug)]
enum Output {
    File(std::path::PathBuf),
    Nowhere,
}

/// Plans and writes on a thread that may block, and passes on what it says.
async fn splice(
    lock: Lock,
    wheels: Gathered,
    output: Output,
    events: Events<'_>,
) -> Result<BundleRecord, SpliceError> {
    let (say, mut said) = mpsc::unbounded_channel();
    let work = tokio::task::spawn_blocking(move || {
        let plan = plan(&lock, &wheels.contents)?;
        for message in &plan.warnings {
            let message = message.clone();
            // A closed channel only means that nobody listens any more.
            let _ = say.send(Event::Warning { message });
        }
        let mut progress = |done, total, package: &PackageName| {
            let _ = say.send(Event::Progress {
                phase: Phase::Splice,
                done,
                total,
                item: package.to_string(),
            });
        };
        match output {
            Output::File(path) => {
                let mut file = fs_err::File::create(path)?;
                write(&plan, &wheels, &mut file, &mut progress)
            }
            Output::Nowhere => write(&plan, &wheels, &mut std::io::sink(), &mut progress),
        }
    });
    while let Some(event) = said.recv().await {
        events(event);
    }
    work.await.map_err(SpliceError::Died)?
}

/// The bundle first, the record last.
async fn put(
    store: &dyn Store,
    record: BundleRecord,
    bundle: &Path,
) -> Result<BundleRecord, SpliceError> {
    let (key, record_key) = (
        catalog::bundle(&record.manifest.lock),
        catalog::bundle_record(&record.manifest.lock),
    );
    if store.put_new(&key, Body::file(bundle)).await? == Created::No {
        if let Some(published) = published(store, &record).await? {
            return Ok(published);
        }
        // Whoever left it was killed, or is at it in this moment with the same bytes.
        store.put(&key, Body::file(bundle)).await?;
    }
    let json = serde_json::to_vec(&record).expect("a record has no map with keys that aren't text");
    store.put(&record_key, json.into()).await?;
    Ok(record)
}

/// The record that is there already, when it is of the same bundle and the bundle has its size.
async fn published(
    store: &dyn Store,
    record: &BundleRecord,
) -> Result<Option<BundleRecord>, SpliceError> {
    let lock = &record.manifest.lock;
    let Some(bytes) = store.get(&catalog::bundle_record(lock), None).await? else {
        return Ok(None);
    };
    let bundle = store.head(&catalog::bundle(lock)).await?;
    Ok(serde_json::from_slice::<BundleRecord>(&bytes)
        .ok()
        .filter(|found| found.sha256 == record.sha256 && found.manifest == record.manifest)
        .filter(|found| bundle.is_some_and(|meta| meta.size == found.size)))
}
