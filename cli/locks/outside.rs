//! What an index says of changes: who published the files, and under which licence.
//!
//! In: two locks, an index. Out: what could be learned, and what could not. Never: fails a command:
//! a change can be told without it.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _};
use pyrun_builder::index::{Client as Index, Publisher};
use pyrun_core::{Lock, LockedPackage, PackageName};

use super::diff::{Licence, Outside};
use crate::graph::known::as_listed;

/// How many packages are asked about at once.
const PARALLEL: usize = 8;

/// What is learned of each package that is new or other than before, and the first failure.
pub async fn learn(
    old: &Lock,
    new: &Lock,
    index: &Index,
) -> (BTreeMap<PackageName, Outside>, Option<String>) {
    let packages = new.packages.iter();
    let other = packages.filter(|(name, package)| {
        let before = old.packages.get(*name);
        before.is_none_or(|before| before.wheel.sha256 != package.wheel.sha256)
    });
    let asked: Vec<_> = other
        .map(|(name, package)| one(index, name, old.packages.get(name), package))
        .collect();
    let mut learned: Vec<_> = stream::iter(asked).buffered(PARALLEL).collect().await;
    let failed = learned.iter_mut().find_map(|(_, _, failed)| failed.take());
    let learned = learned
        .into_iter()
        .map(|(name, outside, _)| (name, outside));
    (learned.collect(), failed)
}

async fn one(
    index: &Index,
    name: &PackageName,
    before: Option<&LockedPackage>,
    after: &LockedPackage,
) -> (PackageName, Outside, Option<String>) {
    let mut outside = Outside::default();
    let mut failed = None;
    if let Some(before) = before {
        match publishers(index, name, before, after).await {
            Ok(found) => outside.publishers = Some(found),
            Err(error) => failed = Some(format!("who published `{name}` is not known: {error}")),
        }
        outside.old_licence = licence(index, name, before).await;
    }
    outside.new_licence = licence(index, name, after).await;
    (name.clone(), outside, failed)
}

async fn publishers(
    index: &Index,
    name: &PackageName,
    before: &LockedPackage,
    after: &LockedPackage,
) -> Result<(Vec<String>, Vec<String>), pyrun_builder::index::IndexError> {
    let file = |package: &LockedPackage| match &package.sdist {
        Some(sdist) => sdist.filename.clone(),
        None => package.wheel.filename.to_string(),
    };
    let (old, new) = (file(before), file(after));
    let mut found = if before.index == after.index {
        index.publishers(name, &after.index, &[&old, &new]).await?
    } else {
        let mut found = index.publishers(name, &before.index, &[&old]).await?;
        found.extend(index.publishers(name, &after.index, &[&new]).await?);
        found
    };
    let mut shown = |file: &str| {
        let publishers: Vec<Publisher> = found.remove(file).unwrap_or_default();
        publishers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<String>>()
    };
    let (new_ones, old_ones) = if old == new {
        let both = shown(&new);
        (both.clone(), both)
    } else {
        (shown(&new), shown(&old))
    };
    Ok((old_ones, new_ones))
}

async fn licence(index: &Index, name: &PackageName, package: &LockedPackage) -> Licence {
    let (project, file) = as_listed(name, package);
    match index.licence(&project, &file).await {
        Ok(Some(licence)) => Licence::Stated(licence),
        Ok(None) => Licence::Unknown,
        Err(_) => Licence::NotRead,
    }
}
