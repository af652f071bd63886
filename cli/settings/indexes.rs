//! Indexes that have a name, and the packages that come from one of their own.
//!
//! In: `NAME=URL` and `PACKAGE=URL|NAME`. Out: pins. Never: asks one.

use std::collections::{BTreeMap, BTreeSet};

use pyrun_core::request::without_credentials;
use pyrun_core::{Code, Fault, MarkerTree, PackageName, Pin};

/// The indexes that have a name.
#[derive(Debug)]
pub struct Indexes(BTreeMap<String, String>);

impl Indexes {
    /// Those of the command line and, behind them, those of the settings files.
    pub fn named(words: &[String], file: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let mut named = BTreeMap::new();
        for (name, url) in file {
            named.insert(name.clone(), index_address(url)?);
        }
        for word in words {
            let (name, url) = pair(word, "--index", "NAME=URL")?;
            named.insert(name.to_owned(), index_address(url)?);
        }
        Ok(Self(named))
    }

    /// The address that a word means.
    pub fn address(&self, word: &str) -> Result<String, Fault> {
        if let Some(url) = self.0.get(word) {
            return Ok(url.clone());
        }
        if word.contains("://") {
            return index_address(word);
        }
        let fault = Fault::new(Code::USAGE, format!("no index is named `{word}`"));
        Err(if self.0.is_empty() {
            fault.hint("give an address, or name one with `--index NAME=URL` or the table `[index]` of pyrun.toml")
        } else {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            fault.hint(format!("these are: `{}`", names.join("`, `")))
        })
    }

    /// The pins that words spell.
    pub fn pins(&self, words: &[String]) -> Result<Vec<Pin>, Fault> {
        let pin = |word: &String| {
            let (package, index) = pair(word, "--index-for", "PACKAGE=URL")?;
            let package: PackageName = package.parse().map_err(|_| {
                let message = format!("`{package}` is not the name of a package");
                Fault::new(Code::USAGE, message)
            })?;
            Ok(Pin {
                package,
                index: self.address(index)?,
                marker: MarkerTree::TRUE,
            })
        };
        words.iter().map(pin).collect()
    }
}

/// Refuses a name that the command line gives and nothing uses: whoever gives one thinks that the
/// index is asked. `pins` are the values of everything that pins.
pub fn check_used<'a>(words: &[String], pins: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let pins: BTreeSet<&str> = pins.collect();
    for (name, _) in words.iter().filter_map(|word| word.split_once('=')) {
        let name = name.trim();
        if !pins.contains(name) {
            return Err(Fault::new(
                Code::USAGE,
                format!("the index `{name}` is named, and no package comes from it"),
            )
            .hint(format!(
                "say which packages do with `--index-for PACKAGE={name}`, or have it asked for all of them with `--extra-index-url`"
            )));
        }
    }
    Ok(())
}

fn pair<'w>(word: &'w str, flag: &str, form: &str) -> Result<(&'w str, &'w str), Fault> {
    let parts = word.split_once('=');
    let parts = parts.map(|(name, value)| (name.trim(), value.trim()));
    parts
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| {
            let shown = without_credentials(word);
            Fault::new(Code::USAGE, format!("`{flag} {shown}` is not `{form}`"))
        })
}

/// An index's address without the slash at its end, so that one index has one name.
pub fn index_address(text: &str) -> Result<String, Fault> {
    let known = ["https://", "http://", "file://"];
    if known.iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(Fault::new(
        Code::CONFIG_INVALID,
        format!(
            "`{}` is not the address of an index",
            without_credentials(text)
        ),
    )
    .hint("an index's address begins with https://, such as https://pypi.org/simple; a folder of wheels is named with `--find-links`"))
}
