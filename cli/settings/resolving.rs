//! How to resolve, as used.
//!
//! In: flags, what the input's own file says, `pyrun.toml`. Out: [`Resolving`]. What chooses one
//! thing is taken from the first of these that says it; bounds, links and formats add up. Never:
//! asks an index, though it makes the client that does; files of bounds are read here.

use std::path::{Path, PathBuf};

use pyrun_builder::index::{Client as Index, ClientOptions};
use pyrun_core::protocol::Freshness;
use pyrun_core::request::{Prerelease, Resolution};
use pyrun_core::{Code, Fault, Formats, PackageName, Pin, Policy, ResolveOptions, Target, Wishes};

use super::indexes::{Indexes, check_used, index_address};
use super::{FileSettings, units};
use crate::args::{self, ResolveArgs};
use crate::inputs::{links, requirements_txt};

/// How to resolve, as used.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolving {
    /// What enters the request, but for the pins to indexes, which may depend on the target.
    options: ResolveOptions,
    /// The packages that come from an index of their own.
    pins: Vec<Pin>,
    /// Python as asked for: a version or an interpreter's path.
    pub python: Option<String>,
    /// Whether a remembered lock will do.
    pub freshness: Freshness,
    /// Whether no index may be asked.
    pub offline: bool,
}

impl Resolving {
    /// Decides how to resolve. `own` is what the input's own file says.
    pub fn resolve(args: &ResolveArgs, own: &Wishes, file: &FileSettings) -> Result<Self, Fault> {
        let mut wishes = of_file(file)?;
        let mut own = own.clone();
        if !args.extra_index_url.is_empty() {
            wishes.extra_indexes.clear();
            own.extra_indexes.clear();
        }
        // The input's own extra indexes are asked before those of `pyrun.toml`.
        let behind = std::mem::take(&mut wishes.extra_indexes);
        wishes.then(own);
        wishes.extra_indexes.extend(behind);
        wishes.then(of_flags(args)?);
        let named = Indexes::named(&args.index, &file.index)?;
        let mut pins = named.pins(&args.index_for)?;
        let of_flags = args
            .index_for
            .iter()
            .filter_map(|word| word.split_once('='));
        let of_flags = of_flags.map(|(_, index)| index.trim());
        let elsewhere = file.index_for.values().map(String::as_str);
        let elsewhere = elsewhere.chain(wishes.pins.iter().map(|pin| pin.index.as_str()));
        check_used(&args.index, of_flags.chain(elsewhere))?;
        for pin in &mut wishes.pins {
            pin.index = named.address(&pin.index)?;
        }
        pins.append(&mut wishes.pins);
        let of_settings = file.index_for.iter();
        let of_settings = of_settings.map(|(package, index)| format!("{package}={index}"));
        pins.extend(named.pins(&of_settings.collect::<Vec<_>>())?);
        Ok(Self {
            options: options(wishes)?,
            pins,
            python: args
                .python_version
                .clone()
                .or_else(|| file.python_version.clone()),
            freshness: match (args.upgrade, args.locked) {
                (true, _) => Freshness::Upgrade,
                (_, true) => Freshness::Locked,
                _ => Freshness::Remembered,
            },
            offline: args.offline || file.offline.unwrap_or(false),
        })
    }

    /// Holds what is asked for, and what is known to be needed, to the indexes that a policy names
    /// for it.
    pub fn pin(&mut self, policy: &Policy, asked: Vec<PackageName>) {
        policy.pin_options(&mut self.options, asked);
    }

    /// What enters a request for a target.
    pub fn options_for(&self, target: &Target) -> ResolveOptions {
        let markers = target.markers();
        let mut options = self.options.clone();
        for pin in self.pins.iter().filter(|pin| pin.holds(&markers)) {
            let known = options.index_of.entry(pin.package.clone());
            known.or_insert_with(|| pin.index.clone());
        }
        options
    }

