//! Single flight: of several requests for the same key one looks it up and computes it, and the
//! others wait for its bytes.
//!
//! Who looks up a key first has its lease. A lease ends when the value is there, and at the latest
//! with the request: when it is answered, trapped, timed out or given up. Then whoever waits in vain
//! computes alone. Who has a lease waits for nobody in this host, so there is no circle of waiting;
//! where hosts wait for each other, which a lease in the store decides, they do for a stated time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// Requests that may wait for the same key; each holds an instance.
const MAX_WAITING: usize = 512;
/// And for all keys together.
const MAX_WAITING_IN_ALL: usize = 1024;
/// A model that takes less is run instead of waited for: to wake somebody costs a part of that.
const CHEAP_MODEL: Duration = Duration::from_millis(1);
/// The weight of the last measurement of the model among all, as one in so many.
const MEMORY: u64 = 8;

/// The leases of a component's instances.
pub(crate) struct Flights {
    leases: Mutex<Leases>,
    /// Mean time of the model for one row; 0 before it was run.
    model_ns: AtomicU64,
    /// How long somebody waits at most.
    patience: Duration,
    /// How long hosts wait for each other, where they do.
    between_hosts: Option<Duration>,
}

#[derive(Default)]
struct Leases {
    by_key: HashMap<Box<str>, Flight>,
    waiting: usize,
}

struct Flight {
    /// The value, when it is there.
    outcome: watch::Receiver<Option<Bytes>>,
    waiting: usize,
}

/// What becomes of a look-up.
pub(crate) enum Turn {
    /// Nobody else looks the key up.
    First(Lease),
    /// Somebody did, and this is the value.
    Collapsed(Bytes),
    /// It does not matter whether anybody does.
    Alone,
}

/// The right to look a key up and to compute its value.
pub(crate) struct Lease {
    flights: Arc<Flights>,
    key: Box<str>,
    outcome: watch::Sender<Option<Bytes>>,
}

impl Flights {
    /// Where nobody has a lease, and nobody will wait longer than this; for another host, where
    /// that is asked for, not longer than that.
    pub(crate) fn new(patience: Duration, between_hosts: Option<Duration>) -> Flights {
        let (leases, model_ns) = (Mutex::default(), AtomicU64::new(0));
        Flights {
            leases,
            model_ns,
            patience,
            between_hosts: between_hosts.map(|it| it.min(patience)),
        }
    }

    /// How long hosts wait for each other, where they do.
    pub(crate) fn between_hosts(&self) -> Option<Duration> {
        self.between_hosts
    }

    /// Notes what the model took for so many rows.
    pub(crate) fn note_model_time(&self, nanoseconds: u64, rows: u64) {
        let Some(per_row) = nanoseconds.checked_div(rows) else { return };
        let mean = match self.model_ns.load(Ordering::Relaxed) {
            0 => per_row,
            mean => mean - mean / MEMORY + per_row / MEMORY,
        };
        self.model_ns.store(mean.max(1), Ordering::Relaxed);
    }

    /// Whether the model takes so long that it is worth to wait for it, as far as is known.
    pub(crate) fn matter(&self) -> bool {
        let model_ns = self.model_ns.load(Ordering::Relaxed);
        model_ns == 0 || Duration::from_nanos(model_ns) >= CHEAP_MODEL
    }

    /// Whether there is no lease, and nobody waits.
    #[cfg(test)]
    pub(crate) fn are_idle(&self) -> bool {
        let leases = self.leases.lock().expect("nobody panics while holding it");
        leases.by_key.is_empty() && leases.waiting == 0
    }

    /// Asks for the lease of a key, and waits for the value where somebody else has it.
    pub(crate) async fn join(self: &Arc<Flights>, key: &str) -> Turn {
        let mut outcome = {
            let mut leases = self.leases.lock().expect("nobody panics while holding it");
            let is_full = leases.waiting >= MAX_WAITING_IN_ALL;
            match leases.by_key.entry(key.into()) {
                Entry::Vacant(place) => {
                    let (sender, outcome) = watch::channel(None);
                    place.insert(Flight { outcome, waiting: 0 });
                    let (flights, key) = (self.clone(), key.into());
                    return Turn::First(Lease { flights, key, outcome: sender });
                }
                Entry::Occupied(flight) if is_full || flight.get().waiting >= MAX_WAITING => {
                    return Turn::Alone;
                }
                Entry::Occupied(mut flight) => {
                    flight.get_mut().waiting += 1;
                    let outcome = flight.get().outcome.clone();
                    leases.waiting += 1;
                    outcome
                }
            }
        };
        let _waiting = Waiting(self);
        let landed = tokio::time::timeout(self.patience, outcome.wait_for(Option::is_some)).await;
        match landed {
            Ok(Ok(value)) => value.clone().map_or(Turn::Alone, Turn::Collapsed),
            _ => Turn::Alone,
        }
    }
}

