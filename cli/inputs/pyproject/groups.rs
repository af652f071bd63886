//! `[dependency-groups]` (PEP 735).
//!
//! In: the table. Out: the requirements of groups and of those they include. Never: a loop, which
//! the PEP has be an error, nor a group twice.

use std::collections::BTreeMap;
use std::ops::Range;

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
        let mut places = Places::new(source.text, list.span());
        for item in items {
            match item {
                toml::Value::String(text) => {
                    let range = places.next(text);
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
                        let range = places.next(included);
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

/// Finds where the texts of a list stand, one after the other, as far as they are written as they
/// read; from the first that is not, all are at the list itself.
struct Places<'a> {
    text: &'a str,
    list: Range<usize>,
    /// Where the next is looked for; `None` when it is no use any more.
    next: Option<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, list: Range<usize>) -> Self {
        let next = Some(list.start);
        Self { text, list, next }
    }

    fn next(&mut self, item: &str) -> Range<usize> {
        let found = self.next.and_then(|from| self.find(from, item));
        self.next = found.as_ref().map(|range| range.end);
        found.unwrap_or_else(|| self.list.clone())
    }

    /// The item in quotes, at or after an offset.
    fn find(&self, from: usize, item: &str) -> Option<Range<usize>> {
        let written = self.text.get(from..self.list.end)?;
        let quotes = |at: usize| {
            let before = written[..at].chars().next_back()?;
            let after = written[at + item.len()..].chars().next()?;
            (before == after && matches!(before, '"' | '\'')).then_some(at)
        };
        let mut matches = written.match_indices(item).map(|(at, _)| at);
        let at = from + matches.find_map(quotes)?;
        Some(at - 1..at + item.len() + 1)
    }
}
