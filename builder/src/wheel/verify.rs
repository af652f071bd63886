//! The bytes of members: how many there may be, and that they are those that RECORD promises.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pyrun_core::Sha256;
use sha2::Digest as _;

use super::record::{Digest, Listed};
use super::{Trust, WheelProblem};
use crate::zip::{Archive, Inflater, Source, shown};

/// Deflate can't reach more than 1032, and nothing but filler comes near it. A member smaller than
/// [`SMALL`] may: an empty table is no bomb.
const MEMBER_RATIO: u64 = 1000;
const SMALL: u64 = 4 << 20;
/// Whole wheels that are good stay below 30.
const WHEEL_RATIO: u64 = 200;
const SMALL_WHEEL: u64 = 64 << 20;
/// Threads of one check. Each holds a member twice, packed and plain, up to 32 MB in all.
const THREADS: usize = 4;

/// Refuses bombs by what the archive declares; that the data keeps to it is seen when it is read.
pub(super) fn bound<S: Source>(archive: &Archive<S>, limit: u64) -> Result<(), WheelProblem> {
    let mut unpacked: u64 = 0;
    let mut compressed: u64 = 0;
    for entry in archive.entries() {
        if entry.size > SMALL && entry.size / MEMBER_RATIO >= entry.compressed {
            return Err(WheelProblem::Bomb {
                name: shown(entry.name.as_bytes()),
                compressed: entry.compressed,
                size: entry.size,
            });
        }
        unpacked = unpacked.saturating_add(entry.size);
        compressed = compressed.saturating_add(entry.compressed);
    }
    if unpacked > limit {
        return Err(WheelProblem::TooLarge { unpacked, limit });
    }
    if unpacked > SMALL_WHEEL && unpacked / WHEEL_RATIO >= compressed {
        return Err(WheelProblem::Bomb {
            name: "the whole".to_owned(),
            compressed,
            size: unpacked,
        });
    }
    Ok(())
}

/// The digest of a whole file.
pub(super) fn whole(file: &fs_err::File) -> Result<Sha256, WheelProblem> {
    let size = Source::size(file).map_err(io_problem)?;
    digest_of(file, 0..size).map_err(io_problem)
}

/// The digest of a part of a file.
pub(crate) fn digest_of(file: &fs_err::File, range: Range<u64>) -> io::Result<Sha256> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut offset = range.start;
    let mut left = range.end.saturating_sub(range.start);
    while left > 0 {
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let piece = &mut buffer[..length];
        Source::read_exact_at(file, piece, offset)?;
        hasher.update(&*piece);
        offset += length as u64;
        left -= length as u64;
    }
    Ok(Sha256::finish(hasher))
}

fn io_problem(error: io::Error) -> WheelProblem {
    WheelProblem::Zip(error.into())
}

/// The SHA-256 of every member, in order, once each has the digest that RECORD gives it.
pub(super) fn digests(
    source: &impl Source,
    members: &[Listed],
    trust: Trust,
) -> Result<Vec<Sha256>, WheelProblem> {
    let mut digests = vec![None; members.len()];
    let mut work = Vec::new();
    for (index, member) in members.iter().enumerate() {
        match (trust, member.digest) {
            (Trust::Record, Some(Digest::Sha256(known))) => digests[index] = Some(*known),
            _ => work.push(index),
        }
    }
    // The largest first, so that no thread starts on it when the others are done.
    work.sort_by_key(|&index| std::cmp::Reverse(members[index].entry.size));
    for (index, digest) in in_parallel(&work, |inflater, index| {
        digest(source, &members[index], inflater)
    })? {
        digests[index] = Some(digest);
    }
    let all: Option<Vec<Sha256>> = digests.into_iter().collect();
    Ok(all.expect("each member is either known or worked on"))
}

/// Runs `job` for each index on several cores. The first error ends it.
fn in_parallel<T: Send>(
    work: &[usize],
    job: impl Fn(&mut Inflater, usize) -> Result<T, WheelProblem> + Sync,
) -> Result<Vec<(usize, T)>, WheelProblem> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut inflater = Inflater::default();
        let mut done = Vec::new();
        while let Some(&index) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            match job(&mut inflater, index) {
                Ok(value) => done.push((index, value)),
                Err(problem) => {
                    next.store(work.len(), Ordering::Relaxed);
                    return Err(problem);
                }
            }
        }
        Ok(done)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let helpers = cores.min(THREADS).min(work.len()).saturating_sub(1);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..helpers).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for handle in handles {
            let part = handle.join().expect("checking a member does not panic");
            all = all.and_then(|mut all| {
                all.extend(part?);
                Ok(all)
            });
        }
        all
    })
}

fn digest(
    source: &impl Source,
    member: &Listed,
    inflater: &mut Inflater,
) -> Result<Sha256, WheelProblem> {
    let mut sha256 = sha2::Sha256::new();
    let right = match member.digest {
        None => {
            inflater.visit(source, member.entry, &mut |piece| sha256.update(piece))?;
            true
        }
        Some(Digest::Sha256(expected)) => {
            inflater.visit(source, member.entry, &mut |piece| sha256.update(piece))?;
            sha256.clone().finalize()[..] == expected.as_bytes()[..]
        }
        Some(Digest::Sha384(expected)) => {
            let mut other = sha2::Sha384::new();
            inflater.visit(source, member.entry, &mut |piece| {
                sha256.update(piece);
                other.update(piece);
            })?;
            other.finalize()[..] == expected[..]
        }
        Some(Digest::Sha512(expected)) => {
            let mut other = sha2::Sha512::new();
            inflater.visit(source, member.entry, &mut |piece| {
                sha256.update(piece);
                other.update(piece);
            })?;
            other.finalize()[..] == expected[..]
        }
    };
    if right {
        Ok(Sha256::finish(sha256))
    } else {
        let name = shown(member.entry.name.as_bytes());
        Err(WheelProblem::Record(format!(
            "gives `{name}` another digest"
        )))
    }
}
