//! The functions, their idle environments, and what may be served at once.
//!
//! In: functions and calls. Out: a permit for each call that may go on, the environment that was
//! used last if one is idle, and everything that happened.
//! Never: lets more calls go on than are reserved; keeps an environment of a function that was
//! replaced.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::StreamErrors;
use super::environment::Environment;
use super::function::Function;
use super::limits::Registry;
use super::log::Log;
use super::records::{CallRecord, Statistics};
use super::refusal::{Failure, Refusal, ThrottleReason};

/// Calls that an account may have at once ("Lambda quotas").
const ACCOUNT_CONCURRENCY: usize = 1000;
/// Records and logs that are kept.
const RECORDS: usize = 100_000;
const LOGS: usize = 2_000;

/// Everything that the server knows.
#[derive(Debug)]
pub(super) struct World {
    state: Mutex<State>,
    /// Everything that has processes.
    pub registry: Registry,
}

#[derive(Debug)]
pub(super) struct State {
    slots: BTreeMap<String, Slot>,
    /// The access keys that may call.
    pub keys: BTreeSet<String>,
    /// What goes wrong with the next calls, one each.
    pub failures: VecDeque<Failure>,
    /// Where a streamed answer tells an error.
    pub stream_errors: StreamErrors,
    /// How many calls the account may have at once.
    pub account_concurrency: usize,
    pub statistics: Statistics,
    pub records: VecDeque<CallRecord>,
    running: usize,
    /// Connections of callers that are open.
    connections: usize,
    environments: u64,
    requests: u64,
    random: RandomState,
}

#[derive(Debug)]
struct Slot {
    function: Arc<Function>,
    /// The one that was used last at the end.
    idle: Vec<Environment>,
    running: usize,
    logs: VecDeque<Arc<Log>>,
}

impl World {
    /// A world without functions, and one key.
    pub(super) fn new(key: &str) -> Self {
        Self {
            state: Mutex::new(State {
                slots: BTreeMap::new(),
                keys: BTreeSet::from([key.to_owned()]),
                failures: VecDeque::new(),
                stream_errors: StreamErrors::Details,
                account_concurrency: ACCOUNT_CONCURRENCY,
                statistics: Statistics::default(),
                records: VecDeque::new(),
                running: 0,
                connections: 0,
                environments: 0,
                requests: 0,
                random: RandomState::new(),
            }),
            registry: Registry::default(),
        }
    }

    /// The state, for one look or change.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere can't leave the state half-changed: each change is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends environments.
    pub(super) async fn retire(&self, environments: Vec<Environment>) {
        Environment::kill_all(environments, &self.registry).await;
    }

    /// The environment of a function that was used last, of those that are idle and alive. Dead
    /// ones are ended on the way.
    pub(super) async fn take_idle(&self, function: &Arc<Function>) -> Option<Environment> {
        loop {
            let mut environment = self.state().pop_idle(function)?;
            if environment.is_ready() {
                return Some(environment);
            }
            environment.kill(&self.registry).await;
        }
    }

    /// Keeps a frozen environment for the next call, unless its function was replaced.
    pub(super) async fn put_idle(&self, environment: Environment) {
        let refused = self.state().push_idle(environment);
        self.retire(refused.into_iter().collect()).await;
    }
}

impl State {
    /// Adds a function; the environments of the one that it replaces come back.
    pub(super) fn add(&mut self, function: Function) -> Vec<Environment> {
        let name = function.name.clone();
        let function = Arc::new(function);
        let slot = self.slots.entry(name).or_insert_with(|| Slot {
            function: Arc::clone(&function),
            idle: Vec::new(),
            running: 0,
            logs: VecDeque::new(),
        });
        slot.function = function;
        std::mem::take(&mut slot.idle)
    }

    /// Removes a function; its idle environments come back.
    pub(super) fn remove(&mut self, name: &str) -> Vec<Environment> {
        self.slots.remove(name).map_or(Vec::new(), |slot| slot.idle)
    }

    /// All idle environments.
    pub(super) fn all_idle(&mut self) -> Vec<Environment> {
        let slots = self.slots.values_mut();
        slots
            .flat_map(|slot| std::mem::take(&mut slot.idle))
            .collect()
    }

