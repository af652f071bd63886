//! Which extras and groups of a project are wanted.
//!
//! In: `--extra`, `--all-extras`, `--group`, `--only-group`. Out: a [`Choice`]. Never: knows which
//! there are: the project's file does.

use pyrun_core::{Code, ExtraName, Fault};
use pyrun_script::uv::UvPart;

use crate::args::ChoiceArgs;
use crate::near::nearest;

/// Which extras and groups are wanted. A group's name is built as that of an extra is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// These extras.
    pub extras: Vec<ExtraName>,
    /// Every extra.
    pub all_extras: bool,
    /// These groups, beside the project's dependencies.
    pub groups: Vec<ExtraName>,
    /// These groups, without the project's dependencies.
    pub only_groups: Vec<ExtraName>,
}

impl Choice {
    /// Reads the words.
    pub fn read(args: &ChoiceArgs) -> Result<Self, Fault> {
        let names = |words: &[String], what: &str| -> Result<Vec<ExtraName>, Fault> {
            let name = |word: &String| {
                word.parse().map_err(|_| {
                    Fault::new(Code::USAGE, format!("`{word}` is not the name of {what}"))
                })
            };
            words.iter().map(name).collect()
        };
        Ok(Self {
            extras: names(&args.extra, "an extra")?,
            all_extras: args.all_extras,
            groups: names(&args.group, "a group")?,
            only_groups: names(&args.only_group, "a group")?,
        })
    }

    /// Whether it chooses anything at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it chooses extras.
    pub fn wants_extras(&self) -> bool {
        self.all_extras || !self.extras.is_empty()
    }

    /// The extras and groups that are chosen, of a project with these extras.
    pub fn active<'a>(&'a self, extras: impl Iterator<Item = &'a ExtraName>) -> Vec<UvPart> {
        let extras = extras.filter(|_| self.all_extras).chain(&self.extras);
        let groups = self.groups.iter().chain(&self.only_groups);
        extras
            .cloned()
            .map(UvPart::Extra)
            .chain(groups.cloned().map(UvPart::Group))
            .collect()
    }
}

/// There is no such extra or group.
pub fn unknown(what: &str, name: &str, path: &str, there: impl Iterator<Item = String>) -> Fault {
    let there: Vec<String> = there.collect();
    let fault = Fault::new(
        Code::REQUIREMENT_INVALID,
        format!("`{path}` has no {what} `{name}`"),
    );
    match nearest(name, &there) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None if there.is_empty() => fault.hint(format!("it has no {what}s at all")),
        None => fault.hint(format!("it has `{}`", there.join("`, `"))),
    }
}
