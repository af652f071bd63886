//! Listing objects.
//!
//! In: a prefix. Out: all objects below it that have a key of ours, sorted. Never: lists without
//! end; shows what somebody else put into the bucket under a name that is no key.

use pyrun_core::Code;
use pyrun_store::{Entry, Key, Meta, Result};

use super::S3Store;
use super::read::{seconds, unsigned};
use super::refusal::Action;

/// Objects of one listing at most: they are all held in memory.
const MOST: usize = 1_000_000;

impl S3Store {
    pub(super) async fn entries(&self, prefix: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if !may_begin_a_key(prefix) {
            return Ok(entries);
        }
        let below = self.location.prefix();
        let mut token = None;
        loop {
            let request = self.clients.read.list_objects_v2();
            let request = request
                .bucket(self.location.bucket())
                .prefix(format!("{below}{prefix}"))
                .set_continuation_token(token.clone());
            let page = request.send().await;
            let page =
                page.map_err(|error| self.location.refused(Action::List, &prefix, &error))?;
            for object in page.contents() {
                let name = object.key().and_then(|name| name.strip_prefix(below));
                let name = name.filter(|name| name.starts_with(prefix));
                if let Some(Ok(key)) = name.map(str::parse::<Key>) {
                    let meta = Meta {
                        size: unsigned(object.size()),
                        modified: seconds(object.last_modified()),
                    };
                    entries.push(Entry { key, meta });
                }
            }
            if entries.len() > MOST {
                return Err(self.endless(prefix, format!("there are more than {MOST} objects")));
            }
            let next = page.next_continuation_token().map(str::to_owned);
            if !page.is_truncated().unwrap_or(false) {
                break;
            }
            if next.is_none() || next == token {
                return Err(self.endless(prefix, "the listing does not go on".to_owned()));
            }
            token = next;
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries.dedup_by(|a, b| a.key == b.key);
        Ok(entries)
    }

    fn endless(&self, prefix: &str, cause: String) -> pyrun_store::StoreError {
        let (action, code) = (Action::List, Code::REMOTE_FAILED);
        self.location.broken(action, &prefix, code, cause)
    }
}

/// Whether any key begins with this text. What no key begins with is not asked for: some servers
/// would clean the text up and list something else.
fn may_begin_a_key(prefix: &str) -> bool {
    prefix.is_empty() || prefix.parse::<Key>().is_ok() || {
        let whole = prefix.strip_suffix('/').unwrap_or_default();
        whole.parse::<Key>().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_begin_a_key_is_asked_for() {
        for prefix in ["", "v1", "v1/", "v1/bundles/a0"] {
            assert!(may_begin_a_key(prefix), "{prefix}");
        }
        for prefix in ["/", "//", "v1//", "../", "v1/../", "a b", ".x", "é"] {
            assert!(!may_begin_a_key(prefix), "{prefix}");
        }
    }
}
