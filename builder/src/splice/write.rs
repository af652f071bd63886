//! Writes a planned bundle.
//!
//! Every byte is hashed twice: as part of its segment, so that segments can be fetched and shared one
//! by one, and as part of the whole. The second happens on a thread of its own; buffers go round
//! between the two, so memory is a few of them however large the bundle is.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use pep508_rs::PackageName;
use pyrun_core::{BundleRecord, Manifest, Segment, Sha256};
use sha2::Digest as _;

use super::plan::{Data, Plan, PlannedSegment};
use super::{LOCK_MEMBER, MANIFEST_MEMBER, SpliceError};
use crate::zip::{Member, Source as _, central_header, end_record, local_header};

/// Bytes of a buffer, and how many wait for the second digest at most.
const BUFFER: usize = 1 << 20;
const WAITING: usize = 8;

/// Where wheels are read from.
pub trait Sources {
    /// The package's wheel, as it was when the plan was made.
    fn open(&self, package: &PackageName) -> io::Result<fs_err::File>;
}

/// Writes the bundle. `progress` gets bytes done, bytes in all, and the package that is written.
/// `built` of the record is empty. What is written is not synced to disk.
pub fn write(
    plan: &Plan,
    sources: &dyn Sources,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64, &PackageName),
) -> Result<BundleRecord, SpliceError> {
    let (full, waiting) = sync_channel(WAITING);
    let (empty, free) = channel();
    thread::scope(|scope| {
        let whole = scope.spawn(move || hash_all(&waiting, &empty));
        let mut tee = Tee {
            out,
            buffer: Vec::with_capacity(BUFFER),
            part: sha2::Sha256::new(),
            full,
            free,
            position: 0,
        };
        let written = write_all(plan, sources, &mut tee, progress);
        let size = tee.position;
        // Ends the other thread: nothing more will come.
        drop(tee);
        let sha256 = whole
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (manifest, tail_sha256) = written?;
        Ok(BundleRecord {
            manifest,
            size,
            sha256,
            tail_offset: plan.tail_offset(),
            tail_sha256,
            built: String::new(),
            about: std::collections::BTreeMap::new(),
            extra: std::collections::BTreeMap::new(),
        })
    })
}

fn hash_all(waiting: &Receiver<Vec<u8>>, empty: &Sender<Vec<u8>>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    for buffer in waiting {
        hasher.update(&buffer);
        // The writer may be gone already, and needs no buffer then.
        let _ = empty.send(buffer);
    }
    Sha256::finish(hasher)
}

/// The manifest, and the digest of all after the segments.
fn write_all(
    plan: &Plan,
    sources: &dyn Sources,
    tee: &mut Tee,
    progress: &mut dyn FnMut(u64, u64, &PackageName),
) -> Result<(Manifest, Sha256), SpliceError> {
    let total = plan.tail_offset();
    let mut directory = Directory::default();
    let mut segments = Vec::with_capacity(plan.segments.len());
    for planned in &plan.segments {
        progress(tee.position, total, &planned.package);
        segments.push(write_segment(planned, sources, tee, &mut directory)?);
    }
    let manifest = Manifest {
        format: pyrun_core::FORMAT,
        lock: plan.lock,
        python: plan.python.clone(),
        target: plan.target.clone(),
        unpacked: segments.iter().map(|segment| segment.unpacked).sum(),
        files: segments.iter().map(|segment| segment.files).sum(),
        segments,
    };
    let json = serde_json::to_vec(&manifest).expect("a manifest is plain data");
    for (name, content) in [
        (LOCK_MEMBER, plan.canonical.as_bytes()),
        (MANIFEST_MEMBER, &json),
    ] {
        let member = Member::stored(name, content);
        directory.add(&member, tee.position);
        tee.push(&local_header(&member))?;
        tee.push(content)?;
    }
    let offset = tee.position;
    tee.push(&directory.bytes)?;
    tee.push(&end_record(
        directory.entries,
        offset,
        directory.bytes.len() as u64,
    ))?;
    Ok((manifest, tee.end_part()?))
}

fn write_segment(
    planned: &PlannedSegment,
    sources: &dyn Sources,
    tee: &mut Tee,
    directory: &mut Directory,
) -> Result<Segment, SpliceError> {
    debug_assert_eq!(tee.position, planned.offset, "the plan knew it");
    let wheel = sources.open(&planned.package)?;
    for file in &planned.files {
        directory.add(&file.member, tee.position);
        tee.push(&local_header(&file.member))?;
        match &file.data {
            Data::Made(content) => tee.push(content)?,
            Data::Wheel(offset) => tee.copy(&wheel, *offset, file.member.compressed)?,
        }
    }
    Ok(Segment {
        package: planned.package.clone(),
        version: planned.version.clone(),
        wheel: planned.wheel.clone(),
        wheel_sha256: planned.wheel_sha256,
        offset: planned.offset,
        length: planned.length,
        sha256: tee.end_part()?,
        unpacked: planned.unpacked,
        files: planned.files.len() as u64,
        imports: planned.imports.clone(),
        depends: planned.depends.clone(),
        pth: planned.pth,
    })
}

/// The central directory as it grows.
#[derive(Debug, Default)]
struct Directory {
    bytes: Vec<u8>,
    entries: u64,
}

impl Directory {
    fn add(&mut self, member: &Member, offset: u64) {
        self.bytes.extend(central_header(member, offset));
        self.entries += 1;
    }
}

/// An output that is hashed twice as it is written.
struct Tee<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    part: sha2::Sha256,
    full: SyncSender<Vec<u8>>,
    free: Receiver<Vec<u8>>,
    /// Bytes that were pushed.
    position: u64,
}

impl Tee<'_> {
    fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.room()?));
            self.buffer.extend_from_slice(now);
            self.position += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    fn copy(&mut self, wheel: &fs_err::File, mut offset: u64, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let room = self.room()?;
            let length = usize::try_from(left).map_or(room, |left| left.min(room));
            let filled = self.buffer.len();
            self.buffer.resize(filled + length, 0);
            wheel.read_exact_at(&mut self.buffer[filled..], offset)?;
            self.position += length as u64;
            offset += length as u64;
            left -= length as u64;
        }
        Ok(())
    }

    /// Free bytes of the buffer; more than none.
    fn room(&mut self) -> io::Result<usize> {
        if self.buffer.len() == BUFFER {
            self.flush()?;
        }
        Ok(BUFFER - self.buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        let mut next = self.free.try_recv().unwrap_or_default();
        next.clear();
        next.reserve_exact(BUFFER);
        let full = std::mem::replace(&mut self.buffer, next);
        self.full
            .send(full)
            .expect("the other thread hashes until this one is done");
        Ok(())
    }

    /// The digest of what was pushed since the last part's end.
    fn end_part(&mut self) -> io::Result<Sha256> {
        self.flush()?;
        Ok(Sha256::finish(std::mem::take(&mut self.part)))
    }
}
