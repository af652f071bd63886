//! Several builders of one lock.

use std::sync::Mutex;

use pyrun_core::Sha256;
use pyrun_store::{Key, MemoryStore};

use super::*;

fn lock() -> LockHash {
    LockHash(Sha256::of("lock"))
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// Short times, so that the tests wait for little.
fn terms() -> Terms {
    Terms {
        ttl: Duration::from_millis(300),
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(20),
        patience: Duration::from_mins(2),
    }
}

async fn acquire(store: &Arc<dyn Store>) -> Acquired {
    let acquired = Lease::acquire_on(terms(), Arc::clone(store), lock(), |_| {}).await;
    acquired.expect("the store works")
}

async fn held(store: &Arc<dyn Store>) -> Lease {
    match acquire(store).await {
        Acquired::Held(lease) => lease,
        Acquired::Done => panic!("nothing is published"),
    }
}

async fn publish(store: &Arc<dyn Store>) {
    let record = catalog::bundle_record(&lock());
    let created = store.put_new(&record, Body::from("{}".to_owned())).await;
    created.expect("the store works");
}

async fn leases(store: &Arc<dyn Store>) -> Vec<Key> {
    let entries = store.list(catalog::LEASES).await.expect("list");
    entries.into_iter().map(|entry| entry.key).collect()
}

/// Leaves the lease of a builder on another machine, which ends after `ttl` and is never renewed.
async fn leave_lease(store: &Arc<dyn Store>, generation: u32, ttl: Duration) {
    let record = Holder::me().record(ttl);
    let mut record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    record["host"] = "another machine".into();
    let key = catalog::lease_generation(&lock(), generation);
    let body = Body::from(record.to_string());
    store.put(&key, body).await.expect("put");
}

#[tokio::test]
async fn of_two_builders_one_builds_and_the_other_gets_the_bundle() {
    let store = store();
    let lease = held(&store).await;
    assert_eq!(leases(&store).await, [catalog::lease(&lock())]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let waiter = tokio::spawn({
        let (store, told) = (Arc::clone(&store), Arc::clone(&told));
        async move {
            let on_wait = |holder: &Holder| told.lock().expect("no panic").push(holder.clone());
            Lease::acquire_on(terms(), store, lock(), on_wait).await
        }
    });
    while told.lock().expect("no panic").is_empty() {
        tokio::task::yield_now().await;
    }
    publish(&store).await;
    assert!(matches!(
        waiter.await.expect("no panic"),
        Ok(Acquired::Done)
    ));
    let told = told.lock().expect("no panic").clone();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    assert_eq!(told[0].pid(), std::process::id());
    lease.release().await;
    assert!(leases(&store).await.is_empty());
}

#[tokio::test]
async fn what_is_published_needs_no_lease() {
    let store = store();
    publish(&store).await;
    assert!(matches!(acquire(&store).await, Acquired::Done));
    assert!(leases(&store).await.is_empty());
}

#[tokio::test]
async fn a_builder_that_gives_up_lets_the_next_one_in() {
    let store = store();
    let first = held(&store).await;
    let next = tokio::spawn({
        let store = Arc::clone(&store);
        async move { held(&store).await }
    });
    // Dropped, as when a build fails.
    drop(first);
    let next = next.await.expect("no panic");
    assert_eq!(next.generation(), 0);
    next.release().await;
    assert!(leases(&store).await.is_empty());
}

#[tokio::test]
async fn a_lease_that_expired_is_taken_over() {
    let store = store();
    leave_lease(&store, 0, Duration::ZERO).await;
    let lease = held(&store).await;
    assert_eq!(lease.generation(), 1);
    publish(&store).await;
    lease.release().await;
    assert!(
        leases(&store).await.is_empty(),
        "the dead lease is removed too"
    );
}

#[tokio::test]
async fn a_lease_that_never_changes_is_dead_whatever_its_clock_says() {
    let store = store();
    leave_lease(&store, 0, Duration::from_hours(24)).await;
    assert_eq!(held(&store).await.generation(), 1);
    let store = self::store();
    let nonsense = Body::from("no lease at all".to_owned());
    store
        .put(&catalog::lease(&lock()), nonsense)
        .await
        .expect("put");
    assert_eq!(held(&store).await.generation(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_waiters_on_a_dead_lease_exactly_one_takes_over() {
    let store = store();
    leave_lease(&store, 0, Duration::from_millis(50)).await;
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                match acquire(&store).await {
                    Acquired::Done => None,
                    Acquired::Held(lease) => {
                        let generation = lease.generation();
                        // Long enough for a second holder to show itself.
                        sleep(terms().ttl * 2).await;
                        publish(&store).await;
                        lease.release().await;
                        Some(generation)
                    }
                }
            })
        })
        .collect();
    let mut holders = Vec::new();
    for waiter in waiters {
        holders.extend(waiter.await.expect("no panic"));
    }
    assert_eq!(holders, [1]);
    assert!(leases(&store).await.is_empty());
}

#[tokio::test]
async fn renewal_keeps_a_lease_alive_until_patience_ends() {
    let store = store();
    let lease = held(&store).await;
    let short = Terms {
        patience: terms().ttl * 4,
        ..terms()
    };
    let error = Lease::acquire_on(short, Arc::clone(&store), lock(), |_| {}).await;
    let error = error.expect_err("the holder lives");
    assert!(matches!(error, LeaseError::Patience { .. }), "{error:?}");
    let fault = Fault::from(error);
    assert_eq!(fault.code, Code::STORE_LEASE);
    assert!(fault.message.contains("process"), "{fault}");
    lease.release().await;
}

#[tokio::test]
async fn who_was_taken_over_leaves_no_gap_in_the_chain() {
    let store = store();
    let sleeper = held(&store).await;
    // As if this machine had slept, and another had taken over.
    leave_lease(&store, 1, Duration::from_hours(1)).await;
    sleeper.release().await;
    let keys = leases(&store).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
}
