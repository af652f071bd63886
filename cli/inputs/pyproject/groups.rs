//! `[dependency-groups]` (PEP 735).
//!
//! In: the table. Out: the requirements of groups and of those they include. Never: a loop, which
//! the PEP has be an error, nor a group twice.

use std::collections::BTreeMap;

use pyrun_core::{ExtraName, Fault, Requirement};
use toml::Spanned;

use super::Source;
use crate::inputs::choice::unknown;

/// How deep groups may include each other.
const DEEPEST: usize = 100;

/// The groups by their normalised names, which are built as those of extras are.
pub struct Groups<'a> {
    by_name: BTreeMap<ExtraName, &'a Spanned<toml::Value>>,
    source: Source<'a>,
}

impl<'a> Groups<'a> {
    /// Reads the names; what a group holds is looked at when it is wanted.
    pub fn of(
        table: &'a BTreeMap<Spanned<String>, Spanned<toml::Value>>,
        source: Source<'a>,
    ) -> Result<Self, Fault> {
        let mut by_name = BTreeMap::new();
        for (name, list) in table {
            let shown = name.get_ref();
            let normalised = shown.parse().map_err(|_| {
                source.wrong(format!("`{shown}` is not the name of a group"), name.span())
            })?;
            if by_name.insert(normalised, list).is_some() {
                let message = format!("the group `{shown}` stands twice, in other spellings");
                return Err(source.wrong(message, name.span()));
            }
        }
        Ok(Self { by_name, source })
    }

    /// The requirements of some groups.
    pub fn wanted<'n>(
        &self,
        names: impl Iterator<Item = &'n ExtraName>,
    ) -> Result<Vec<Requirement>, Fault> {
        let mut walk = Walk {
            groups: self,
            found: Vec::new(),
            path: Vec::new(),
            done: Vec::new(),
        };
        for name in names {
            if !self.by_name.contains_key(name) {
                let names = self.by_name.keys().map(ToString::to_string);
                return Err(unknown("group", name.as_ref(), self.source.path, names));
            }
            walk.group(name)?;
        }
        Ok(walk.found)
    }
}

struct Walk<'g> {
    groups: &'g Groups<'g>,
    found: Vec<Requirement>,
    path: Vec<ExtraName>,
    done: Vec<ExtraName>,
}

impl Walk<'_> {
    fn group(&mut self, name: &ExtraName) -> Result<(), Fault> {
        let source = self.groups.source;
        if self.done.contains(name) {
            return Ok(());
        }
        let list = self.groups.by_name[name];
        if self.path.contains(name) || self.path.len() > DEEPEST {
            let way: Vec<String> = self.path.iter().map(|each| format!("`{each}`")).collect();
            let message = format!("the group `{name}` includes itself");
            return Err(source
                .wrong(message, list.span())
                .cause(format!("by way of {}", way.join(", "))));
        }
        self.path.push(name.clone());
        let wrong = |message: String| source.wrong(message, list.span());
        let items = list.get_ref().as_array();
        let items = items.ok_or_else(|| wrong(format!("the group `{name}` must be an array")))?;
        for item in items {
            match item {
                toml::Value::String(text) => {
                    let range = within(source.text, list.span(), text);
                    self.found.push(source.requirement(text, range)?);
                }
                toml::Value::Table(table) => {
                    let included = table.get("include-group").and_then(toml::Value::as_str);
                    let Some(included) = included.filter(|_| table.len() == 1) else {
                        return Err(wrong(format!(
                            "the group `{name}` holds a table that is no `{{ include-group = \"NAME\" }}`"
                        )));
                    };
                    let other = included.parse::<ExtraName>().ok();
                    let other = other.filter(|other| self.groups.by_name.contains_key(other));
                    let Some(other) = other else {
                        let message = format!(
                            "the group `{name}` includes `{included}`, and there is no such group"
                        );
                        let range = within(source.text, list.span(), included);
                        return Err(source.wrong(message, range));
                    };
                    self.group(&other)?;
                }
                _ => {
                    return Err(wrong(format!(
                        "the group `{name}` must hold texts and tables"
                    )));
                }
            }
        }
        self.path.pop();
        self.done.push(name.clone());
        Ok(())
    }
}

/// Where a text stands in a list, as far as it is written as it reads.
fn within(text: &str, list: std::ops::Range<usize>, item: &str) -> std::ops::Range<usize> {
    let place = text.get(list.clone()).and_then(|written| {
        ["\"", "'"].iter().find_map(|quote| {
            let at = written.find(&format!("{quote}{item}{quote}"))?;
            Some(list.start + at..list.start + at + item.len() + 2)
        })
    });
    place.unwrap_or(list)
}
