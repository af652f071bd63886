//! `[tool.uv]`, of a script's block or of a pyproject.toml: what of it decides which packages are
//! chosen, so that what uv runs finds the same packages here.
//!
//! In: the table. Out: [`UvTable`]. Never: an error about what has no say in that; of a source that
//! can't be used nothing is said until something needs it.

use std::collections::BTreeMap;
use std::ops::Range;

use pyrun_core::request::{Prerelease, Resolution};
use pyrun_core::{ExtraName, MarkerTree, PackageName, Requirement, Span, Wishes};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Problem, shorten, uncapitalise};
use crate::metadata::find;

/// What a table says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UvTable {
    /// Of how to resolve.
    pub wishes: Wishes,
    /// Where packages come from that the file itself asks for.
    pub sources: Vec<UvSource>,
}

/// Where a package comes from that the file itself asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct UvSource {
    /// The package.
    pub package: PackageName,
    /// Where it comes from.
    pub place: UvPlace,
    /// Where this holds.
    pub marker: MarkerTree,
    /// The extra or group of the project with which this holds alone.
    pub only_with: Option<UvPart>,
    /// Where it was written.
    pub span: Span,
}

/// A part of a project that may be chosen. An extra and a group of one name are two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UvPart {
    /// An extra, by its normalised name.
    Extra(ExtraName),
    /// A dependency group, by its name, which is normalised as that of an extra is.
    Group(ExtraName),
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UvPlace {
    /// An index, by its address.
    Index(String),
    /// A file, by its address.
    Address(String),
    /// Something that no bundle is made of, in words.
    Unusable(String),
}

/// The way from a byte range of the TOML to its place in a file.
pub type Places<'a> = &'a dyn Fn(Range<usize>) -> Span;

/// Reads the table.
pub fn read(table: &DeTable, places: Places<'_>) -> Result<UvTable, Problem> {
    let reader = Reader { table, places };
    let mut found = UvTable::default();
    let named = reader.indexes(&mut found.wishes)?;
    reader.bounds(&mut found.wishes)?;
    reader.formats(&mut found.wishes)?;
    reader.modes(&mut found.wishes)?;
    if let Some(sources) = find(table, "sources").and_then(|each| each.get_ref().as_table()) {
        for (name, value) in sources {
            found.sources.extend(reader.sources(name, value, &named)?);
        }
    }
    Ok(found)
}

struct Reader<'a> {
    table: &'a DeTable<'a>,
    places: Places<'a>,
}

/// The indexes that have a name: their address, or why they can't be pinned to.
type Named = BTreeMap<String, Result<String, String>>;

impl<'a> Reader<'a> {
    fn wrong(&self, message: String, value: &Spanned<DeValue>) -> Problem {
        Problem::new(message).span((self.places)(value.span()))
    }