    /// How many environments are idle.
    pub(super) fn idle(&self) -> usize {
        self.slots.values().map(|slot| slot.idle.len()).sum()
    }

    /// A function by its name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Function>> {
        self.slots.get(name).map(|slot| Arc::clone(&slot.function))
    }

    /// The logs of a function's environments, the oldest first.
    pub(super) fn logs(&self, name: &str) -> Vec<Arc<Log>> {
        let slot = self.slots.get(name);
        slot.map_or(Vec::new(), |slot| slot.logs.iter().cloned().collect())
    }

    fn pop_idle(&mut self, function: &Arc<Function>) -> Option<Environment> {
        let slot = self.slots.get_mut(&function.name)?;
        Arc::ptr_eq(&slot.function, function)
            .then(|| slot.idle.pop())
            .flatten()
    }

    fn push_idle(&mut self, environment: Environment) -> Option<Environment> {
        match self.slots.get_mut(&environment.function.name) {
            Some(slot) if Arc::ptr_eq(&slot.function, &environment.function) => {
                slot.idle.push(environment);
                None
            }
            _ => Some(environment),
        }
    }

    /// The number and the log of a new environment.
    pub(super) fn number(&mut self) -> u64 {
        self.environments += 1;
        self.environments
    }

    /// Keeps an environment's log.
    pub(super) fn keep_log(&mut self, environment: &Environment) {
        if let Some(slot) = self.slots.get_mut(&environment.function.name) {
            slot.logs.push_back(Arc::clone(&environment.log));
            if slot.logs.len() > LOGS {
                slot.logs.pop_front();
            }
        }
    }

    /// An id that no other call has, in the form of a UUID.
    pub(super) fn request_id(&mut self) -> String {
        self.requests += 1;
        let high = self.random.hash_one((self.requests, "high"));
        let low = self.random.hash_one((self.requests, "low"));
        let text = format!("{high:016x}{low:016x}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text[range].to_owned());
        parts.join("-")
    }

    /// Forgets the calls, and counts anew.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.statistics = Statistics {
            peak_connections: self.connections,
            ..Statistics::default()
        };
    }

    /// Writes a call down.
    pub(super) fn record(&mut self, record: CallRecord, over_storage: bool) {
        self.statistics.invocations += 1;
        self.statistics.over_storage += u64::from(over_storage);
        self.records.push_back(record);
        if self.records.len() > RECORDS {
            self.records.pop_front();
        }
    }
}

/// The right to serve one call. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    world: Arc<World>,
    /// The function to call.
    pub function: Arc<Function>,
}

impl Permit {
    /// A permit, if there may be another call.
    pub(super) fn take(world: &Arc<World>, function: Arc<Function>) -> Result<Self, Refusal> {
        let mut state = world.state();
        let free = state.running < state.account_concurrency;
        let Some(slot) = state.slots.get_mut(&function.name) else {
            return Err(Refusal::not_found(&function.arn(None)));
        };
        if let Some(reserved) = function.reserved_concurrency
            && slot.running >= reserved
        {
            return Err(Refusal::throttled(ThrottleReason::ReservedConcurrency));
        }
        if !free {
            return Err(Refusal::throttled(ThrottleReason::Concurrency));
        }
        slot.running += 1;
        state.running += 1;
        state.statistics.peak = state.statistics.peak.max(state.running);
        drop(state);
        Ok(Self {
            world: Arc::clone(world),
            function,
        })
    }

    /// The world that it is of.
    pub(super) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.world.state();
        state.running = state.running.saturating_sub(1);
        if let Some(slot) = state.slots.get_mut(&self.function.name) {
            slot.running = slot.running.saturating_sub(1);
        }
    }
}

/// A caller's connection. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    world: Arc<World>,
}

impl Connection {
    /// Another one.
    pub(super) fn open(world: &Arc<World>) -> Self {
        let mut state = world.state();
        state.connections += 1;
        state.statistics.connections += 1;
        state.statistics.peak_connections =
            state.statistics.peak_connections.max(state.connections);
        drop(state);
        Self {
            world: Arc::clone(world),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.world.state();
        state.connections = state.connections.saturating_sub(1);
    }
}
