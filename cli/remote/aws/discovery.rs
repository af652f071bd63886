//! What a remote consists of: its store, its functions, what they are.
//!
//! In: a remote of the settings. Out: a [`Deployment`], from memory where there is one. Never:
//! believes its memory against what a function says of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyrun_aws::account::Connection;
use pyrun_aws::invoke::Described;
use pyrun_aws::stack;
use pyrun_core::{Fault, Sha256};
use serde::{Deserialize, Serialize};

use crate::settings::remote::Site;
use crate::settings::{Remote, write_whole};

/// Which of the two functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Builds.
    Builder,
    /// Runs.
    Runner,
}

/// What is known of a remote. A file of it lies in the cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    store: String,
    builders: BTreeMap<String, String>,
    runners: BTreeMap<String, String>,
    #[serde(default)]
    described: BTreeMap<String, Described>,
}

/// A remote, as far as it is known.
#[derive(Debug)]
pub struct Deployment {
    connection: Connection,
    site: Site,
    home: PathBuf,
    memory: Memory,
    known: Mutex<Known>,
}

impl Deployment {
    /// What is remembered of a remote, else what its stack says.
    pub async fn find(remote: &Remote, cache: &Path) -> Result<Self, Fault> {
        let connection = super::connect(&remote.account).await?;
        let digest = digest(remote, connection.region());
        let folder = cache.join("remotes");
        let memory = Memory(folder.join(format!("{digest}.json")));
        let known = match (memory.load(), &remote.site) {
            (Some(known), _) => known,
            (None, site) => {
                let known = ask(&connection, site).await?;
                memory.save(&known);
                known
            }
        };
        Ok(Self {
            connection,
            site: remote.site.clone(),
            home: folder.join(digest),
            memory,
            known: Mutex::new(known),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to its account.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where this machine keeps what it knows of the remote's locks and bundles.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// `s3://BUCKET/PREFIX`.
    pub fn store(&self) -> String {
        self.known().store.clone()
    }

    /// The Python versions that it has functions for.
    pub fn versions(&self) -> Vec<String> {
        self.known().runners.keys().cloned().collect()
    }

    /// A function's name.
    pub fn function(&self, role: Role, python: &str) -> Option<String> {
        let known = self.known();
        let names = match role {
            Role::Builder => &known.builders,
            Role::Runner => &known.runners,
        };
        names.get(python).cloned()
    }

    /// What the runner of a version says of itself, if it was asked.
    pub fn described(&self, python: &str) -> Option<Described> {
        self.known().described.get(python).cloned()
    }

    /// Remembers what the runner of a version says of itself.
    pub fn remember(&self, python: &str, described: Described) {
        let mut known = self.known();
        known.described.insert(python.to_owned(), described);
        self.memory.save(&known);
    }

    /// Forgets all that is remembered, for the next command.
    pub fn forget(&self) {
        self.memory.forget();
    }

    /// Asks the stack again, since what was remembered of it is no longer so. What the functions
    /// said of themselves is forgotten.
    pub async fn ask_again(&self) -> Result<(), Fault> {
        self.memory.forget();
        let known = ask(&self.connection, &self.site).await?;
        self.memory.save(&known);
        *self.known() = known;
        Ok(())
    }
}

/// What a remote consists of, as its stack or the settings say.
async fn ask(connection: &Connection, site: &Site) -> Result<Known, Fault> {
    match site {
        Site::Stack(name) => {
            let outputs = stack::outputs(connection, name).await?;
            Ok(Known {
                store: outputs.store,
                builders: outputs.builders,
                runners: outputs.runners,
                described: BTreeMap::new(),
            })
        }
        Site::Given {
            store,
            builders,
            runners,
        } => Ok(Known {
            store: store.clone(),
            builders: builders.clone(),
            runners: runners.clone(),
            described: BTreeMap::new(),
        }),
    }
}

/// What tells one remote from another; its name in the settings does not.
fn digest(remote: &Remote, region: &str) -> String {
    let variable = |name: &str| std::env::var(name).ok();
    let profile = remote.account.profile.clone();
    let endpoint = remote.account.endpoint_url.clone();
    let site = match &remote.site {
        Site::Stack(name) => serde_json::json!({ "stack": name }),
        Site::Given {
            store,
            builders,
            runners,
        } => serde_json::json!({ "store": store, "builders": builders, "runners": runners }),
    };
    let all = serde_json::json!({
        "site": site,
        "region": region,
        "profile": profile.or_else(|| variable("AWS_PROFILE")),
        "endpoint": endpoint.or_else(|| variable("AWS_ENDPOINT_URL")),
    });
    let digest = Sha256::of(all.to_string()).to_string();
    digest[..32].to_owned()
}

/// The file that remembers a remote.
#[derive(Debug)]
struct Memory(PathBuf);

impl Memory {
    /// What is remembered, if anything that can be read is.
    fn load(&self) -> Option<Known> {
        let known: Known = serde_json::from_slice(&fs_err::read(&self.0).ok()?).ok()?;
        (!known.store.is_empty() && !known.runners.is_empty()).then_some(known)
    }

    /// That it can't be written costs the next command a question, and nothing else.
    fn save(&self, known: &Known) {
        let json = serde_json::to_vec(known).expect("plain values are JSON");
        let _ = write_whole(&self.0, &json);
    }

    fn forget(&self) {
        let _ = fs_err::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::FileSettings;

    fn remote(table: &str) -> Remote {
        let file: FileSettings = toml::from_str(&format!("[on.x]\n{table}\n")).expect("settings");
        Remote::named("x", &file)
            .expect("a remote")
            .expect("not local")
    }

    #[test]
    fn a_memory_is_kept_until_it_is_forgotten_or_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory(folder.path().join("a/b.json"));
        assert_eq!(memory.load(), None);
        let known = Known {
            store: "s3://bucket".to_owned(),
            runners: BTreeMap::from([("3.12".to_owned(), "r".to_owned())]),
            ..Known::default()
        };
        memory.save(&known);
        assert_eq!(memory.load(), Some(known.clone()));
        memory.forget();
        assert_eq!(memory.load(), None);
        memory.save(&known);
        fs_err::write(&memory.0, "{\"store\": 1").expect("a file");
        assert_eq!(memory.load(), None);
        // One that knows nothing is none.
        memory.save(&Known::default());
        assert_eq!(memory.load(), None);
    }

    #[test]
    fn each_remote_has_a_memory_of_its_own() {
        let one = remote("stack = \"one\"");
        let digests = [
            digest(&one, "eu-west-1"),
            digest(&one, "us-east-1"),
            digest(&remote("stack = \"two\""), "eu-west-1"),
            digest(&remote("stack = \"one\"\nprofile = \"p\""), "eu-west-1"),
            digest(
                &remote("stack = \"one\"\nendpoint-url = \"http://x\""),
                "eu-west-1",
            ),
        ];
        let unique: std::collections::BTreeSet<&String> = digests.iter().collect();
        assert_eq!(unique.len(), digests.len());
        let renamed = Remote {
            name: "y".to_owned(),
            ..one.clone()
        };
        assert_eq!(digest(&renamed, "eu-west-1"), digests[0]);
    }
}
