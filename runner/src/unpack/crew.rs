//! One thread per core on one plan.
//!
//! A segment is verified by one thread, and then its batches are anyone's: so one large wheel
//! keeps every core busy. Whatever waits is bounded: batches hold offsets, and the bytes in memory
//! are counted against a budget.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::error::UnpackError;
use super::extract::{self, Batch, Extractor, Source, Target};
use super::plan::Plan;

const MOST_THREADS: usize = 16;

/// How far an unpacking is, and whether it is still wanted.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes of files that are written.
    pub(super) done: AtomicU64,
    /// Set by whoever gives it up.
    pub(super) stopped: AtomicBool,
}

/// Unpacks a whole plan from one source. `budget` is how many bytes of segments and files are in
/// memory at a time; one member that is larger is handled alone.
pub(super) fn unpack(
    plan: &Plan,
    source: &Source<'_>,
    target: &Target<'_>,
    budget: u64,
    progress: &Progress,
) -> Result<(), UnpackError> {
    extract::make_folders(plan, target.root)?;
    let crew = Crew::new(plan, source, target, budget, progress);
    let threads = thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .min(MOST_THREADS);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| crew.work());
        }
        crew.work();
    });
    let queue = crew
        .queue
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    queue.failed.map_or(Ok(()), Err)
}

struct Crew<'a> {
    plan: &'a Plan,
    source: &'a Source<'a>,
    target: &'a Target<'a>,
    /// Bytes.
    budget: u64,
    progress: &'a Progress,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    /// Shares to verify; the last is taken first.
    unverified: Vec<usize>,
    /// Threads that verify a share at the moment.
    verifying: usize,
    batches: VecDeque<Batch>,
    /// Bytes in memory.
    memory: u64,
    failed: Option<UnpackError>,
}

enum Task {
    Verify(usize),
    Write(Batch),
}

impl<'a> Crew<'a> {
    fn new(
        plan: &'a Plan,
        source: &'a Source<'a>,
        target: &'a Target<'a>,
        budget: u64,
        progress: &'a Progress,
    ) -> Self {
        let mut unverified: Vec<usize> = (0..plan.shares.len()).collect();
        // The largest first, so that no thread is left alone with it at the end.
        unverified.sort_by_key(|at| plan.shares[*at].end - plan.shares[*at].start);
        Self {
            plan,
            source,
            target,
            budget,
            progress,
            queue: Mutex::new(Queue {
                unverified,
                verifying: 0,
                batches: VecDeque::new(),
                memory: 0,
                failed: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut extractor = Extractor::default();
        while let Some(task) = self.next() {
            match task {
                Task::Verify(at) => {
                    let share = &self.plan.shares[at];
                    let result = extract::verify(share, self.source);
                    let batches = extract::batches(self.plan, share, self.target);
                    let mut queue = self.lock();
                    queue.verifying -= 1;
                    match result {
                        Ok(()) => queue.batches.extend(batches),
                        Err(error) => queue.fail(error),
                    }
                }
                Task::Write(batch) => {
                    let result = extractor.write(self.plan, &batch, self.source, self.target);
                    let done = &self.progress.done;
                    done.fetch_add(batch.unpacked, Ordering::Relaxed);
                    let mut queue = self.lock();
                    queue.memory -= batch.memory.min(self.budget);
                    if let Err(error) = result {
                        queue.fail(error);
                    }
                }
            }
            self.changed.notify_all();
        }
    }

    /// The next task, waiting for one if another thread may still bring it; `None` at the end.
    fn next(&self) -> Option<Task> {
        let mut queue = self.lock();
        loop {
            if self.progress.stopped.load(Ordering::Relaxed) {
                queue.fail(UnpackError::GivenUp);
            }
            if queue.failed.is_some() {
                return None;
            }
            let wanted = queue
                .batches
                .front()
                .map(|batch| batch.memory.min(self.budget));
            if let Some(memory) = wanted.filter(|memory| queue.memory + memory <= self.budget) {
                queue.memory += memory;
                return queue.batches.pop_front().map(Task::Write);
            }
            if let Some(at) = queue.unverified.pop() {
                queue.verifying += 1;
                return Some(Task::Verify(at));
            }
            if queue.verifying == 0 && queue.batches.is_empty() {
                return None;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    fn fail(&mut self, error: UnpackError) {
        self.failed.get_or_insert(error);
    }
}
