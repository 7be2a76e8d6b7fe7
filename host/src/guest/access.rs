//! The store as an instance may use it: under its own keys, and with single flight.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foretold_core::cache::entry::Header;
use tracing::debug;

use crate::clock::unix_seconds;
use crate::guest::own_keys::OwnKeys;
use crate::near::flight::{Flights, Lease, Turn};
use crate::near::writes::{Push, WriteQueue};
use crate::store::{Inventory, StoreError};

/// How often a value is looked for that another host computes, within the time that is waited.
const POLLS: u32 = 50;
const MIN_POLL_PAUSE: Duration = Duration::from_millis(1);
const MAX_POLL_PAUSE: Duration = Duration::from_millis(50);

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
    /// The key that other hosts wait for, and since when.
    hosts_wait: Mutex<Option<(String, Instant)>>,
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
        self.end_lease();
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
        let mut value = self.store.get(key, self.time_to_live).await?;
        let is_missing = !value.as_ref().is_some_and(|value| self.is_good(key, value));
        if let (Some(limit), true, true) = (flights.between_hosts(), lease.is_some(), is_missing)
            && let Some(found) = self.wait_for_hosts(key, limit).await
        {
            self.held.is_collapsed.store(true, Ordering::Relaxed);
            value = Some(found);
        }
        match (lease, &value) {
            (Some(lease), Some(value)) if self.is_good(key, value) => lease.land(value.clone()),
            // It will be computed.
            (Some(lease), _) => self.held.put(lease),
            (None, _) => {}
        }
        Ok(value)
    }

    /// Takes the lease that all hosts share, or waits for the value of who has it.
    async fn wait_for_hosts(&self, key: &str, limit: Duration) -> Option<Bytes> {
        let start = Instant::now();
        let pause = (limit / POLLS).clamp(MIN_POLL_PAUSE, MAX_POLL_PAUSE);
        while start.elapsed() < limit {
            // Without a store nobody can wait for another.
            if self.store.lease(key, limit).await.ok()? {
                self.held.tell_hosts(Some((key.to_owned(), Instant::now())));
                return None;
            }
            tokio::time::sleep(pause).await;
            let value = self.store.get(key, self.time_to_live).await.ok()?;
            if let Some(value) = value.filter(|value| self.is_good(key, value)) {
                return Some(value);
            }
        }
        None
    }

    /// Lets other hosts wait no longer for what this request has not written.
    fn end_lease(&self) {
        let limit = self.flights.as_ref().and_then(|flights| flights.between_hosts());
        let Some((key, since)) = self.held.tell_hosts(None) else { return };
        // Later it may be another host's.
        if limit.is_some_and(|limit| since.elapsed() < limit / 2) {
            let store = self.store.clone();
            tokio::spawn(async move { store.end_lease(&key).await });
        }
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
        self.held.tell_hosts(None);
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

    /// Notes the key that other hosts wait for from now on; gives the one before.
    fn tell_hosts(&self, key: Option<(String, Instant)>) -> Option<(String, Instant)> {
        let mut waits = self.hosts_wait.lock().expect("nobody panics while holding it");
        std::mem::replace(&mut *waits, key)
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll, Wake, Waker};

    use foretold_core::cache::entry::Entry;

    use super::*;
    use crate::store::MemoryStore;

    const ID: &str = "nFu_DsCDgACvUlg";
    const TTL: Duration = Duration::from_secs(60);

    type Task = Pin<Box<dyn Future<Output = ()>>>;

    /// Whether a task has been woken since it was polled.
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Woken>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// The choices of a run, each with how many there were.
    #[derive(Default)]
    struct Choices {
        made: Vec<(usize, usize)>,
        next: usize,
    }

    impl Choices {
        fn choose(&mut self, of: usize) -> usize {
            if self.next == self.made.len() {
                self.made.push((0, of));
            }
            let (chosen, expected) = self.made[self.next];
            assert_eq!(of, expected, "a run is the same again after the same choices");
            self.next += 1;
            chosen
        }

        /// Goes on to the next run; `false` after the last.
        fn advance(&mut self) -> bool {
            self.next = 0;
            while let Some((chosen, of)) = self.made.pop() {
                if chosen + 1 < of {
                    self.made.push((chosen + 1, of));
                    return true;
                }
            }
            false
        }
    }

    /// Runs tasks in every order that a scheduler could choose, with as many of them given up
    /// wherever that is possible; gives the number of runs. What happens between two waits is under
    /// one lock, so there is no finer order.
    fn in_every_order(
        given_up: usize,
        start: impl Fn(usize) -> Vec<Task>,
        end: impl Fn(),
    ) -> usize {
        // Its clock stands still: nobody is saved by a time limit.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut choices = Choices::default();
        let mut runs = 0;
        loop {
            runs += 1;
            run(start(runs), given_up, &mut choices);
            end();
            if !choices.advance() {
                return runs;
            }
        }
    }

    fn run(tasks: Vec<Task>, mut left_to_give_up: usize, choices: &mut Choices) {
        let mut tasks: Vec<Option<(Task, Arc<Woken>)>> = tasks
            .into_iter()
            .map(|task| Some((task, Arc::new(Woken(AtomicBool::new(true))))))
            .collect();
        while tasks.iter().any(Option::is_some) {
            let alive = |number: &usize| tasks[*number].is_some();
            let alive: Vec<usize> = (0..tasks.len()).filter(alive).collect();
            let is_ready = |number: &usize| {
                tasks[*number].as_ref().is_some_and(|(_, woken)| woken.0.load(Ordering::SeqCst))
            };
            let ready: Vec<usize> = alive.iter().copied().filter(is_ready).collect();
            assert!(
                !ready.is_empty(),
                "{} tasks wait for each other: {:?}",
                alive.len(),
                choices.made
            );
            let to_give_up = if left_to_give_up > 0 { alive.len() } else { 0 };
            let chosen = choices.choose(ready.len() + to_give_up);
            let Some(&number) = ready.get(chosen) else {
                tasks[alive[chosen - ready.len()]] = None;
                left_to_give_up -= 1;
                continue;
            };
            let Some((task, woken)) = &mut tasks[number] else { continue };
            woken.0.store(false, Ordering::SeqCst);
            let waker = Waker::from(woken.clone());
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                tasks[number] = None;
            }
        }
    }

    /// What the store and the model take their time for.
    async fn let_others_run() {
        let mut is_first = true;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// What a component does that looks some keys up and then computes and writes what is missing,
    /// and what the host does at its end.
    async fn request(access: Arc<StoreAccess>, keys: Vec<String>, computed: Rc<Cell<usize>>) {
        let mut missing = Vec::new();
        for key in keys {
            let_others_run().await;
            match access.get(&key).await {
                Ok(Some(value)) => assert_eq!(value, entry(&key)),
                Ok(None) => missing.push(key),
                Err(_) => panic!("memory does not fail"),
            }
        }
        for key in missing {
            let_others_run().await;
            computed.set(computed.get() + 1);
            assert!(access.set(&key, Bytes::from(entry(&key))).await.is_ok());
        }
        access.end_request();
    }

    fn entry(key: &str) -> Vec<u8> {
        let written_at = 4_000_000_000;
        Entry { written_at, outputs: vec![key.len() as f32] }.encode(key, None)
    }

    /// Requests for these keys, in every order; gives the numbers of runs, and of computations of
    /// the run with the fewest and the most.
    fn requests(orders: &[&[&str]], given_up: usize) -> (usize, usize, usize) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = runtime.block_on(async { Arc::new(MemoryStore::new(64 << 20)) });
        let flights = Arc::new(Flights::new(Duration::from_secs(60), None));
        let keys = Arc::new(OwnKeys::new(ID, Vec::new()));
        let access = StoreAccess::new(store, true).with(keys, TTL, flights.clone(), None);
        let computed = Rc::new(Cell::new(0));
        let (least, most) = (Cell::new(usize::MAX), Cell::new(0));
        let start = |run: usize| {
            computed.set(0);
            let tasks = orders.iter().map(|order| {
                // Nothing of an earlier run is under the keys of this one.
                let keys = order.iter().map(|name| format!("foretold:{ID}:p{name}{run}"));
                let (access, computed) = (access.for_instance(), computed.clone());
                Box::pin(request(access, keys.collect(), computed)) as Task
            });
            tasks.collect()
        };
        let end = || {
            assert!(flights.are_idle(), "a lease or somebody who waits is left");
            least.set(least.get().min(computed.get()));
            most.set(most.get().max(computed.get()));
        };
        (in_every_order(given_up, start, end), least.get(), most.get())
    }

    #[test]
    fn in_every_order_one_computes_and_the_others_get_its_value() {
        let (runs, least, most) = requests(&[&["a"], &["a"], &["a"]], 0);
        assert!(runs > 10, "{runs}");
        assert_eq!((least, most), (1, 1));
    }

    #[test]
    fn whoever_is_given_up_at_whatever_point_nobody_waits_for_ever() {
        let (runs, least, most) = requests(&[&["a"], &["a"], &["a"]], 1);
        assert!(runs > 100, "{runs}");
        // Who waits for one that is given up computes, and all that waited do.
        assert!(least <= 1 && most <= 3, "{least} to {most}");
    }

    #[test]
    fn rows_in_opposite_orders_never_lock_up() {
        let (runs, least, _) = requests(&[&["a", "b"], &["b", "a"], &["a", "b"]], 0);
        assert!(runs > 100, "{runs}");
        assert!(least >= 2, "{least}");
        let (runs, ..) = requests(&[&["a", "b"], &["b", "a"]], 1);
        assert!(runs > 100, "{runs}");
    }
}