/// One who waits, until it does not.
struct Waiting<'a>(&'a Flights);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // The count by key goes with its lease.
        self.0.leases.lock().expect("nobody panics while holding it").waiting -= 1;
    }
}

impl Lease {
    /// The key that it is for.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Ends it with the value.
    pub(crate) fn land(self, value: Bytes) {
        self.outcome.send_replace(Some(value));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.flights
            .leases
            .lock()
            .expect("nobody panics while holding it")
            .by_key
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn flights(patience: Duration) -> Arc<Flights> {
        Arc::new(Flights::new(patience, None))
    }

    async fn lease(flights: &Arc<Flights>, key: &str) -> Lease {
        match flights.join(key).await {
            Turn::First(lease) => lease,
            Turn::Collapsed(_) | Turn::Alone => panic!("somebody has the lease of {key}"),
        }
    }

    /// Who wait for a key, once they do.
    async fn waiting(flights: &Arc<Flights>, key: &'static str, count: usize) -> Vec<Waiter> {
        let before = flights.leases.lock().unwrap().waiting;
        let waiters = (0..count).map(|_| {
            let flights = flights.clone();
            tokio::spawn(async move { flights.join(key).await })
        });
        let waiters = waiters.collect();
        while flights.leases.lock().unwrap().waiting < before + count {
            tokio::task::yield_now().await;
        }
        waiters
    }

    type Waiter = tokio::task::JoinHandle<Turn>;

    #[tokio::test]
    async fn all_get_what_the_first_has_computed() {
        let flights = flights(LONG);
        let first = lease(&flights, "a").await;
        let waiters = waiting(&flights, "a", 100).await;
        let other = lease(&flights, "b").await;
        first.land(Bytes::from_static(b"value"));
        for waiter in waiters {
            assert!(matches!(waiter.await.unwrap(), Turn::Collapsed(value) if value == "value"));
        }
        drop(other);
        drop(lease(&flights, "a").await);
        let leases = flights.leases.lock().unwrap();
        assert!(leases.by_key.is_empty() && leases.waiting == 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_who_gave_up_or_takes_too_long() {
        let flights = flights(LONG);
        let first = lease(&flights, "a").await;
        let waiters = waiting(&flights, "a", 10).await;
        drop(first);
        for waiter in waiters {
            assert!(matches!(waiter.await.unwrap(), Turn::Alone));
        }
        let flights = super::tests::flights(Duration::from_millis(10));
        let hanging = lease(&flights, "a").await;
        assert!(matches!(flights.join("a").await, Turn::Alone));
        drop(hanging);
        assert_eq!(flights.leases.lock().unwrap().waiting, 0);
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let flights = flights(LONG);
        let leases = [lease(&flights, "a").await, lease(&flights, "b").await];
        let third = lease(&flights, "c").await;
        let mut waiters = waiting(&flights, "a", MAX_WAITING).await;
        assert!(matches!(flights.join("a").await, Turn::Alone));
        waiters.extend(waiting(&flights, "b", MAX_WAITING_IN_ALL - MAX_WAITING).await);
        assert!(matches!(flights.join("c").await, Turn::Alone));
        // Who is given up waits no longer.
        waiters.pop().unwrap().abort();
        while flights.leases.lock().unwrap().waiting == MAX_WAITING_IN_ALL {
            tokio::task::yield_now().await;
        }
        waiters.extend(waiting(&flights, "c", 1).await);
        drop((leases, third));
        for waiter in waiters {
            assert!(matches!(waiter.await.unwrap(), Turn::Alone));
        }
    }

    #[tokio::test]
    async fn a_model_that_is_quick_is_not_waited_for() {
        let flights = flights(LONG);
        assert!(flights.matter(), "nothing is known yet");
        flights.note_model_time(10_000_000, 1);
        assert!(flights.matter());
        for _ in 0..100 {
            flights.note_model_time(1_000_000, 100);
        }
        assert!(!flights.matter());
    }
}
