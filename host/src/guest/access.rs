//! The store as an instance may use it: under its own keys, and with single flight.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use foretold_core::cache::entry::Header;
use tracing::debug;

use crate::clock::unix_seconds;
use crate::guest::own_keys::OwnKeys;
use crate::near::flight::{Flights, Lease, Turn};
use crate::near::writes::{Push, WriteQueue};
use crate::store::{Inventory, StoreError};

/// The store as an instance may use it.
pub(crate) struct StoreAccess {
    pub(super) store: Arc<dyn Inventory>,
    /// Whether it may be opened. Nothing else can be called before.
    pub(super) may_open: bool,
    /// How long the store needs to keep an entry.
    pub(super) time_to_live: Duration,
    keys: Arc<OwnKeys>,
    /// Where requests for the same key wait for each other; nowhere without keys of its own.
    flights: Option<Arc<Flights>>,
    /// Where writes go that nobody waits for.
    writes: Option<Arc<WriteQueue>>,
    held: Held,
}

/// What the request that an instance answers has to do with others for the same key, and with its
/// write.
#[derive(Default)]
struct Held {
    lease: Mutex<Option<Lease>>,
    is_collapsed: AtomicBool,
    is_queued: AtomicBool,
}

/// How a request went, as far as its component does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Whether it waited for a value that another request computed.
    pub is_collapsed: bool,
    /// Whether an entry that it takes for stored is still to be written.
    pub is_queued: bool,
}

impl StoreAccess {
    /// For a component that has not said yet what model it is: no key is its own.
    pub(crate) fn new(store: Arc<dyn Inventory>, may_open: bool) -> StoreAccess {
        StoreAccess {
            store,
            may_open,
            time_to_live: Duration::ZERO,
            keys: Arc::default(),
            flights: None,
            writes: None,
            held: Held::default(),
        }
    }

    /// For a component that has.
    pub(crate) fn with(
        self,
        keys: Arc<OwnKeys>,
        time_to_live: Duration,
        flights: Arc<Flights>,
        writes: Option<Arc<WriteQueue>>,
    ) -> StoreAccess {
        StoreAccess { keys, time_to_live, flights: Some(flights), writes, ..self }
    }

    /// For an instance of its own.
    pub(crate) fn for_instance(&self) -> Arc<StoreAccess> {
        let StoreAccess { store, may_open, time_to_live, keys, flights, writes, held: _ } = self;
        Arc::new(StoreAccess {
            store: store.clone(),
            may_open: *may_open,
            time_to_live: *time_to_live,
            keys: keys.clone(),
            flights: flights.clone(),
            writes: writes.clone(),
            held: Held::default(),
        })
    }

    /// Ends a request: gives back the lease that it still has, and says how it went.
    pub(crate) fn end_request(&self) -> Ended {
        drop(self.held.take());
        Ended {
            is_collapsed: self.held.is_collapsed.swap(false, Ordering::Relaxed),
            is_queued: self.held.is_queued.swap(false, Ordering::Relaxed),
        }
    }

    /// Looks a key up, or waits for who does already.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, Failure> {
        let key = &*self.stored(key)?;
        if let Some(value) = self.queued(key).filter(|value| self.is_good(key, value)) {
            return Ok(Some(value));
        }
        // Who has a lease waits for nobody.
        let flights = self.flights.as_ref().filter(|flights| flights.matter());
        let Some(flights) = flights.filter(|_| !self.held.has_lease()) else {
            return Ok(self.store.get(key, self.time_to_live).await?);
        };
        if let Some(value) = self.store.nearby(key).filter(|value| self.is_good(key, value)) {
            return Ok(Some(value));
        }
        let lease = match flights.join(key).await {
            Turn::First(lease) => Some(lease),
            Turn::Collapsed(value) => {
                self.held.is_collapsed.store(true, Ordering::Relaxed);
                return Ok(Some(value));
            }
            Turn::Alone => None,
        };
        let value = self.store.get(key, self.time_to_live).await?;
        match (lease, &value) {
            (Some(lease), Some(value)) if self.is_good(key, value) => lease.land(value.clone()),
            // It will be computed.
            (Some(lease), _) => self.held.put(lease),
            (None, _) => {}
        }
        Ok(value)
    }

    /// What [`StoreAccess::get`] gives for each key; nobody waits for another here.
    pub(crate) async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Failure> {
        let keys = &*self.stored_many(keys)?;
        let mut values = self.store.get_many(keys, self.time_to_live).await?;
        for (value, key) in values.iter_mut().zip(keys).filter(|(value, _)| value.is_none()) {
            *value = self.queued(key);
        }
        Ok(values)
    }

    /// A value that is on its way to the store.
    fn queued(&self, key: &str) -> Option<Bytes> {
        self.writes.as_ref()?.find(key)
    }

    /// Writes a value or queues it, and hands it to who waits for it.
    pub(crate) async fn set(&self, key: &str, value: Bytes) -> Result<(), Failure> {
        let key = &*self.stored(key)?;
        let writes = self.writes.as_ref();
        let pushed = writes.map(|writes| writes.push(key, &value, self.time_to_live));
        let stored = match pushed {
            Some(Push::Queued) => {
                self.held.is_queued.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(Push::Full) => Err(Failure::Other("too many entries wait to be stored")),
            Some(Push::NotHere) | None => {
                let set = self.store.set(key, value.clone(), self.time_to_live);
                set.await.map_err(Failure::from)
            }
        };
        if let Some(lease) = self.held.take_for(key) {
            lease.land(value);
        }
        stored
    }

    /// Whether a value looks like an entry that a component would serve: only the component knows.
    fn is_good(&self, key: &str, value: &[u8]) -> bool {
        match Header::read(key, value) {
            Some(header) => {
                let end = u64::from(header.written_at) + self.time_to_live.as_secs();
                end > u64::from(unix_seconds())
            }
            // One of a Python service says nothing of itself.
            None => self.keys.are_of_python(key),
        }
    }

    /// The key under which the store has what the component calls so.
    pub(crate) fn stored<'k>(&self, key: &'k str) -> Result<Cow<'k, str>, Failure> {
        self.keys.stored(key).ok_or_else(|| {
            debug!("a component asks for a key that is not its model's");
            Failure::AccessDenied
        })
    }

    /// The same for many.
    pub(crate) fn stored_many<'k>(&self, keys: &'k [String]) -> Result<Cow<'k, [String]>, Failure> {
        let mut stored = keys.iter().map(|key| self.stored(key));
        if self.keys.are_renamed() {
            return stored.map(|key| Ok(key?.into_owned())).collect();
        }
        stored.try_for_each(|key| key.map(drop))?;
        Ok(keys.into())
    }
}

impl Held {
    fn slot(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().expect("nobody panics while holding it")
    }

    fn has_lease(&self) -> bool {
        self.slot().is_some()
    }

    fn put(&self, lease: Lease) {
        *self.slot() = Some(lease);
    }

    fn take(&self) -> Option<Lease> {
        self.slot().take()
    }

    fn take_for(&self, key: &str) -> Option<Lease> {
        self.slot().take_if(|lease| lease.key() == key)
    }
}

/// What a guest gets instead of an answer.
pub(crate) enum Failure {
    NoSuchStore,
    AccessDenied,
    Other(&'static str),
}

/// The guest sees that the store failed; the detail goes to the log.
impl From<StoreError> for Failure {
    fn from(StoreError(detail): StoreError) -> Failure {
        debug!("the store failed: {detail}");
        Failure::Other("the store did not answer")
    }
}
