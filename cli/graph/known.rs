//! What is known of locked packages besides the lock: their metadata.
//!
//! In: a lock, and an index that may be asked or what is kept of it. Out: metadata by package,
//! without those of which nothing can be told. Never: fails for a package.

use futures::stream::{self, StreamExt as _};
use pyrun_builder::index::{Announced, Client as Index, File, FileKind, Project, Source as _};
pub use pyrun_builder::resolve::Known;
use pyrun_core::{Lock, LockedPackage, PackageName};

/// How many packages are asked about at once.
const PARALLEL: usize = 16;

/// The metadata of these packages of a lock, as far as it is to be had.
pub async fn metadata<'a>(
    lock: &'a Lock,
    index: &Index,
    of: impl Fn(&PackageName) -> bool,
) -> Known {
    let packages = lock.packages.iter().filter(|(name, _)| of(name));
    let asked: Vec<_> = packages
        .map(
            |(name, package): (&'a PackageName, &'a LockedPackage)| async move {
                let (project, file) = as_listed(name, package);
                let metadata = index.metadata(&project, &file).await.ok()?;
                Some((name.clone(), metadata))
            },
        )
        .collect();
    let found: Vec<Option<_>> = stream::iter(asked).buffered(PARALLEL).collect().await;
    found.into_iter().flatten().collect()
}

/// A locked wheel as an index lists it.
pub fn as_listed(name: &PackageName, package: &LockedPackage) -> (Project, File) {
    let wheel = &package.wheel;
    let file = File {
        kind: FileKind::Wheel,
        filename: wheel.filename.to_string(),
        version: package.version.clone(),
        url: wheel.url.clone(),
        sha256: Some(wheel.sha256),
        size: wheel.size,
        requires_python: None,
        yanked: None,
        upload_time: wheel.upload_time.clone(),
        metadata: Announced::Silent,
        linked: false,
    };
    let project = Project {
        name: name.clone(),
        index: package.index.clone(),
        files: Vec::new(),
        status: None,
    };
    (project, file)
}
