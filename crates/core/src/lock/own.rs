//! What a lock says of itself, without reading its packages.
//!
//! In: the text of a lock. Out: the target that it was made for, where it says one. Never: tells
//! whether the lock can be used.

use serde::Deserialize;

use super::read::parse;
use super::{Lock, LockError};
use crate::target::Target;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    tool: Tool,
}

#[derive(Deserialize, Default)]
struct Tool {
    /// Another version may keep anything here.
    #[serde(default)]
    pyrun: Option<toml::Value>,
}

impl Lock {
    /// What a lock says itself that it is for; `None` where another tool made it. Fails for what is
    /// not TOML.
    pub fn target_in(text: &str) -> Result<Option<Target>, LockError> {
        let file: File = parse(text)?;
        let target = file.tool.pyrun.as_ref().and_then(|own| own.get("target"));
        Ok(target.and_then(|target| target.clone().try_into().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::target;

    #[test]
    fn a_lock_tells_its_target_without_its_packages() {
        let own = Target {
            free_threaded: true,
            ..target()
        };
        let lock = Lock {
            target: own.clone(),
            packages: std::collections::BTreeMap::new(),
            resolved: None,
            exclude_newer: None,
        };
        let text = format!(
            "packages = 3\n{}",
            lock.to_toml().replace("packages = []", "")
        );
        assert_eq!(Lock::target_in(&text).expect(&text), Some(own));
        let foreign = "lock-version = \"1.0\"\n[tool.pyrun]\ntarget = 3\n";
        assert_eq!(Lock::target_in(foreign).expect(foreign), None);
        assert!(Lock::target_in("[").is_err());
    }
}
