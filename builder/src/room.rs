//! Whether a lock's packages fit where they are to run, and where they are built, told before a
//! byte is downloaded.
//!
//! In: the sizes that a lock says, what is in the store already, a room. Out: nothing, or a fault
//! with the sums, the largest packages first. Never: refuses what could fit: what is not known is
//! reckoned low, and whoever unpacks counts exactly.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use pyrun_core::protocol::Room;
use pyrun_core::{Code, Fault, Lock, LockedPackage};
use pyrun_store::{Store, StoreError, catalog};

use crate::zip::{Archive, Limits};

/// What a wheel takes at least once it is unpacked, where its directory is not at hand: a quarter
/// more than its size. Most take three or four times their size, but those with libraries for
/// graphics processors, which are the largest, less than half as much again.
fn at_least(wheel: u64) -> u64 {
    wheel.saturating_add(wheel / 4)
}

/// How many packages are asked for at once.
const PARALLEL: usize = 16;
/// Packages that are named.
const NAMED: usize = 5;

/// What one package takes, in bytes.
#[derive(Debug)]
struct Need {
    name: String,
    wheel: u64,
    unpacked: u64,
    is_here: bool,
}

/// Refuses a lock whose packages don't fit into a room.
pub(crate) async fn check(lock: &Lock, store: &dyn Store, room: &Room) -> Result<(), Fault> {
    let packages = lock.packages.iter().map(|(name, package)| {
        let name = format!("{name} {}", package.version);
        need(name, package, store)
    });
    // A store in a bucket takes some milliseconds for each answer.
    let packages: Vec<_> = packages.collect();
    let needs = stream::iter(packages).buffered(PARALLEL).try_collect();
    let needs: Vec<Need> = needs.await?;
    let sum = |of: fn(&Need) -> u64| needs.iter().map(of).fold(0, u64::saturating_add);
    let unpacked = sum(|need| need.unpacked);
    let wheels = sum(|need| need.wheel);
    let missing = sum(|need| if need.is_here { 0 } else { need.wheel });
    let (need, of) = if room.holds_store {
        // The bundle is a second copy of the wheels.
        let all = [unpacked, wheels, missing];
        let need = all.into_iter().fold(0, u64::saturating_add);
        (need, "to be downloaded, built and unpacked")
    } else {
        (unpacked, "unpacked")
    };
    if need <= room.disk_bytes {
        return Ok(());
    }
    let fault = Fault::new(
        Code::TARGET_TOO_SMALL,
        format!(
            "these packages need at least {} {of}, and there are {} MiB of disk for them",
            mebibytes(need),
            room.disk_bytes >> 20
        ),
    );
    let hint = if room.holds_store {
        "make room on the disk, with `pyrun cache gc` for one, or name folders on another one \
         with `--store` and `--cache-dir`"
    } else {
        "name a folder on a larger disk with `--cache-dir`; functions get more with `pyrun deploy \
         --storage MB` (10,240 at most)"
    };
    Err(with_largest(fault, needs).hint(hint))
}

/// Refuses a lock whose wheels don't fit into the disk that a builder has for them: a bundle is
/// about as large as its wheels, and is written whole before it is published.
pub(crate) fn check_scratch(lock: &Lock, disk: u64) -> Result<(), Fault> {
    let needs = lock.packages.iter().map(|(name, package)| {
        let wheel = package.wheel.size.unwrap_or(0);
        Need {
            name: format!("{name} {}", package.version),
            wheel,
            unpacked: at_least(wheel),
            is_here: false,
        }
    });
    let needs: Vec<Need> = needs.collect();
    let need = needs
        .iter()
        .map(|need| need.wheel)
        .fold(0u64, u64::saturating_add);
    if need <= disk {
        return Ok(());
    }
    let (need, disk) = (need.div_ceil(1 << 20), disk >> 20);
    let fault = Fault::new(
        Code::REMOTE_QUOTA,
        format!(
            "the wheels of this lock have {need} MiB, and the builder has {disk} MiB of disk for them"
        ),
    );
    Err(with_largest(fault, needs).hint("give the functions more disk with `pyrun deploy --storage MB`: at least twice as much as the wheels have"))
}

