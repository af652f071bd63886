//! Addresses of indexes, and the credentials they carry.
//!
//! In: an address as the user wrote it. Out: the address without its credentials, and a keyring
//! that gives the credentials back to requests of the same origin alone. Never: shows a credential.

use pyrun_core::request::without_credentials;
use std::fmt;

use url::{Origin, Url};

use crate::index::IndexError;

/// An index, without credentials.
#[derive(Debug, Clone)]
pub(super) struct Index {
    /// Its address, which ends in a slash.
    base: Url,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Credentials by origin.
#[derive(Debug, Default)]
pub(super) struct Keyring(Vec<(Origin, Credentials)>);

impl Keyring {
    /// What to present to the host of `url`. The first index of an origin decides.
    pub(super) fn find(&self, url: &Url) -> Option<&Credentials> {
        let origin = url.origin();
        self.0
            .iter()
            .find(|(known, _)| *known == origin)
            .map(|(_, credentials)| credentials)
    }

    /// Takes the credentials of an address, for its origin.
    pub(super) fn take(&mut self, url: &mut Url) {
        if let Some(credentials) = take_credentials(url) {
            self.0.push((url.origin(), credentials));
        }
    }
}

impl Index {
    /// The page of a project (PEP 503: the normalised name and a slash).
    pub(super) fn page(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}{name}/", url.path());
        url.set_path(&path);
        url
    }

    /// The address without its last slash: how a lock names the index.
    pub(super) fn shown(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }
}

/// Splits addresses from credentials.
pub(super) fn read(addresses: &[String], keys: &mut Keyring) -> Result<Vec<Index>, IndexError> {
    let indexes = addresses.iter().map(|text| index(text, keys));
    indexes.collect()
}

/// Splits one address from its credentials.
pub(super) fn index(text: &str, keys: &mut Keyring) -> Result<Index, IndexError> {
    let wrong = || IndexError::Broken {
        url: redact(text),
        problem: "is no address of an index: `https://HOST/PATH` is expected".to_owned(),
    };
    let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong());
    }
    keys.take(&mut url);
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(Index { base: url })
}

/// Removes the credentials of an address.
pub(super) fn take_credentials(url: &mut Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let credentials = Credentials {
        user: percent_decode(url.username()),
        password: url.password().map(percent_decode),
    };
    // Both only fail for addresses that can't have credentials, and this one had some.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(credentials)
}

/// An address for a message: nothing between the scheme and the last `@` of its host part.
pub(super) fn redact(text: &str) -> String {
    let printable = |c: &char| !c.is_control();
    let shown = without_credentials(text);
    shown.chars().filter(printable).take(500).collect()
}

/// Undoes percent encoding; what is no valid escape stays as it is.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_address_and_serve_its_origin_alone() {
        let text = "https://us%40er:p%3Aw@example.org/simple?token=x".to_owned();
        let mut keys = Keyring::default();
        let indexes = read(&[text], &mut keys).expect("an address");
        assert_eq!(indexes[0].shown(), "https://example.org/simple");
        let page = indexes[0].page("six");
        assert_eq!(page.as_str(), "https://example.org/simple/six/");
        let found = keys.find(&page).expect("same origin");
        assert_eq!(found.user, "us@er");
        assert_eq!(found.password.as_deref(), Some("p:w"));
        for other in ["http://example.org/simple/", "https://files.example.org/"] {
            assert!(keys.find(&other.parse().expect("a url")).is_none());
        }
        assert!(!format!("{keys:?}").contains("p:w"));
    }

    #[test]
    fn what_is_no_index_is_refused_without_its_password() {
        for text in ["ftp://u:secret@h/simple", "https://u:secret@", "simple", ""] {
            let error = read(&[text.to_owned()], &mut Keyring::default());
            let error = error.expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
