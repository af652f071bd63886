//! One builder at a time for one lock.
//!
//! In: a store and a lock hash. Out: a lease that is held until it is dropped, or the news that
//! the bundle was published while waiting.
//! Never: what correctness rests on. Publishing is create-if-absent, so two builders of one lock
//! (a clock that is wrong, a machine that slept) cost time and nothing else.
//!
//! The first holder creates `v1/leases/<lock>` with `put_new`. Whoever finds it dead creates
//! `v1/leases/<lock>.1`, of which there can be one only, and so on: the living lease is the last
//! of the chain, and nothing is ever taken away from under a waiter. A holder removes its own
//! lease when it gives up, and the whole chain once the bundle is there; since every new holder
//! looks for the bundle once more, that can't make two builders.

mod holder;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyrun_core::{Code, Fault, LockHash};
use pyrun_store::{Body, Created, Store, StoreError, catalog};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

pub use holder::Holder;

/// The times that leases go by.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long a lease lives without being renewed. It is renewed three times as often.
    pub ttl: Duration,
    /// The first pause between two looks at somebody else's lease; each is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long to wait for a holder that keeps renewing.
    pub patience: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(15),
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(500),
            patience: Duration::from_mins(30),
        }
    }
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else holds it for longer than the patience lasts.
    #[error(
        "{holder} has been building the bundle `{}` for {} s",
        lock.0.short(),
        waited.as_secs()
    )]
    Patience {
        /// The bundle.
        lock: LockHash,
        /// Who builds it.
        holder: Box<Holder>,
        /// How long this builder waited.
        waited: Duration,
    },
}

impl From<LeaseError> for Fault {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Store(error) => error.into(),
            LeaseError::Patience { .. } => Self::from_error(Code::STORE_LEASE, &error)
                .hint("end that process, then run the command again"),
        }
    }
}

/// What came of waiting.
#[derive(Debug)]
pub enum Acquired {
    /// It is this builder's turn.
    Held(Lease),
    /// The bundle's record is in the store.
    Done,
}

/// The right to build a bundle. It is renewed until it is dropped or released.
#[derive(Debug)]
pub struct Lease {
    /// Dropping it tells the keeper to stop.
    stop: Option<oneshot::Sender<()>>,
    keeper: JoinHandle<()>,
    generation: u32,
}

impl Lease {
    /// Waits until the bundle is published or it is this builder's turn to build it. `on_wait` is
    /// told who is building, once for each holder.
    ///
    /// A record that can't be used has to be deleted first: as long as one is there, the answer
    /// is [`Acquired::Done`].
    pub async fn acquire(
        store: Arc<dyn Store>,
        lock: LockHash,
        on_wait: impl FnMut(&Holder) + Send,
    ) -> Result<Acquired, LeaseError> {
        Self::acquire_on(Terms::default(), store, lock, on_wait).await
    }

    /// As [`Lease::acquire`], with other times.
    pub async fn acquire_on(
        terms: Terms,
        store: Arc<dyn Store>,
        lock: LockHash,
        mut on_wait: impl FnMut(&Holder) + Send,
    ) -> Result<Acquired, LeaseError> {
        let chain = Chain { store, lock, terms };
        let me = Holder::me();
        let began = Instant::now();
        let mut generation = 0;
        loop {
            match chain.wait_for(generation, began, &mut on_wait).await? {
                Found::Bundle => return Ok(Acquired::Done),
                Found::Dead => generation += 1,
                Found::Nothing => {
                    if chain.create(generation, &me).await? == Created::No {
                        continue;
                    }
                    let lease = Self::keep(chain.clone(), me, generation);
                    // The last holder may have published between the two looks.
                    if chain.has_bundle().await? {
                        lease.release().await;
                        return Ok(Acquired::Done);
                    }
                    return Ok(Acquired::Held(lease));
                }
            }
        }
    }

    /// Gives the lease back, and returns when the store knows.
    pub async fn release(mut self) {
        self.stop = None;
        // A keeper that fails to remove the lease leaves it to its expiry.
        let _ = (&mut self.keeper).await;
    }

