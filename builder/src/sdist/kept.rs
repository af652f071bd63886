//! What a source distribution was built into before, in the store.
//!
//! In: its digest and a target. Out: the wheel's name, digest and metadata, if the wheel is still
//! there. Never: takes a record that can't be read, or a wheel of another machine's kind.

use pyrun_core::target::Os;
use pyrun_core::{LockedWheel, Sha256, Target, WheelFilename};
use pyrun_store::{Body, Store, StoreError, catalog};
use serde::{Deserialize, Serialize};

/// A wheel that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Its name.
    pub(super) wheel: WheelFilename,
    /// Its digest.
    pub(super) sha256: Sha256,
    /// Bytes.
    pub(super) size: u64,
    /// The headers of its METADATA.
    pub(super) metadata: String,
    /// What built it.
    pub(super) built_on: Target,
}

impl Kept {
    /// As a lock has it. It has no address.
    pub(super) fn locked(&self) -> LockedWheel {
        LockedWheel {
            filename: self.wheel.clone(),
            url: String::new(),
            sha256: self.sha256,
            size: Some(self.size),
            upload_time: None,
        }
    }
}

/// The record, and the wheel that it names in the store.
pub(super) async fn find(
    store: &dyn Store,
    sdist: &Sha256,
    target: &Target,
) -> Result<Option<Kept>, StoreError> {
    let Some(json) = store
        .get(&catalog::sdist(sdist, &target.family()), None)
        .await?
    else {
        return Ok(None);
    };
    let Ok(kept) = serde_json::from_slice::<Kept>(&json) else {
        return Ok(None);
    };
    if !fits(&kept.wheel, &kept.built_on, target) {
        return Ok(None);
    }
    let there = store.head(&catalog::wheel(&kept.sha256)).await?;
    Ok(there.map(|_| kept))
}

/// The digest of the wheel that a record of the store names; `None` for one that can't be read.
pub fn wheel_of_record(json: &[u8]) -> Option<Sha256> {
    let kept: Kept = serde_json::from_slice(json).ok()?;
    Some(kept.sha256)
}

/// Writes the record down, in place of one whose wheel is gone.
pub(super) async fn keep(
    store: &dyn Store,
    sdist: &Sha256,
    target: &Target,
    kept: &Kept,
) -> Result<(), StoreError> {
    let json = serde_json::to_vec(kept).expect("plain values are JSON");
    store
        .put(&catalog::sdist(sdist, &target.family()), Body::from(json))
        .await
}

/// Whether a wheel holds code for the machine that it was built on.
pub(super) fn is_native(wheel: &WheelFilename) -> bool {
    wheel.platform_tags().any(|tag| tag != "any")
}

/// Whether what was built on one machine runs on another: it may need the C library that it was
/// built against, or a later one.
pub(super) fn fits(wheel: &WheelFilename, built_on: &Target, target: &Target) -> bool {
    if !is_native(wheel) {
        return true;
    }
    let system = match (built_on.os, target.os) {
        (Os::Glibc { major: a, minor: b }, Os::Glibc { major: c, minor: d })
        | (Os::Musl { major: a, minor: b }, Os::Musl { major: c, minor: d })
        | (Os::Macos { major: a, minor: b }, Os::Macos { major: c, minor: d }) => (a, b) <= (c, d),
        _ => false,
    };
    system && built_on.arch == target.arch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::target;

    #[test]
    fn native_code_runs_on_its_own_kind_of_machine_alone() {
        let pure: WheelFilename = "a-1-py3-none-any.whl".parse().expect("a wheel");
        let native: WheelFilename = "a-1-cp312-cp312-linux_x86_64.whl".parse().expect("a wheel");
        let here = target();
        let mut older = here.clone();
        older.os = Os::Glibc {
            major: 2,
            minor: 17,
        };
        let mut arm = here.clone();
        arm.arch = pyrun_core::Arch::Aarch64;
        for other in [&older, &arm] {
            assert!(fits(&pure, &here, other) && !fits(&native, &here, other));
        }
        assert!(fits(&native, &here, &here) && fits(&native, &older, &here));
    }
}