    /// The index that is asked for packages of a target, or what is kept of it below `cache`.
    pub fn index(&self, target: &Target, cache: &Path, offline: bool) -> Result<Index, Fault> {
        Ok(Index::new(ClientOptions {
            offline: offline || self.offline,
            refresh: self.freshness == Freshness::Upgrade,
            ..ClientOptions::of(&self.options_for(target), cache.join("index"))
        })?)
    }
}

fn options(wishes: Wishes) -> Result<ResolveOptions, Fault> {
    let indexes = if wishes.no_index {
        Vec::new()
    } else {
        let mut base = wishes.indexes;
        if base.is_empty() {
            base.push(ResolveOptions::DEFAULT_INDEX.to_owned());
        }
        // As uv does: the extra indexes come first, so that a private package's name wins.
        let all = wishes.extra_indexes.iter().chain(&base);
        all.filter(|url| !url.is_empty())
            .map(|url| index_address(url))
            .collect::<Result<_, _>>()?
    };
    let exclude_newer = wishes.exclude_newer.as_deref();
    Ok(ResolveOptions {
        indexes,
        exclude_newer: exclude_newer.map(units::moment).transpose()?,
        prerelease: wishes.prerelease.unwrap_or_default(),
        resolution: wishes.resolution.unwrap_or_default(),
        find_links: wishes.find_links,
        constraints: wishes.constraints,
        overrides: wishes.overrides,
        no_binary: wishes.formats.no_binary,
        only_binary: wishes.formats.only_binary,
        require_hashes: wishes.require_hashes,
        ..ResolveOptions::default()
    })
}

/// What the flags and variables say.
fn of_flags(args: &ResolveArgs) -> Result<Wishes, Fault> {
    let mut wishes = bounds(&args.constraint, &args.overrides)?;
    let index = args
        .index_url
        .iter()
        .filter(|url| !url.is_empty() && !args.no_index);
    wishes.then(Wishes {
        indexes: index.cloned().collect(),
        no_index: args.no_index,
        exclude_newer: args.exclude_newer.clone(),
        prerelease: args.prerelease.map(Into::into),
        resolution: args.resolution.map(Into::into),
        find_links: own_links(&args.find_links, Path::new(".")),
        formats: formats(&args.no_binary, &args.only_binary, args.no_build)?,
        require_hashes: args.require_hashes,
        ..Wishes::default()
    });
    if !args.extra_index_url.is_empty() {
        wishes.extra_indexes.clone_from(&args.extra_index_url);
    }
    Ok(wishes)
}

/// What `pyrun.toml` says.
fn of_file(file: &FileSettings) -> Result<Wishes, Fault> {
    let mut wishes = bounds(&file.constraint, &file.overrides)?;
    wishes.then(Wishes {
        indexes: file.index_url.iter().cloned().collect(),
        extra_indexes: file.extra_index_url.clone(),
        no_index: file.no_index.unwrap_or(false),
        exclude_newer: file.exclude_newer.clone(),
        prerelease: file.prerelease,
        resolution: file.resolution,
        find_links: file.find_links.clone(),
        formats: formats(
            &file.no_binary,
            &file.only_binary,
            file.no_build.unwrap_or(false),
        )?,
        require_hashes: file.require_hashes.unwrap_or(false),
        ..Wishes::default()
    });
    Ok(wishes)
}

/// Files of bounds and replacements, with what they say besides.
fn bounds(constraints: &[PathBuf], overrides: &[PathBuf]) -> Result<Wishes, Fault> {
    let mut wishes = Wishes::default();
    for path in constraints
        .iter()
        .filter(|path| !path.as_os_str().is_empty())
    {
        let path = path.to_string_lossy();
        wishes.then(requirements_txt::read_constraints(&path)?);
    }
    for path in overrides.iter().filter(|path| !path.as_os_str().is_empty()) {
        let path = path.to_string_lossy();
        let found = requirements_txt::read_overrides(&path)?;
        // Of one file's lines on a package, which differ by their markers, all count.
        wishes.then(found);
    }
    Ok(wishes)
}

