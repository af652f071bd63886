//! The layout of keys: the only place that spells one.

use pyrun_core::{LockHash, Sha256};

use crate::key::Key;

fn key(text: &str) -> Key {
    text.parse()
        .expect("digests, magic numbers and kinds of targets are safe in keys")
}

/// The lock that answers a request.
pub fn lock(request: &Sha256) -> Key {
    key(&format!("v1/locks/{request}.toml"))
}

/// A verified wheel.
pub fn wheel(sha256: &Sha256) -> Key {
    key(&format!("v1/wheels/{sha256}.whl"))
}

/// What a source distribution was built into for a kind of target (`Target::family`).
pub fn sdist(sha256: &Sha256, family: &str) -> Key {
    key(&format!("v1/sdists/{sha256}/{family}.json"))
}

/// The bytecode of one wheel for one interpreter's magic number.
pub fn bytecode(wheel: &Sha256, magic: u16) -> Key {
    key(&format!("v1/bytecode/{wheel}/{magic}.zip"))
}

/// A bundle.
pub fn bundle(lock: &LockHash) -> Key {
    key(&format!("v1/bundles/{lock}.zip"))
}

/// What is known of a bundle; whoever finds it finds the bundle.
pub fn bundle_record(lock: &LockHash) -> Key {
    key(&format!("v1/bundles/{lock}.json"))
}

/// A bundle's bytecode companion.
pub fn companion(lock: &LockHash, magic: u16) -> Key {
    key(&format!("v1/bundles/{lock}.{magic}.pyc.zip"))
}

/// Who builds a bundle at the moment: the first holder's lease.
pub fn lease(lock: &LockHash) -> Key {
    key(&format!("v1/leases/{lock}"))
}

/// The lease of the holder that took over from `generation` dead ones, 0 being [`lease`] itself.
pub fn lease_generation(lock: &LockHash, generation: u32) -> Key {
    match generation {
        0 => lease(lock),
        _ => key(&format!("v1/leases/{lock}.{generation}")),
    }
}

/// A question that is too large to be sent to a deployed function.
pub fn request(sha256: &Sha256) -> Key {
    key(&format!("v1/requests/{sha256}"))
}

/// A frame that is too large to be sent back from a deployed function.
pub fn reply(sha256: &Sha256) -> Key {
    key(&format!("v1/replies/{sha256}"))
}

/// The zip of a deployed function's own program.
pub fn code(sha256: &Sha256) -> Key {
    key(&format!("v1/code/{sha256}.zip"))
}

/// The policy that deployed functions hold to.
pub fn policy(sha256: &Sha256) -> Key {
    key(&format!("v1/policies/{sha256}.toml"))
}

/// The prefix of all bundles.
pub const BUNDLES: &str = "v1/bundles/";
/// The prefix of all locks.
pub const LOCKS: &str = "v1/locks/";
/// The prefix of all wheels.
pub const WHEELS: &str = "v1/wheels/";
/// The prefix of what source distributions were built into.
pub const SDISTS: &str = "v1/sdists/";
/// The prefix of all bytecode archives.
pub const BYTECODE: &str = "v1/bytecode/";
/// The prefix of all questions that were too large to be sent.
pub const REQUESTS: &str = "v1/requests/";
/// The prefix of all frames that were too large to be sent back.
pub const REPLIES: &str = "v1/replies/";
/// The prefix of all deployed functions' programs.
pub const CODE: &str = "v1/code/";
/// The prefix of all policies.
pub const POLICIES: &str = "v1/policies/";
/// The prefix of all leases.
pub const LEASES: &str = "v1/leases/";
