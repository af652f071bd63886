//! The store that a function was deployed with.
//!
//! In: an address. Out: a store, without a word on the network. `s3://BUCKET/PREFIX` is a bucket,
//! `file:///FOLDER` a folder, for functions that are tried out without AWS.

use std::path::Path;
use std::sync::Arc;

use pyrun_core::{Code, Fault, Policy, Sha256};
use pyrun_store::{DirStore, Store, catalog};

use crate::names;
use crate::s3::{S3Location, S3Store};

/// Opens the store at an address.
pub(super) fn open(address: &str) -> Result<Arc<dyn Store>, Fault> {
    match address.split_once("://") {
        Some(("s3", _)) => bucket(address),
        Some(("file", path)) if Path::new(path).is_absolute() => {
            Ok(Arc::new(DirStore::open(Path::new(path))?))
        }
        _ => Err(
            Fault::new(Code::CONFIG_INVALID, format!("`{address}` is no store"))
                .hint(format!("set `{}` to s3://BUCKET/PREFIX", names::STORE)),
        ),
    }
}

fn bucket(address: &str) -> Result<Arc<dyn Store>, Fault> {
    let location: S3Location = address.parse()?;
    Ok(Arc::new(S3Store::from_environment(location)?))
}

/// The policy that was deployed. Without it, or with another in its place, nothing is done.
pub(super) async fn policy(store: &dyn Store, digest: &Sha256) -> Result<Policy, Fault> {
    let denied = |message: String| {
        Fault::new(Code::POLICY_DENIED, message)
            .hint("deploy the policy again with `pyrun deploy --policy FILE`")
    };
    let Some(bytes) = store.get(&catalog::policy(digest), None).await? else {
        return Err(denied(format!(
            "the policy `{}` is not in the store, and nothing is done without it",
            digest.short()
        )));
    };
    let text = (Sha256::of(&bytes) == *digest).then(|| String::from_utf8(bytes.to_vec()));
    match text {
        Some(Ok(text)) => Policy::parse(&text),
        _ => Err(denied(format!(
            "the policy `{}` in the store is not the one that was deployed",
            digest.short()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use pyrun_store::{Body, MemoryStore};

    use super::*;

    #[test]
    fn a_folder_is_a_store_and_a_word_is_none() {
        let folder = tempfile_path();
        assert!(open(&format!("file://{folder}")).is_ok());
        for address in ["", "bucket", "file://relative", "http://host/"] {
            let fault = open(address).expect_err(address);
            assert_eq!(fault.code, Code::CONFIG_INVALID);
        }
    }

    fn tempfile_path() -> String {
        std::env::temp_dir()
            .join("pyrun-no-such-store")
            .display()
            .to_string()
    }

    #[tokio::test]
    async fn a_policy_is_the_one_that_was_deployed_or_none() {
        let store = MemoryStore::new();
        let text = "[packages]\n";
        let digest = Sha256::of(text);
        let missing = policy(&store, &digest).await.expect_err("missing");
        assert_eq!(missing.code, Code::POLICY_DENIED);
        let key = catalog::policy(&digest);
        let put = |text: &str| Body::from(text.to_owned());
        store.put(&key, put("other")).await.expect("put");
        let other = policy(&store, &digest).await.expect_err("another one");
        assert_eq!(other.code, Code::POLICY_DENIED);
        store.put(&key, put(text)).await.expect("put");
        let policy = policy(&store, &digest).await.expect("the policy");
        assert_eq!(policy.digest(), &digest);
    }
}