    /// How many dead holders this one took over from.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Starts the task that renews the lease, and removes it in the end: one task does both, so
    /// that no renewal can come after the removal.
    fn keep(chain: Chain, me: Holder, generation: u32) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let keeper = tokio::spawn(async move {
            chain.renew_until(stopped, &me, generation).await;
            // Nobody is left to tell: what is not removed expires.
            let _ = chain.remove(generation).await;
        });
        Self {
            stop: Some(stop),
            keeper,
            generation,
        }
    }
}

/// What stands in the way of holding one generation's lease.
enum Found {
    /// The bundle is published.
    Bundle,
    /// The lease's holder is dead: the next generation's turn.
    Dead,
    /// There is no lease.
    Nothing,
}

/// The leases of one lock.
#[derive(Debug, Clone)]
struct Chain {
    store: Arc<dyn Store>,
    lock: LockHash,
    terms: Terms,
}

impl Chain {
    /// Looks at one generation's lease until its holder is dead or it is gone.
    async fn wait_for(
        &self,
        generation: u32,
        began: Instant,
        on_wait: &mut (impl FnMut(&Holder) + Send),
    ) -> Result<Found, LeaseError> {
        let mut pause = self.terms.first_pause;
        let mut last_seen: Option<(Bytes, Instant)> = None;
        let mut told: Option<String> = None;
        loop {
            if self.has_bundle().await? {
                return Ok(Found::Bundle);
            }
            let Some(record) = self.read(generation).await? else {
                return Ok(Found::Nothing);
            };
            let holder = Holder::parse(&record);
            // Two ways to be dead: by the holder's clock, or by ours when the record stays the
            // same for as long as it may live. The second needs no clock to be right.
            let unchanged = match &last_seen {
                Some((seen, since)) if *seen == record => since.elapsed(),
                _ => Duration::ZERO,
            };
            if holder.is_dead() || unchanged > self.terms.ttl {
                return Ok(Found::Dead);
            }
            if unchanged.is_zero() {
                last_seen = Some((record, Instant::now()));
            }
            if told.as_deref() != Some(holder.id()) {
                on_wait(&holder);
                told = Some(holder.id().to_owned());
            }
            let waited = began.elapsed();
            if waited > self.terms.patience {
                return Err(LeaseError::Patience {
                    lock: self.lock,
                    holder: Box::new(holder),
                    waited,
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(self.terms.longest_pause);
        }
    }

    /// Renews until it is told to stop, or until somebody else took over.
    async fn renew_until(&self, mut stopped: oneshot::Receiver<()>, me: &Holder, generation: u32) {
        while timeout(self.terms.ttl / 3, &mut stopped).await.is_err() {
            if let Ok(Some(_)) = self.read(generation + 1).await {
                // There is nothing left to renew; the end of the work is still waited for.
                let _ = stopped.await;
                return;
            }
            // A renewal that fails is tried again, twice before the lease expires.
            let _ = self.write(generation, me).await;
        }
    }

    async fn has_bundle(&self) -> Result<bool, StoreError> {
        let record = catalog::bundle_record(&self.lock);
        Ok(self.store.head(&record).await?.is_some())
    }

    async fn read(&self, generation: u32) -> Result<Option<Bytes>, StoreError> {
        let key = catalog::lease_generation(&self.lock, generation);
        self.store.get(&key, None).await
    }

    async fn create(&self, generation: u32, me: &Holder) -> Result<Created, StoreError> {
        let key = catalog::lease_generation(&self.lock, generation);
        let body = Body::from(me.record(self.terms.ttl));
        self.store.put_new(&key, body).await
    }

    async fn write(&self, generation: u32, me: &Holder) -> Result<(), StoreError> {
        let key = catalog::lease_generation(&self.lock, generation);
        let body = Body::from(me.record(self.terms.ttl));
        self.store.put(&key, body).await
    }

    /// Removes the lease of `generation`: with all before it when the bundle is there, and not at
    /// all when somebody took over, for then a gap in the chain would let a third one in.
    async fn remove(&self, generation: u32) -> Result<(), StoreError> {
        let first = if self.has_bundle().await? {
            0
        } else if self.read(generation + 1).await?.is_some() {
            return Ok(());
        } else {
            generation
        };
        for generation in (first..=generation).rev() {
            let key = catalog::lease_generation(&self.lock, generation);
            self.store.delete(&key).await?;
        }
        Ok(())
    }
}