    fn text<'t>(&self, value: &'t Spanned<DeValue>, name: &str) -> Result<&'t str, Problem> {
        let text = value.get_ref().as_str();
        text.ok_or_else(|| self.wrong(format!("`{name}` must be text"), value))
    }

    /// One text, or an array of texts.
    fn texts(&self, name: &str) -> Result<Vec<(&'a str, &'a Spanned<DeValue<'a>>)>, Problem> {
        match find(self.table, name) {
            None => Ok(Vec::new()),
            Some(value) => match value.get_ref() {
                DeValue::Array(items) => items
                    .iter()
                    .map(|item| Ok((self.text(item, name)?, item)))
                    .collect(),
                _ => Ok(vec![(self.text(value, name)?, value)]),
            },
        }
    }

    fn flag(&self, name: &str) -> bool {
        find(self.table, name).and_then(|value| value.get_ref().as_bool()) == Some(true)
    }

    /// As uv orders them: those of `index` that are no default, `extra-index-url`, the default.
    fn indexes(&self, wishes: &mut Wishes) -> Result<Named, Problem> {
        let mut named = Named::new();
        let entries = find(self.table, "index").and_then(|value| value.get_ref().as_array());
        for entry in entries.into_iter().flatten() {
            let Some(entry) = entry.get_ref().as_table() else {
                continue;
            };
            let Some(url) = find(entry, "url") else {
                continue;
            };
            let url = self.text(url, "url")?.to_owned();
            let holds = |name| find(entry, name).and_then(|value| value.get_ref().as_bool());
            let word = |name| find(entry, name).and_then(|value| value.get_ref().as_str());
            let is_flat = word("format") == Some("flat");
            if let Some(name) = word("name") {
                let place = if is_flat {
                    Err("an index that is a flat list of files".to_owned())
                } else {
                    Ok(url.clone())
                };
                named.insert(name.to_owned(), place);
            }
            if holds("explicit") == Some(true) {
                continue;
            }
            if is_flat {
                wishes.find_links.push(url);
            } else if holds("default") == Some(true) {
                if wishes.indexes.is_empty() {
                    wishes.indexes.push(url);
                }
            } else {
                wishes.extra_indexes.push(url);
            }
        }
        let own = |name| -> Result<Vec<String>, Problem> {
            let texts = self.texts(name)?.into_iter();
            Ok(texts.map(|(text, _)| text.to_owned()).collect())
        };
        wishes.extra_indexes.extend(own("extra-index-url")?);
        wishes.find_links.extend(own("find-links")?);
        if wishes.indexes.is_empty() {
            wishes.indexes = own("index-url")?;
        }
        wishes.no_index = self.flag("no-index");
        Ok(named)
    }

    fn bounds(&self, wishes: &mut Wishes) -> Result<(), Problem> {
        for (name, list) in [
            ("constraint-dependencies", &mut wishes.constraints),
            ("override-dependencies", &mut wishes.overrides),
        ] {
            for (text, value) in self.texts(name)? {
                list.push(self.requirement(text, value)?);
            }
        }
        Ok(())
    }

    fn requirement(&self, text: &str, value: &Spanned<DeValue>) -> Result<Requirement, Problem> {
        let spec = pyrun_core::parse_requirement(text).map_err(|error| {
            let message = format!("`{}` is not a requirement (PEP 508)", shorten(text));
            self.wrong(message, value)
                .cause(uncapitalise(&error.reason))
        })?;
        Ok(Requirement::new(
            spec,
            crate::origin((self.places)(value.span())),
        ))
    }

    fn formats(&self, wishes: &mut Wishes) -> Result<(), Problem> {
        let formats = &mut wishes.formats;
        let all = ":all:";
        let mut said: Vec<(bool, &str, Option<&Spanned<DeValue>>)> = Vec::new();
        if self.flag("no-binary") {
            said.push((true, all, None));
        }
        if self.flag("no-build") {
            said.push((false, all, None));
        }
        let named = |name| self.texts(name);
        for (text, value) in named("no-binary-package")? {
            said.push((true, text, Some(value)));
        }
        for (text, value) in named("no-build-package")? {
            said.push((false, text, Some(value)));
        }
        for (source, text, value) in said {
            let taken = if source {
                formats.no_binary(text)
            } else {
                formats.only_binary(text)
            };
            if let (Err(error), Some(value)) = (taken, value) {
                return Err(self.wrong(error.to_string(), value));
            }
        }
        Ok(())
    }

    fn modes(&self, wishes: &mut Wishes) -> Result<(), Problem> {
        if let Some(value) = find(self.table, "exclude-newer") {
            wishes.exclude_newer = Some(match value.get_ref() {
                DeValue::Datetime(time) => time.to_string(),
                _ => self.text(value, "exclude-newer")?.to_owned(),
            });
        }
        let word = |name| find(self.table, name).and_then(|value| value.get_ref().as_str());
        // uv has finer modes; what they are about is what is done without any.
        wishes.prerelease = match word("prerelease") {
            Some("allow") => Some(Prerelease::Allow),
            Some("disallow") => Some(Prerelease::Disallow),
            _ => None,
        };
        wishes.resolution = match word("resolution") {
            Some("lowest") => Some(Resolution::Lowest),
            Some("lowest-direct") => Some(Resolution::LowestDirect),
            Some("highest") => Some(Resolution::Highest),
            _ => None,
        };
        Ok(())
    }

    /// The sources of one package: a table, or several with markers.
    fn sources(
        &self,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue>,
        named: &Named,
    ) -> Result<Vec<UvSource>, Problem> {
        // What is no package's name can't be asked for either.
        let Ok(package) = name.get_ref().as_ref().parse::<PackageName>() else {
            return Ok(Vec::new());
        };
        let entries = match value.get_ref() {
            DeValue::Array(entries) => entries.iter().collect(),
            _ => vec![value],
        };
        let mut found = Vec::new();
        for entry in entries {
            let Some(table) = entry.get_ref().as_table() else {
                continue;
            };
            let word = |name| find(table, name).and_then(|value| value.get_ref().as_str());
            let marker = match word("marker") {
                None => MarkerTree::TRUE,
                Some(text) => pyrun_core::parse_marker(text).ok_or_else(|| {
                    self.wrong(
                        format!("`{}` is not a marker (PEP 508)", shorten(text)),
                        entry,
                    )
                })?,
            };
            let part = match (word("extra"), word("group")) {
                (Some(extra), _) => Some(extra.parse().map(UvPart::Extra)),
                (None, Some(group)) => Some(group.parse().map(UvPart::Group)),
                (None, None) => None,
            };
            // What is no name can't be chosen.
            let Ok(only_with) = part.transpose() else {
                continue;
            };
            found.push(UvSource {
                package: package.clone(),
                place: place(table, named),
                marker,
                only_with,
                span: (self.places)(entry.span()),
            });
        }
        Ok(found)
    }
}

fn place(table: &DeTable, named: &Named) -> UvPlace {
    let word = |name| find(table, name).and_then(|value| value.get_ref().as_str());
    let has = |name| find(table, name).is_some();
    if let Some(index) = word("index") {
        return match named.get(index) {
            Some(Ok(url)) => UvPlace::Index(url.clone()),
            Some(Err(why)) => UvPlace::Unusable(why.clone()),
            None => UvPlace::Unusable(format!(
                "the index `{}`, which `[[tool.uv.index]]` does not name",
                shorten(index)
            )),
        };
    }
    if let Some(url) = word("url") {
        return if has("subdirectory") {
            UvPlace::Unusable("a folder inside an archive".to_owned())
        } else {
            UvPlace::Address(url.to_owned())
        };
    }
    let what = if has("git") {
        "a git repository"
    } else if has("workspace") {
        "a member of this workspace"
    } else if has("path") {
        "a path of this machine"
    } else {
        "a source of a kind that is not known here"
    };
    UvPlace::Unusable(what.to_owned())
}