async fn need(
    name: String,
    package: &LockedPackage,
    store: &dyn Store,
) -> Result<Need, StoreError> {
    let key = catalog::wheel(&package.wheel.sha256);
    let here = store.head(&key).await?;
    let wheel = here.as_ref().map(|meta| meta.size).or(package.wheel.size);
    let wheel = wheel.unwrap_or(0);
    let path = here.is_some().then(|| store.path(&key)).flatten();
    let known = match path {
        Some(path) => tokio::task::spawn_blocking(move || unpacked(&path))
            .await
            .unwrap_or_default(),
        None => None,
    };
    Ok(Need {
        name,
        wheel,
        unpacked: known.unwrap_or(at_least(wheel)),
        is_here: here.is_some(),
    })
}

/// What a wheel on this machine unpacks to, by its directory; `None` where it can't be read, which
/// whoever uses it will say.
fn unpacked(path: &std::path::Path) -> Option<u64> {
    let file = fs_err::File::open(path).ok()?;
    let archive = Archive::open(file, &Limits::default()).ok()?;
    let sizes = archive.entries().iter().map(|entry| entry.size);
    Some(sizes.fold(0, u64::saturating_add))
}

fn with_largest(mut fault: Fault, mut needs: Vec<Need>) -> Fault {
    // By name where they are as large, so that the order is one.
    needs.sort_by(|a, b| b.unpacked.cmp(&a.unpacked).then(a.name.cmp(&b.name)));
    for need in needs.iter().take(NAMED) {
        fault = fault.cause(format!(
            "`{}` is a wheel of {}, at least {} unpacked",
            need.name,
            mebibytes(need.wheel),
            mebibytes(need.unpacked)
        ));
    }
    let rest = needs.get(NAMED..).unwrap_or_default();
    if !rest.is_empty() {
        let size = rest
            .iter()
            .map(|need| need.unpacked)
            .fold(0, u64::saturating_add);
        fault = fault.cause(format!(
            "{} others together are at least {} unpacked",
            rest.len(),
            mebibytes(size)
        ));
    }
    fault
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use pyrun_core::Sha256;
    use pyrun_kit::{IndexServer, Packages, WheelBuilder};
    use pyrun_store::{Body, Created, DirStore, Entry, Key, MemoryStore, Meta};

    use super::*;
    use crate::index::testing::{locked, target};

    type Answer<T> = Result<T, StoreError>;

    /// A store that answers a little later, and counts how many questions are open at once.
    #[derive(Debug, Default)]
    struct Slow {
        inner: MemoryStore,
        open: AtomicUsize,
        most: AtomicUsize,
        all: AtomicUsize,
    }

    impl Slow {
        async fn wait(&self) {
            self.all.fetch_add(1, Ordering::Relaxed);
            let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(open, Ordering::Relaxed);
            tokio::task::yield_now().await;
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[async_trait::async_trait]
    impl Store for Slow {
        async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Answer<Option<Bytes>> {
            self.wait().await;
            self.inner.get(key, range).await
        }

        async fn put_new(&self, key: &Key, body: Body) -> Answer<Created> {
            self.inner.put_new(key, body).await
        }

        async fn put(&self, key: &Key, body: Body) -> Answer<()> {
            self.inner.put(key, body).await
        }

        async fn head(&self, key: &Key) -> Answer<Option<Meta>> {
            self.wait().await;
            self.inner.head(key).await
        }

        async fn list(&self, prefix: &str) -> Answer<Vec<Entry>> {
            self.inner.list(prefix).await
        }

        async fn delete(&self, key: &Key) -> Answer<()> {
            self.inner.delete(key).await
        }
    }

    #[tokio::test]
    async fn a_store_is_asked_for_many_packages_at_once() {
        let names: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
        let sizes: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let store = Slow::default();
        assert_eq!(
            check(&lock(&sizes), &store, &room(1200, false)).await,
            Ok(())
        );
        assert_eq!(store.all.into_inner(), 40);
        assert_eq!(store.most.into_inner(), PARALLEL);
    }

    /// A lock of packages whose wheels have so many megabytes.
    fn lock(sizes: &[(&str, u64)]) -> Lock {
        let server = IndexServer::start(Packages::new());
        let packages = sizes.iter().map(|(name, size)| {
            let wheel = WheelBuilder::new(*name, "1.0").build();
            let (name, mut package) = locked(&wheel, &server);
            package.wheel.size = Some(size << 20);
            package.wheel.sha256 = Sha256::of(name.as_ref());
            (name, package)
        });
        Lock {
            target: target(),
            packages: packages.collect(),
            resolved: None,
            exclude_newer: None,
        }
    }

    fn room(megabytes: u64, holds_store: bool) -> Room {
        Room {
            disk_bytes: megabytes << 20,
            holds_store,
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_with_the_sums_and_the_largest_first() {
        let sizes = [
            ("a", 1),
            ("b", 700),
            ("c", 5),
            ("d", 300),
            ("e", 20),
            ("f", 10),
            ("g", 2),
        ];
        let store = MemoryStore::new();
        let refused = check(&lock(&sizes), &store, &room(1200, false)).await;
        let fault = refused.expect_err("1,298 MiB in 1,200");
        assert_eq!(fault.code, Code::TARGET_TOO_SMALL);
        assert_eq!(
            fault.message,
            "these packages need at least 1298 MiB unpacked, and there are 1200 MiB of disk for them"
        );
        assert_eq!(
            fault.causes,
            [
                "`b 1.0` is a wheel of 700 MiB, at least 875 MiB unpacked",
                "`d 1.0` is a wheel of 300 MiB, at least 375 MiB unpacked",
                "`e 1.0` is a wheel of 20 MiB, at least 25 MiB unpacked",
                "`f 1.0` is a wheel of 10 MiB, at least 13 MiB unpacked",
                "`c 1.0` is a wheel of 5 MiB, at least 7 MiB unpacked",
                "2 others together are at least 4 MiB unpacked",
            ]
        );
        let fits = check(&lock(&sizes), &store, &room(1298, false)).await;
        assert_eq!(fits, Ok(()));
    }

    #[tokio::test]
    async fn a_disk_that_holds_the_store_needs_room_for_wheels_and_bundle() {
        let store = MemoryStore::new();
        let lock = lock(&[("a", 100)]);
        let refused = check(&lock, &store, &room(324, true)).await;
        let fault = refused.expect_err("two copies, and 125 unpacked");
        assert!(fault.message.contains("at least 325 MiB"), "{fault:?}");
        assert!(fault.hints[0].contains("cache gc"), "{fault:?}");
        assert_eq!(check(&lock, &store, &room(325, true)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_wheel_that_is_here_is_counted_by_its_directory() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = DirStore::open(folder.path()).expect("a store");
        let wheel = WheelBuilder::new("a", "1.0")
            .file("a.txt", "line\n".repeat(1 << 20))
            .build();
        let server = IndexServer::start(Packages::new());
        let lock = Lock {
            target: target(),
            packages: [locked(&wheel, &server)].into(),
            resolved: None,
            exclude_newer: None,
        };
        assert_eq!(check(&lock, &store, &room(1, false)).await, Ok(()));
        let key = catalog::wheel(&wheel.sha256);
        let stored = store.put_new(&key, Body::from(wheel.bytes.clone())).await;
        stored.expect("a store");
        let refused = check(&lock, &store, &room(1, false)).await;
        let fault = refused.expect_err("five megabytes in one");
        assert!(fault.causes[0].contains("at least 6 MiB"), "{fault:?}");
    }
}
