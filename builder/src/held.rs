//! What a builder is held to: a policy, and what is known of vulnerabilities.
//!
//! In: a lock, a bundle's record, the time. Out: nothing, or a fault that says what is not let in.
//! Never: believes what a lock that somebody brought along says of the time of an upload.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use pyrun_core::protocol::Freshness;
use pyrun_core::{
    About, BundleRecord, Code, Event, Events, Fault, Lock, LockedPackage, PackageName, Policy,
    Request, policy,
};
use pyrun_store::catalog;

use crate::index::{IndexError, Source as _};
use crate::osv::Dump;
use crate::{Builder, splice};

/// How many packages an index is asked about at once.
const PARALLEL: usize = 16;

/// What a builder is held to.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub policy: Option<Policy>,
    /// Whether the policy only guides the search for versions, and refuses nothing.
    pub is_advice: bool,
    pub vulnerabilities: Option<Arc<Dump>>,
}

impl Held {
    /// The policy, where it refuses what it does not let in.
    fn strict(&self) -> Option<&Policy> {
        self.policy.as_ref().filter(|_| !self.is_advice)
    }

    /// Whether a request may be resolved.
    pub fn admit_request(&self, request: &Request) -> Result<(), Fault> {
        match self.strict() {
            Some(policy) => policy.check_request(request),
            None => Ok(()),
        }
    }

    /// Whether every package of a lock may be built.
    pub async fn admit(&self, lock: &Lock, events: Events<'_>) -> Result<(), Fault> {
        let Some(policy) = self.strict() else {
            return Ok(());
        };
        policy.check_lock(lock, Timestamp::now())?;
        if !policy.wants_vulnerabilities() {
            return Ok(());
        }
        let dump = self.vulnerabilities.as_ref().ok_or_else(no_dump)?;
        let found = dump.find_in(lock).await?;
        for message in found.warnings {
            events(Event::Warning { message });
        }
        policy::into_result(&policy.refusals_of_vulnerabilities(&found.vulnerabilities))
    }

    /// How fresh a lock must be: a remembered one may be older than the policy, and what that does
    /// not let in is resolved anew.
    pub async fn fresh_enough(
        &self,
        freshness: Freshness,
        known: Option<&Lock>,
        events: Events<'_>,
    ) -> Result<Freshness, Fault> {
        let Some(lock) = known.filter(|_| freshness != Freshness::Upgrade) else {
            return Ok(freshness);
        };
        match self.admit(lock, events).await {
            Ok(()) => Ok(freshness),
            Err(fault) if freshness == Freshness::Locked => Err(fault.hint(
                "these versions were locked before; without `--locked` they are resolved anew",
            )),
            Err(fault) => {
                let message = format!("the remembered lock is made anew: {}", fault.message);
                events(Event::Warning { message });
                Ok(Freshness::Upgrade)
            }
        }
    }

    /// Whether wheels may become a bundle that say these things of themselves.
    pub fn admit_contents(
        &self,
        lock: &Lock,
        about: &BTreeMap<PackageName, About>,
    ) -> Result<(), Fault> {
        match self.strict() {
            Some(policy) => policy.check_contents(lock, about),
            None => Ok(()),
        }
    }
}

impl Builder {
    /// A record that may be answered with. One of a builder that kept no licences is completed
    /// where the policy asks for them.
    pub(crate) async fn admitted(
        &self,
        lock: &Lock,
        mut record: BundleRecord,
        events: Events<'_>,
    ) -> Result<BundleRecord, Fault> {
        let Some(policy) = self.held.strict() else {
            return Ok(record);
        };
        if record.about.is_empty() && policy.wants_licences() {
            self.fetch(lock, events).await?;
            record.about = splice::about(&*self.store, lock, &self.scratch, events).await?;
            let json = serde_json::to_vec(&record).expect("a record is plain values");
            let key = catalog::bundle_record(&record.manifest.lock);
            self.store.put(&key, json.into()).await?;
        }
        policy.check_record(&record, Timestamp::now())?;
        Ok(record)
    }

    /// A lock that somebody brought along, with the upload times that the index says where the
    /// policy asks for them.
    pub(crate) async fn attested(&self, mut lock: Lock, request: &Request) -> Result<Lock, Fault> {
        let Some(policy) = &self.held.policy else {
            return Ok(lock);
        };
        let packages = lock.packages.iter();
        let asked = packages.filter(|(name, _)| policy.wants_upload_time(name));
        let asked: Vec<_> = asked
            .map(|(name, package)| self.uploaded(name.clone(), package.clone()))
            .collect();
        if asked.is_empty() {
            return Ok(lock);
        }
        self.held.admit_request(request)?;
        let packages: Vec<(PackageName, LockedPackage)> = stream::iter(asked)
            .buffered(PARALLEL)
            .try_collect()
            .await
            .map_err(|error| {
                Fault::from(error)
                    .cause("the policy has a `minimum-age`, and the index is asked when files of a lock were uploaded")
            })?;
        lock.packages.extend(packages);
        Ok(lock)
    }

    /// The package with the times that the index gives the files of these digests.
    async fn uploaded(
        &self,
        name: PackageName,
        mut package: LockedPackage,
    ) -> Result<(PackageName, LockedPackage), IndexError> {
        let project = self.index.project(&name).await?;
        let time = |sha256| {
            let files = project.iter().flat_map(|project| &project.files);
            let mut same = files.filter(|file| file.sha256 == Some(sha256));
            same.next()?.upload_time.clone()
        };
        package.wheel.upload_time = time(package.wheel.sha256);
        if let Some(sdist) = &mut package.sdist {
            sdist.upload_time = time(sdist.sha256);
        }
        Ok((name, package))
    }
}

fn no_dump() -> Fault {
    Fault::new(
        Code::POLICY_DENIED,
        "the policy refuses known vulnerabilities, and nothing here knows any",
    )
    .hint("name a dump of osv.dev's records for PyPI with `--osv FILE` or `osv` in pyrun.toml")
}