fn own_links(list: &[String], folder: &Path) -> Vec<String> {
    let list = list.iter().filter(|each| !each.is_empty());
    list.map(|each| links(each, folder)).collect()
}

fn formats(no_binary: &[String], only_binary: &[String], no_build: bool) -> Result<Formats, Fault> {
    let mut formats = Formats::default();
    let wrong = |flag: &str, error: pyrun_core::wishes::FormatsError| {
        Fault::new(Code::CONFIG_INVALID, format!("`{flag}`: {error}"))
    };
    if no_build {
        let all = formats.only_binary(":all:");
        all.map_err(|error| wrong("--no-build", error))?;
    }
    // All of them before those that are named, whichever of the two says so.
    let mut words: Vec<(bool, &str)> = Vec::new();
    words.extend(no_binary.iter().map(|word| (true, word.as_str())));
    words.extend(only_binary.iter().map(|word| (false, word.as_str())));
    words.sort_by_key(|(_, word)| !word.contains(':'));
    for (source, word) in words {
        if source {
            let taken = formats.no_binary(word);
            taken.map_err(|error| wrong("--no-binary", error))?;
        } else {
            let taken = formats.only_binary(word);
            taken.map_err(|error| wrong("--only-binary", error))?;
        }
    }
    Ok(formats)
}

impl From<args::Prerelease> for Prerelease {
    fn from(mode: args::Prerelease) -> Self {
        match mode {
            args::Prerelease::Disallow => Self::Disallow,
            args::Prerelease::Allow => Self::Allow,
            args::Prerelease::IfNecessaryOrExplicit => Self::IfNecessaryOrExplicit,
        }
    }
}

impl From<args::Resolution> for Resolution {
    fn from(mode: args::Resolution) -> Self {
        match mode {
            args::Resolution::Highest => Self::Highest,
            args::Resolution::Lowest => Self::Lowest,
            args::Resolution::LowestDirect => Self::LowestDirect,
        }
    }
}

#[cfg(test)]
mod tests {
    use pyrun_core::request::Selection;
    use pyrun_core::{Arch, MarkerTree, Os};

    use super::*;

    fn target() -> Target {
        Target {
            python: "3.12.1".parse().expect("a version"),
            free_threaded: false,
            os: Os::Glibc {
                major: 2,
                minor: 36,
            },
            arch: Arch::X86_64,
        }
    }

    fn options(
        args: &ResolveArgs,
        own: &Wishes,
        file: &FileSettings,
    ) -> Result<ResolveOptions, Fault> {
        Resolving::resolve(args, own, file).map(|resolving| resolving.options_for(&target()))
    }

    #[test]
    fn flags_win_over_the_script_and_that_over_the_file() {
        let file = FileSettings {
            index_url: Some("https://file/simple".to_owned()),
            extra_index_url: vec!["https://private/simple".to_owned()],
            ..FileSettings::default()
        };
        let own = |index: &str, extra: &str| Wishes {
            indexes: Some(index.to_owned())
                .filter(|each| !each.is_empty())
                .into_iter()
                .collect(),
            extra_indexes: Some(extra.to_owned())
                .filter(|each| !each.is_empty())
                .into_iter()
                .collect(),
            ..Wishes::default()
        };
        let mut args = ResolveArgs::default();
        let asked =
            |args: &ResolveArgs, own: &Wishes| options(args, own, &file).expect("options").indexes;
        assert_eq!(
            asked(&args, &own("", "")),
            ["https://private/simple", "https://file/simple"]
        );
        assert_eq!(
            asked(&args, &own("https://own/", "https://more")),
            ["https://more", "https://private/simple", "https://own"]
        );
        args.index_url = Some("https://flag/simple/".to_owned());
        args.extra_index_url = vec!["https://extra/simple".to_owned()];
        assert_eq!(
            asked(&args, &own("https://own", "https://more")),
            ["https://extra/simple", "https://flag/simple"]
        );
        args.no_index = true;
        assert!(asked(&args, &own("https://own", "")).is_empty());
        let none = Wishes {
            no_index: true,
            ..Wishes::default()
        };
        assert!(asked(&ResolveArgs::default(), &none).is_empty());
        args.no_index = false;
        assert_eq!(asked(&args, &none).len(), 2, "a flag wins");
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let args = ResolveArgs {
            index_url: Some("pypi.org".to_owned()),
            ..ResolveArgs::default()
        };
        let fault = options(&args, &Wishes::default(), &FileSettings::default());
        assert_eq!(fault.expect_err("no scheme").code, Code::CONFIG_INVALID);
    }

    #[test]
    fn packages_are_pinned_to_indexes_by_name_or_address() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let file = FileSettings {
            index: [("team".to_owned(), "https://team/simple/".to_owned())].into(),
            index_for: [
                ("torch".to_owned(), "team".to_owned()),
                ("Own".to_owned(), "team".to_owned()),
            ]
            .into(),
            ..FileSettings::default()
        };
        let mut args = ResolveArgs {
            index: words(&["cpu=https://torch/cpu?x=y"]),
            index_for: words(&["torch=cpu", "other=https://other/simple"]),
            ..ResolveArgs::default()
        };
        let elsewhere = Wishes {
            pins: vec![Pin {
                package: "other".parse().expect("a name"),
                index: "https://own".to_owned(),
                marker: MarkerTree::FALSE,
            }],
            ..Wishes::default()
        };
        let found = options(&args, &elsewhere, &file).expect("pins").index_of;
        let found: Vec<String> = found
            .iter()
            .map(|(name, index)| format!("{name} {index}"))
            .collect();
        assert_eq!(
            found,
            [
                "other https://other/simple",
                "own https://team/simple",
                "torch https://torch/cpu?x=y"
            ]
        );
        args.index_for.pop();
        args.index_for.push("a b=cpu".to_owned());
        for (index, index_for) in [
            (&["cpu=https://x"][..], &[][..]),
            (&[][..], &["torch=unnamed"][..]),
            (&["cpu"][..], &["torch=cpu"][..]),
            (&[][..], &["torch"][..]),
            (&[][..], &["a b=https://x"][..]),
        ] {
            let args = ResolveArgs {
                index: words(index),
                index_for: words(index_for),
                ..ResolveArgs::default()
            };
            let fault = options(&args, &Wishes::default(), &FileSettings::default());
            assert_eq!(
                fault.expect_err("refused").code,
                Code::USAGE,
                "{index:?} {index_for:?}"
            );
        }
    }

    #[test]
    fn bounds_and_formats_add_up_from_every_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let file_of = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs_err::write(&path, text).expect("a file");
            path
        };
        let file = FileSettings {
            constraint: vec![file_of("a.txt", "six<2\n--pre\n")],
            overrides: vec![file_of("o.txt", "rich==1\nrich==2; python_version > '3'\n")],
            no_binary: vec!["a".to_owned()],
            only_binary: vec![":all:".to_owned()],
            ..FileSettings::default()
        };
        let args = ResolveArgs {
            constraint: vec![file_of("b.txt", "six>1\n")],
            no_binary: vec!["b".to_owned()],
            ..ResolveArgs::default()
        };
        let found = options(&args, &Wishes::default(), &file).expect("options");
        assert_eq!(found.constraints.len(), 2);
        assert_eq!(found.overrides.len(), 2);
        assert_eq!(found.prerelease, Prerelease::Allow);
        assert_eq!(found.only_binary, Selection::All);
        assert!(found.no_binary.contains(&"a".parse().expect("a name")));
        assert!(found.no_binary.contains(&"b".parse().expect("a name")));
        let args = ResolveArgs {
            no_build: true,
            ..ResolveArgs::default()
        };
        let found = options(&args, &Wishes::default(), &file).expect("options");
        assert_eq!(found.no_binary, Selection::None, "the flag is said last");
    }
}
